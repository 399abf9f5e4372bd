"""What the clients of a harness ask a model of random weights: any wrong number in its KV cache would change
what it says."""

from harness import question

TALKS = 3


def talk(number):
    """A prompt of some blocks of 256 tokens."""
    rules = " ".join(f"The {n}th rule of talk {number} says what rule {n} says." for n in range(60))
    return question(f"Talk {number}?", system=rules, max_tokens=24)


QUESTIONS = [talk(number) for number in range(TALKS)]
