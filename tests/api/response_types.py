"""Judges JSON by the official SDK's models of responses, strictly: the SDK itself lets pass what it does not know."""

import datetime
import typing

import pydantic
import typing_extensions

from request_types import bare


class Mismatch(AssertionError):
    pass


def expect(condition, path, what):
    if not condition:
        raise Mismatch(f"{path or 'the body'}: {what}")


def check(annotation, value, path=""):
    """Fails unless the value is one of this type: every required field, no other field, only declared literals."""
    annotation = bare(annotation)
    origin = typing_extensions.get_origin(annotation)
    if origin is typing.Union:
        check_union(typing_extensions.get_args(annotation), value, path)
    elif origin is typing_extensions.Literal:
        expect(value in typing_extensions.get_args(annotation), path, f"{value!r} is not declared")
    elif origin is list:
        expect(isinstance(value, list), path, "no list")
        for index, item in enumerate(value):
            check(typing_extensions.get_args(annotation)[0], item, f"{path}.{index}")
    elif origin is dict:
        expect(isinstance(value, dict), path, "no object")
    elif annotation is datetime.datetime:
        expect(datetime.datetime.fromisoformat(value).tzinfo is not None, path, f"{value!r} is no time with a zone")
    elif annotation is object or annotation is typing.Any:
        pass
    elif isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        check_model(annotation, value, path)
    else:
        plain = {type(None), str, int, float, bool}
        expect(annotation in plain, path, f"no rule for {annotation}")
        expect(type(value) is annotation or (annotation is float and type(value) is int), path,
               f"{value!r} is no {annotation.__name__}")


def check_model(model, value, path):
    expect(isinstance(value, dict), path, f"no object ({model.__name__})")
    known = {field.alias or name: (field.annotation, field.is_required())
             for name, field in model.model_fields.items()}
    unknown = value.keys() - known.keys()
    expect(not unknown, path, f"{model.__name__} knows no {sorted(unknown)}")
    for name, (annotation, is_required) in known.items():
        expect(name in value or not is_required, path, f"{model.__name__} lacks {name}")
        if name in value:
            check(annotation, value[name], f"{path}.{name}" if path else name)


def check_union(members, value, path):
    wrong = []
    for member in members:
        try:
            return check(member, value, path)
        except Mismatch as mismatch:
            wrong.append(str(mismatch))
    raise Mismatch(f"{path or 'the body'}: no member of the union fits {str(value)[:200]}: " + "; ".join(wrong)[:2000])
