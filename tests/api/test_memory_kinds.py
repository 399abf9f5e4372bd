"""Models with sliding windows, recurrent layers or both: what is reused of a conversation, and that
they show once that reuse is exact."""

import pytest

from scripts import SCRIPTS

KINDS = {"gemma3": "sliding window", "mamba": "recurrent", "lfm2": "hybrid"}
SYSTEM = "You answer questions about the weather. " + " ".join(f"rule {n}." for n in range(150))


def question(*turns):
    roles = ("user", "assistant")
    return {"model": "m", "max_tokens": 100, "system": SYSTEM,
            "messages": [{"role": roles[i % 2], "content": text} for i, text in enumerate(turns)]}


def ask(daemon, *turns):
    """The answer's text, the tokens reused and those of the whole prompt."""
    reply = daemon.ask(question(*turns)).json()
    usage = reply["usage"]
    reused = usage["cache_read_input_tokens"]
    return reply["content"][0]["text"], reused, reused + usage["input_tokens"]


@pytest.mark.parametrize("arch", KINDS)
def test_a_conversation_is_not_computed_again(start_daemon, demo_models, tmp_path, arch):
    model = demo_models.scripted(SCRIPTS, arch=arch)
    daemon = start_daemon(model, "--ctx", 8192, "--threads", 1, home=tmp_path)
    log = daemon.log()
    assert f"{KINDS[arch]} memory, prefixes are reused from checkpoints" in log
    assert log.count("checking whether prefixes") == 1

    first = "What is the weather like?"
    answer, reused, size = ask(daemon, first)
    assert answer == "Nothing else is in the script." and reused == 0 and size > 600
    # The next question goes on behind the answer.
    again, reused, longer = ask(daemon, first, answer, "And tomorrow?")
    assert again == answer
    assert reused >= size and longer - reused < 40
    # Another conversation, from the end of the system prompt on.
    _, reused, other = ask(daemon, "Does it rain in Bern?")
    assert other - reused < 40
    # The first one once more, from an earlier place: from the message before it on.
    _, reused, back = ask(daemon, first, answer, "No, in Zurich.")
    assert back - reused < 80
    daemon.stop()

    # The verdict is kept.
    daemon = start_daemon(model, "--ctx", 8192, "--threads", 1, home=tmp_path)
    assert daemon.log().count("checking whether prefixes") == 1
    assert daemon.log().count("reuse check: exact") == 2
