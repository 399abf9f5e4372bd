"""What the people of a soak say: requests of Claude Code's shape (tools, system blocks, a directory), with
none of its words, drawn from each person's own numbers."""

import random

DIRECTORIES = 5
WORDS = ("the file reads every line of a small table before it writes its own answer to disk while "
         "another process waits for the lock and counts how many bytes were left over").split()
CHOICES = ["left", "right", "up", "down", "none"]


def prose(draw, words):
    return " ".join(draw.choice(WORDS) for _ in range(words))


def fixed_prose(name, words):
    """The same words for the same name."""
    return prose(random.Random(name), words)


def cached(text):
    return {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}


def tool(name, words):
    fields = [f"{word}_of_{name.lower()}" for word in ("path", "pattern", "limit")]
    return {"name": name, "description": fixed_prose(name, words),
            "input_schema": {"type": "object", "required": fields[:1], "properties": {
                field: {"type": "string", "description": fixed_prose(field, 15)} for field in fields}}}


# Its schema ends every call by itself: the weights are random, and would never end a text.
CHOOSE = {"name": "Choose", "description": "Chooses one of five.",
          "input_schema": {"type": "object", "required": ["choice"], "additionalProperties": False,
                           "properties": {"choice": {"type": "string", "enum": CHOICES}}}}
TOOLS = [*(tool(f"Tool{number}", 100) for number in range(10)), CHOOSE]
INSTRUCTIONS = fixed_prose("instructions", 600)
SUBAGENTS_TOOLS = [*(tool(f"Tool{number}", 100) for number in range(3)), CHOOSE]
SUBAGENTS_INSTRUCTIONS = fixed_prose("instructions of a subagent", 300)


def system(number):
    """That of a main conversation in one of the directories."""
    directory = f"/home/anna/project-{number % DIRECTORIES}"
    return [{"type": "text", "text": f"x-anthropic-billing-header: cc_version=2.1.330.{number:03x}; "
                                     "cc_entrypoint=cli;"},
            cached("You are a synthetic agent."),
            cached(f"{INSTRUCTIONS}\n# Environment\nWorking directory: {directory}\n"
                   + fixed_prose(directory, 100))]


def main_request(directory, messages, **more):
    return {"model": "soak", "temperature": 0, "tools": TOOLS, "system": system(directory),
            "messages": messages, **more}


def subagent_request(messages, **more):
    return {"model": "soak", "temperature": 0, "tools": SUBAGENTS_TOOLS,
            "system": [cached(SUBAGENTS_INSTRUCTIONS)], "messages": messages, **more}


def title_request(words):
    return {"model": "soak", "temperature": 0, "max_tokens": 8,
            "system": [cached("Find a title of a few words for what was said.")],
            "messages": [{"role": "user", "content": words}]}


def counted(body):
    """What is sent to have its tokens counted."""
    return {key: body[key] for key in ("model", "tools", "system", "messages", "tool_choice") if key in body}
