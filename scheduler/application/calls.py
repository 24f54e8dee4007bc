"""What an entry of a ``beat_schedule`` calls: a task by name or object, a signature, or a canvas, with its options."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

from scheduler import timing
from scheduler.application.timings import CannotSay, from_number

CLEANUP = "celery.backend_cleanup"
#: Celery's names for what is no task of its own, but a plan of several.
CANVAS = frozenset({f"celery.{kind}" for kind in ("chain", "group", "chord", "map", "starmap", "chunks")})
ON_EACH_TASK = frozenset({"link", "link_error", "countdown", "headers", "time_limit", "soft_time_limit"})
ON_BOTH = frozenset({"queue", "priority"})
#: Options that change how Celery sends or stores, and not what runs.
WITHOUT_EFFECT = frozenset({"compression", "delivery_mode", "retry", "retry_policy", "shadow"})
HANDED_ON = frozenset({"countdown", "headers", "link", "link_error"})
IN_THE_TASK = "have the task do this, and take the option out"

Fields = tuple[dict[str, Any], list[str]]  #: as in the file, and what becomes different
Called = tuple[Any, list[Any], dict[str, Any], dict[str, Any]]  #: task, args, kwargs, options


def whole_call(entry: Mapping[str, Any]) -> Called:
    """An entry's call, with what a signature as its task brings; the entry's own arguments come first, as in Celery.

    Raises CannotSay.
    """
    task, args = entry["task"], positional(entry.get("args") or ())
    kwargs, options = (mapping(key, entry.get(key) or {}) for key in ("kwargs", "options"))
    if not isinstance(task, Mapping):
        return task, args, kwargs, options
    own_args, own_kwargs = list(task.get("args") or ()), dict(task.get("kwargs") or {})
    options = {**(task.get("options") or {}), **options}
    if task.get("immutable"):
        args, kwargs = [], {}
    return task.get("task"), [*args, *own_args], {**own_kwargs, **kwargs}, options


def positional(args: Any) -> list[Any]:
    """The positional arguments of an entry; ``(5)`` without its comma is no list. Raises CannotSay."""
    if not isinstance(args, Iterable):
        raise CannotSay(f"its args are a {type(args).__name__}, not a list", f"write them as ({str(args)[:50]},)")
    return list(args)


def mapping(key: str, value: Any) -> dict[str, Any]:
    """The ``kwargs`` or ``options`` of an entry; raises CannotSay."""
    if not isinstance(value, Mapping):
        raise CannotSay(f"its {key} are a {type(value).__name__}, not a mapping", "write them as {'name': value}")
    return dict(value)


def call_fields(task: Any, args: list[Any], kwargs: dict[str, Any], options: dict[str, Any]) -> Fields:
    """The fields for a call, and what becomes different; raises CannotSay."""
    name = task_name(task)
    if name in CANVAS:
        return canvas_fields(name, args, kwargs, options)
    fields: dict[str, Any] = {"task": "scheduler.tasks.clean_results" if name == CLEANUP else name}
    if args:
        fields["args"] = as_json(args)
    if kwargs:
        fields["kwargs"] = as_json(kwargs)
    policies, notes = option_fields(options)
    return fields | policies, notes


def canvas_fields(name: str, args: list[Any], kwargs: dict[str, Any], options: dict[str, Any]) -> Fields:
    """A built-in task that starts a chain, group or chord."""
    on_each = {key: value for key, value in options.items() if key in ON_EACH_TASK | ON_BOTH}
    kind = name.removeprefix("celery.")
    canvas = {
        "task": name,
        "args": args,
        "kwargs": kwargs,
        "options": on_each,
        "subtask_type": kind,
        "immutable": False,
    }
    policies, notes = option_fields({key: value for key, value in options.items() if key not in ON_EACH_TASK})
    start = {"task": "scheduler.tasks.start_canvas", "kwargs": {"canvas": as_json(canvas)}}
    return start | policies, [*notes, f"{kind}: the run starts it and ends; its tasks are calls beside the schedules"]


def as_json(arguments: Any) -> Any:
    """Arguments as the schedule file would hold them; raises CannotSay."""
    return escaped(plain_json(arguments, "its arguments are"))


def plain_json(value: Any, what: str) -> Any:
    """The value as JSON gives it back, as the worker gets it; raises CannotSay."""
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError) as error:
        raise CannotSay(f"{what} not JSON: {error}", "use texts, numbers, lists and mappings") from None


def escaped(value: Any) -> Any:
    """The same value for the file, in which ``${`` begins a reference."""
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, list):
        return [escaped(item) for item in value]
    return {key: escaped(item) for key, item in value.items()} if isinstance(value, dict) else value


def task_name(task: Any) -> str:
    """The name of a task, which may be given as an object."""
    name = task if isinstance(task, str) else getattr(task, "name", None) or getattr(task, "task", None)
    if not isinstance(name, str):
        raise CannotSay(f"its task is a {type(task).__name__}", "write the task's name")
    return name


def option_fields(options: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The options of ``apply_async`` as policies, and those without effect; raises CannotSay."""
    fields: dict[str, Any] = {}
    notes: list[str] = []
    for name, value in options.items():
        if value is None:
            continue
        if name in WITHOUT_EFFECT or (name, value) == ("serializer", "json"):
            notes += [f"the option {name} has no effect here"] if name in WITHOUT_EFFECT else []
        elif name in OPTIONS:
            key, convert = OPTIONS[name]
            fields[key] = convert(name, value)
        elif name == "ignore_result":
            fields |= {"keep_result": "none"} if value else {}
        elif name in HANDED_ON:
            if value != []:
                fields.setdefault("celery_options", {})[name] = plain_json(value, f"its option {name} is")
        else:
            raise CannotSay(f"it has the option {name!r}, for which the file has no word", IN_THE_TASK)
    if options.get("soft_time_limit") and options.get("time_limit"):
        soft, hard = (seconds(name, options[name]) for name in ("soft_time_limit", "time_limit"))
        fields["timeout"] = timing.format_duration(min(soft, hard))
        fields |= {"kill_after": timing.format_duration(hard - soft)} if hard > soft else {}
    return fields, notes


def duration(name: str, value: Any) -> str:
    """Seconds or a timedelta as text."""
    return timing.format_duration(seconds(name, value))


def seconds(name: str, value: Any) -> timedelta:
    """Seconds or a timedelta as a timedelta; raises CannotSay."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return from_number(value, f"its option {name}")
    if not isinstance(value, timedelta):
        raise CannotSay(f"its option {name} is a {type(value).__name__}", "give it in seconds")
    return value


def queue(_: str, value: Any) -> str:
    """The name of a queue, which may be given as kombu's object."""
    return str(getattr(value, "name", value))


def unchanged(_: str, value: Any) -> Any:
    return value


OPTIONS: dict[str, tuple[str, Callable[[str, Any], Any]]] = {
    "expires": ("expires", duration),
    "queue": ("queue", queue),
    "priority": ("priority", unchanged),
    "time_limit": ("timeout", duration),
    "soft_time_limit": ("timeout", duration),
}
