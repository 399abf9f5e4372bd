"""What storing costs: the same requests to a daemon that keeps prefixes on the disk and to one with
--no-store, taking turns in one run. Each turn is several conversations one behind the other, so that
what is copied and written of one is copied and written while the next one is answered. What is left to
write at the end of a turn is written before the other one's begins. The longest gap between two pieces of
an answer stands beside what copying one block takes: nothing else may hold it up.

    ./dev bench storing [--rounds N] [--model F] [--json F]
"""

import argparse
import itertools
import pathlib
import statistics
import tempfile

from report import Report
from restart import BLOCK, block_files, wait_until_stored
from servers import SERVERS, Setting, ask, progress, wait_for
from ttft import long_winded, prose, request, user, words_for

PROMPT = 3000  # tokens
ANSWER = 96  # tokens
CONVERSATIONS = 4  # in a turn


def turn(report, server, who, number, words):
    """Tokens/s of prefill and decode, of several new conversations together; and the longest gap between
    two pieces of their answers, in milliseconds."""
    prompt = prefill = output = decode = gap = 0
    for conversation in range(CONVERSATIONS):
        seed = f"{number}.{conversation}"
        answer = ask(server, request(f"Case {seed}. " + prose(seed, words), [user("What is it?")], ANSWER))
        assert answer.reused < 256, "it was to be computed"
        prompt += answer.computed
        prefill += answer.ttft
        output += answer.output - 1
        decode += answer.arrivals[-1] - answer.arrivals[0]
        gap = max(gap, *(1000 * (after - before) for before, after in itertools.pairwise(answer.arrivals)))
    report.add(who, "prefill", prompt / prefill, "tokens/s")
    report.add(who, "decode", output / decode, "tokens/s")
    report.add(who, "longest_gap", gap, "ms")
    return prompt / prefill, output / decode, gap


def main():
    parser = argparse.ArgumentParser(prog="./dev bench storing", description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", type=pathlib.Path, help="GGUF file [a demo model]")
    parser.add_argument("--size", default="tiny", help="of the demo model [tiny]")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", help="write the figures to this file as well")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="anyclaude-bench-") as name:
        folder = pathlib.Path(name)
        model = (options.model or long_winded(folder, options.size)).resolve()
        report = Report({"file": model.name, "bytes": model.stat().st_size})
        setting = Setting(model, 4 * PROMPT, 1)
        storing = SERVERS["anyclaude"](setting, folder / "storing")
        plain = SERVERS["anyclaude"](setting, folder / "plain", ["--no-store"])
        try:
            words = words_for(plain, PROMPT, lambda n: request("Case x. " + prose(0, n), [user("What is it?")]))
            pairs = []
            home = folder / "storing" / "anyclaude"
            written_meanwhile = 0

            def ask_storing(number):
                nonlocal written_meanwhile
                before = len(block_files(home))
                figures = turn(report, storing, "storing", number, words)
                written_meanwhile += len(block_files(home)) - before
                wait_until_stored(home, (number + 1) * CONVERSATIONS * (PROMPT // BLOCK) * BLOCK)
                wait_for(lambda: storing.metrics()["kv_unwritten_bytes"] == 0, "all is written")
                return figures

            for number in range(options.rounds):
                progress(f"round {number + 1} of {options.rounds}")
                turns = [lambda: ask_storing(number), lambda: turn(report, plain, "no-store", number, words)]
                if number % 2 == 0:
                    pairs.append((turns[0](), turns[1]()))
                else:
                    pairs.append((turns[1](), turns[0]())[::-1])
            numbers = storing.metrics()
            copying = 1000 * numbers["kv_copy_seconds_total"] / numbers["kv_copied_blocks_total"]
        finally:
            storing.stop()
            plain.stop()
        report.add("storing", "copying_a_block", copying, "ms")
        stored = block_files(home)
        report.add("storing", "written_meanwhile", 100 * written_meanwhile / len(stored), "% of the blocks")
        report.add("storing", "stored", sum(path.stat().st_size for path in stored) / 1e6, "MB")
    for place, case in enumerate(("prefill", "decode")):
        values = [mine[place] / theirs[place] for mine, theirs in pairs]
        report.ratio(case, statistics.median(values))
        quarters = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
        report.ratio(f"{case}_lower_quartile", quarters[0])
        report.ratio(f"{case}_upper_quartile", quarters[2])
    report.ratio("longest_gap_over_plain_and_a_block",
                 statistics.median(mine[2] / (theirs[2] + copying) for mine, theirs in pairs))
    report.print()
    if options.json:
        report.write(options.json)


if __name__ == "__main__":
    main()
