"""What ``then:`` may say."""

from __future__ import annotations

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
