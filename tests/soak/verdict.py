"""What must hold at the end of a soak, judged from its samples."""

import dataclasses
import statistics

from watching import percentile

MOST_GROWTH = 0.02  # of the resident memory
MOST_SLOWER = 1.2  # times, of the 99th percentile of the time to the first token
STORE_FULL = 0.9  # of what it may take
PARTS = 10  # that what is judged is cut into: the first is compared with the last

AT_REST = {"descriptors": "descriptors at rest", "threads": "threads at rest",
           "cells_held": "cells that a request holds, at rest", "running": "requests at rest",
           "queued": "waiting requests at rest"}


@dataclasses.dataclass
class Judged:
    what: str
    limit: str
    found: str
    holds: bool


@dataclasses.dataclass
class Span:
    """The part of a soak that is judged, in seconds since it began: behind the warm-up, to the end of the
    traffic."""

    begin: float
    end: float

    @property
    def first(self):
        return self.begin, self.begin + (self.end - self.begin) / PARTS

    @property
    def last(self):
        return self.end - (self.end - self.begin) / PARTS, self.end


def judge(watch, span, idle_before, idle_after, tally, answers, store_mib):
    """All that must hold. `answers`: what became of those that were compared; `store_mib`: the most that may be
    kept on the disk."""
    return [judge_memory(watch, span), judge_latency(watch, span),
            *(judge_rest(name, what, idle_before, idle_after) for name, what in AT_REST.items()),
            judge_store(watch, store_mib),
            Judged("wrong answers", "0", f"{tally.wrong_count + len(answers.wrong)} of "
                   f"{tally.requests()} answers, {answers.compared} of them compared with the first one",
                   tally.wrong_count + len(answers.wrong) == 0 and answers.compared > 0),
            Judged("unexpected errors", "0", str(tally.error_count), tally.error_count == 0)]


def judge_memory(watch, span):
    before, after = (watch.median("rss_mib", *part) for part in (span.first, span.last))
    growth = after / before - 1
    return Judged("growth of the resident memory", f"< {MOST_GROWTH:.0%}",
                  f"{growth:+.2%} ({before:.1f} MiB, {after:.1f} MiB)", growth < MOST_GROWTH)


def judge_latency(watch, span):
    parts = [watch.first_tokens(*part) for part in (span.first, span.last)]
    if not all(parts):
        return Judged("99th percentile of the time to the first token", "answers", "none", False)
    before, after = (percentile(part, 0.99) for part in parts)
    medians = [1000 * statistics.median(part) for part in parts]
    return Judged("99th percentile of the time to the first token", f"at most {MOST_SLOWER} times the first",
                  f"{after / before:.2f} times ({1000 * before:.0f} ms of {len(parts[0])} answers, "
                  f"{1000 * after:.0f} ms of {len(parts[1])}; median {medians[0]:.0f} ms, {medians[1]:.0f} ms)",
                  after <= MOST_SLOWER * before)


def judge_rest(name, what, before, after):
    return Judged(what, f"at most {before[name]:.0f}, as before", f"{after[name]:.0f}",
                  after[name] <= before[name])


def judge_store(watch, most):
    """That the store was full and went on storing: else nothing was said about eviction."""
    full = [sample for sample in watch.samples if sample["store_mib"] > STORE_FULL * most]
    written = full[-1]["written_blocks"] - full[0]["written_blocks"] if full else 0
    largest = max(sample["store_mib"] for sample in watch.samples)
    return Judged("files written while the store was full", f"some, and never over {most} MiB",
                  f"{written:.0f}, at most {largest:.1f} MiB", written > 0 and largest <= most)
