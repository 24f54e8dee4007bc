"""Files broken at random, in their bytes and in their structure: no crash, no hang, always a place."""

from __future__ import annotations

import copy
import inspect
import json
import os
import random
import resource
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scheduler import schedule_file
from scheduler.model import Problem
from scheduler.schedule_file import json_schema
from scheduler.validate import validate

#: Per test below, of which there are four; a run of CI makes 40 000. Those that take longest get a fifth.
CASES = 12_500 if os.environ.get("CI") == "true" else 1_000
TASKS = {"log_it": inspect.signature(lambda a, b: None), "other.task": None}
SEEDS = tuple(
    text.encode()
    for text in (
        '# yaml\ntimezone: UTC\nschedules:\n  a:\n    task: log_it\n    cron: "30 2 * * *"\n    args: [1, 2]\n',
        "defaults: {expires: 1h}\nschedules:\n  a: &a {task: other.task, every: 5m}\n  b:\n    <<: *a\n    every: 6m\n",
        "calendars: {h: [2026-12-25]}\nschedules:\n  a:\n    task: other.task\n    every: 1d\n    except: [h]\n",
        'schedules:\n  a:\n    task: other.task\n    at: 2030-01-01 10:00\n    kwargs: {x: "é\\n", y: |-\n      ü}\n',
    )
)
WORDS = (
    *(
        "\n ",
        "\t",
        "  ",
        ": ",
        "- ",
        "? ",
        "*",
        "&a ",
        "${",
        "${A}",
        "$${",
        "${file:/x}",
        "include: x",
        "*a",
        "<<: *a",
        "!x ",
        "!!int ",
        "'",
        '"',
        "[",
        "]",
        "{",
        "}",
        ",",
    ),
    *(
        "#",
        " #",
        "%YAML 1.1\n",
        "---\n",
        "...\n",
        "\n\n",
        "@",
        "`",
        "|-",
        ">+2\n",
        "null",
        "~",
        "on",
        ".inf",
        ".nan",
        "1e999",
    ),
    *(
        "0x",
        "010",
        "1_000",
        "12:30",
        "\\x",
        "\\ud800",
        "\ufeff",
        "\x85",
        "\u2028",
        "\r",
        "\r\n",
        "schedules:",
        "  a:\n",
    ),
    *("    task: x\n", "cron: * * * * *\n", "every: 5\n", "retries: 3\n", "enabled: no\n", "kwargs: {", "args: ["),
)
PIECES = (*[bytes([byte]) for byte in range(256)], *[word.encode() for word in WORDS])
SCHEMA = json_schema.schema()
#: Every key that a schedule file may have, and some that it may not.
KEYS = tuple(
    sorted(
        {key for noun in (SCHEMA, *SCHEMA["definitions"].values()) for key in noun["properties"]}
        | {"a", "b", "ops", "corn", "", "<<", "on", "1"}
    )
)
#: A good file in which one of each kind of mapping stands somewhere.
WHOLE: dict[str, Any] = {
    "groups": {"w": {"max_running": 1}},
    "defaults": {"expires": "1h"},
    "alerts": {
        "sinks": {"ops": {"email": {"to": ["a@b.example"], "from": "c@d.example"}}, "x": {"webhook": {"url": "${A}"}}},
        "to": ["ops"],
    },
    "schedules": {
        "a": {
            "task": "other.task",
            "every": "5m",
            "group": "w",
            "alerts": {"off": "known"},
            "then": {"success": ["b"]},
        },
        "b": {"task": "log_it", "cron": "@daily", "args": [1, 2], "kwargs": {}, "then": {"task": "other.task"}},
        "c": {"http": {"url": "https://a.example", "headers": {"A": "b"}, "json": {"a": [1]}}, "every": "1h"},
        "d": {"command": ["a"], "environment": {"A": "b"}, "success_codes": [0], "every": "1h"},
    },
}
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        3,
        10**30,
        0.5,
        float("inf"),
        "",
        " ",
        "x",
        "5m",
        "* * * * *",
        "@daily",
        "\u202e",
        "\x85",
        "${A}",
        "${",
    ),
    *("2026-12-25", "2030-01-01 10:00", "UTC", "Europe/Berlin", "h", "a", "a b", "no", "FREQ=DAILY", "x" * 5000),
    *("0 0 1 * 1", [], {}, [[]], {"": {}}, [None], {"a": "b"}, ["h", "h"], [1, {"x": [2]}]),
)


def mutated_bytes(dice: random.Random) -> bytes:
    """A good file with a few pieces replaced, put in, doubled or cut out."""
    raw = dice.choice(SEEDS)
    for _ in range(dice.choice((1, 1, 2, 3, 6))):
        start = dice.randrange(len(raw) + 1)
        end = min(len(raw), start + dice.choice((0, 0, 1, 1, 2, 5, 20)))
        piece = raw[start:end] * 3 if dice.random() < 0.1 else dice.choice(PIECES)
        raw = raw[:start] + piece + raw[end:]
    return raw[: dice.randrange(len(raw) + 1)] if dice.random() < 0.1 else raw


def spliced_lines(dice: random.Random) -> bytes:
    """The lines of two good files shuffled into each other, with other indentation."""
    lines = [*dice.choice(SEEDS).splitlines(), *dice.choice(SEEDS).splitlines()]
    kept = [line for line in lines if dice.random() < 0.7]
    if dice.random() < 0.3:
        dice.shuffle(kept)
    return b"\n".join(dice.choice((b"", b"", b"", b" ", b"  ", b"\t", b"- ")) + line for line in kept)


def mutated_structure(dice: random.Random) -> bytes:
    """Well-formed, but with other keys and values than a schedule file has."""
    data = copy.deepcopy(WHOLE)
    for _ in range(dice.choice((1, 2, 3, 6))):
        # A copy: put into itself, a shared value would be a circle, which JSON cannot say.
        dice.choice([*mappings(data)])[dice.choice(KEYS)] = copy.deepcopy(dice.choice(VALUES))
    return json.dumps(data, ensure_ascii=dice.random() < 0.5).replace("Infinity", ".inf").encode()


def mappings(value: object) -> Iterator[dict[str, Any]]:
    """Every mapping in this one, and itself."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from mappings(inner)


def random_tree(dice: random.Random) -> bytes:
    """Mappings and lists in each other, in flow or block style, with anchors and aliases."""

    def node(depth: int) -> str:
        kind = dice.random()
        if depth > 4 or kind < 0.4:
            return dice.choice(("*a", "*b", "x", "'y'", '"z"', "5", "~", "!t x", "&a 1", "[", "}", "* * * * *"))
        anchor = dice.choice(("", "", "&a ", "&b "))
        items = [node(depth + 1) for _ in range(dice.randrange(4))]
        if kind < 0.7:
            return f"{anchor}[{', '.join(items)}]"
        return f"{anchor}{{{', '.join(f'{dice.choice(KEYS)}: {item}' for item in items)}}}"

    return "".join(f"{dice.choice(KEYS)}: {node(0)}\n" for _ in range(dice.randrange(1, 4))).encode()


def complaint(raw: bytes) -> str:
    """What the reader and the gate did that they must never do; empty if nothing."""
    document = schedule_file.parse_bytes(raw, "s.yaml")
    validated = validate(document, tasks=TASKS)
    lines = len(raw.decode(errors="replace").splitlines()) + 1
    for problem in (*document.problems, *validated.problems):
        if not is_placed(problem, lines):
            return f"no sensible place: {problem!r}"
        if not str(problem).isprintable():
            return f"not one printable line: {problem!r}"
    if validated.ok and not set(document.data.get("schedules", {})) <= set(validated.declared):
        return "a schedule got lost without a problem"
    if not document.problems and (root := document.positions.root) and not same(root.value, document.data):
        return "the two readings of the text differ"
    for declared in validated.declared.values():
        json.dumps(declared.fields(), allow_nan=False)
        assert declared.timing is not None
    return ""


def same(one: object, other: object) -> bool:
    """Equal in value and type: ``==`` takes 1 for 1.0, and NaN for another."""
    return repr(one) == repr(other)


def is_placed(problem: Problem, lines: int) -> bool:
    place = problem.position
    return place is not None and place.file == "s.yaml" and 1 <= place.line <= lines and place.column >= 1


def peak() -> int:
    """The most memory that this process ever had, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutate", [mutated_bytes, spliced_lines, mutated_structure, random_tree])
def test_a_broken_file_never_crashes_hangs_or_goes_without_a_place(mutate: Callable[[random.Random], bytes]) -> None:
    dice = random.Random(random.getrandbits(64))
    before = peak()
    for _ in range(CASES // 5 if mutate is mutated_structure else CASES):
        raw = mutate(dice)
        try:
            wrong = complaint(raw)
        except Exception as error:
            raise AssertionError(f"{raw!r} raised {error!r}") from error
        assert not wrong, f"{raw!r}: {wrong}"
    assert peak() - before < 300_000
