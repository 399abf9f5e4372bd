"""An agent that works for another one: it has a prompt of its own, and pushes nothing out."""


def test_a_subagent_answers_and_the_next_one_reuses_its_prompt(same_person):
    before = len(same_person.records())
    result = same_person.ask("ASK-SOMEBODY please", "--dangerously-skip-permissions")
    assert result["result"] == "They have looked."
    first = same_person.records()[before:]
    assert len(first) >= 3 and {record.status for record in first} == {200}
    again = same_person.ask("ASK-SOMEBODY else", "--continue", "--dangerously-skip-permissions")
    assert again["result"] == "They have looked."
    second = same_person.records()[before + len(first):]
    assert len(second) >= 3 and {record.status for record in second} == {200}
    assert all(record.reused > 0.9 * record.prompt for record in second), second
