#!/usr/bin/env python3
"""Makes the archive that runs on systems with an older C library than the one it was built with:
anyclaude-VERSION-linux-ARCH.tar.gz, with the loader, every library that the program needs, their
licences, and a list of them (SBOM, CycloneDX 1.5). Run by ./dev package where the program was built,
on Debian or in the Debian root.

    bundle.py BUILD_FOLDER VERSION
    bundle.py BUILD_FOLDER VERSION --missing     only the packages whose licences are not installed
"""

import gzip
import hashlib
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import uuid

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
DOCUMENTS = pathlib.Path("/usr/share/doc")
# Headers that are compiled into the program, and so part of it.
COMPILED_IN = ("libboost-dev", "nlohmann-json3-dev", "libminja-dev", "libcli11-dev",
               "libspdlog-dev", "libtomlplusplus-dev")
PROGRAM_FOLDER = pathlib.Path("lib/anyclaude")


def output(*command):
    return subprocess.run([str(part) for part in command], check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def libraries_of(file):
    """What the loader loads for a file: {name: path}, and the loader itself under ""."""
    found = {}
    for line in output("ldd", file).splitlines():
        assert "not found" not in line, line
        if named := re.match(r"\s*(\S+) => (\S+) \(", line):
            found[named[1]] = pathlib.Path(named[2]).resolve()
        elif loader := re.match(r"\s*(/\S+/ld-linux\S*) \(", line):
            found[""] = pathlib.Path(loader[1]).resolve()
    return found


def package_of(file):
    """The Debian package that a file comes from."""
    name = str(file)
    for path in (name, name.removeprefix("/usr")):
        done = subprocess.run(["dpkg-query", "-S", path], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.split(": ")[0].split(",")[0]
    sys.exit(f"bundle.py: no Debian package has {file}")


def about(package):
    """Name, version, source and architecture of an installed package; of a package that only names
    another (libboost-dev), of that one."""
    text = output("dpkg-query", "-W", "-f",
                  "${Package}\t${Version}\t${source:Package}\t${Architecture}\t${Depends}", package)
    name, version, source, architecture, depends = text.split("\t")
    if name == "libboost-dev":
        return about(depends.split(",")[0].split()[0])
    return {"name": name, "version": version, "source": source, "architecture": architecture,
            "depends": [one.split()[0].split(":")[0] for one in depends.split(", ") if one]}


def licence_files(package):
    """Where its licence may be: Debian lets a package point at one of the same source that it needs."""
    names = [package["name"]] + [
        name for name in package["depends"]
        if subprocess.run(["dpkg-query", "-W", "-f", "${source:Package}", name], text=True, check=False,
                          capture_output=True).stdout == package["source"]]
    return [DOCUMENTS / name / "copyright" for name in names]


def licence_text(package):
    for file in licence_files(package):
        if file.exists():
            return file.read_text(errors="replace")
    sys.exit(f"bundle.py: the licence of {package['name']} is not installed; ./dev package brings it")


def licence_names(text):
    """The short names of a machine-readable copyright file (DEP-5); else its own words are there."""
    names = re.findall(r"^License:[ \t]*(\S.*)$", text, re.MULTILINE)
    return sorted({name.strip() for name in names}) or ["see the licence's text"]


def sha256(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


class Bundle:
    def __init__(self, build, version):
        self._build = build
        self._version = version
        self.name = f"anyclaude-{version}-linux-{platform.machine()}"
        self.root = build / "package" / self.name
        self._files = {}  # of packages: {package name: {path in the archive}}
        self._packages = {}

    def _add(self, source, place, package=None):
        target = self.root / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)
        if package:
            known = self._packages.setdefault(package, about(package))
            self._files.setdefault(known["name"], set()).add(str(place))

    def fill(self):
        shutil.rmtree(self.root, ignore_errors=True)
        package = self._build / "package"
        self._add(package / "launcher/anyclaude", "bin/anyclaude")
        program = package / "bin/anyclaude"
        self._add(program if program.exists() else self._build / "bin/anyclaude",
                  PROGRAM_FOLDER / "anyclaude")
        subprocess.run(["strip", self.root / PROGRAM_FOLDER / "anyclaude"], check=True)
        libraries = libraries_of(self.root / PROGRAM_FOLDER / "anyclaude")
        # One CPU backend for each generation of processors: libggml opens the one that fits.
        folder, = (libraries["libggml.so.0"].parent / "ggml").glob("backends*")
        for backend in sorted(folder.glob("libggml-cpu-*.so")):
            self._add(backend, PROGRAM_FOLDER / "ggml" / folder.name / backend.name,
                      package_of(backend))
            libraries |= libraries_of(backend)
        for name, file in sorted(libraries.items()):
            self._add(file, PROGRAM_FOLDER / (name or "loader/anyclaude"), package_of(file))
        (self.root / PROGRAM_FOLDER / "loader/anyclaude").chmod(0o755)
        for file in COMPILED_IN:
            self._packages.setdefault(file, about(file))
        texts = package / "texts"
        self._add(texts / "anyclaude.1", "share/man/man1/anyclaude.1")
        self._add(texts / "anyclaude.bash", "share/bash-completion/completions/anyclaude")
        self._add(texts / "_anyclaude", "share/zsh/site-functions/_anyclaude")
        self._add(texts / "anyclaude.fish", "share/fish/vendor_completions.d/anyclaude.fish")
        self._add(REPOSITORY / "packaging/anyclaude.service", "share/systemd/user/anyclaude.service")
        self._add(REPOSITORY / "README.md", "README.md")

    def missing(self):
        """Names of packages that have to be installed with their licences."""
        return sorted({file.parent.name for package in self._packages.values()
                       for file in licence_files(package)
                       if not any(one.exists() for one in licence_files(package))})

    def write_licences(self):
        components = []
        folder = self.root / "share/doc/anyclaude"
        (folder / "licences").mkdir(parents=True)
        for package in sorted(self._packages.values(), key=lambda one: one["name"]):
            text = licence_text(package)
            (folder / "licences" / package["name"]).write_text(text)
            reference = (f"pkg:deb/debian/{package['name']}@{package['version']}"
                         f"?arch={package['architecture']}").replace("+", "%2B")
            files = sorted(self._files.get(package["name"], ()))
            components.append({
                "type": "library", "bom-ref": reference, "name": package["name"],
                "version": package["version"], "purl": reference,
                "licenses": [{"license": {"name": name}} for name in licence_names(text)],
                "properties": [{"name": "debian:source", "value": package["source"]},
                               {"name": "anyclaude:part",
                                "value": "files" if files else "compiled in"}],
                "components": [{"type": "file", "name": file,
                                "hashes": [{"alg": "SHA-256", "content": sha256(self.root / file)}]}
                               for file in files]})
        program = str(PROGRAM_FOLDER / "anyclaude")
        bom = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
               "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, self.name + sha256(self.root / program))}",
               "metadata": {"component": {
                   "type": "application", "bom-ref": "anyclaude", "name": "anyclaude",
                   "version": self._version,
                   "hashes": [{"alg": "SHA-256", "content": sha256(self.root / program)}]}},
               "components": components,
               "dependencies": [{"ref": "anyclaude",
                                 "dependsOn": [one["bom-ref"] for one in components]}]}
        (folder / "sbom.cdx.json").write_text(json.dumps(bom, indent=1) + "\n")

    def pack(self):
        """The same files give the same archive."""
        time = int(os.environ.get("SOURCE_DATE_EPOCH", "0")) or int((REPOSITORY / "CMakeLists.txt")
                                                                     .stat().st_mtime)

        def owned_by_nobody(entry):
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = "root"
            entry.mtime = time
            return entry

        archive = self._build / "package" / (self.name + ".tar.gz")
        with open(archive, "wb") as file, \
                gzip.GzipFile("", "wb", 9, file, mtime=time) as packed, \
                tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
            tar.add(self.root, self.name, filter=owned_by_nobody)
        return archive

    def write_npm(self):
        """The folder as a package for npm: its command is the launcher itself."""
        node = {"x86_64": "x64", "aarch64": "arm64"}[platform.machine()]
        (self.root / "package.json").write_text(json.dumps({
            "name": "anyclaude", "version": self._version,
            "description": "Claude Code on a model of your own, with no prompt computed twice",
            "bin": {"anyclaude": "bin/anyclaude"}, "os": ["linux"], "cpu": [node],
            "private": False}, indent=1) + "\n")


def main():
    build, version = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
    bundle = Bundle(build, version)
    bundle.fill()
    if "--missing" in sys.argv:
        print("\n".join(bundle.missing()))
        return
    bundle.write_licences()
    print(bundle.pack())
    bundle.write_npm()


if __name__ == "__main__":
    main()
