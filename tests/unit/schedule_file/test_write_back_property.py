"""Random layouts of a schedule file, and random changes of its schedules."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from scheduler.schedule_file import parse
from scheduler.schedule_file.write_back import same, splice

Draw = Callable[[st.SearchStrategy[Any]], Any]
WORDS = st.sampled_from(
    ["reports", "a b", "10", "no", "12:30", "it's", 'say "x"', "# no", "ä: ö", "{x}", "", "30s", "x\ny", "✓ 😀", "- a"]
)
SCALARS = st.one_of(WORDS, st.integers(-5, 5), st.booleans(), st.just(1.5))
LISTS = st.lists(SCALARS, min_size=1, max_size=3)
MAPPINGS = st.dictionaries(st.sampled_from(["a", "b", "on", "x y", "1"]), SCALARS, min_size=1, max_size=3)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "task": WORDS,
    "cron": st.sampled_from(["30 2 * * *", "@daily", "*/5 * * * *"]),
    "queue": WORDS,
    "retries": st.integers(0, 9),
    "args": LISTS,
    "kwargs": st.dictionaries(st.sampled_from(["p", "q"]), st.one_of(SCALARS, LISTS, MAPPINGS), min_size=1),
    "tags": LISTS,
}


@dataclass
class Layout:
    """Lines as they are drawn; each belongs to a schedule and a field of it, or to nobody."""

    draw: Draw
    newline: str
    lines: list[tuple[tuple[str, str], str]]
    numbers: Any

    def put(self, owner: tuple[str, str], text: str, *, comment: bool = True) -> None:
        if comment and self.draw(st.booleans()):
            text += self.draw(st.sampled_from([" ", "   "])) + self.remark()
        self.lines.append((owner, text))

    def remark(self) -> str:
        return f"# ü remark {next(self.numbers)} {{[,:'"

    def between(self, column: int) -> None:
        """Empty lines and comments, which belong to nobody."""
        for _ in range(self.draw(st.integers(0, 2))):
            self.put(("", ""), self.draw(st.sampled_from(["", " " * column + self.remark()])), comment=False)

    def scalar(self, value: Any, *, flow: bool = False) -> str:
        if not isinstance(value, str):
            return json.dumps(value)
        ways = [json.dumps(value, ensure_ascii=False)]
        if "\n" not in value:
            ways.append("'" + value.replace("'", "''") + "'")
        if same(parse(f"k: [{value}, 0]" if flow else f"k: {value}", "").data.get("k"), [value, 0] if flow else value):
            ways.append(value)
        return str(self.draw(st.sampled_from(ways)))

    def flow(self, value: Any) -> str:
        gap = self.draw(st.sampled_from(["", " "]))
        if isinstance(value, dict):
            inside = f",{gap} ".join(f"{self.scalar(key, flow=True)}: {self.flow(one)}" for key, one in value.items())
            return f"{{{gap}{inside}{gap}}}"
        if isinstance(value, list):
            return f"[{gap}{f', {gap}'.join(self.flow(one) for one in value)}{gap}]"
        return self.scalar(value, flow=True)

    def field(self, owner: tuple[str, str], column: int, value: Any) -> None:
        """A key of a schedule with its value, in one of the ways in which it can be written."""
        key = " " * column + owner[1] + ":"
        block = self.draw(st.booleans())
        if isinstance(value, str) and value.endswith("y") and block:
            self.put(owner, f"{key} |-")
            for line in value.split("\n"):
                self.put(owner, " " * (column + 2) + line, comment=False)
        elif isinstance(value, (list, dict)) and block:
            self.put(owner, key)
            deeper = " " * (column + self.draw(st.sampled_from([0, 2, 4] if isinstance(value, list) else [1, 2])))
            for one in value:
                if self.draw(st.booleans()):
                    self.put(owner, deeper + self.remark(), comment=False)
                item = (
                    f"- {self.flow(one)}" if isinstance(value, list) else f"{self.scalar(one)}: {self.flow(value[one])}"
                )
                self.put(owner, deeper + item)
        else:
            self.put(owner, f"{key} {self.flow(value) if isinstance(value, (list, dict)) else self.scalar(value)}")

    def schedule(self, name: str, column: int, step: int, fields: dict[str, Any]) -> None:
        if self.draw(st.integers(0, 4)) == 0:
            self.put((name, "*"), f"{' ' * column}{name}: {self.flow(fields)}")
            return
        self.put((name, ""), " " * column + f"{name}:")
        for key, value in fields.items():
            self.field((name, key), column + step, value)
            self.between(column + step)

    def text(self, *, ended: bool) -> str:
        return self.newline.join(line for _, line in self.lines) + (self.newline if ended else "")


@st.composite
def files(draw: Draw) -> tuple[Layout, dict[str, Any], str]:
    layout = Layout(draw, draw(st.sampled_from(["\n", "\r\n"])), [], itertools.count())
    column, step = draw(st.sampled_from([1, 2, 4])), draw(st.sampled_from([1, 2, 4]))
    layout.between(0)
    layout.put(("", ""), "timezone: Europe/Berlin")
    layout.put(("", ""), "schedules:")
    data: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(["one", "two", "three"]), min_size=1, unique=True)):
        data[name] = draw(
            st.fixed_dictionaries({"task": WORDS}, optional={key: one for key, one in VALUES.items() if key != "task"})
        )
        layout.between(column)
        layout.schedule(name, column, step, data[name])
    layout.between(0)
    if draw(st.booleans()):
        layout.put(("", ""), "calendars: {x: [2026-12-25]}")
    return layout, data, layout.text(ended=draw(st.booleans()))


@st.composite
def changes(draw: Draw) -> tuple[Layout, str, dict[str, dict[str, Any]], set[tuple[str, str]]]:
    """A file, the schedules that shall be otherwise, and which fields of them are."""
    layout, data, text = draw(files())
    wanted: dict[str, dict[str, Any]] = {}
    touched: set[tuple[str, str]] = set()
    for name in draw(st.lists(st.sampled_from([*data, "new"]), min_size=1, unique=True)):
        fields = data.get(name, {})
        wanted[name] = dict(fields)
        for key in draw(st.lists(st.sampled_from([*VALUES]), min_size=1, unique=True)):
            if key in fields and key != "task" and draw(st.integers(0, 2)) == 0:
                del wanted[name][key]
            else:
                wanted[name][key] = draw(VALUES[key])
            if not same(fields.get(key), wanted[name].get(key)):
                touched |= {(name, key), (name, "*")}
    return layout, text, wanted, touched


#: To shrink a layout takes minutes, and it can be read as it is.
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, phases=UNSHRUNK, suppress_health_check=[*HealthCheck])
@given(changes())
def test_only_what_changes_is_touched_and_the_file_means_what_is_wanted(
    drawn: tuple[Layout, str, dict[str, dict[str, Any]], set[tuple[str, str]]],
) -> None:
    layout, text, wanted, touched = drawn
    before = parse(text, "f")
    assert before.problems == (), f"{before.problems}\n{text}"
    after = splice(text, wanted).text
    schedules = {**before.data["schedules"], **wanted}
    assert same(parse(after, "f").data, {**before.data, "schedules": schedules})
    kept = [line for owner, line in layout.lines if owner not in touched]
    rest = iter(after.split(layout.newline))
    assert all(line in rest for line in kept), f"a line that nobody changed is gone, or elsewhere:\n{text}\n--\n{after}"
    assert "\n" not in after.replace("\r\n", "") or layout.newline == "\n"
    new = len(wanted.get("new", ())) + 2
    assert len(after.splitlines()) <= len(text.splitlines()) + len(touched) + new


@settings(max_examples=50, deadline=None, phases=UNSHRUNK, suppress_health_check=[*HealthCheck])
@given(files())
def test_what_is_as_wanted_stays_byte_for_byte(drawn: tuple[Layout, dict[str, Any], str]) -> None:
    _, data, text = drawn
    assert splice(text, data).text == text
