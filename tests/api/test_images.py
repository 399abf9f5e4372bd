"""Images through a model's projector: seen in messages and tool results, counted, and not computed
twice; and what stands for those that cannot be seen."""

import base64
import random
import shutil
import struct
import subprocess
import zlib

import pytest

from clients import prompt_tokens, sdk
from daemon import Daemon, wait_for

TEXT = " ".join(f"The {n}th line of the instructions says what line {n} says." for n in range(30))


def png(seed, width=140, height=84):
    """A PNG file of coloured noise."""
    draw = random.Random(seed)
    rows = b"".join(b"\0" + draw.randbytes(3 * width) for _ in range(height))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def image(data, media_type="image/png"):
    if isinstance(data, bytes):
        data = base64.b64encode(data).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def text(words):
    return {"type": "text", "text": words}


def user(*content):
    return {"role": "user", "content": list(content)}


def asked(messages):
    return {"model": "x", "max_tokens": 4, "extra_body": {"temperature": 0}, "system": TEXT,
            "messages": messages}


@pytest.fixture(scope="module", params=["qwen3", "qwen3vl", "gemma3"])
def seeing(request, program, demo_models, tmp_path_factory):
    """A daemon whose model has its projector beside it."""
    folder = tmp_path_factory.mktemp(request.param)
    model = folder / "model.gguf"
    shutil.copy(demo_models.random(arch=request.param), model)
    shutil.copy(demo_models.projector(request.param), folder / "mmproj-model.gguf")
    daemon = Daemon(program, folder / "home", model, ["--ctx", 8192, "--threads", 1])
    yield daemon
    daemon.stop()


def reply_to(daemon, messages):
    with sdk(daemon) as client:
        return client.messages.create(**asked(messages))


def test_an_image_in_a_message_and_the_turns_behind_it(seeing):
    messages = [user(text("What is it?"), image(png(1)))]
    first = reply_to(seeing, messages)
    assert first.usage.cache_read_input_tokens == 0
    messages += [{"role": "assistant", "content": first.content}, user(text("And its colour?"))]
    second = reply_to(seeing, messages)
    assert second.usage.cache_read_input_tokens >= prompt_tokens(first.usage) - 1
    other = reply_to(seeing, [user(text("What is it?"), image(png(2)))])
    assert prompt_tokens(other.usage) == prompt_tokens(first.usage)
    assert other.usage.cache_read_input_tokens < prompt_tokens(first.usage) - 10


def test_an_image_in_a_tool_result(seeing):
    def messages(seed):
        return [user(text("Look at a.png.")),
                {"role": "assistant", "content": [
                    {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"file": "a.png"}}]},
                user({"type": "tool_result", "tool_use_id": "toolu_1", "content": [
                    image(png(seed)), text("It has 140 columns.")]})]

    first = reply_to(seeing, messages(3))
    go_on = messages(3) + [{"role": "assistant", "content": first.content or "So."},
                           user(text("What is in the middle?"))]
    second = reply_to(seeing, go_on)
    assert second.usage.cache_read_input_tokens >= prompt_tokens(first.usage) - 12
    with sdk(seeing) as client:
        counted = client.messages.count_tokens(model="x", system=TEXT, messages=messages(4))
    assert counted.input_tokens == prompt_tokens(first.usage)


def test_image_tokens_are_counted(seeing):
    with sdk(seeing) as client:
        def count(*content):
            return client.messages.count_tokens(model="x", messages=[user(*content)]).input_tokens

        without = count(text("So?"))
        assert count(text("So?"), image(png(5))) >= without + 15
        if "gemma3" not in str(seeing.home):  # there every image has as many
            assert count(text("So?"), image(png(5, 560, 420))) > without + 250


@pytest.mark.parametrize("what, said", [
    (image("no base64!"), "its base64 is damaged"),
    (image(b"%PDF-1.7 and so on", "image/png"), "it is no PNG, JPEG, GIF or WebP file"),
    (image(png(6)[:60]), "it cannot be decoded"),
    (image(png(6)[:16] + struct.pack(">II", 9000, 9000) + png(6)[24:]), "8000 x 8000 pixels"),
    (image(b"\x89PNG" + bytes(11 << 20)), "larger than 10 MiB"),
    ({"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
     "fetches no images"),
])
def test_what_cannot_be_seen_is_said_and_ends_nothing(seeing, what, said):
    message = reply_to(seeing, [user(text("So?"), what, text("Well?"))])
    assert message.stop_reason in ("max_tokens", "end_turn")
    assert said in seeing.log()


def test_a_model_without_a_projector_says_that_it_cannot_see(program, demo_models, tmp_path):
    daemon = Daemon(program, tmp_path, demo_models.random(), ["--ctx", 4096, "--mmproj", "none"])
    try:
        assert reply_to(daemon, [user(image(png(7)))]).usage.output_tokens > 0
        assert "cannot see images" in daemon.log()
    finally:
        daemon.stop()


def test_another_models_projector_is_refused_by_name(program, demo_models, tmp_path):
    small = tmp_path / "mmproj-small.gguf"
    subprocess.run([program, "model", "demo", "--size", "small", "--mmproj", "-o", small], check=True)
    daemon = Daemon(program, tmp_path / "home", demo_models.random(), ["--mmproj", small],
                    wait=False)
    try:
        wait_for(lambda: "mmproj-small.gguf: it does not fit this model" in daemon.log(),
                 "the log says why")
        reply = daemon.ask(asked([user(text("So?"))]))
        assert reply.status == 529 and "mmproj-small.gguf" in reply.error()["message"]
    finally:
        daemon.stop()


def test_model_info_tells_of_the_projector(program, demo_models, tmp_path):
    model = tmp_path / "model.gguf"
    shutil.copy(demo_models.random(), model)

    def info(file):
        return subprocess.run([program, "model", "info", file], check=True, capture_output=True,
                              text=True).stdout

    assert "not seen: there is no mmproj*.gguf beside it" in info(model)
    projector = tmp_path / "mmproj-model.gguf"
    shutil.copy(demo_models.projector(), projector)
    assert "through mmproj-model.gguf (qwen2vl_merger" in info(model)
    assert "projector        qwen2vl_merger" in info(projector)
