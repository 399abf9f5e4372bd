"""A minute of many streams whose clients keep dying."""

import asyncio
import json
import random
import socket
import statistics
import time

from daemon import tokens_that_left, wait_for
from scripts import steady_answer

SECONDS = 60
MOST_SECONDS = 100  # on a slow machine, until enough was answered
STREAMS = 16
CONTEXT = 8192  # tokens: idle prefixes must leave the pool, again and again
WARM_UP_LEFT = CONTEXT // 2  # tokens that have left it until all that is kept beside it is warm too
RULES = "Rule {}: what one client says is nobody else's business. "


class Load:
    """Keeps STREAMS clients busy. A client asks, reads its answer, checks it and asks again."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.completed = 0
        self.killed = 0
        self.seconds = 0
        self.left = 0  # tokens
        self.wrong = []
        self.samples = []  # (KiB, threads, cells used), once it is warm
        self.unwritten = []  # KiB that waited for the disk then
        self._asked = 0
        self._answering = {}  # task -> writer, of streams whose answer has begun
        self._over = False

    async def run(self):
        clients = [asyncio.create_task(self._client()) for _ in range(STREAMS)]
        began = time.monotonic()
        while self.seconds < SECONDS or not (self._is_enough() or self.seconds == MOST_SECONDS):
            self.seconds += 1
            await asyncio.sleep(began + self.seconds - time.monotonic())
            await self._sample()
            self._kill_one(abruptly=self.seconds % 2 == 0)
        self._over = True
        await asyncio.gather(*clients)

    def _is_enough(self):
        return self.completed >= 2 * STREAMS and self.left > CONTEXT

    def _kill_one(self, abruptly):
        if not self._answering:
            return  # counted: `killed` stays behind
        task, writer = random.choice(list(self._answering.items()))
        if abruptly:  # a reset, as from a machine that lost power; else as from a killed process
            writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()
        task.cancel()
        self.killed += 1

    async def _sample(self):
        metrics = await asyncio.to_thread(self.daemon.metrics)
        # Prefixes outside the pool are kept on purpose, up to limits of their own: copies, and what
        # a slow disk has not taken yet.
        kept = metrics["anyclaude_kv_stored_bytes"] / 1024
        self.left = tokens_that_left(metrics)
        self.unwritten.append(metrics["anyclaude_kv_unwritten_bytes"] / 1024)
        if self.left > WARM_UP_LEFT:
            self.samples.append((self.daemon.memory_kib() - kept, self.daemon.threads(),
                                 metrics["anyclaude_kv_cells_used"]))

    async def _client(self):
        while not self._over:
            stream = asyncio.create_task(self._stream())
            try:
                await stream
            except asyncio.CancelledError:
                if not stream.cancelled():
                    raise  # the client itself is to end

    async def _stream(self):
        self._asked += 1
        body = json.dumps({
            "model": "m", "max_tokens": 4000, "stream": True,
            "system": "".join(RULES.format(n) for n in range(20)),
            "messages": [{"role": "user", "content": f"Client {self._asked} says: STEADY"}]}).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.daemon.port)
        try:
            writer.write((f"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                          f"x-api-key: {self.daemon.token}\r\n"
                          f"Content-Length: {len(body)}\r\n\r\n").encode() + body)
            text, stop = await self._read(reader, writer)
            if stop == "end_turn" and text == steady_answer():
                self.completed += 1
            else:
                self.wrong.append((stop, text[-200:]))
        finally:
            self._answering.pop(asyncio.current_task(), None)
            writer.close()

    async def _read(self, reader, writer):
        """The answer's text and its stop reason; each frame comes in one piece."""
        text, stop = "", None
        async for line in reader:
            if not line.startswith(b"data: "):
                continue
            event = json.loads(line[6:])
            if event["type"] == "content_block_delta":
                text += event["delta"]["text"]
                self._answering[asyncio.current_task()] = writer
            elif event["type"] == "message_delta":
                stop = event["delta"]["stop_reason"]
            elif event["type"] == "error":
                stop = event["error"]["message"]
        return text, stop


def fill(daemon):
    """With a prompt that needs almost all cells."""
    whole = {"model": "m", "max_tokens": 20, "messages": [
        {"role": "user", "content": "".join(RULES.format(n) for n in range(480))}]}
    tokens = daemon.request("POST", "/v1/messages/count_tokens", whole).json()["input_tokens"]
    assert 0.9 * CONTEXT < tokens < CONTEXT - 20
    reply = daemon.ask(whole, timeout=120)
    assert reply.status == 200
    assert reply.json()["content"][0]["text"] == "Nothing else is in the script."


def test_streams_complete_while_clients_die_and_nothing_grows(start_daemon, scripted_model):
    daemon = start_daemon(scripted_model, "--ctx", CONTEXT, "--threads", 1)
    wait_for(lambda: daemon.metrics()["anyclaude_kv_cells"] == CONTEXT, "the pool is there")
    fill(daemon)  # memory that was never touched takes none, and what begins with the first request has begun
    files, threads = daemon.open_files(), daemon.threads()
    load = Load(daemon)
    asyncio.run(load.run())

    assert load.wrong == []
    assert load.killed >= load.seconds - 5  # in the first seconds there may be no answer yet
    assert load.completed >= 2 * STREAMS
    ended = load.completed + load.killed
    wait_for(lambda: daemon.metrics()["anyclaude_requests_total"] == ended + 1, "each is counted", 10)

    def idle():
        numbers = daemon.metrics()
        busy = numbers["anyclaude_engine_running"] + numbers["anyclaude_engine_queued"]
        return numbers if busy == 0 else None

    # The engine says so after its batch, a moment after the last answer's end.
    now = wait_for(idle, "no job is left in the engine", 10)
    assert now["anyclaude_request_errors_total"] == 0
    assert tokens_that_left(now) > CONTEXT

    # It goes up and down by some MiB with what answers are under way; what leaks only goes up.
    memory = [kib for kib, _, _ in load.samples]
    third = len(memory) // 3
    assert statistics.median(memory[-third:]) <= 1.02 * statistics.median(memory[:third]) + 1024, (
        f"{[round(kib) for kib in memory]}; unwritten: {[round(kib) for kib in load.unwritten]}")
    wait_for(lambda: daemon.metrics()["anyclaude_kv_unwritten_bytes"] == 0, "all is written", 60)
    assert {count for _, count, _ in load.samples} == {threads}
    assert max(cells for _, _, cells in load.samples) <= CONTEXT
    # At most: the connection of a first request may still have been open when they were counted.
    wait_for(lambda: daemon.open_files() <= files, "all connections are closed", 10)
    assert daemon.threads() == threads

    fill(daemon)  # nobody holds cells any more
