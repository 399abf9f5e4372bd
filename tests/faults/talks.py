"""What the clients of a harness ask a model of random weights: any wrong number in its KV cache would change
what it says."""

from harness import question

TALKS = 3
# A wrong cache shows in the first. Of more, two may be as likely as each other to the last digit, and batches of
# another shape, which no fault has to do with, would choose the other.
TOKENS = 3


def talk(number):
    """A prompt of some blocks of 256 tokens."""
    rules = " ".join(f"The {n}th rule of talk {number} says what rule {n} says." for n in range(60))
    return question(f"Talk {number}?", system=rules, max_tokens=TOKENS)


QUESTIONS = [talk(number) for number in range(TALKS)]
