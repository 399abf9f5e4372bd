"""Whether two answers to one prompt are a tie or a fault.

At temperature 0 the most probable token is taken. Where two are as probable as each other to the last digits,
batches of another shape, whose sums are made in another order, take the other one. That is seen by drawing:
at a low temperature T, two tokens whose logits differ by d are drawn in the ratio e^(d/T). A daemon that
computes the prompt from its start, alone and without a store, draws both answers again and again if they are
a tie, and never both if one of them came from other numbers."""

import dataclasses

from exchange import Line

# Logits differ by at most 0.004 between shapes of batches (docs/kv-store.md, Kills). Such a tie is drawn 1 : 3,
# one of 0.02, which no shape makes, 1 : 150, and one of 0.04 never.
TEMPERATURE = 0.004
DRAWS = 60


@dataclasses.dataclass
class Answers:
    """Of all that were compared."""

    compared: int
    ties: list
    wrong: list


def draw(line, body):
    """The texts that are drawn at the low temperature."""
    return {line.ask({**body, "temperature": TEMPERATURE}).text for _ in range(DRAWS)}


def settle(daemon, questions):
    """`daemon` answers alone. Asks it all questions again, and judges the answers that differ."""
    line = Line(daemon)
    differing = list(questions.differing)
    asked = questions.all()
    for body, first in asked:
        text = line.ask(body).text
        if text != first:
            differing.append((body, first, text))
    found = Answers(questions.compared + len(asked), [], [])
    for body, first, other in differing:
        drawn = draw(line, body)
        outcome = {"prompt": body["messages"][-1]["content"], "first": first, "other": other,
                   "drawn": sorted(drawn)}
        (found.ties if {first, other} <= drawn else found.wrong).append(outcome)
    line.close()
    return found
