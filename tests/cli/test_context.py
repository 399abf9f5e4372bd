"""The context window: what Claude Code knows of it, and what happens at its end."""

from person import LAST_WORDS


def test_the_client_knows_the_true_window(person):
    result = person.ask("How much fits?")
    assert [usage["contextWindow"] for usage in result["modelUsage"].values()] == [65536]


def test_a_compacted_conversation_goes_on(same_person):
    same_person.ask("Tell me of this folder")
    same_person.ask("And what else?", "--continue")
    before = len(same_person.records())
    same_person.ask("/compact", "--continue")
    summary = same_person.records()[before]
    assert summary.reused > 0.8 * summary.prompt  # it goes on where the conversation was
    after = same_person.ask("What were we doing?", "--continue")
    assert after["result"] == LAST_WORDS
    assert all(record.status == 200 for record in same_person.records())


def test_a_conversation_that_grows_is_compacted_in_time(person):
    """The client does so by itself, because it knows the window; no prompt is ever too long for it."""
    (person.project / "long.txt").write_text(
        "".join(f"The {n}th line of a text that takes its time to end.\n" for n in range(450)))
    person.ask("READ-IT-ALL please", "--dangerously-skip-permissions")
    for _ in range(8):
        person.ask("READ-IT-ALL again", "--continue", "--dangerously-skip-permissions")
        prompts = [record.prompt for record in person.records()]
        if prompts[-1] < max(prompts):
            break
    assert prompts[-1] < max(prompts) < 65536, prompts
    assert all(record.status == 200 for record in person.records())
    (record,) = person.home.glob(".claude/projects/*/*.jsonl")
    assert "compact_boundary" in record.read_text()


def test_a_prompt_that_does_not_fit_is_said_to_be_too_long(person):
    done = person.anyclaude("--ctx", 8192, "-p", "Does it fit?", "--output-format", "json")
    assert "Prompt is too long" in done.stdout, done.stdout + done.stderr
