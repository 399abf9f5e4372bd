"""The people of a soak: each is a thread that asks, reads, thinks and asks again, and the tally of what they
were told."""

import collections
import random
import threading
import time
import uuid
from typing import NamedTuple

import wording
from exchange import Failed, Line, Wrong

ANSWERS = [2, 4, 8, 16]  # tokens, of a turn
FIRST_WORDS = 3  # tokens, of an answer that is compared
FIXED_QUESTIONS = 24  # that are asked from the first minute to the last
PASSING_QUESTIONS = 150  # that others take the place of
NEW_QUESTIONS = 0.15  # of those that are asked
QUESTIONS_BEFORE = 2000  # that were made up before the first is asked, and mostly replaced
SHOWN = 20  # errors and wrong answers whose words are kept
FILLER_WORDS = 3500  # of the prompts that fill what remembers answers
FILLER_ANSWER_WORDS = 70  # of the messages that fill what remembers their tokens
FILLER_ROLES = ("user", "assistant") * 4 + ("user",)


class Pace:
    """How long people think: on average so many seconds, and never four times that."""

    def __init__(self, mean):
        self.mean = mean

    def think(self, draw):
        return min(draw.expovariate(1 / self.mean), 4 * self.mean) if self.mean > 0 else 0


class First(NamedTuple):
    """How long the first token took."""

    asked: float  # when, of time.monotonic()
    seconds: float
    computed: int  # tokens of the prompt that were not reused


class Tally:
    """What was asked and answered. Thread-safe."""

    def __init__(self):
        self._lock = threading.Lock()
        self.done = collections.Counter()  # by kind
        self.first = []  # First, of streams that a person waits for
        self.errors = []
        self.wrong = []
        self.error_count = self.wrong_count = 0
        self.prompt = self.reused = self.output = 0  # tokens

    def note(self, kind, answer=None, asked=None):
        with self._lock:
            self.done[kind] += 1
            if answer:
                self.prompt += answer.prompt
                self.reused += answer.reused
                self.output += answer.output
                if asked is not None and answer.first is not None:
                    self.first.append(First(asked, answer.first, answer.prompt - answer.reused))

    def error(self, kind, what):
        with self._lock:
            self.error_count += 1
            self.errors = [*self.errors, f"{kind}: {what}"][:SHOWN]

    def is_wrong(self, kind, what):
        with self._lock:
            self.wrong_count += 1
            self.wrong = [*self.wrong, f"{kind}: {what}"][:SHOWN]

    def requests(self):
        with self._lock:
            return sum(self.done.values())


class Questions:
    """Requests at temperature 0 that are asked again and again, by anybody, and what was said the first time.
    How long they are is the same at the beginning and at the end. Thread-safe."""

    def __init__(self):
        self._lock = threading.Lock()
        self._asked = []  # [body, first answer], None while there is none
        self.compared = 0
        self.differing = []  # (body, first answer, another one)
        draw = random.Random("questions")
        for _ in range(QUESTIONS_BEFORE):
            self._keep([self._made_up(draw), None], draw)

    def any(self, draw):
        """One of those that are known; now and then a new one, which often goes on from such."""
        with self._lock:
            return self._made_up(draw) if draw.random() < NEW_QUESTIONS else draw.choice(self._asked)[0]

    def _made_up(self, draw):
        goes_on = self._asked and draw.random() < 0.6
        return self._longer(draw.choice(self._asked)[0], draw) if goes_on else self._new(draw)

    def _keep(self, one, draw):
        if len(self._asked) < FIXED_QUESTIONS + PASSING_QUESTIONS:
            self._asked.append(one)
        else:
            self._asked[draw.randrange(FIXED_QUESTIONS, len(self._asked))] = one

    def _new(self, draw):
        directory = draw.randrange(wording.DIRECTORIES)
        words = wording.prose(draw, draw.randint(20, 300))
        return wording.main_request(directory, [{"role": "user", "content": words}], max_tokens=FIRST_WORDS)

    def _longer(self, body, draw):
        """The answers in it are made up: text has one form in tokens, which a sampled answer need not have."""
        if len(body["messages"]) > 12:
            return self._new(draw)
        more = [{"role": role, "content": wording.prose(draw, draw.randint(10, 100))}
                for role in ("assistant", "user")]
        return {**body, "messages": [*body["messages"], *more]}

    def answered(self, body, text, draw):
        """Compares with what was said before, or keeps it as the first answer."""
        with self._lock:
            known = next((one for one in self._asked if one[0] is body), None)
            if not known:
                self._keep([body, text], draw)
            elif known[1] is None:
                known[1] = text
            else:
                self.compared += 1
                if text != known[1]:
                    self.differing.append((body, known[1], text))

    def all(self):
        """Those that were answered."""
        with self._lock:
            return [tuple(one) for one in self._asked if one[1] is not None]


class Person(threading.Thread):
    """One client. `over` ends it behind the request under way."""

    def __init__(self, number, daemon, tally, questions, pace, over):
        super().__init__(name=f"person {number}", daemon=True)
        self._daemon, self._tally, self._questions = daemon, tally, questions
        self._pace, self._over = pace, over
        self._draw = random.Random(number)
        self._line = Line(daemon)

    def run(self):
        while not self._over.is_set():
            Conversation(self, self._draw).run()
            if self._draw.random() < 0.5:
                self._line.close()  # a new terminal
        self._line.close()

    def go_on(self):
        """Thinks. False when it is time to leave."""
        return not self._over.wait(self._pace.think(self._draw))

    def try_to(self, kind, work):
        """What the work returns; None where it failed, which is noted."""
        try:
            return work()
        except Failed as error:
            self._tally.error(kind, error)
        except Wrong as error:
            self._tally.is_wrong(kind, error)
        self._line.close()
        return None

    def ask(self, kind, body, headers, is_awaited=True):
        asked = time.monotonic()
        stream = self._draw.random() < 0.85
        answer = self.try_to(kind, lambda: self._line.ask(body, headers, stream))
        if answer:
            self._tally.note(kind, answer, asked if is_awaited else None)
            self._check_form(kind, body, answer)
        return answer

    def is_wrong(self, kind, what):
        self._tally.is_wrong(kind, what)

    def _check_form(self, kind, body, answer):
        wants_call = body.get("tool_choice", {}).get("type") == "tool"
        if answer.stop_reason not in ("end_turn", "max_tokens", "tool_use"):
            self._tally.is_wrong(kind, f"stop_reason {answer.stop_reason}")
        elif not 1 <= answer.output <= body["max_tokens"]:
            self._tally.is_wrong(kind, f"{answer.output} tokens of {body['max_tokens']}")
        elif wants_call and [call["input"].get("choice") in wording.CHOICES for call in answer.calls] != [True]:
            self._tally.is_wrong(kind, f"a call was to come, and this did: {answer.content}")

    def count(self, body):
        counted = self.try_to("count_tokens", lambda: self._line.count(wording.counted(body)))
        if counted is not None:
            self._tally.note("count_tokens")
        return counted

    def vanish(self, body, headers):
        """Leaves in mid-stream, or before the first word."""
        pieces = self._draw.choice([-1, 0, 1, 5, 20])
        body = {**body, "max_tokens": 300}
        reset = self._draw.random() < 0.5
        self.try_to("vanished", lambda: self._line.vanish(body, headers, pieces, reset))
        self._tally.note("vanished")

    def use_another_token(self, body):
        status = self.try_to("another token", lambda: self._line.status_with(f"not-{self._daemon.token}", body))
        self._line.close()
        self._tally.note("another token")
        if status not in (401, None):
            self._tally.is_wrong("another token", f"status {status}")

    def ask_title(self, words, headers):
        self.ask("title", wording.title_request(words), headers, is_awaited=False)

    def ask_first_words(self):
        """Of a question that was asked before, mostly."""
        body = self._questions.any(self._draw)
        answer = self.ask("asked again", body, None)
        if answer:
            self._questions.answered(body, answer.text, self._draw)


class Conversation:
    """A conversation of some turns, behind what all others in its directory begin with."""

    def __init__(self, person, draw, kind="turn", make=None):
        self._person, self._draw, self._kind = person, draw, kind
        directory = draw.randrange(wording.DIRECTORIES)
        self._make = make or (lambda messages, **more: wording.main_request(directory, messages, **more))
        self._session = {"x-claude-code-session-id": str(uuid.UUID(int=draw.getrandbits(128)))}
        self._messages = []

    def run(self):
        for _ in range(self._draw.randint(3, 12)):
            self._beside()
            if not self.turn(self._session) or not self._person.go_on():
                return

    def _beside(self):
        """What a client does between turns, now and then."""
        person, chance = self._person, self._draw.random()
        asked = [*self._messages, self._next_message()]
        if chance < 0.10:
            person.ask_title(wording.prose(self._draw, 60), self._session)
        elif chance < 0.16:
            self._subagent()
        elif chance < 0.20:
            person.vanish(self._make(asked), self._session)
        elif chance < 0.22:
            person.use_another_token(self._make(asked, max_tokens=8))
        elif chance < 0.50:
            person.ask_first_words()

    def _subagent(self):
        agent = Conversation(self._person, self._draw, "subagent", wording.subagent_request)
        headers = {**self._session, "x-claude-code-agent-id": f"agent-{self._draw.getrandbits(32):08x}"}
        for _ in range(self._draw.randint(1, 3)):
            if not agent.turn(headers):
                return

    def turn(self, headers):
        """Asks, and takes the answer into the conversation. False where it cannot go on."""
        self._messages.append(self._next_message())
        body = self._make(list(self._messages), max_tokens=self._draw.choice(ANSWERS))
        if self._draw.random() < 0.2:
            body["tool_choice"] = {"type": "tool", "name": "Choose", "disable_parallel_tool_use": True}
            body["max_tokens"] = 64
        counted = self._person.count(body) if self._draw.random() < 0.1 else None
        if len(self._messages) > 1:
            counted = None  # counted by text, and computed with the tokens that were sampled
        answer = self._person.ask(self._kind, body, headers, is_awaited=self._kind == "turn")
        if answer is None or not answer.content:
            return False
        if counted not in (None, answer.prompt):
            self._person.is_wrong("count_tokens", f"{counted} instead of {answer.prompt}")
        self._messages.append({"role": "assistant", "content": answer.content})
        return True

    def _next_message(self):
        """What goes on behind the last answer: the results of its calls, or words."""
        last = self._messages[-1]["content"] if self._messages else []
        results = [{"type": "tool_result", "tool_use_id": block["id"],
                    "content": wording.prose(self._draw, self._draw.randint(10, 100))}
                   for block in last if isinstance(block, dict) and block["type"] == "tool_use"]
        return {"role": "user", "content": results or wording.prose(self._draw, self._draw.randint(10, 100))}


class Filler(threading.Thread):
    """Asks one new question after the other behind a prompt of usual length, and has others' words counted, so
    that what is bounded by bytes is full before anything is measured."""

    def __init__(self, number, daemon, tally, over):
        super().__init__(name=f"filler {number}", daemon=True)
        self._number, self._tally, self._over = number, tally, over
        self._line = Line(daemon)

    def run(self):
        system = wording.fixed_prose("a prompt of usual length", FILLER_WORDS)
        draw = random.Random(f"filler {self._number}")
        question = 0
        while not self._over.is_set():
            question += 1
            body = {"model": "soak", "temperature": 0, "max_tokens": 1, "system": system,
                    "messages": [{"role": "user", "content": f"Question {question} of {self._number}?"}]}
            try:
                self._line.ask(body)
                self._line.count({"model": "soak", "messages": [
                    {"role": role, "content": wording.prose(draw, FILLER_ANSWER_WORDS)} for role in FILLER_ROLES]})
                self._tally.note("filling")
            except (Failed, Wrong) as error:
                self._tally.error("filling", error)
                return
        self._line.close()
