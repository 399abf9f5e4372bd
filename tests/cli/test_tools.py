"""Tools that Claude Code runs for a model whose calls are scripted."""


def test_a_tool_loop_with_parallel_calls(same_person):
    (same_person.project / "there.txt").write_text("x")
    before = len(same_person.records())
    result = same_person.ask("COUNT-FILES in this folder", "--dangerously-skip-permissions")
    assert result["result"] == "The folder has been counted, and both files are written."
    assert int((same_person.project / "counted.txt").read_text()) >= 1
    assert (same_person.project / "quoted.txt").read_text() == "a <tool_call> in quotes\n"

    first, *later = same_person.records()[before:]
    assert len(later) == 2
    known = first.prompt
    for record in later:
        assert record.status == 200
        assert record.reused >= 0.99 * known
        known = record.prompt


def test_a_failing_tool_does_not_end_the_conversation(same_person):
    result = same_person.ask("Try the FAILING-TOOL now", "--dangerously-skip-permissions")
    assert result["result"] == "The command failed, and the conversation goes on all the same."


def test_a_tool_that_is_not_permitted(same_person):
    result = same_person.ask("Try the FAILING-TOOL again", "--disallowedTools", "Write",
                             "--permission-mode", "default", "--allowedTools", "Read")
    assert result["subtype"] == "success"
    assert [denied["tool_name"] for denied in result["permission_denials"]] in ([], ["Bash"])
