"""An image that Claude Code reads from a file, as a model with a projector sees it."""

import json
import pathlib
import random
import struct
import zlib

from person import PROGRAM, Person, run


def png(width, height):
    """A PNG file of coloured noise."""
    draw = random.Random(1)
    rows = b"".join(b"\0" + draw.randbytes(3 * width) for _ in range(height))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def seeing_model(folder: pathlib.Path, picture: pathlib.Path):
    """A model that reads the picture when it is asked to, with its projector beside it."""
    script = folder / "script.json"
    script.write_text(json.dumps({"scripts": [
        {"when": {"tool_results": 0, "tool": "Read", "marker": "SEE-IT"}, "say": "I look at it.",
         "calls": [{"name": "Read", "arguments": {"file_path": str(picture)}}]},
        {"when": {"tool_results": 1, "marker": "SEE-IT"}, "say": "I have seen it."},
        {"say": "There is nothing to see."}]}))
    for arguments in (["--script", script, "-o", folder / "model.gguf"],
                      ["--mmproj", "-o", folder / "mmproj-model.gguf"]):
        made = run([PROGRAM, "model", "demo", *arguments])
        assert made.returncode == 0, made.stderr
    return folder / "model.gguf"


def test_read_shows_an_image_to_the_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("see")
    picture = folder / "project" / "picture.png"
    person = Person(folder, seeing_model(folder, picture))
    picture.write_bytes(png(280, 196))
    try:
        result = person.ask("SEE-IT", "--dangerously-skip-permissions")
        assert result["result"] == "I have seen it."
        assert "an image was encoded" in person.log()
        first, second = [record for record in person.records() if record.prompt > 2000][-2:]
        assert second.reused >= 0.99 * first.prompt
        assert second.computed >= 70  # 10 x 7 tokens are the image's
    finally:
        run([PROGRAM, "stop"], env=person.environment)
