"""Messages are cut into what stays and what differs from run to run."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from scheduler.sending.headers import task_id, uuid_text
from scheduler.sending.message import GAPS, Template, cut
from tests.support.schedules import NOON


def test_the_task_id_of_a_run_is_the_same_whoever_computes_it() -> None:
    """Beats of two versions must agree, so this never changes."""
    assert task_id("job@2026-03-02T12:00:00Z") == "195b6cd5-fd67-5c90-b496-8b5a0bbf34af"


@given(st.text(), st.text())
def test_each_run_has_a_task_id_of_its_own(first: str, second: str) -> None:
    assert (task_id(first) == task_id(second)) == (first == second)
    assert str(uuid.UUID(task_id(first))) == task_id(first)


@given(st.binary(min_size=16, max_size=16), st.sampled_from([4, 5]))
def test_a_uuid_is_written_as_python_writes_it(digest: bytes, version: int) -> None:
    assert uuid_text(digest, version) == str(uuid.UUID(bytes=digest, version=version))


@given(st.lists(st.sampled_from(["a", "%", "%(run)s", "", *GAPS.values()]), max_size=12))
def test_a_text_that_was_cut_can_be_put_together(parts: list[str]) -> None:
    text = "".join(parts)
    assert cut(text, GAPS) % GAPS == text


def test_each_gap_is_filled_wherever_it_is() -> None:
    made = Template("q", cut("<{task}|{run}|{task}|{expires}|{expiration}>".format_map(GAPS), GAPS))
    expires = NOON + timedelta(seconds=1.5)
    message = made.render("job@x", expires, NOON)
    assert message.payload == f"<{task_id('job@x')}|job@x|{task_id('job@x')}|{expires.isoformat()}|1500>"
    assert (message.queue, message.task_id) == ("q", task_id("job@x"))


def test_a_run_id_is_text_inside_json() -> None:
    made = Template("q", cut(json.dumps({"run": GAPS["run"]}), GAPS))
    assert made.render('a"b\\c@x', None, NOON).payload == '{"run": "a\\"b\\\\c@x"}'
