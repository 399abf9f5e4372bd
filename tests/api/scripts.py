"""What the scripted model of the API tests answers. The first script whose condition holds speaks."""

LONG_LINES = 60
STEADY_LINES = 200
ENDLESS_LINES = 2000  # more than any test waits for


def long_answer(lines=LONG_LINES):
    """What LONG gets; blanks at the end of an answer are not sent."""
    return "".join(f"This is line {n}.\n" for n in range(1, lines + 1)).rstrip()


def steady_answer():
    return "".join(f"The {n}th steady line.\n" for n in range(1, STEADY_LINES + 1)).rstrip()


SCRIPTS = [
    # One call, then an answer to its result.
    {"when": {"tool_results": 0, "tool": "get_weather", "marker": "WEATHER"},
     "think": "The weather tool knows that.",
     "say": "I ask the weather tool.",
     "calls": [{"name": "get_weather", "arguments": {"city": "Zürich", "days": 2}}]},
    {"when": {"tool_results": 1, "marker": "WEATHER"}, "say": "It is raining in Zürich."},
    # Two calls at once.
    {"when": {"tool_results": 0, "tool": ["get_weather", "get_time"], "marker": "BOTH"},
     "say": "Two tools can work side by side.",
     "calls": [{"name": "get_weather", "arguments": {"city": "Bern"}},
               {"name": "get_time", "arguments": {"zone": "Europe/Zurich", "seconds": False}}]},
    {"when": {"tool_results": 2, "marker": "BOTH"}, "say": "Both tools have answered."},
    {"when": {"marker": "LONG"}, "say": "This is line {n}.\n", "repeat": LONG_LINES},
    {"when": {"marker": "ENDLESS"}, "say": "And this is line {n}.\n", "repeat": ENDLESS_LINES},
    {"when": {"marker": "STEADY"}, "say": "The {n}th steady line.\n", "repeat": STEADY_LINES},
    {"when": {"marker": "THINK"}, "think": "Let me weigh this up.", "say": "I have thought about it."},
    {"when": {"marker": "STOP"}, "say": "alpha beta gamma delta"},
    {"say": "Nothing else is in the script."},
]
