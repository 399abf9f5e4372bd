"""The archive on plain Debian 12, which has an older C library and none of our libraries, in a
network of its own, from a folder with a space in its name, through a symbolic link in PATH."""

import hashlib
import json
import subprocess
import tarfile
import xml.etree.ElementTree

UNPACK = """
mkdir -p "/opt/any claude" /opt/bin /opt/home
tar -C "/opt/any claude" -xzf /mnt/{archive}
ln -s "/opt/any claude/{folder}/bin/anyclaude" /opt/bin/anyclaude
"""


def script(archive, rest):
    return UNPACK.format(archive=archive.name, folder=archive.name.removesuffix(".tar.gz")) + rest


def test_bench_runs_and_prints_its_table_and_chart(archive, debian12):
    done = debian12.run(script(archive, """
        grep -q bookworm /etc/os-release
        test ! -e /usr/lib/x86_64-linux-gnu/libllama.so.0
        anyclaude bench --model demo --repeats 1 --svg /opt/chart.svg >/opt/table
        cat /opt/table; echo ----; cat /opt/chart.svg
    """))
    assert done.returncode == 0, done.stdout + done.stderr
    table, chart = done.stdout.split("----\n")
    rows = {line[:20].strip(): line.split() for line in table.splitlines()}
    assert {"first request", "follow-up", "new session", "4 sessions at once", "after restart"} <= set(rows)
    assert "18,49" in table.splitlines()[1] or "18,48" in table.splitlines()[1]
    assert float(rows["follow-up"][-1].removesuffix("x")) > 10
    texts = [element.text for element in
             xml.etree.ElementTree.fromstring(chart).iter("{http://www.w3.org/2000/svg}text")]
    assert "after restart" in texts


def test_everything_it_loads_is_its_own(archive, debian12):
    done = debian12.run(script(archive, """
        anyclaude model demo -o /opt/demo.gguf >/dev/null
        anyclaude serve --model /opt/demo.gguf >/opt/serve.out 2>/opt/serve.err & server=$!
        for i in $(seq 600); do grep -q libggml-cpu- /proc/$server/maps && break; sleep 0.1; done
        cat /proc/$server/comm; grep -o '/.*[.]so.*' /proc/$server/maps | sort -u
        kill $server; wait $server
    """))
    assert done.returncode == 0, done.stdout + done.stderr
    name, *libraries = done.stdout.splitlines()
    assert name == "anyclaude"  # as ps and pgrep show it
    assert any("libllama.so" in library for library in libraries)
    assert any("libggml-cpu-" in library for library in libraries)
    assert all(library.startswith("/opt/any claude/") for library in libraries), libraries


def test_it_goes_on_where_it_is_moved_to(archive, debian12):
    done = debian12.run(script(archive, """
        mv "/opt/any claude" /opt/elsewhere
        /opt/elsewhere/*/bin/anyclaude --version
        cd /opt/elsewhere/*/bin && ./anyclaude --version
        LD_LIBRARY_PATH=/nowhere ./anyclaude --version
    """))
    assert done.returncode == 0, done.stderr
    assert len(set(done.stdout.splitlines())) == 1 and len(done.stdout.splitlines()) == 3


def test_programs_that_it_starts_do_not_get_its_libraries(archive, debian12):
    done = debian12.run(script(archive, """
        cat >/opt/bin/claude <<'EOF'
#!/bin/sh
env | grep '^LD_' && exit 3
exec readlink -f /proc/self/exe >&2
EOF
        chmod +x /opt/bin/claude
        anyclaude model demo -o /opt/demo.gguf >/dev/null
        anyclaude --model /opt/demo.gguf -p hello
    """))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "/usr/bin/readlink" in done.stderr or "/bin/readlink" in done.stderr


def test_licences_and_the_list_of_parts_are_complete(archive):
    with tarfile.open(archive) as tar:
        files = {member.name.split("/", 1)[1]: tar.extractfile(member).read()
                 for member in tar if member.isfile()}
    bom = json.loads(files["share/doc/anyclaude/sbom.cdx.json"])
    assert bom["bomFormat"] == "CycloneDX" and bom["specVersion"] == "1.5"
    listed = {}
    for component in bom["components"]:
        assert component["licenses"] and component["version"]
        assert component["purl"].startswith("pkg:deb/debian/")
        assert len(files[f"share/doc/anyclaude/licences/{component['name']}"]) > 200
        for part in component["components"]:
            listed[part["name"]] = part["hashes"][0]["content"]
    assert {"libllama0", "libc6", "libggml0", "nlohmann-json3-dev"} <= {
        component["name"] for component in bom["components"]}
    others = {name for name in files if name.startswith("lib/")} - {"lib/anyclaude/anyclaude"}
    assert others == set(listed)
    for name, content in listed.items():
        assert hashlib.sha256(files[name]).hexdigest() == content
    assert bom["metadata"]["component"]["hashes"][0]["content"] == hashlib.sha256(
        files["lib/anyclaude/anyclaude"]).hexdigest()
    assert not any(b".rootfs" in content for name, content in files.items()
                   if not name.endswith(".md"))  # no path of the build's


def test_it_has_the_manual_and_completions(archive):
    names = subprocess.run(["tar", "tzf", archive], text=True, capture_output=True,
                           check=True).stdout.splitlines()
    parts = {name.split("/", 1)[1] for name in names}
    assert {"share/man/man1/anyclaude.1", "share/bash-completion/completions/anyclaude",
            "share/zsh/site-functions/_anyclaude", "share/fish/vendor_completions.d/anyclaude.fish",
            "share/systemd/user/anyclaude.service", "README.md"} <= parts
