"""The same prompt before and after a server is killed and started again, beside another server: time
from a ready /health to the first token. Ours is measured with the block files in the page cache and
without. What is restored per second, by the server's own count from the first to the last block, stands
beside what the disk and the memory of this machine give in the same run.

    ./dev bench restart [--peer llama-server] [--model F] [--rounds N] [--json F]
"""

import argparse
import os
import pathlib
import tempfile
import time

from report import Report
from servers import SERVERS, Setting, ask, progress
from ttft import PROMPT, long_winded, prose, request, user, words_for

BLOCK = 256  # tokens
CHUNK = 1 << 20


def block_files(home):
    return list((home / "cache/prefixes").glob("*/*/*.kv"))


def wait_until_stored(home, tokens):
    """Until so many tokens' whole blocks have their files."""
    deadline = time.monotonic() + 120
    while len(block_files(home)) < tokens // BLOCK:
        assert time.monotonic() < deadline, f"{len(block_files(home))} blocks were stored in 120 s"
        time.sleep(0.05)


def drop_from_page_cache(files):
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def read_rate(folder, size, cold):
    """Bytes per second of one file that is read from its beginning to its end."""
    path = folder / "sequential"
    if not path.exists():
        with open(path, "wb") as file:
            for _ in range(-(-size // CHUNK)):
                file.write(os.urandom(CHUNK))
            file.flush()
            os.fsync(file.fileno())
    if cold:
        drop_from_page_cache([path])
    buffer = bytearray(CHUNK)
    began = time.perf_counter()
    total = 0
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            total += count
    return total / (time.perf_counter() - began)


def copy_rate():
    """Bytes per second that one thread copies in memory."""
    source = bytearray(256 << 20)
    began = time.perf_counter()
    copied = bytes(source)
    return len(copied) / (time.perf_counter() - began)


class Run:
    """One server's life before and after being killed."""

    def __init__(self, report, kind, setting, folder):
        self._report, self._kind, self._setting, self._folder = report, kind, setting, folder
        self.home = folder / kind.who

    def add(self, case, value, unit="s"):
        self._report.add(self._kind.who, case, value, unit)

    def start(self, case):
        began = time.perf_counter()
        server = self._kind(self._setting, self._folder)
        self.add(f"{case}_ready", time.perf_counter() - began)
        return server

    def measure(self, body):
        server = self.start("first")
        try:
            first = ask(server, body)
            self.add("cold", first.ttft)
            if self._kind.who == "anyclaude":
                wait_until_stored(self.home, first.computed)
        finally:
            server.kill()
        again = self.after_kill("restart", body, "restored_warm")
        if self._kind.who != "anyclaude":
            return
        size = sum(path.stat().st_size for path in block_files(self.home))
        self.add("stored", size / 1e6, "MB")
        self.add("restart_computed", again.computed, "tokens")
        drop_from_page_cache(block_files(self.home))
        self.after_kill("restart_uncached", body, "restored_uncached")
        self.add("disk_sequential", read_rate(self._folder, size, True) / 1e6, "MB/s")
        self.add("file_from_page_cache", read_rate(self._folder, size, False) / 1e6, "MB/s")
        self.add("memory_copy", copy_rate() / 1e6, "MB/s")

    def after_kill(self, case, body, rate):
        server = self.start(case)
        try:
            answer = ask(server, body)
            self.add(case, answer.ttft)
            if self._kind.who == "anyclaude":
                numbers = server.metrics()
                self.add(rate, numbers["kv_restored_bytes_total"]
                         / numbers["kv_restore_seconds_total"] / 1e6, "MB/s")
            return answer
        finally:
            server.kill()


def main():
    parser = argparse.ArgumentParser(prog="./dev bench restart", description=__doc__.split("\n\n")[0])
    parser.add_argument("--peer", choices=["llama-server"], help="also measure this server")
    parser.add_argument("--model", type=pathlib.Path, help="GGUF file [a demo model]")
    parser.add_argument("--size", default="tiny", help="of the demo model [tiny]")
    parser.add_argument("--tokens", type=int, default=PROMPT, help=f"of the prompt [{PROMPT}]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="write the figures to this file as well")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="anyclaude-bench-") as name:
        folder = pathlib.Path(name)
        model = (options.model or long_winded(folder, options.size)).resolve()
        report = Report({"file": model.name, "bytes": model.stat().st_size})
        kinds = [SERVERS["anyclaude"]] + ([SERVERS[options.peer]] if options.peer else [])
        setting = Setting(model, options.tokens * 5 // 4 // BLOCK * BLOCK, 1)
        counting = SERVERS["anyclaude"](setting, folder / "counting")
        words = words_for(counting, options.tokens,
                          lambda n: request("Case x. " + prose(0, n), [user("What is it?")]))
        counting.stop()
        for number in range(options.rounds):
            body = request(f"Case {number}. " + prose(number, words), [user("What is it?")])
            for kind in kinds if number % 2 == 0 else kinds[::-1]:
                progress(f"round {number + 1} of {options.rounds}: {kind.who}")
                place = folder / str(number)
                place.mkdir(exist_ok=True)
                Run(report, kind, setting, place).measure(body)
    report.ratio("restart_over_cold",
                 report.median("anyclaude", "restart") / report.median("anyclaude", "cold"))
    report.ratio("restart_uncached_over_cold", report.median("anyclaude", "restart_uncached")
                 / report.median("anyclaude", "cold"))
    report.ratio("restored_uncached_over_disk", report.median("anyclaude", "restored_uncached")
                 / report.median("anyclaude", "disk_sequential"))
    report.ratio("restored_warm_over_memory", report.median("anyclaude", "restored_warm")
                 / report.median("anyclaude", "memory_copy"))
    report.print()
    if options.json:
        report.write(options.json)


if __name__ == "__main__":
    main()
