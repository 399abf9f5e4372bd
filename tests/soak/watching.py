"""Samples of a daemon and of the clients, taken all the time."""

import os
import pathlib
import statistics
import time

FEW_TOKENS = 60  # to compute: with fewer, a token's time says little


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else None


def memory_mib(pid):
    """Resident, and resident divided by those who share it."""
    found = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split()[:2]
        found[name] = int(value) / 1024
    return {"rss_mib": found["Rss:"], "pss_mib": found["Pss:"], "anonymous_mib": found["Anonymous:"]}


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bytes_below(folder):
    """What its files take; one may go meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_blocks * 512
        except OSError:
            continue
    return total


class Watch:
    """Takes samples of a daemon at `sample()`, and remembers all of them."""

    def __init__(self, daemon, tally, questions):
        self._daemon, self._tally, self._questions = daemon, tally, questions
        self.began = time.monotonic()
        self._last = (self.began, *self._processors())
        self._first_tokens = 0
        self.samples = []

    def _processors(self):
        return processor_seconds(self._daemon.pid), time.process_time()

    def now(self):
        """Seconds since it began."""
        return time.monotonic() - self.began

    def load(self):
        """The share of all processors that the daemon took, and the clients, since the last call."""
        when, daemon, clients = time.monotonic(), *self._processors()
        before, self._last = self._last, (when, daemon, clients)
        room = (when - before[0]) * os.cpu_count()
        return (daemon - before[1]) / room, (clients - before[2]) / room

    def sample(self):
        numbers = {name.removeprefix("anyclaude_"): value for name, value in self._daemon.metrics().items()}
        daemon, clients = self.load()
        first = [one.seconds for one in self._tally.first[self._first_tokens:]]
        self._first_tokens += len(first)
        taken = {
            "at": round(self.now(), 1), **memory_mib(self._daemon.pid),
            "threads": self._daemon.threads(), "descriptors": self._daemon.open_files(),
            "cells_used": numbers["kv_cells_used"],
            "cells_held": numbers["kv_cells_used"] - numbers["kv_cells_idle"],
            "running": numbers["engine_running"], "queued": numbers["engine_queued"],
            "connections": numbers["open_connections"], "replay_mib": numbers["replay_bytes"] / 2**20,
            "tokenized_mib": numbers["tokenized_bytes"] / 2**20,
            "host_mib": numbers["kv_stored_bytes"] / 2**20, "store_mib": numbers["kv_disk_bytes"] / 2**20,
            "store_blocks": numbers["kv_disk_blocks"], "written_blocks": numbers["kv_disk_blocks_written_total"],
            "restored_tokens": numbers["kv_restored_tokens_total"],
            "evicted_tokens": numbers["kv_evicted_tokens_total"],
            "requests": self._tally.requests(), "errors": self._tally.error_count,
            "wrong": self._tally.wrong_count, "compared": self._questions.compared,
            "differing": len(self._questions.differing),
            "daemon_load": daemon, "client_load": clients, "machine_load": os.getloadavg()[0],
            "first_p50_ms": ms(percentile(first, 0.5)), "first_p99_ms": ms(percentile(first, 0.99))}
        self.samples.append({name: round(value, 3) if isinstance(value, float) else value
                             for name, value in taken.items()})
        return self.samples[-1]

    def within(self, begin, end):
        """The samples between two times."""
        return [sample for sample in self.samples if begin <= sample["at"] <= end]

    def median(self, name, begin, end):
        return statistics.median(sample[name] for sample in self.within(begin, end))

    def first_tokens(self, begin, end):
        """Seconds, of what was asked between two times."""
        return [one.seconds for one in self._asked_within(begin, end)]

    def computed_tokens(self, begin, end):
        """The mean of what had to be computed before the first token."""
        return statistics.mean(one.computed for one in self._asked_within(begin, end))

    def token_seconds(self, begin, end):
        """What a token of a prompt takes where nothing else does: of the fastest tenth of those that have a few
        to compute. It tells a slower machine, or more work for each token, from more waiting."""
        return percentile([one.seconds / one.computed for one in self._asked_within(begin, end)
                           if one.computed >= FEW_TOKENS], 0.1)

    def _asked_within(self, begin, end):
        return [one for one in self._tally.first if begin <= one.asked - self.began <= end]


def ms(seconds):
    return None if seconds is None else 1000 * seconds
