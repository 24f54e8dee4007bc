from __future__ import annotations

import pytest

from scheduler.alerts.alert import Alert

FAILING = Alert("1", "failing", "warning", "nightly", 60.0, since=0.0, due=30.0, reason="ValueError: 0", output="a\nb")


def test_an_alert_survives_its_json() -> None:
    group = Alert("2", "lost", "critical", "", 5.0, count=12, subjects=("a", "b"))
    assert [Alert.from_json(alert.to_json()) for alert in (FAILING, group)] == [FAILING, group]


def test_an_alert_of_a_newer_release_is_read_without_its_new_fields() -> None:
    assert Alert.from_json(FAILING.to_json().replace("{", '{"new": 1, ', 1)) == FAILING


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"id": "1"}'])
def test_what_is_no_alert_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Alert.from_json(text)


def test_the_text_names_due_instant_since_and_reason_and_ends_with_the_output() -> None:
    assert FAILING.text() == (
        "nightly failed\nDue: 1970-01-01 00:00:30 UTC\nSince: 1970-01-01 00:00:00 UTC\nReason: ValueError: 0\n\na\nb"
    )


def test_the_text_of_a_group_names_the_first_and_counts_the_rest() -> None:
    group = Alert("2", "failing", "warning", "", 5.0, count=12, subjects=("a", "b"))
    assert group.text() == "12 schedules are failing\n  a\n  b\n  and 10 more"


def test_the_title_of_a_problem_is_its_sentence() -> None:
    assert Alert("3", "problem", "critical", "beat", 5.0, reason="No beat leads").title() == "No beat leads"
