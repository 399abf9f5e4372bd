"""What the SDK's types can say and this server does not read, and why: it may have any type, or be missing, and
changes nothing. docs/messages-api.md tells of the same. A field that is read and stands here fails the test, and so
does one that is not read and does not."""

CACHING = "prefixes are found by their tokens, so a mark changes no answer"
ACCOUNT = "it concerns an account with Anthropic: price, place, priority, attribution"
THEIRS = "Anthropic's servers do it, and nobody here"
MODEL = "a local model cannot be told, or takes it as it is"
ALWAYS = "it is so for every tool here"
SCHEMA = "a schema is JSON schema's own, whatever the SDK makes of it"

# Fields that are not read, with everything below them.
NOT_READ = {
    "cache_control": CACHING,
    "metadata": ACCOUNT,
    "service_tier": ACCOUNT,
    "inference_geo": ACCOUNT,
    "speed": ACCOUNT,
    "user_profile_id": ACCOUNT,
    "workspace_id": ACCOUNT,
    "betas": ACCOUNT,
    "diagnostics": THEIRS,
    "container": THEIRS,
    "context_management": THEIRS,
    "compaction": THEIRS,
    "mcp_servers": THEIRS,
    "fallbacks": THEIRS,
    "fallback_credit_token": THEIRS,
    "citations": THEIRS,
    "allowed_callers": THEIRS,
    "caller": THEIRS,
    "toolset_name": THEIRS,
    "transformations": MODEL,
    "display": MODEL,
    "block_binding": MODEL,
    "task_budget": MODEL,
    "input_examples": MODEL,
    "clear_at": MODEL,
    "strict": ALWAYS,
    "eager_input_streaming": ALWAYS,
}
# Of these only what is below them is not read.
NOT_READ_BELOW = {"input_schema": SCHEMA}
# The same of one message, where the request's is read.
NOT_READ_IN_MESSAGES = {"output_config": MODEL}
# Missing, they are as if empty or usual.
MAY_BE_MISSING = {"budget_tokens", "signature"}
# A placeholder stands for all other blocks, and nobody looks into them.
SHOWN_BLOCKS = {"text", "image", "document", "search_result", "thinking", "tool_use", "tool_result",
                "tool_reference"}
READ_OF_SOURCES = {("image", "base64"): {"media_type", "data"}, ("image", "url"): {"url"},
                   ("document", "text"): {"data"}, ("document", "content"): {"content"}}
# A placeholder says of which kind the document is, where that is told.
TOLD_OF_SOURCES = {("document", "base64"): {"media_type"}}
# Tools that Anthropic defines have no schema to be shown: some are carried out by its servers, some by clients.
READ_OF_THEIR_TOOLS = {"type", "name", "description", "input_schema", "defer_loading"}


def is_not_read(place, body, is_missing):
    """Whether the field may have any type there, or be missing."""
    *above, name = place.path
    if NOT_READ.keys() & set(place.path) or NOT_READ_BELOW.keys() & set(above):
        return True
    if place.path[0] == "messages" and NOT_READ_IN_MESSAGES.keys() & set(place.path):
        return True
    return is_missing and name in MAY_BE_MISSING or is_in_unread_object(place, body, is_missing)


def is_in_unread_object(place, body, is_missing):
    """A block, a source or a tool on the way to the field of which the way's next step is not read."""
    held_by = block = None
    for step in place.path:
        if isinstance(body, dict):
            kind = body.get("type")
            if held_by == "content":
                block = kind
            if step != "type" and not is_read(held_by, block, kind, step, is_missing):
                return True
        if isinstance(step, str):
            held_by = step
        body = body[step]
    return False


def is_read(held_by, block, kind, name, is_missing):
    """Of an object of that kind, in a list or field called `held_by`."""
    if held_by == "content":
        return kind in SHOWN_BLOCKS
    if held_by == "source":
        told = set() if is_missing else TOLD_OF_SOURCES.get((block, kind), set())
        return name in READ_OF_SOURCES.get((block, kind), set()) | told
    if held_by == "tools" and kind not in (None, "custom"):
        return name in READ_OF_THEIR_TOOLS and not is_missing
    return True
