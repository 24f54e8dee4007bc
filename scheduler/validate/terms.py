"""Findings, and pydantic's errors translated for the person who writes the file."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from scheduler.model import NO_CONTROLS, TIMING_KINDS
from scheduler.printable import near, printable, shown
from scheduler.timing import TimingError
from scheduler.validate import elsewhere

Path = tuple[str | int, ...]
N = TypeVar("N", bound=BaseModel)
MAX_FINDINGS = 300
NAME_RULE = "use letters, digits, '.', '_' and '-', begin with a letter or digit, at most 100 characters"
#: pydantic's error type: (what is wrong, after the name of the key; what to do)
TERMS = {
    "missing": ("is missing", "add {key}:"),
    "string_type": ("must be text, not {input}", "{text}"),
    "int_type": ("must be a whole number, not {input}", "write digits only, without quotes"),
    "bool_type": ("must be true or false, not {input}", "write true or false, without quotes"),
    "literal_error": ("cannot be {input}", "write {expected}"),
    "greater_than_equal": ("is {input}, which is too small", "write {ge} or more"),
    "less_than_equal": ("is {input}, which is too large", "write {le} or less"),
    "string_too_long": ("is longer than {max_length} characters", "shorten it"),
    "string_too_short": ("is empty", "write at least one character"),
    "string_pattern_mismatch": ("{input} is not a valid name", NAME_RULE),
    "control_characters": ("{input} contains a line break or another control character", "remove it"),
    "too_short": ("is empty", "write at least {min_length}"),
    "too_long": ("has {actual_length} entries", "use at most {max_length}"),
    "tuple_type": ("must be a list, not {input}", "write [a, b], or one '- item' per line"),
    "dict_type": ("must be a mapping, not {input}", "write key: value lines, or {{}} for none"),
    "model_type": ("must be a mapping, not {input}", "write key: value lines, or {{}} for none"),
}
UNITS = {"every": "write it with a unit, such as 30s, 10m or 1h30m", "shell": "write command: for a list"}


class Finding(NamedTuple):
    """An error or warning at a path of keys; ``at_key`` if it concerns the last key itself, not its value."""

    path: Path
    what: str
    remedy: str = ""
    at_key: bool = False
    severity: Literal["error", "warning"] = "error"


def check(noun: type[N], data: object) -> tuple[N | None, list[Finding]]:
    """Validate data against a model: the object, or None and all findings."""
    try:
        return noun.model_validate(bounded(noun, data)), []
    except ValidationError as error:
        found = error.errors(include_url=False)[:MAX_FINDINGS]
        return None, [translate(noun, details) for details in found if not is_cut(details)]


def is_cut(details: Any) -> bool:
    """Whether a list is too short for pydantic only because each of its items is wrong, which other errors say."""
    return bool(details["type"] == "too_short" and len(details["input"]) >= details["ctx"]["min_length"])


def bounded(noun: type[BaseModel], data: object) -> object:
    """Keep the known keys and the first MAX_FINDINGS others; more would only repeat 'unknown key'."""
    if not isinstance(data, dict) or len(data) <= MAX_FINDINGS:
        return data
    known = keys(noun, ("",))
    return dict(list(data.items())[:MAX_FINDINGS]) | {key: data[key] for key in known if key in data}


def translate(noun: type[BaseModel], details: Any) -> Finding:
    """An error of pydantic, as the reader of a schedule file understands it."""
    path: Path = details["loc"]
    key = dotted(path)
    context = details.get("ctx", {})
    if details["type"] == "extra_forbidden":
        allowed = keys(noun, path)
        theirs = elsewhere.remedy(str(path[-1]), details["input"], allowed)
        remedy = theirs or near(str(path[-1]), allowed) or "delete it"
        return Finding(path, f"unknown key {shown(path[-1])}", remedy, at_key=True)
    if details["input"] is None and details["type"] not in ("missing", "string_pattern_mismatch"):
        return Finding(path, f"{key} is empty", "write a value, or delete the line")
    if details["type"] == "value_error":
        return Finding(path, *halves(context["error"], key))
    kind = details["type"]
    if kind == "string_pattern_mismatch" and context["pattern"] == NO_CONTROLS:
        kind = "control_characters"
    if kind == "string_type" and key in TIMING_KINDS and isinstance(details["input"], (dict, list)):
        what = f"{key} must be text, not {shown(details['input'])}"
        return Finding(path, what, elsewhere.timing_remedy(details["input"]) or UNITS.get(key, "quote it"))
    if kind == "tuple_type" and key == "command":
        what = f"command must be a list, not {shown(details['input'])}"
        return Finding(path, what, elsewhere.command_remedy(details["input"]) or "write [program, argument]")
    what, remedy = TERMS.get(kind, (f"is invalid: {details['msg']}", "see the JSON Schema"))
    words = {**context, "key": key, "input": shown(details["input"]), "text": UNITS.get(key, "quote it")}
    return Finding(path, f"{key} {what.format(**words)}", remedy.format(**words), details["type"] == "missing")


def keys(noun: type[BaseModel], path: Path) -> list[str]:
    """The keys that are allowed where the path ends."""
    for step in path[:-1]:
        field = next((one for name, one in noun.model_fields.items() if step in (name, one.alias)), None)
        # A step that names no field is a key of a mapping, whose model was found at the step before.
        noun = (model_in(field.annotation) if field else None) or noun
    return [field.alias or name for name, field in noun.model_fields.items()]


def model_in(annotation: object) -> type[BaseModel] | None:
    """The model inside a type such as ``dict[str, Model]`` or ``Model | None``; None without one."""
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation if issubclass(annotation, BaseModel) else None
    return next((model for one in get_args(annotation) if (model := model_in(one))), None)


def halves(error: ValueError, key: str) -> tuple[str, str]:
    """What is wrong, after the key, and what to do: the two halves of an error from our own readers."""
    if isinstance(error, TimingError):
        return f"{key}: {error.problem}", error.remedy
    what, _, remedy = str(error).partition(" — ")
    return f"{key}: {what}", remedy


def dotted(path: Path) -> str:
    """``args[1]``, ``defaults.expires``: a path as people write it."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{printable(step)}" for step in path)
    return text.removeprefix(".")
