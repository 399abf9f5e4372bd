"""The .deb: what it needs and brings, and that it works in a sid that has nothing else."""

import subprocess


def fields(deb):
    text = subprocess.run(["dpkg-deb", "-f", deb], text=True, capture_output=True, check=True).stdout
    return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)


def test_it_names_what_it_needs(deb):
    control = fields(deb)
    assert control["Package"] == "anyclaude"
    needs = control["Depends"]
    for library in ("libc6 (>=", "libllama0", "libggml0", "libstdc++6 (>=", "libsqlite3-0"):
        assert library in needs
    assert "-dev" not in needs


def test_it_brings_the_manual_completions_and_the_unit(deb):
    listing = subprocess.run(["dpkg-deb", "-c", deb], text=True, capture_output=True,
                             check=True).stdout
    for path in ("usr/bin/anyclaude", "usr/share/man/man1/anyclaude.1",
                 "usr/share/bash-completion/completions/anyclaude",
                 "usr/share/zsh/vendor-completions/_anyclaude",
                 "usr/share/fish/vendor_completions.d/anyclaude.fish",
                 "usr/lib/systemd/user/anyclaude.service"):
        assert f"./{path}\n" in listing, path


def test_it_works_where_apt_installed_it(sid):
    done = sid.run("""
        mkdir -p /opt/home
        anyclaude --version
        anyclaude bench --model demo --tokens 2000 --repeats 1
    """)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "after restart" in done.stdout
