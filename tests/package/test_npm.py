"""The package for npm, as `npx anyclaude` would run it."""

import json
import os
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.skipif(not shutil.which("npm"), reason="there is no npm")


def npm(*arguments, folder):
    return subprocess.run(
        [str(argument) for argument in arguments], cwd=folder, text=True, capture_output=True,
        timeout=300, check=False,
        env={**os.environ, "npm_config_cache": str(folder / "cache"), "npm_config_offline": "true",
             "npm_config_audit": "false", "npm_config_fund": "false", "ANYCLAUDE_HOME": str(folder / "home")})


def test_it_is_installed_and_run(npm_package, tmp_path):
    (tmp_path / "package.json").write_text("{}")
    done = npm("npm", "install", npm_package, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    program = tmp_path / "node_modules/.bin/anyclaude"
    assert program.is_symlink()
    done = npm(program, "bench", "--model", "demo", "--tokens", 2000, "--repeats", 1, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "after restart" in done.stdout
    version = json.loads((tmp_path / "node_modules/anyclaude/package.json").read_text())["version"]
    done = npm("npx", "anyclaude", "--version", folder=tmp_path)
    assert done.stdout.strip() == f"anyclaude {version}"


def test_npx_runs_it_without_installing(npm_package, tmp_path):
    done = npm("npx", "--yes", f"--package={npm_package}", "anyclaude", "--version", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("anyclaude ")
