"""The arguments of a task in a form: a field for each of its parameters, or JSON."""

from __future__ import annotations

import inspect
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from flask import request

from scheduler.admin.json_text import Errors, explained, read, refuse, to_json, unique
from scheduler.admin.service import service
from scheduler.model import Entry
from scheduler.storage import entries
from scheduler.storage.entries import DamagedEntry

START = "arg."  #: what the names of the fields of parameters begin with
SHAPES: dict[str, tuple[type, str]] = {
    "args": (list, 'write a JSON list, such as [10, "text", true], or leave it empty'),
    "kwargs": (dict, 'write a JSON object, such as {"format": "pdf"}, or leave it empty'),
}
REST = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
#: Annotations with which `7` and `true` are text, as their authors write them.
TEXT = frozenset({"str"})
TEXT_OR_NONE = frozenset({"str | None", "None | str", "Optional[str]", "typing.Optional[str]"})
MAX_LINE = 60  #: characters of a value that one line shows


class Parameter(NamedTuple):
    """One parameter of a task, and how its field looks."""

    name: str
    kind: str  #: its annotation
    default: str  #: as JSON; empty where a value has to be given

    @property
    def key(self) -> str:
        """The name of its field."""
        return START + self.name

    @property
    def choices(self) -> tuple[str, ...]:
        """The values to choose from; empty for any."""
        return ("true", "false") if self.kind == "bool" else ()


class Given(NamedTuple):
    """Arguments as a schedule or a run has them."""

    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Fields:
    """The fields of a form for arguments, and what is typed there."""

    values: Mapping[str, str]
    parameters: tuple[Parameter, ...] | None  #: None: as JSON
    can_change: bool = False  #: whether the other way is possible


def of_task(task: str) -> inspect.Signature | None:
    """Its signature; None where only JSON can say its arguments, or only the schedule file may."""
    signature = (service().tasks or {}).get(task)
    if signature is None or task in service().file_only:
        return None
    return None if any(it.kind in REST for it in signature.parameters.values()) else signature


def may_be_given(entry: Entry | None) -> bool:
    """Whether a run of this schedule can have other arguments: a program's are the schedule file's alone."""
    try:
        return entry is not None and entries.job(entry).task not in service().file_only
    except DamagedEntry:
        return False


def typed(sent: Mapping[str, str]) -> dict[str, str]:
    """What a form has of arguments: the fields of parameters where it has any, else JSON."""
    texts = {key: text.replace("\r\n", "\n").strip() for key, text in sent.items()}
    ours = {key: text for key, text in texts.items() if key.startswith(START)}
    return ours or {key: texts.get(key, "") for key in SHAPES}


def look(
    signature: inspect.Signature | None, values: Mapping[str, str], before: Given, theirs: Collection[str] = ()
) -> Fields:
    """The fields to show for what is typed; as JSON where the address says ``?arguments=json``, or only JSON can.

    Those of ``theirs`` wait for a choice, which only the way in which they are written now can show.
    """
    given, errors = convert(signature, values, before)
    texts = texts_of(signature, given) if signature else None
    mine = {key: text for key, text in values.items() if key.startswith(START)}
    if signature and mine and mine.keys() <= {START + name for name in signature.parameters}:
        texts = {**dict.fromkeys((START + name for name in signature.parameters), ""), **mine}
    waiting = [key for key in theirs if key in SHAPES or key.startswith(START)]
    as_json = any(key in SHAPES for key in waiting) if waiting else request.args.get("arguments") == "json"
    if signature is None or texts is None or as_json or errors.keys() & SHAPES.keys():
        is_typed = SHAPES.keys() <= values.keys()
        json_values = {key: values[key] if is_typed else to_json(getattr(given, key)) for key in SHAPES}
        return Fields({**values, **json_values}, None, texts is not None and not waiting)
    return Fields({**values, **texts}, parameters(signature), not waiting)


def parameters(signature: inspect.Signature) -> tuple[Parameter, ...]:
    return tuple(Parameter(it.name, kind_of(it), default_of(it)) for it in signature.parameters.values())


def texts_of(signature: inspect.Signature, given: Given) -> dict[str, str] | None:
    """The text of each field; None where a field cannot hold an argument, or there is none for it."""
    try:
        bound = signature.bind_partial(*given.args, **given.kwargs).arguments
    except TypeError:
        return None
    texts: dict[str, str] = {}
    for name, parameter in signature.parameters.items():
        kind = kind_of(parameter)
        texts[START + name] = text_of(bound[name], kind) if name in bound else ""
        if name in bound and not reads_as(texts[START + name], kind, bound[name]):
            return None
    return texts


def convert(signature: inspect.Signature | None, values: Mapping[str, str], before: Given) -> tuple[Given, Errors]:
    """The arguments that are typed, and errors for what cannot be read.

    Those that were given by their position ``before`` stay so, as far as each has a value.
    """
    errors: Errors = {}
    mine = {key.removeprefix(START): text for key, text in values.items() if key.startswith(START)}
    if not mine:
        args, kwargs = (read(key, values.get(key, ""), *shape, errors) for key, shape in SHAPES.items())
        return Given(args, kwargs), errors
    known = signature.parameters if signature else {}
    given = {name: read_value(name, text, kind_of(known.get(name)), errors) for name, text in mine.items() if text}
    for name, it in known.items():
        if it.default is it.empty and name not in given:
            errors[START + name] = [f"{name} is required: the task has no default for it"]
    return laid_out(known, given, before), errors


def laid_out(known: Mapping[str, inspect.Parameter], given: dict[str, Any], before: Given) -> Given:
    """The arguments by position as far as ``before`` has them so, the others by name in the order of ``before``."""
    args: list[Any] = []
    for number, (name, it) in enumerate(known.items()):
        by_position = it.kind is it.POSITIONAL_ONLY or number < len(before.args)
        if name not in given or not by_position:
            break
        args.append(given.pop(name))
    order = dict.fromkeys([*before.kwargs, *given])
    return Given(args, {name: given[name] for name in order if name in given})


def read_value(name: str, text: str, kind: str, errors: Errors) -> Any:
    """What is typed for one parameter; notes the error of a text that begins like JSON and is none."""
    try:
        return value_of(text, kind)
    except (ValueError, RecursionError) as error:
        errors[START + name] = [f"{name}: {explained(error)} — correct it, or put quotes around it if it is text"]
        return text


def value_of(text: str, kind: str) -> Any:
    """JSON where it is JSON, else the text itself; the text for a parameter that takes text.

    Raises ValueError for what begins as a list, an object or a quoted text and is none.
    """
    if kind in TEXT_OR_NONE and text == "null":
        return None
    is_text = kind in TEXT or kind in TEXT_OR_NONE
    if is_text and text[:1] != '"':
        return text
    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except (ValueError, RecursionError):
        if text[:1] in ("[", "{", '"') and not is_text:
            raise
        return text


def text_of(value: Any, kind: str) -> str:
    """A value as a person types it: text without quotes, unless the field would lose or change a part of it."""
    is_line = isinstance(value, str) and [value] == value.strip().splitlines()
    return str(value) if is_line and reads_as(value, kind, value) else json.dumps(value, ensure_ascii=False)


def reads_as(text: str, kind: str, value: Any) -> bool:
    """Whether the text is read as exactly this value."""
    try:
        return json.dumps(value_of(text, kind)) == json.dumps(value)
    except (ValueError, RecursionError):
        return False


def default_of(parameter: inspect.Parameter) -> str:
    return "" if parameter.default is parameter.empty else json.dumps(parameter.default, default=repr)


def kind_of(parameter: inspect.Parameter | None) -> str:
    """The annotation as its author wrote it; empty without one."""
    note = parameter.annotation if parameter else inspect.Parameter.empty
    if note is inspect.Parameter.empty:
        return ""
    return note.__name__ if type(note) is type else str(note)
