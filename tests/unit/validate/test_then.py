"""What ``then:`` may say."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scheduler.model import Then
from scheduler.schedule_file import parse
from scheduler.validate import validate


def file(**then: str) -> str:
    lines = (f"  {name}: {{task: a, every: 5m, then: {what}}}" for name, what in then.items())
    return "\n".join(["schedules:", *lines, "  z: {task: a, every: 5m}", ""])


def told(text: str) -> list[str]:
    return [str(problem) for problem in validate(parse(text, "s.yaml"), tasks=None).problems]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("z", Then(success=("z",))),
        ("[z]", Then(success=("z",))),
        ("{failure: z, always: [z]}", Then(failure=("z",), always=("z",))),
    ],
)
def test_a_name_alone_follows_a_success(given: str, meant: Then) -> None:
    validated = validate(parse(file(x=given), "s.yaml"), tasks=None)
    assert not validated.problems
    assert validated.declared["x"].schedule.then == meant


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (file(x="zz"), "s.yaml:2:27: schedule 'x': unknown schedule 'zz' — did you mean 'z'?"),
        (file(x="{failure: [z, q]}"), "s.yaml:2:47: schedule 'x': unknown schedule 'q' — name a schedule of this file"),
        (file(x="{sucess: z}"), "s.yaml:2:34: schedule 'x': unknown key 'sucess' — did you mean 'success'?"),
        (file(x="x"), "s.yaml:2:27: schedule 'x': then leads back to where it began: x → x — take one of these"),
        (file(x="y", y="{always: [z, w]}", w="x"), "then leads back to where it began: x → y → w → x"),
    ],
)
def test_a_wrong_name_or_a_circle_is_an_error_with_its_place_and_a_remedy(text: str, problem: str) -> None:
    assert problem in "\n".join(told(text))


def test_two_ways_to_the_same_schedule_are_no_circle() -> None:
    assert not told(file(a="[b, c]", b="z", c="z"))


def test_what_has_no_name_is_a_schedule_that_only_starts_after_its_own() -> None:
    bare = "{task: shop.tell, args: [1]}"
    text = file(x=f"{{success: [z, {bare}], always: {bare}}}", y="{shell: 'exit 1', then: {task: b}}")
    validated = validate(parse(f"defaults: {{timeout: 5m}}\n{text}", "s.yaml"), tasks=None)
    assert not validated.problems
    then = {name: item.schedule.then for name, item in validated.declared.items()}
    assert then["x"] == Then(success=("z", "x.tell"), always=("x.tell-2",))
    assert (then["y"], then["y.shell"]) == (Then(success=("y.shell",)), Then(success=("y.shell.b",)))
    told = validated.declared["x.tell"].schedule
    assert (told.task, told.args, told.enabled, told.timeout) == ("shop.tell", (1,), False, timedelta(minutes=5))
    assert told.description == "Starts when a run of x succeeded"


@pytest.mark.parametrize(
    ("then", "problem"),
    [
        ("[{task: b}]", "s.yaml:2:41: schedule 'x': unknown task 'b'"),
        ("{failure: [z, {task: a, timeot: 3}]}", "s.yaml:2:57: schedule 'x': unknown key 'timeot'"),
        ("{task: a, every: 5m}", "s.yaml:2:43: schedule 'x': every has no effect on what only starts after another"),
        ("{always: {task: a, then: x}}", "then leads back to where it began: x → x.a → x"),
        ("[{task: a, group: g}]", "s.yaml:2:51: schedule 'x': unknown group 'g'"),
        ("{task: 5}", "s.yaml:2:40: schedule 'x': task must be text, not 5"),
    ],
)
def test_what_is_wrong_with_one_that_has_no_name_is_told_where_it_is_written(then: str, problem: str) -> None:
    text = file(x=then)
    problems = validate(parse(text, "s.yaml"), tasks={"a": None}).problems
    assert problem in "\n".join(map(str, problems))
    assert len(problems) == 1
