"""Clients of different sizes at once, beside another server: how much is answered per second, and
how long running answers stand still while a long prompt is computed.

    ./dev bench clients [--peer llama-server] [--model F] [--rounds N] [--json F]
"""

import argparse
import concurrent.futures
import pathlib
import random
import statistics
import sys
import tempfile
import threading

from report import Report
from servers import SERVERS, Setting, ask
from ttft import Conversation, long_winded, prose, request, user, words_for

CLIENTS = 16
SMALLEST, LARGEST = 100, 4_000  # tokens of the prompts of mixed clients
SHORTEST, LONGEST = 16, 192  # tokens of their answers
LONG_PROMPT = 15_000  # tokens
STREAMS = 4  # answers that run while the long prompt is computed
SLOT = 16_384  # tokens of context for each of several clients


def log_uniform(draw, low, high):
    """Small sizes are as frequent as large ones on a logarithmic scale, as in life."""
    return round(low * (high / low) ** draw.random())


def measure_mixed(report, servers, rounds, progress):
    """Clients with nothing in common, all at the same moment."""
    per_token = words_for(servers[0], 1_000, lambda n: request(prose(0, n), [user("Go on.")])) / 1_000
    for number in range(rounds):
        draw = random.Random(number)
        sizes = [(log_uniform(draw, SMALLEST, LARGEST), log_uniform(draw, SHORTEST, LONGEST))
                 for _ in range(CLIENTS)]
        for server in servers if number % 2 == 0 else servers[::-1]:
            progress(f"mixed clients, round {number + 1} of {rounds}: {server.who}")

            def one(client):
                prompt, answer = sizes[client]
                talk = Conversation(f"{number}.{client}", round(prompt * per_token))
                return talk.say(server, "Go on.", answer)

            with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
                answers = list(pool.map(one, range(CLIENTS)))
            last = max(answer.total for answer in answers)
            report.add(server.who, f"clients_{CLIENTS}_mixed_rate",
                       sum(answer.output for answer in answers) / last, "tokens/s")
            report.add(server.who, f"clients_{CLIENTS}_mixed_prompt_rate",
                       sum(answer.computed for answer in answers) / last, "tokens/s")
            report.add(server.who, f"clients_{CLIENTS}_mixed_ttft",
                       statistics.median(answer.ttft for answer in answers), "s")


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def gaps_within(arrivals, begin, end):
    """Seconds between two pieces of an answer, of those pauses that touch the time given."""
    return [after - before for before, after in zip(arrivals, arrivals[1:])
            if after > begin and before < end]


def measure_gaps(report, servers, rounds, progress):
    """Answers that run while another client's long prompt is computed."""
    words = words_for(servers[0], LONG_PROMPT,
                      lambda n: request("Case x. " + prose(0, n), [user("What is it?")]))
    for number in range(rounds):
        for server in servers if number % 2 == 0 else servers[::-1]:
            progress(f"a long prompt beside answers, round {number + 1} of {rounds}: {server.who}")
            enough = threading.Event()
            running = [threading.Event() for _ in range(STREAMS)]

            def stream(client):
                def watch(arrivals):
                    if len(arrivals) == 2:
                        running[client].set()
                    return not enough.is_set()

                body = request(prose(f"{number}.{client}", 100), [user("Tell it all.")], 3_000)
                return ask(server, body, watch).times

            with concurrent.futures.ThreadPoolExecutor(STREAMS) as pool:
                streams = [pool.submit(stream, client) for client in range(STREAMS)]
                for event in running:
                    assert event.wait(120), f"{server.who} does not answer {STREAMS} clients at once"
                long = ask(server, request(f"Case {number}. " + prose(number, words),
                                           [user("What is it?")]))
                enough.set()
                times = [task.result() for task in streams]
            begin, end = long.sent, long.times[0]
            assert all(each[-1] >= end for each in times), "an answer ended too early"
            gaps = [gap for each in times for gap in gaps_within(each, begin, end)]
            report.add(server.who, "gap_p50_prefill", percentile(gaps, 0.5), "s")
            report.add(server.who, "gap_p99_prefill", percentile(gaps, 0.99), "s")
            report.add(server.who, "gap_max_prefill", max(gaps), "s")
            report.add(server.who, "gap_tokens_prefill", len(gaps), "tokens")
            report.add(server.who, "gap_ttft_long", long.ttft, "s")


def main():
    parser = argparse.ArgumentParser(prog="./dev bench clients",
                                     description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--peer", choices=["llama-server"], help="also measure this server")
    parser.add_argument("--model", type=pathlib.Path, help="GGUF file [a demo model]")
    parser.add_argument("--size", default="tiny", help="of the demo model [tiny]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["mixed", "gap"], help="one of the two cases")
    parser.add_argument("--json", help="write the figures to this file as well")
    options = parser.parse_args()

    def progress(what):
        if sys.stderr.isatty():
            print(f"\r{what}\x1b[K", end="", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="anyclaude-bench-") as name:
        folder = pathlib.Path(name)
        model = (options.model or long_winded(folder, options.size)).resolve()
        report = Report({"file": model.name, "bytes": model.stat().st_size})
        kinds = [SERVERS["anyclaude"]] + ([SERVERS[options.peer]] if options.peer else [])
        for case, context, parallel, measure in (
                ("mixed", CLIENTS * 5_120, CLIENTS, measure_mixed),
                ("gap", CLIENTS * SLOT, CLIENTS, measure_gaps)):
            if options.only not in (None, case):
                continue
            servers = []
            try:
                for kind in kinds:
                    servers.append(kind(Setting(model, context, parallel), folder))
                measure(report, servers, options.rounds, progress)
            finally:
                for server in servers:
                    server.stop()
    progress("")
    report.print()
    if options.json:
        report.write(options.json)


if __name__ == "__main__":
    main()
