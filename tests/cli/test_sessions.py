"""Sessions that are more than questions and answers: an MCP server, plan mode, a conversation that was
begun on the real Claude."""

import json
import sys

from person import CLAUDE, LAST_WORDS, MCP_SERVER, direct, run
from played_claude import SIGNATURE, playing_claude, serving


def goes_on(records):
    """Whether each request reuses all that those before it had computed. The last token of an answer is
    sampled, and not computed."""
    assert all(record.status == 200 for record in records), records
    return all(after.reused >= 0.99 * (before.prompt + before.output - 1)
               for before, after in zip(records, records[1:]))


def transcript(person, session):
    """Claude Code's own record of a session."""
    (record,) = person.home.glob(f".claude/projects/*/{session}.jsonl")
    return record.read_text()


def test_a_tool_of_an_mcp_server(same_person):
    servers = {"mcpServers": {"sums": {"command": sys.executable, "args": [str(MCP_SERVER)]}}}
    before = len(same_person.records())
    result = same_person.ask("ADD-NUMBERS please", "--mcp-config", json.dumps(servers),
                             "--strict-mcp-config", "--dangerously-skip-permissions")
    assert result["result"] == "They have been added."
    records = same_person.records()[before:]
    assert len(records) == 3 and goes_on(records)
    assert "The sum is 42." in transcript(same_person, result["session_id"])


def test_a_web_search_is_said_to_be_unavailable(same_person):
    """The client asks for it in a request of its own, which a tool of Anthropic's servers has to answer."""
    result = same_person.ask("SEARCH-THE-WEB please", "--dangerously-skip-permissions")
    assert result["result"] == "There is no web."
    assert "unavailable" in transcript(same_person, result["session_id"])


def test_a_plan_is_made_and_then_carried_out(same_person):
    before = len(same_person.records())
    plan = same_person.ask("LIST-FILES and make a plan", "--permission-mode", "plan")
    assert plan["result"] == "This is the plan."
    same_person.ask("And why so?", "--continue", "--permission-mode", "plan")
    same_person.ask("Do it.", "--continue", "--permission-mode", "bypassPermissions")
    records = same_person.records()[before:]
    assert len(records) == 4 and goes_on(records)


def test_a_conversation_that_the_real_claude_began(same_person):
    model = "claude-sonnet-4-5-20250929"
    with serving(playing_claude(model)) as port:
        begun = run([CLAUDE, "-p", "What is in this folder?", "--output-format", "json",
                     "--permission-mode", "bypassPermissions"], cwd=same_person.project,
                    env=same_person.environment | direct(port, model))
    assert begun.returncode == 0, begun.stdout + begun.stderr
    session = json.loads(begun.stdout)["session_id"]
    kept = transcript(same_person, session)
    assert "toolu_01" in kept and SIGNATURE in kept and model in kept, kept
    before = len(same_person.records())
    for words in ("Go on with it.", "And now?"):
        assert same_person.ask(words, "--resume", session)["result"] == LAST_WORDS
    records = same_person.records()[before:]
    assert len(records) == 2 and goes_on(records)
    assert "came back changed" not in same_person.log()
