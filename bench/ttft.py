"""Time to first token, beside another server: the same model, requests, threads, batch size and KV
type, one server after the other in every round.

    ./dev bench ttft [--peer llama-server] [--model F] [--rounds N] [--json F]
"""

import argparse
import concurrent.futures
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

from report import Report
from servers import PROGRAM, SERVERS, Setting, ask, count_tokens

PROMPT = 18_490  # tokens
SHORT, LONG = 26, 200  # new tokens of a follow-up
CLIENT_PROMPT = 4_000  # tokens, of each of several clients
ANSWER = 64  # tokens, where several clients are answered side by side
WORDS = ("the file reads every line of a small table before it writes its own answer to disk while "
         "another process waits for the lock and counts how many bytes were left over").split()


def prose(seed, words):
    draw = random.Random(seed)
    return " ".join(draw.choice(WORDS) for _ in range(words))


def request(system, messages, answer=8):
    return {"model": "bench", "max_tokens": answer, "temperature": 0, "system": system,
            "messages": messages}


def user(words):
    return {"role": "user", "content": words}


def words_for(server, tokens, make):
    """How many words make `make(words)` a request of `tokens` tokens, or a few less."""
    words = tokens
    for _ in range(12):
        counted = count_tokens(server, make(words))
        if tokens - 4 <= counted <= tokens:
            break
        words -= max(1, counted - tokens) if counted > tokens else -max(1, (tokens - counted) // 2)
    return words


class Conversation:
    """A system prompt of its own, unless one is given, and what was said so far."""

    def __init__(self, name, system_words, system=None):
        self.name = name
        self.system = system or f"Case {name}. " + prose(name, system_words)
        self.messages = []

    def say(self, server, words, answer=8):
        self.messages.append(user(words))
        answered = ask(server, request(self.system, self.messages, answer))
        self.messages.append({"role": "assistant", "content": answered.text})
        return answered


def measure_turns(report, servers, prompt, rounds, progress):
    """One client: a cold prompt, two follow-ups, and another session with the same system prompt."""
    ours = servers[0]
    system_words = words_for(ours, prompt, lambda n: request("Case x. " + prose(0, n),
                                                             [user("What is it?")]))
    opening = [user("What is it?"), {"role": "assistant", "content": "An answer."}]

    def added(n):
        return request("x", [*opening, user(prose(1, n))])

    base = count_tokens(ours, request("x", opening[:1])) + 2
    short = words_for(ours, base + SHORT, added)
    long = words_for(ours, base + LONG, added)
    for number in range(rounds):
        # Whoever is first in one round is second in the next.
        for server in servers if number % 2 == 0 else servers[::-1]:
            progress(f"round {number + 1} of {rounds}: {server.who}")
            talk = Conversation(f"{number}", system_words)
            other = Conversation("other", 0, talk.system)
            for case, conversation, words in (
                    ("cold", talk, "What is it?"), ("followup", talk, prose(2, short)),
                    ("followup_200", talk, prose(3, long)),
                    ("new_session", other, "And what else is there?")):
                answer = conversation.say(server, words)
                report.add(server.who, case, answer.ttft, "s")
                report.add(server.who, f"{case}_computed", answer.computed, "tokens")


def measure_clients(report, servers, clients, rounds, progress):
    """Several clients at once, with a system prompt in common and a question each."""
    words = words_for(servers[0], CLIENT_PROMPT,
                      lambda n: request("Case x. " + prose(0, n), [user("What is it?")]))
    for number in range(rounds):
        for server in servers if number % 2 == 0 else servers[::-1]:
            progress(f"{clients} clients, round {number + 1} of {rounds}: {server.who}")
            shared = Conversation(f"{clients} at once, {number}", words)
            shared.say(server, "What is it?")
            talks = [Conversation(f"{i}", 0, shared.system) for i in range(clients)]
            with concurrent.futures.ThreadPoolExecutor(clients) as pool:
                answers = list(pool.map(
                    lambda pair: pair[1].say(server, f"{pair[0]}: " + prose(pair[0], 60), ANSWER),
                    enumerate(talks)))
            report.add(server.who, f"clients_{clients}",
                       statistics.median(answer.ttft for answer in answers), "s")
            last = max(answer.total for answer in answers)
            report.add(server.who, f"clients_{clients}_rate",
                       sum(answer.output for answer in answers) / last, "tokens/s")


def measure_decode(report, servers, rounds, progress):
    """Tokens per second of one answer behind a short prompt."""
    for number in range(rounds):
        for server in servers if number % 2 == 0 else servers[::-1]:
            progress(f"one answer, round {number + 1} of {rounds}: {server.who}")
            answer = Conversation(f"decode {number}", 20).say(server, "Tell it all.", 256)
            took = answer.arrivals[-1] - answer.arrivals[0]
            report.add(server.who, "decode", (answer.output - 1) / took, "tokens/s")


def long_winded(folder, size):
    """A model that says more than any case asks for, so that all answers are equally long."""
    script = folder / "script.json"
    script.write_text('{"scripts": [{"say": "This is line {n} of it.\\n", "repeat": 400}]}')
    model = folder / f"{size}.gguf"
    subprocess.run([PROGRAM, "model", "demo", "--size", size, "--script", script, "-o", model],
                   check=True, stdout=subprocess.DEVNULL)
    return model


def main():
    parser = argparse.ArgumentParser(prog="./dev bench ttft", description=__doc__.split("\n\n")[0])
    parser.add_argument("--peer", choices=["llama-server"], help="also measure this server")
    parser.add_argument("--model", type=pathlib.Path, help="GGUF file [a demo model]")
    parser.add_argument("--size", default="tiny", help="of the demo model [tiny]")
    parser.add_argument("--prompt", type=int, default=PROMPT, metavar="TOKENS",
                        help=f"of one client's first request [{PROMPT}]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, nargs="*", default=[4, 16])
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

        def side_by_side(context, parallel, measure, *arguments):
            servers = []
            try:
                for kind in kinds:
                    servers.append(kind(Setting(model, context, parallel), folder))
                measure(report, servers, *arguments, options.rounds, progress)
            finally:
                for server in servers:
                    server.stop()

        # As large as two conversations side by side: a slot of llama-server has half of it.
        side_by_side(2 * (options.prompt + 2_000) // 256 * 256, 2, measure_turns, options.prompt)
        for clients in options.clients:
            side_by_side(clients * 5_120, clients, measure_clients, clients)
        side_by_side(2 * 4_096, 2, measure_decode)
    progress("")
    report.ratio("own_cold_per_followup",
                 report.median("anyclaude", "cold") / report.median("anyclaude", "followup"))
    report.print()
    if options.json:
        report.write(options.json)


if __name__ == "__main__":
    main()
