"""The picture of a schedule's last runs."""

from __future__ import annotations

from dataclasses import replace

from scheduler.admin.strip import strip
from scheduler.model import Run
from scheduler.status.rows import Row
from scheduler.storage.recent import Mark

ROW = Row("job", "ok", "t", "every minute", "UTC", None, None, "file")


def row(*marks: Mark, last: Run | None = None) -> Row:
    return replace(ROW, recent=marks, last=last)


def test_each_outcome_has_a_shape_of_its_own_and_a_bar_says_how_long_it_took() -> None:
    marks = [Mark(1, "succeeded", 2.0), Mark(2, "failed", 1.0), Mark(3, "skipped", None), Mark(4, "succeeded", 4.0)]
    drawn = strip(row(*marks))
    assert drawn is not None
    assert drawn.paths == {
        "good": "M82 18v-8M97 18v-17",
        "bad": "M85 18m0-10l4 10m0-10l-4 10",
        "held": "M90 18m0-2a2 2 0 1 0 4 0a2 2 0 1 0-4 0",
    }
    assert drawn.words == (
        "4 runs, the oldest first: 1 succeeded, 1 failed, 1 skipped, 1 succeeded; half took at most 2.00 s"
    )


def test_a_run_under_way_is_the_last_and_pushes_out_the_first() -> None:
    marks = [Mark(float(number), "failed" if number == 0 else "succeeded", 1.0) for number in range(20)]
    drawn = strip(row(*marks, last=Run("job@x", "job", 30.0, "running")))
    assert drawn is not None
    assert drawn.words.startswith("20 runs, the oldest first: 19 succeeded, 1 running")
    assert set(drawn.paths) == {"good", "busy"}


def test_without_an_ended_run_there_is_no_picture_and_runs_that_took_no_time_have_one() -> None:
    assert strip(row()) is None
    drawn = strip(row(Mark(1, "succeeded", 0.0)))
    assert drawn is not None
    assert drawn.words == "1 run, the oldest first: 1 succeeded; half took at most 0 ms"
