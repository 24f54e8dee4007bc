"""Convert between the text of the edit form and a schedule's fields."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from scheduler import timing
from scheduler.admin import arguments
from scheduler.admin.arguments import SHAPES, Given
from scheduler.admin.form_fields import AS_TYPED, LINES, of_text, to_text
from scheduler.admin.json_text import Errors, read, to_json
from scheduler.model import TIMING_KINDS, Entry, Problem
from scheduler.model.what_runs import kind_of

ANY_SHAPE = "write it as JSON, or leave it empty"
FORM_FIELDS = frozenset({"name", "task", "timing", "enabled", *LINES, *SHAPES})
UNCOMPARED = frozenset({"name", "task", "why", "revision"})  #: what two people cannot both change
WAS = "was."  #: what the names of the hidden fields begin with that say which choices a form asks for


class Both(NamedTuple):
    """A field that two people changed: what the first form showed, and what is stored now."""

    opened: str
    now: str


def of_entry(entry: Entry, signature: inspect.Signature | None = None) -> dict[str, str]:
    """The form's values for a stored entry; with a signature, its arguments both ways."""
    fields = entry.fields
    lines = {name: to_text(fields[name]) if name in fields else "" for name in LINES}
    texts = arguments.texts_of(signature, given_to(entry)) if signature else None
    return {
        **lines,
        **(texts or {}),
        **{key: to_json(fields.get(key)) for key in SHAPES},
        "timezone": lines["timezone"] or "UTC",
        "task": str(fields.get("task") or (kind_of(fields) if entry.name else "")),
        "timing": next((str(fields[kind]) for kind in TIMING_KINDS if kind in fields), ""),
        "enabled": "on" if fields.get("enabled", True) else "",
        "why": "",
        "revision": str(entry.revision),
    }


def given_to(entry: Entry | None) -> Given:
    """The arguments of a stored entry; none of one that does not exist."""
    fields = entry.fields if entry else {}
    return Given(fields.get("args") or [], fields.get("kwargs") or {})


def empty(inherited: Mapping[str, Any] = {}) -> dict[str, str]:
    """The form's values for a new schedule, with what the schedule file gives to its own."""
    return {"name": "", **of_entry(Entry(name="", origin="admin", fields=dict(inherited)))}


def of_request(sent: Mapping[str, str], entry: Entry | None = None) -> dict[str, str]:
    """The submitted values, with the task of the entry if there is one. Browsers send text areas with CRLF."""
    names = empty().keys() - SHAPES.keys()
    values = {key: sent.get(key, "").replace("\r\n", "\n").strip() for key in names} | arguments.typed(sent)
    return values if entry is None else values | {"task": of_entry(entry)["task"]}


def same(sent: Mapping[str, str], stored: Mapping[str, str]) -> bool:
    """Whether the form came back unchanged, apart from the reason."""
    return all(text == stored.get(key, "") for key, text in sent.items() if key != "why")


def revision(values: Mapping[str, str]) -> int:
    """The revision that the form was opened at; -1, which never matches, if it is no number."""
    text = values["revision"]
    # No revision has more digits, and Python refuses to read thousands.
    return int(text) if text.isdecimal() and len(text) < 16 else -1


def in_shape_of(
    stored: Mapping[str, str],
    opened: Mapping[str, str],
    mine: Mapping[str, str],
    entry: Entry,
    signature: inspect.Signature | None,
) -> dict[str, str]:
    """The form's values, with its arguments as JSON if the stored ones do not have the same fields.

    Arguments that stayed as the form was ``opened`` are written as they were then.
    """
    own, theirs = ({key for key in values if key.startswith(arguments.START)} for values in (mine, stored))
    if not own or own == theirs:
        return dict(mine)
    given, _ = arguments.convert(signature, mine, given_to(entry))
    stayed = all(mine[key] == opened.get(key) for key in own)
    shapes = {key: opened.get(key, "") if stayed else to_json(getattr(given, key)) for key in SHAPES}
    return {key: text for key, text in mine.items() if key not in own} | shapes


def reconciled(
    opened: Mapping[str, str], stored: Mapping[str, str], mine: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, Both]]:
    """The form's values over a change that came meanwhile, and the fields that both changed.

    A field that stayed as the form was ``opened`` takes the stored value.
    """
    both, theirs = dict(mine), dict[str, Both]()
    for key in (key for key in stored if key in mine and key not in UNCOMPARED):
        now = stored.get(key, "")
        if mine[key] == now:
            continue
        if mine[key] == opened.get(key):
            both[key] = now
        elif now != opened.get(key):
            theirs[key] = Both(opened.get(key, ""), now)
    return both, theirs


def as_chosen(mine: Mapping[str, str], sent: Mapping[str, str], opened: Mapping[str, str]) -> dict[str, str]:
    """The form's values, with what the other one saved in the fields where the form takes it.

    Such a form was opened with what the other one had saved.
    """
    taken = {key for key in mine.keys() & opened.keys() if sent.get(f"take.{key}") == "theirs"}
    return {key: opened[key] if key in taken else text for key, text in mine.items()}


def to_choose(sent: Mapping[str, str], opened: Mapping[str, str]) -> dict[str, Both]:
    """The fields for which the submitted form asked for a choice and has none."""
    keys = (key.removeprefix(WAS) for key in sent if key.startswith(WAS))
    undecided = (key for key in keys if sent.get(f"take.{key}") not in ("mine", "theirs"))
    return {key: Both(sent[WAS + key], opened.get(key, "")) for key in undecided}


def to_fields(
    values: Mapping[str, str], entry: Entry | None = None, signature: inspect.Signature | None = None
) -> tuple[dict[str, Any], Errors]:
    """The fields that the form sets, None for one that it leaves unset, and errors for text that cannot be read."""
    given, errors = arguments.convert(signature, values, given_to(entry))
    fields: dict[str, Any] = {"enabled": bool(values["enabled"]), **given._asdict()}
    for name in LINES:
        text = values[name]
        if text[:1] in ("[", "{") and name not in AS_TYPED:
            fields[name] = read(name, text, list if text[0] == "[" else dict, ANY_SHAPE, errors)
        else:
            fields[name] = of_text(name, text)
    return fields | timing_fields(values["timing"], entry, errors), errors


def timing_fields(text: str, entry: Entry | None, errors: Errors) -> dict[str, str]:
    """The timing that was typed; one that stayed as it was keeps its kind."""
    stored = entry.fields if entry else {}
    kept = next((kind for kind in TIMING_KINDS if stored.get(kind) == text), None)
    fields = {kept: text} if kept else timing.typed_fields(text)
    if "cron" in fields and text[:1].isalpha():
        try:
            timing.build("cron", fields["cron"])
        except timing.TimingError:
            try:
                timing.from_words(text)
            except timing.TimingError as error:  # its examples say more than what is wrong with it as a cron expression
                errors["timing"] = [str(error)]
    return fields


def merged(entry: Entry, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The entry's fields updated with the form's; a new timing replaces the old one."""
    kept = {key: value for key, value in entry.fields.items() if key not in (*TIMING_KINDS, "excluded")}
    return {key: value for key, value in {**kept, **fields}.items() if value is not None}


def place(problems: Iterable[Problem]) -> Errors:
    """Each problem under its field; under the empty key if the form does not show that field."""
    errors: Errors = {}
    for problem in problems:
        key = "timing" if problem.key in TIMING_KINDS else problem.key or "name"
        message = f"{problem.what} — {problem.remedy}" if problem.remedy else problem.what
        errors.setdefault(key if key in FORM_FIELDS else "", []).append(message)
    return errors
