"""The main job: what one request computed, the next one reuses."""

import concurrent.futures

from person import LAST_WORDS


def usage_of(result):
    usage = result["usage"]
    return (
        usage["cache_read_input_tokens"],
        usage["cache_creation_input_tokens"] + usage["input_tokens"],
        usage["output_tokens"],
    )


def test_a_follow_up_reuses_what_its_conversation_computed(same_person):
    first = same_person.ask("What is this folder for?")
    assert first["result"] == LAST_WORDS
    read, computed, said = usage_of(first)
    assert computed > 1000

    second = same_person.ask("And what else?", "--continue")
    assert second["session_id"] == first["session_id"]
    reused, computed_again, _ = usage_of(second)
    assert reused >= 0.98 * (read + computed + said)
    assert computed_again < 100


def test_a_new_session_shares_tools_and_system_prompt(same_person):
    same_person.ask("A first session's question")
    other = same_person.ask("Another session's question, unlike the first one")
    reused, computed, _ = usage_of(other)
    assert reused > 3 * computed


def test_two_sessions_at_once_compute_their_common_prefix_once(person):
    with concurrent.futures.ThreadPoolExecutor() as both:
        results = list(both.map(person.ask, ("Asked by one", "And something else by another")))
    assert [result["result"] for result in results] == [LAST_WORDS] * 2
    records = person.records()
    assert len(records) == 2
    assert len({record.session for record in records}) == 2
    # Tools and system prompt, more than half of each prompt, were computed by one of them only.
    assert sum(record.computed for record in records) < 1.5 * records[0].prompt


def test_the_usage_that_the_client_sees_is_what_was_computed(person):
    result = person.ask("What do you cost?")
    read, computed, _ = usage_of(result)
    (record,) = person.records()
    assert (read, computed) == (record.reused, record.computed)
    assert record.prompt == record.reused + record.computed
