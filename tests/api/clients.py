"""Clients of the API, as the tests use them."""

import importlib.util
import sys
import types

import anthropic
import pydantic_core

# Debian has the client without jiter, which reads incomplete JSON for it, and its way round that
# fails: it passes pydantic_core an argument that pydantic_core does not know.
if importlib.util.find_spec("jiter") is None:
    sys.modules["jiter"] = types.SimpleNamespace(
        from_json=lambda data, partial_mode=False: pydantic_core.from_json(
            data, allow_partial=bool(partial_mode)))


PROMPT_TOKENS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def sdk(daemon, **options):
    """Anthropic's client for a daemon. It does not try again by itself: a test wants the error."""
    return anthropic.Anthropic(base_url=daemon.base_url,
                               **{"auth_token": daemon.token, "max_retries": 0, "timeout": 60,
                                  **options})


def ask(text, **more):
    """The arguments of a request with one question."""
    return {"model": "claude-any", "max_tokens": 1000,
            "messages": [{"role": "user", "content": text}], **more}


def prompt_tokens(usage):
    """Of the whole prompt, by an answer's usage: the SDK's, or of JSON."""
    used = usage if isinstance(usage, dict) else vars(usage)
    return sum(used[name] for name in PROMPT_TOKENS)
