"""Units for systemd and launchd."""

import pathlib
import plistlib
import shutil
import subprocess

import pytest

PACKAGING = pathlib.Path(__file__).parent.parent.parent / "packaging"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze")
def test_systemd_takes_the_unit(tmp_path):
    program = tmp_path / "anyclaude"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = (PACKAGING / "anyclaude.service").read_text()
    # systemd looks for programs in its own folders only, where this one is not installed.
    assert unit.count("ExecStart=anyclaude") == 1
    (tmp_path / "anyclaude.service").write_text(
        unit.replace("ExecStart=anyclaude", f"ExecStart={program}").replace("man:anyclaude(1)", "man:man(1)"))
    done = subprocess.run(["systemd-analyze", "--user", "verify", tmp_path / "anyclaude.service"],
                          text=True, capture_output=True, check=False,
                          env={"XDG_RUNTIME_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"})
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr


def test_the_property_list_can_be_read():
    with open(PACKAGING / "anyclaude.plist", "rb") as file:
        agent = plistlib.load(file)
    assert agent["ProgramArguments"][1:] == ["serve"]
    assert agent["RunAtLoad"] is True
