"""A fault is armed by its point and action, does its work once, and every point is there."""

from __future__ import annotations

import re
import signal
from collections import Counter
from pathlib import Path

import pytest

from scheduler import faults

SOURCES = Path(faults.__file__).parent.rglob("*.py")


def test_nothing_is_armed_without_the_variable() -> None:
    assert faults.read("") == faults.armed == {}


def test_points_are_armed_with_an_action_and_a_count() -> None:
    found = faults.read("dispatch.before_commit:kill, lease.after_renew:stop:3")
    assert found == {
        "dispatch.before_commit": (signal.SIGKILL, 1),
        "lease.after_renew": (signal.SIGSTOP, 3),
    }


@pytest.mark.parametrize("text", ["dispatch.before_comit:kill", "dispatch.before_commit", "lease.after_take:kill:soon"])
def test_a_word_that_arms_nothing_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        faults.read(text)


def test_a_point_does_its_work_once_and_at_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[signal.Signals] = []
    monkeypatch.setattr("os.kill", lambda pid, number: sent.append(number))
    monkeypatch.setattr(faults, "armed", faults.read("roster.after_due:term:2"))
    for point in ("roster.after_due", "roster.before_due"):
        faults.reach(point)
    assert sent == []
    faults.reach("roster.after_due")
    faults.reach("roster.after_due")
    assert sent == [signal.SIGTERM]


def test_every_point_is_reached_at_one_place() -> None:
    reached = Counter(
        point for source in SOURCES for point in re.findall(r'faults\.reach\("(.+?)"\)', source.read_text())
    )
    assert reached == Counter(faults.POINTS)
