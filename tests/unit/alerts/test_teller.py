"""What is said of a change of health: once, after enough failures, not while it flaps, and as one message of many."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from scheduler.alerts.alert import Alert
from scheduler.alerts.rules import Rules
from scheduler.alerts.teller import PROBLEM_LASTS_S, Teller
from scheduler.status.problems.problem import ServiceProblem
from scheduler.storage.alerts import HealthChange


def teller(stored: dict[str, str] | None = None, schedules: dict[str, Any] | None = None, **rule: Any) -> Teller:
    text = json.dumps({"sinks": {"ops": {"webhook": {}}}, "rule": rule, "schedules": schedules or {}})
    return Teller(Rules.from_json(text), stored or {})


def failed(count: int = 1, name: str = "job", event: str = "failing") -> HealthChange:
    return HealthChange(name, event, 100.0, count, 90.0, detail="ValueError: no rows")


RECOVERED = HealthChange("job", "recovered", 100.0, 1, 95.0)


def alerts(made: Teller) -> list[Alert]:
    return [Alert.from_json(text) for sink, text in made.take()[0] if sink == "ops"]


def events(made: Teller) -> list[str]:
    return [alert.event for alert in alerts(made)]


def test_a_schedule_that_fails_ten_times_and_succeeds_is_said_twice() -> None:
    made = teller()
    for count in range(1, 11):
        made.change(failed(count), 100 + count)
    made.change(RECOVERED, 120)
    assert [(alert.event, alert.subject) for alert in alerts(made)] == [("failing", "job"), ("recovered", "job")]
    assert not made.told


def test_an_alert_says_why_and_what_to_do() -> None:
    made = teller()
    made.change(failed(), 101)
    (alert,) = alerts(made)
    assert (alert.reason, alert.due, alert.since) == ("ValueError: no rows", 90.0, 100.0)
    assert "scheduler history job" in alert.remedy


def test_failures_says_how_many_in_a_row_it_takes() -> None:
    made = teller(failures=3)
    made.change(failed(1), 101)
    made.change(failed(2), 102)
    made.change(RECOVERED, 103)
    assert events(made) == []
    for count in (1, 2, 3, 4):
        made.change(failed(count), 110 + count)
    assert [alert.count for alert in alerts(made)] == [3]


def test_a_lost_run_is_said_as_lost_unless_only_failing_is_wanted() -> None:
    for wanted, said in ((["failing", "lost"], ["lost"]), (["failing"], ["failing"])):
        made = teller(events=wanted)
        made.change(failed(event="lost"), 101)
        assert events(made) == said


def test_a_schedule_that_is_expected_to_fail_is_never_said() -> None:
    made = teller(schedules={"job": {"off": True}})
    made.change(failed(), 101)
    assert events(made) == []


def test_a_schedule_that_became_expected_to_fail_after_its_alert_is_said_no_more() -> None:
    made = teller(reminder=10, cooldown=30)
    made.change(failed(), 100)
    made.change(RECOVERED, 101)
    made.take()
    made.rules = teller(schedules={"job": {"off": True}}, reminder=10, cooldown=30).rules
    made.later(200)
    assert (made.reminders(200), alerts(made), made.told) == ({}, [], {})


def test_the_rule_of_a_schedule_comes_before_the_one_of_all() -> None:
    made = teller(schedules={"job": {"failures": 3, "sinks": ["removed"]}, "other": {"failures": 1}}, failures=2)
    for name in ("job", "other", "third"):
        made.change(failed(1, name), 101)
    assert [alert.subject for alert in alerts(made)] == ["other"]
    for name in ("job", "third"):
        made.change(failed(2, name), 102)
    assert [alert.subject for alert in alerts(made)] == ["third"]


def test_what_flaps_is_said_again_after_the_cooldown_and_only_if_it_differs_then() -> None:
    made = teller(cooldown=60)
    made.change(failed(), 100)
    assert events(made) == ["failing"]
    for at in (110, 120, 130):
        made.change(RECOVERED, at)
        made.change(failed(), at + 5)
    made.later(161)
    assert events(made) == []
    made.change(RECOVERED, 170)
    assert events(made) == ["recovered"]
    made.change(failed(), 175)
    made.later(229)
    assert events(made) == []
    made.later(231)
    assert events(made) == ["failing"]
    made.change(RECOVERED, 300)
    assert events(made) == ["recovered"]
    made.later(361)
    assert not made.told


def test_a_reminder_comes_while_it_fails() -> None:
    made = teller(reminder=60)
    made.change(failed(), 100)
    assert made.reminders(159) == {}
    assert made.reminders(160) == {"schedule:job": "job"}
    made.remind("schedule:job", 7, 160)
    assert [alert.count for alert in alerts(made)] == [1, 7]
    assert made.reminders(161) == {}
    made.remind("schedule:job", 0, 230)
    assert (events(made), made.told) == ([], {})


def test_a_thousand_schedules_that_fail_together_are_one_message_with_the_first_ten() -> None:
    made = teller()
    for number in range(1000):
        made.change(failed(name=f"job-{number}"), 101)
    (alert,) = alerts(made)
    assert alert.title() == "1000 schedules are failing"
    assert alert.subjects == tuple(f"job-{number}" for number in range(10))


def test_the_next_leader_says_nothing_twice() -> None:
    first = teller()
    first.change(failed(), 101)
    second = teller(first.take()[1])
    second.change(failed(2), 102)
    assert events(second) == []
    second.change(RECOVERED, 103)
    assert events(second) == ["recovered"]


def test_a_schedule_that_was_removed_while_it_failed_and_made_again_is_said_again() -> None:
    made = teller()
    made.change(failed(), 101)
    made.change(failed(), 200)
    assert events(made) == ["failing", "failing"]


def missed(count: int = 9, name: str = "job") -> HealthChange:
    return HealthChange(name, "missed", 100.0, count, 640.0, "missed", "beat was down 02:00–02:11 UTC")


def test_what_was_missed_is_said_with_the_count_and_the_reason() -> None:
    made = teller()
    made.change(missed(), 700)
    (alert,) = alerts(made)
    assert (alert.title(), alert.reason) == ("job missed 9 runs", "beat was down 02:00–02:11 UTC")
    assert (alert.since, alert.due, alert.count) == (100.0, 640.0, 9)
    assert "catch_up" in alert.remedy
    assert not made.told


def test_what_was_missed_in_the_cooldown_is_one_message_after_it() -> None:
    made = teller(cooldown=60)
    made.change(missed(), 700)
    made.change(missed(2), 710)
    made.change(missed(1), 720)
    made.change(failed(), 720)
    assert [(alert.event, alert.count) for alert in alerts(made)] == [("missed", 9), ("failing", 1)]
    made.later(761)
    assert [(alert.event, alert.count) for alert in alerts(made)] == [("missed", 3)]
    made.later(830)
    assert list(made.told) == ["schedule:job"]


def test_missed_runs_of_a_failing_schedule_do_not_hide_that_it_fails() -> None:
    made = teller()
    made.change(failed(), 100)
    made.change(missed(1), 101)
    made.change(failed(2), 102)
    made.change(RECOVERED, 103)
    assert events(made) == ["failing", "missed", "recovered"]


SLOW = HealthChange("job", "slow", 100.0, 1, 90.0, detail="600.0")
IN_TIME = HealthChange("job", "in time", 0.0, 1, 95.0)


def test_a_slow_schedule_is_said_once_and_when_a_run_is_in_time_again() -> None:
    made = teller(reminder=60)
    made.change(SLOW, 700)
    made.change(SLOW, 710)
    (alert,) = alerts(made)
    assert (alert.title(), alert.reason, alert.since) == ("job is slow", "a run takes longer than 10m", 100.0)
    assert "slow_after" in alert.remedy
    assert made.reminders(760) == {"slow:job": "job"}
    made.remind("slow:job", 1, 760)
    assert events(made) == ["slow"]
    made.change(IN_TIME, 800)
    assert [alert.title() for alert in alerts(made)] == ["Solved: job is slow"]
    assert not made.told


def test_events_leaves_out_missed_and_slow() -> None:
    made = teller(events=["failing"])
    for change in (missed(), SLOW, IN_TIME):
        made.change(change, 700)
    assert events(made) == []


PROBLEM = ServiceProblem("No worker takes from 'celery'", "start one", "critical", "workers", 50.0)


def test_a_problem_of_the_service_is_repeated_while_it_lasts() -> None:
    made = teller(reminder=100)
    for at in range(0, 300, 10):
        made.problems([("workers", PROBLEM)], at)
    assert events(made) == ["problem"] * 3


def test_a_problem_of_the_service_that_flaps_is_said_after_the_cooldown() -> None:
    made = teller(cooldown=600)
    for at in range(0, 600, 10):
        made.problems([("workers", PROBLEM)] if at % 100 < 50 else [], at)
    assert events(made) == ["problem"]
    for at in range(600, 700, 10):
        made.problems([], at)
    assert events(made) == ["recovered"]
    made.later(1300)
    assert not made.told


def test_an_alert_links_to_the_page_of_its_schedule_of_its_run_or_of_all() -> None:
    made = Teller(teller().rules, {}, "https://jobs.example")
    made.change(failed(), 101)
    made.change(replace(failed(name="by-hand"), manual="1"), 101)
    made.change(missed(name="a/b"), 101)
    made.say(Alert("1", "problem", "critical", "beat", 101))
    assert [alert.link for alert in alerts(made)] == [
        "https://jobs.example/schedules/job/runs/job%401970-01-01T00%3A01%3A30Z",
        "https://jobs.example/schedules/by-hand/runs/by-hand%40manual-1970-01-01T00%3A01%3A30Z",
        "https://jobs.example/schedules/a~2Fb",
        "https://jobs.example/schedules",
    ]


def unstarted(state: str, name: str = "job") -> dict[str, tuple[str, ServiceProblem]]:
    return {name: (state, ServiceProblem(f"schedule '{name}' is {state}: why", "do this", subject=name, since=50.0))}


def test_a_schedule_that_is_late_then_stuck_then_well_is_said_at_each_change() -> None:
    made = teller()
    for at, found in ((100, unstarted("late")), (200, unstarted("stuck")), (300, {})):
        for wait in (0.0, PROBLEM_LASTS_S - 1, PROBLEM_LASTS_S, PROBLEM_LASTS_S + 5):
            made.unstarted(found, at + wait)
    said = alerts(made)
    assert [(it.event, it.subject, it.since) for it in said] == [
        ("late", "job", 50.0),
        ("stuck", "job", 50.0),
        ("recovered", "job", 50.0),
    ]
    assert (said[0].title(), said[0].remedy) == ("job is late", "do this")
    assert said[2].title() == "Solved: schedule 'job' is stuck: why"
    assert not made.told


def test_a_schedule_that_is_late_for_a_moment_is_not_said_and_the_next_leader_says_nothing_twice() -> None:
    first = teller()
    first.unstarted(unstarted("late"), 100)
    first.unstarted({}, 100 + PROBLEM_LASTS_S)
    assert events(first) == []
    first.unstarted(unstarted("late"), 200)
    first.unstarted(unstarted("late"), 200 + PROBLEM_LASTS_S)
    waiting, said = first.take()
    assert len(waiting) == 1
    second = teller(said)
    for at in (300, 400):
        second.unstarted(unstarted("late"), at)
    assert events(second) == []


def test_a_schedule_that_was_not_read_this_time_is_not_called_well() -> None:
    made = teller()
    for at in (100, 100 + PROBLEM_LASTS_S):
        made.unstarted(unstarted("stuck"), at)
    for at in (200, 200 + PROBLEM_LASTS_S):
        made.unstarted({}, at, is_complete=False)
    assert events(made) == ["stuck"]


def test_the_rule_of_a_schedule_holds_for_late_and_stuck_too() -> None:
    for schedule, wanted in (({"off": True}, []), ({"events": ["stuck"]}, []), ({"reminder": 60}, ["late", "late"])):
        made = teller(schedules={"job": schedule})
        for at in (100, 100 + PROBLEM_LASTS_S, 110 + PROBLEM_LASTS_S, 170 + PROBLEM_LASTS_S):
            made.unstarted(unstarted("late"), at)
        assert events(made) == wanted, schedule


def test_a_schedule_that_is_late_again_and_again_is_said_after_the_cooldown() -> None:
    made = teller(cooldown=1000)
    for at in range(100, 500, 50):
        made.unstarted(unstarted("late") if at % 100 == 0 else {}, at)
        made.unstarted(unstarted("late") if at % 100 == 0 else {}, at + PROBLEM_LASTS_S)
    assert events(made) == ["late"]
    made.unstarted({}, 1200)
    made.unstarted({}, 1200 + PROBLEM_LASTS_S)
    assert events(made) == ["recovered"]
    made.later(3000)
    assert not made.told


def test_a_problem_of_the_service_is_said_when_it_lasts_and_when_it_is_solved() -> None:
    made, problem = teller(), ServiceProblem("No worker takes from 'celery'", "start one", "critical", "workers", 50.0)
    made.problems([("workers", problem)], 100)
    made.problems([], 110)
    made.problems([("workers", problem)], 120)
    assert events(made) == []
    made.problems([("workers", problem)], 120 + PROBLEM_LASTS_S)
    made.problems([("workers", problem)], 200)
    (alert,) = alerts(made)
    assert (alert.title(), alert.severity, alert.since) == (problem.sentence, "critical", 50.0)
    made.problems([], 300)
    made.problems([], 300 + PROBLEM_LASTS_S)
    assert [alert.title() for alert in alerts(made)] == [f"Solved: {problem.sentence}"]


@pytest.mark.parametrize("cooldown", [0, 60])
def test_a_sink_that_left_the_file_is_forgotten_and_not_told_as_solved(cooldown: int) -> None:
    told = json.dumps({"state": "failing", "at": 50.0, "since": 50.0})
    made = teller({f"problem:alerts:sink {name}": told for name in ("chat", "gone")}, cooldown=cooldown)
    made.rules = replace(made.rules, sinks={"chat": {"webhook": {}}, **made.rules.sinks})
    for at in (200, 200 + PROBLEM_LASTS_S):
        made.problems([], at)
    assert [alert.subject for alert in alerts(made)] == ["sink chat"]
    assert "problem:alerts:sink gone" not in made.told
