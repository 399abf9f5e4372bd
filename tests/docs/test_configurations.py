"""Every piece of config.toml in README.md and docs/ is one that `anyclaude config check` takes."""

import os
import re
import subprocess

import pytest

from commands import PAGES, fences

PIECES = [fence for page in PAGES for fence in fences(page) if fence.language == "toml"]


@pytest.mark.parametrize("fence", PIECES, ids=str)
def test_it_can_be_used(program, demo_models, tmp_path, fence):
    for name in re.findall(r'"~/(models/\S+\.gguf)"', fence.text):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(demo_models.random())
    keys = dict.fromkeys(re.findall(r'api_key_env = "(\w+)"', fence.text), "a-key")
    files = tmp_path / "anyclaude"
    files.mkdir(mode=0o700)
    (files / "config.toml").write_text(fence.text)
    done = subprocess.run([program, "config", "check"], text=True, capture_output=True, timeout=30, check=False,
                          env={**os.environ, **keys, "HOME": str(tmp_path), "ANYCLAUDE_HOME": str(files)})
    assert done.returncode == 0, done.stdout + done.stderr


def test_pieces_are_found():
    assert len(PIECES) >= 7
