"""Requests made from the types of the official SDK's parameters: a newer SDK's fields make new ones by themselves.

A type here is an annotation as the SDK writes it: a TypedDict, a union, a list, a Literal, str, int and so on.
"""

import collections.abc
import dataclasses
import inspect
import os
import typing

import pydantic
import typing_extensions

NAME = "sample"  # of the one tool that a request offers
PNG = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
SAMPLES = {str: NAME, int: 1, float: 0.5, bool: True, object: NAME}
# What the types do not say: the values that make a request well-formed as a whole.
SAMPLE_OF_FIELD = {"data": PNG, "url": "https://a.example/", "temperature": 0.0}
QUESTION = {"role": "user", "content": "Hello."}
# Beside the message that varies: the API wants a question in front, and answers to one.
MESSAGES_IN_FRONT, MESSAGES_BEHIND = [QUESTION], [QUESTION]


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of one TypedDict."""

    owner: type
    name: str

    def __str__(self):
        return f"{self.owner.__name__}.{self.name}"


@dataclasses.dataclass(frozen=True)
class Place:
    """A field where it stands in a request: its path, and the type that it has there."""

    field: Field
    path: tuple  # ("messages", 1, "content", 0, "text")
    is_required: bool
    annotation: object

    def __str__(self):
        return ".".join(str(step) for step in self.path)


def fields(owner):
    """name -> (annotation, whether it is required) of a TypedDict."""
    hints = typing_extensions.get_type_hints(owner, include_extras=True)
    return {name: (bare(hint), name in owner.__required_keys__ or is_marked_required(hint))
            for name, hint in hints.items()}


def is_marked_required(hint):
    return typing_extensions.get_origin(hint) is typing_extensions.Required


def bare(annotation):
    """Without what is only said about it."""
    while typing_extensions.get_origin(annotation) in (typing_extensions.Required, typing_extensions.NotRequired,
                                                       typing_extensions.Annotated):
        annotation = typing_extensions.get_args(annotation)[0]
    return annotation


def alternatives(annotation):
    """The members of a union, nested ones too, which JSON can hold: no files, and no models of responses, which
    are sent as their parameters are."""
    annotation = bare(annotation)
    if typing_extensions.get_origin(annotation) is typing.Union:
        return [one for member in typing_extensions.get_args(annotation) for one in alternatives(member)]
    known = typing_extensions.get_origin(annotation) or annotation
    unsendable = inspect.isclass(known) and issubclass(known, (pydantic.BaseModel, os.PathLike, typing.IO, bytes))
    return [] if unsendable else [annotation]


def item_of(annotation):
    """The type of a list's items, or None for what is no list."""
    origin = typing_extensions.get_origin(annotation)
    is_list = inspect.isclass(origin) and issubclass(origin, collections.abc.Iterable) \
        and not issubclass(origin, collections.abc.Mapping)
    return typing_extensions.get_args(annotation)[0] if is_list else None


def minimal(annotation, name=None):
    """The smallest well-formed value, for a field of that name."""
    annotation = alternatives(annotation)[0]
    if typing_extensions.is_typeddict(annotation):
        return {key: minimal(of, key) for key, (of, required) in fields(annotation).items() if required}
    if typing_extensions.get_origin(annotation) is typing_extensions.Literal:
        return typing_extensions.get_args(annotation)[0]
    if item_of(annotation) is not None:
        return listed(minimal(item_of(annotation)), name)[0]
    if annotation is type(None):
        return None
    if annotation in SAMPLES:
        return SAMPLE_OF_FIELD.get(name, SAMPLES[annotation])
    assert typing_extensions.get_origin(annotation) is dict or annotation is dict, f"no sample for {annotation}"
    return {}


def listed(value, name):
    """A list with this value, and where it stands in it."""
    if name == "messages":
        return [*MESSAGES_IN_FRONT, value, *MESSAGES_BEHIND], len(MESSAGES_IN_FRONT)
    return [value], 0


class Walk:
    """All that a type can say: `variants` differ from the minimal value in one place each."""

    def __init__(self):
        self._seen = set()

    def variants(self, annotation, path=(), name=None, owner=None):
        """Pairs of a Place (None for the minimal value of a whole type) and a value. What stands below a type
        varies once for each field that leads to the type."""
        for kind in alternatives(annotation):
            if typing_extensions.is_typeddict(kind):
                yield from self._of_fields(kind, path, (owner, name))
            elif typing_extensions.get_origin(kind) is typing_extensions.Literal:
                for value in typing_extensions.get_args(kind):
                    yield None, value
            elif item_of(kind) is not None:
                at = listed(None, name)[1]
                for place, value in self.variants(item_of(kind), (*path, at), name, owner):
                    yield place, listed(value, name)[0]
            else:
                yield None, minimal(kind, name)

    def _of_fields(self, kind, path, led_by):
        whole = minimal(kind)
        yield None, whole
        if (kind, led_by) in self._seen:
            return
        self._seen.add((kind, led_by))
        for name, (annotation, required) in fields(kind).items():
            own = Place(Field(kind, name), (*path, name), required, annotation)
            for place, value in self.variants(annotation, own.path, name, kind):
                yield place or own, {**whole, name: value}


def reachable(annotation, seen=None):
    """Every Field that a value of this type can have, found without making any."""
    seen = set() if seen is None else seen
    for kind in alternatives(annotation):
        if typing_extensions.is_typeddict(kind):
            if any(field.owner is kind for field in seen):
                continue
            seen |= {Field(kind, name) for name in fields(kind)}
            for of, _ in fields(kind).values():
                reachable(of, seen)
        elif item_of(kind) is not None:
            reachable(item_of(kind), seen)
    return seen


WRONG = [5, NAME, True, [], {}]


def json_type(value):
    return {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object",
            type(None): "null"}[type(value)]


def json_types(annotation):
    """The types of JSON that a value may have; None where any will do."""
    kinds = alternatives(annotation)
    return None if object in kinds else {json_type(minimal(kind)) for kind in kinds}


def wrong_value(annotation):
    """A value that no member of the type takes; None where everything is taken."""
    taken = json_types(annotation)
    return None if taken is None else next(value for value in WRONG if json_type(value) not in taken)


def parent_of(body, path):
    for step in path[:-1]:
        body = body[step]
    return body
