"""Long prompts: what a client hears meanwhile, and what stays of them when it leaves."""

import anthropic
import pytest

from clients import ask, sdk
from daemon import Daemon, wait_for
from raw_http import RawConnection


@pytest.fixture(scope="module")
def patient(program, scripted_model, tmp_path_factory):
    """A daemon with room for prompts that take long on any machine."""
    daemon = Daemon(program, tmp_path_factory.mktemp("patient"), scripted_model,
                    ["--ctx", 65536, "--threads", 1, "--batch", 128])
    yield daemon
    daemon.stop()


def question(words, seed):
    """A prompt of about five tokens a word that shares nothing with one of another seed."""
    text = f"seed {seed}: " + " ".join(f"w{n * 7919 % 10007}" for n in range(words))
    return {"model": "m", "max_tokens": 50, "stream": True,
            "messages": [{"role": "user", "content": text}]}


def engine(daemon, name):
    return daemon.metrics()[f"anyclaude_engine_{name}"]


def test_headers_and_pings_come_while_a_long_prompt_is_computed(patient):
    computed = engine(patient, "computed_tokens_total")
    with RawConnection(patient) as connection:
        connection.post(question(12_500, "pings"))
        connection.receive_until(b"event: ping\n")
        assert b"HTTP/1.1 200 OK" in connection.received
        assert b"text/event-stream" in connection.received
        assert b"request-id: req_" in connection.received
        while connection.received.count(b"event: ping\n") < 2:
            connection.receive()
        assert b"message_start" not in connection.received
        assert engine(patient, "running") == 1
        assert engine(patient, "computed_tokens_total") > computed + 100
    wait_for(lambda: engine(patient, "running") == 0, "the work ends with the connection", 10)
    # It did not just run to its end.
    counted = patient.request("POST", "/v1/messages/count_tokens", question(12_500, "pings"))
    assert engine(patient, "computed_tokens_total") - computed < counted.json()["input_tokens"]


def test_a_retry_goes_on_where_the_client_left(patient):
    request = question(500, "retry")
    before = engine(patient, "computed_tokens_total")
    with RawConnection(patient) as connection:
        connection.post(request)
        wait_for(lambda: engine(patient, "computed_tokens_total") > before + 1000,
                 "a part of the prompt is computed")
    wait_for(lambda: engine(patient, "running") == 0, "the work ends with the connection", 10)
    done = engine(patient, "computed_tokens_total") - before
    usage = patient.ask({**request, "stream": False}).json()["usage"]
    assert usage["cache_read_input_tokens"] >= done - 3
    total = usage["cache_read_input_tokens"] + usage["input_tokens"]
    assert engine(patient, "computed_tokens_total") - before <= total + 3


def test_an_answer_that_runs_is_not_held_up_by_a_long_prompt(patient):
    """Its tokens come between the parts of the prompt."""
    with RawConnection(patient) as running, RawConnection(patient) as long:
        running.post({**ask("ENDLESS", max_tokens=20_000), "stream": True})
        running.receive_until(b"line 1.")
        long.post(question(800, "beside"))
        computed = engine(patient, "computed_tokens_total")
        wait_for(lambda: engine(patient, "computed_tokens_total") > computed + 128, "it is computed")
        seen = running.received.count(b"text_delta")
        while running.received.count(b"text_delta") < seen + 5:
            running.receive()
        assert b"message_stop" not in running.received
        long.receive_until(b"message_stop")


def test_closing_a_stream_stops_the_work(patient):
    with sdk(patient) as client:
        generated = engine(patient, "generated_tokens_total")
        with client.messages.stream(**ask("ENDLESS", max_tokens=20_000)) as stream:
            for text in stream.text_stream:
                if "line 3." in text:
                    break
        wait_for(lambda: engine(patient, "running") == 0, "the work ends with the stream", 10)
        assert engine(patient, "generated_tokens_total") - generated < 1500
        assert client.messages.create(**ask("Hello.")).stop_reason == "end_turn"


def test_a_time_out_of_the_client_stops_the_work(patient):
    with sdk(patient, timeout=0.5) as client:
        with pytest.raises(anthropic.APITimeoutError):
            client.messages.create(**ask("ENDLESS", max_tokens=20_000))
    wait_for(lambda: engine(patient, "running") == 0, "the work ends with the connection", 10)


def test_the_second_of_two_same_prompts_at_once_is_not_computed_again(patient):
    request = {**question(200, "twice"), "stream": False}
    before = engine(patient, "computed_tokens_total")
    with RawConnection(patient) as first, RawConnection(patient) as second:
        first.post(request)
        second.post(request)
        for connection in (first, second):
            connection.receive_until(b'"stop_reason":"end_turn"')
    total = patient.request("POST", "/v1/messages/count_tokens", request).json()["input_tokens"]
    assert engine(patient, "computed_tokens_total") - before <= total + 10


def test_same_requests_at_once_get_answers_of_their_own(start_daemon, demo_models):
    daemon = start_daemon(demo_models.random(), "--ctx", 4096, "--threads", 1)
    request = {"model": "m", "max_tokens": 40, "temperature": 1.0, "stream": False,
               "messages": [{"role": "user", "content": "Say something."}]}
    connections = [RawConnection(daemon) for _ in range(4)]
    for connection in connections:
        connection.post(request)
    answers = []
    for connection in connections:
        connection.receive_until(b'"usage":{')
        answers.append(connection.received.split(b'"content":')[1].split(b'"usage"')[0])
        connection.socket.close()
    assert len(set(answers)) == 4


def test_a_full_queue_is_a_rate_limit(start_daemon, scripted_model):
    """One runs and 256 wait; one token has three quarters of the places. More are refused, and told when to
    come back."""
    daemon = start_daemon(scripted_model, "--ctx", 4096, "--threads", 1, "--parallel", 1)
    streams = []
    with sdk(daemon) as client:
        with pytest.raises(anthropic.RateLimitError) as refused:
            while len(streams) < 400:
                streams.append(client.messages.create(**ask("ENDLESS", max_tokens=20_000),
                                                      stream=True))
        assert len(streams) >= 257 * 3 // 4  # some of the first may have ended meanwhile
        assert "with this token" in str(refused.value)
        assert int(refused.value.response.headers["retry-after"]) > 0
        for stream in streams:
            stream.close()
        wait_for(lambda: engine(daemon, "queued") == 0 and engine(daemon, "running") == 0,
                 "nothing is left of those that went away", 20)
        assert client.messages.create(**ask("Hello.")).stop_reason == "end_turn"
