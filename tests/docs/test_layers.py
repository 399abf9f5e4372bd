"""A layer includes the layers that CMakeLists.txt says it uses, each of them, and no other; docs/architecture.md
tells of the layers, their order and the daemon's threads as they are."""

import graphlib
import re

import pytest

from commands import REPOSITORY

CMAKE = (REPOSITORY / "CMakeLists.txt").read_text()
PAGE = "\n" + (REPOSITORY / "docs/architecture.md").read_text()
SOURCES = REPOSITORY / "src"


def used_layers():
    """layer -> what its USES names."""
    layers = {}
    for name, arguments in re.findall(r"^anyclaude_layer\((\w+)([^)]*)\)", CMAKE, re.M):
        layers[name] = set(arguments.partition("LIBRARIES")[0].partition("USES")[2].split())
    return layers


def files_of(layer):
    return [path for pattern in ("*.h", "*.cpp", "*.in") for path in (SOURCES / layer).glob(pattern)]


def included_layers(layer):
    """layer -> a file that includes it."""
    return {name: path for path in files_of(layer)
            for name in re.findall(r'^#include "(\w+)/', path.read_text(), re.M) if name != layer}


LAYERS = used_layers()


def rows(heading):
    """Of the first table below a heading: the cells of each line."""
    below = PAGE.partition(f"\n{heading}\n")[2]
    table = re.search(r"^\|.*\n\|[-|]+\n((?:\|.*\n)+)", below, re.M)[1]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_each_folder_is_a_layer():
    assert LAYERS.keys() == {path.name for path in SOURCES.iterdir() if path.is_dir()}
    assert sum(map(len, LAYERS.values())) > 30  # they were read


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_includes_what_it_uses_and_nothing_else(layer):
    included = included_layers(layer)
    unnamed = {name: str(path.relative_to(REPOSITORY)) for name, path in included.items()
               if name not in LAYERS[layer]}
    assert not unnamed, f"{layer} includes what its USES does not name: {unnamed}"
    assert not LAYERS[layer] - included.keys(), f"{layer} includes nothing of {LAYERS[layer] - included.keys()}"


def test_no_layer_uses_one_that_uses_it():
    try:
        list(graphlib.TopologicalSorter(LAYERS).static_order())
    except graphlib.CycleError as cycle:
        pytest.fail(f"the layers use each other: {cycle.args[1]}")


def test_the_table_has_each_layer_once():
    told = [cells[0].strip("`") for cells in rows("# Architecture")]
    assert sorted(told) == sorted(LAYERS)


def drawn_layers():
    """From left to right."""
    line = re.search(r"^ claude .*gateway.*", PAGE, re.M)[0]
    return [name for name in re.split(r"[─>\s]+", line) if name in LAYERS]


def test_no_layer_includes_one_to_its_left():
    drawn = drawn_layers()
    assert len(drawn) == 5
    for position, layer in enumerate(drawn):
        assert not set(drawn[:position]) & included_layers(layer).keys(), layer


def test_the_engine_alone_calls_libllama():
    """Models that anyone can generate are written with ggml's and gguf's functions."""
    for layer in LAYERS.keys() - {"engine"}:
        for path in files_of(layer):
            assert not re.search(r"^#include <(llama|mtmd)", path.read_text(), re.M), path


# Where threads are started: what the page calls them, or none for a thread of another process.
THREADS = {
    "gateway/http_server.cpp": ["sockets", "4 workers"],
    "gateway/dashboard_routes.cpp": ["dashboard"],
    "engine/engine.cpp": ["engine"],
    "engine/image_encoder.cpp": ["images"],
    "upstream/client.cpp": ["upstream"],
    "backend/openai_server.cpp": ["looks, one for each server"],
    "launch/server_keeper.cpp": ["looks, one for each server"],
    "backend/failover.cpp": ["routing, two"],
    "backend/router.cpp": ["routing, two"],
    "kv/disk_tier.cpp": ["store, three"],
    "prompt/replay_store.cpp": ["records, three"],
    "telemetry/history.cpp": ["records, three"],
    "telemetry/trace.cpp": ["records, three"],
    "launch/control_server.cpp": ["control"],
    "commands/top.cpp": [],  # `anyclaude top`
    "commands/bench_measurement.cpp": [],  # `anyclaude bench`
}


def starts_threads(path):
    """Its class has a thread, or it makes one; the member may stand in the header beside it."""
    text = "".join(file.read_text() for file in (path, path.with_suffix(".h")) if file.exists())
    return re.search(r"std::j?thread>? \w+_?;|std::vector<std::j?thread> \w+;|asio::thread_pool \w+;|std::j?thread thread;",
                     text)


def test_the_threads_are_told_of():
    found = {str(path.relative_to(SOURCES)) for path in SOURCES.glob("*/*.cpp") if starts_threads(path)}
    assert found == THREADS.keys()
    told = [cells[0] for cells in rows("## Threads of the daemon")]
    assert sorted(told) == sorted({name for names in THREADS.values() for name in names})


def test_the_numbers_of_threads_are_true():
    assert "int workers = 4;" in (SOURCES / "gateway/http_server.h").read_text()
    assert "int readers = 2;" in (SOURCES / "kv/disk_tier.h").read_text()  # and one that writes
