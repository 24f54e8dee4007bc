"""The application's `beat_schedule` in the words of the schedule file: the same instants, or a reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from celery import Celery, chain, chord, group
from celery.canvas import Signature, maybe_signature
from celery.schedules import crontab, schedule, solar
from kombu.entity import Queue
from redbeat.decoder import RedBeatJSONEncoder
from redbeat.schedules import rrule

from scheduler import timing
from scheduler.application.beat_schedule import brought, file_names, read, zone_of
from scheduler.application.timings import timing_fields
from scheduler.model import Schedule
from scheduler.validate import Reserved, validate_fields

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
NEW_YORK = "America/New_York"
FIRST = datetime(2026, 2, 3, 4, 5, tzinfo=UTC)


def built(fields: dict[str, Any], zone: str = NEW_YORK) -> timing.Timing:
    declared, problems = validate_fields("job", {"task": "t", "timezone": zone, **fields}, tasks=None)
    assert declared is not None, problems
    return declared.timing


def instants(of: timing.Timing, count: int = 100) -> list[datetime]:
    found: list[datetime] = []
    at = JANUARY
    while len(found) < count and (due := of.next_due(at)):
        found.append(due)
        at = due
    return found


CRONTABS = {
    "every minute": crontab(),
    "nightly": crontab(hour=2, minute=0),
    "quarters": crontab(minute="*/15", hour="8-17"),
    "a list": crontab(minute=[5, 35], hour="22,23"),
    "names": crontab(minute=0, hour=9, day_of_week="mon-fri"),
    "Sunday as 0": crontab(minute=0, hour=9, day_of_week=0),
    "a range that wraps": crontab(minute=0, hour=9, day_of_week="sat-mon"),
    "a step in a range": crontab(minute="10-50/20", hour="*/5"),
    "month": crontab(minute=0, hour=0, day_of_month=1, month_of_year="*/3"),
    "Friday the 13th": crontab(minute=30, hour="9,21", day_of_month=13, day_of_week="fri"),
    "first Monday": crontab(minute=0, hour=6, day_of_month="1-7", day_of_week="mon"),
    "odd days and Sunday": crontab(minute=0, hour=6, day_of_month="*/2", day_of_week="sun", month_of_year="1-6"),
}


@pytest.mark.parametrize("value", CRONTABS.values(), ids=CRONTABS.keys())
def test_a_crontab_has_the_instants_that_celery_gives_it(value: crontab) -> None:
    fields, notes = timing_fields(value, NEW_YORK)
    stored = json.loads(json.dumps(value, cls=RedBeatJSONEncoder))
    assert instants(built(fields)) == instants(timing.from_redbeat(stored, NEW_YORK))
    assert (fields["timezone"], notes) == (NEW_YORK, [])


def test_a_crontab_reads_as_it_was_written_where_cron_means_the_same() -> None:
    assert timing_fields(crontab(minute="*/15", hour="8-17", day_of_week="mon-fri"), "UTC")[0] == {
        "cron": "*/15 8-17 * * mon-fri",
        "timezone": "UTC",
    }


RULES = {
    "last Friday": rrule("MONTHLY", FIRST, byweekday=4, bysetpos=-1, byhour=3, byminute=0, bysecond=0),
    "every third day": rrule("DAILY", FIRST, interval=3),
    "five times": rrule("HOURLY", FIRST, count=5),
    "until": rrule("WEEKLY", FIRST, until=FIRST + timedelta(days=40), byweekday=(0, 2)),
}


@pytest.mark.parametrize("value", RULES.values(), ids=RULES.keys())
def test_a_recurrence_has_the_instants_of_its_own_rule(value: rrule) -> None:
    fields, notes = timing_fields(value, "UTC")
    assert instants(built(fields, "UTC"), 30) == list(islice(value.rrule, 30))
    assert notes == []


@pytest.mark.parametrize("value", [90, 90.0, timedelta(seconds=90), schedule(90), schedule(timedelta(seconds=90))])
def test_an_interval_is_every(value: Any) -> None:
    assert timing_fields(value, NEW_YORK) == ({"every": "1m30s"}, [])


def test_a_solar_event_keeps_its_place() -> None:
    assert timing_fields(solar("sunset", -37.8, 144.9), "UTC")[0]["solar"] == "sunset -37.8 144.9"


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (crontab(minute=5, nowfun=lambda: JANUARY), "nowfun"),
        (schedule(3600, relative=True), "relative"),
        (rrule("MINUTELY", interval=5), "without dtstart"),
    ],
)
def test_what_becomes_different_is_noted(value: Any, word: str) -> None:
    result = read({"job": {"task": "t", "schedule": value}}, "UTC")
    assert [word in str(problem) for problem in result.problems] == [True]
    assert (result.problems[0].severity, list(result.fields)) == ("warning", ["job"])


class OwnSchedule(crontab):
    """A class of the user's, whose due instants only its code knows."""


UNSAID: dict[str, tuple[Any, str]] = {
    "a class of its own": ({"task": "t", "schedule": OwnSchedule()}, "OwnSchedule"),
    "no schedule": ({"task": "t"}, "needs a task and a schedule"),
    "no mapping": (5, "must be a mapping"),
    "a key that Celery has not": ({"task": "t", "schedule": 5, "shedule": 6}, "'shedule'"),
    "an eta": ({"task": "t", "schedule": 5, "options": {"eta": JANUARY}}, "'eta'"),
    "a link that is no JSON": (
        {"task": "t", "schedule": 5, "options": {"link": [JANUARY]}},
        "its option link is not JSON",
    ),
    "an expiry at an instant": ({"task": "t", "schedule": 5, "options": {"expires": JANUARY}}, "expires"),
    "arguments that are no JSON": ({"task": "t", "schedule": 5, "args": [JANUARY]}, "not JSON"),
    "no task": ({"task": 5, "schedule": 5}, "its task is a int"),
    "one argument without its comma": ({"task": "t", "schedule": 5, "args": (5)}, "its args are a int, not a list"),
    "arguments with names that are a list": ({"task": "t", "schedule": 5, "kwargs": [5]}, "its kwargs are a list"),
    "options that are a list": ({"task": "t", "schedule": 5, "options": ["queue"]}, "its options are a list"),
    "an interval that is no number": ({"task": "t", "schedule": float("nan")}, "its schedule is nan"),
    "an interval without an end": ({"task": "t", "schedule": float("inf")}, "its schedule is inf"),
    "an interval longer than a calendar": ({"task": "t", "schedule": 10**15}, "its schedule is 1000000000000000"),
    "an expiry without an end": ({"task": "t", "schedule": 5, "options": {"expires": float("inf")}}, "expires is inf"),
}


@pytest.mark.parametrize(("entry", "what"), UNSAID.values(), ids=UNSAID.keys())
def test_what_has_no_word_in_the_file_is_a_problem_and_never_dropped(entry: Any, what: str) -> None:
    result = read({"good": {"task": "t", "schedule": 5}, "bad one": entry}, "UTC")
    assert [(problem.schedule, problem.severity) for problem in result.problems] == [("bad one", "error")]
    assert what in result.problems[0].what
    assert result.problems[0].remedy
    assert result.unsaid == {"bad-one"}


@pytest.mark.parametrize(
    ("options", "policies"),
    [
        ({"time_limit": 70, "soft_time_limit": 60}, {"timeout": "1m", "kill_after": "10s"}),
        ({"time_limit": 60, "soft_time_limit": 70}, {"timeout": "1m"}),
        ({"time_limit": None, "soft_time_limit": 70}, {"timeout": "1m10s"}),
    ],
)
def test_the_time_between_two_limits_is_kept(options: dict[str, Any], policies: dict[str, str]) -> None:
    result = read({"job": {"task": "t", "schedule": 5, "options": options}}, "UTC")
    assert result.fields["job"] == {"task": "t", "every": "5s", **policies}


def test_options_are_policies() -> None:
    high = Queue("high")  # type: ignore[no-untyped-call]
    options = {"expires": 600.0, "queue": high, "priority": 3, "time_limit": timedelta(minutes=5)}
    result = read({"job": {"task": "t", "schedule": 5, "options": options, "args": (1, 2), "kwargs": {"a": 1}}}, "UTC")
    assert result.fields["job"] == {
        "task": "t",
        "every": "5s",
        "args": [1, 2],
        "kwargs": {"a": 1},
        "expires": "10m",
        "queue": "high",
        "priority": 3,
        "timeout": "5m",
    }


def test_a_link_a_countdown_and_headers_are_handed_on_to_celery() -> None:
    options = {"link": Signature("mail.tell", ("ann",)), "countdown": 3, "headers": {"tenant": "shop"}}
    result = read({"job": {"task": "t", "schedule": 5, "options": options | {"ignore_result": True}}}, "UTC")
    assert result.problems == ()
    declared, problems = validate_fields("job", result.fields["job"], tasks={"t": None, "mail.tell": None})
    assert declared is not None, problems
    said = declared.schedule.celery_options
    assert (said["countdown"], said["headers"]) == (3, {"tenant": "shop"})
    assert [(linked["task"], linked["args"]) for linked in said["link"]] == [("mail.tell", ["ann"])]
    assert declared.schedule.keep_result is None
    _, unknown = validate_fields("job", result.fields["job"], tasks={"t": None})
    assert [problem.what for problem in unknown] == ["link: unknown task 'mail.tell'"]


def test_a_text_in_them_that_looks_like_a_reference_stays_as_it_is_with_a_warning() -> None:
    fields = {"task": "t", "every": "5s", "celery_options": {"headers": {"home": "${HOME}", "odd": "${"}}}
    declared, problems = validate_fields("job", fields, tasks=None)
    assert declared is not None
    assert declared.schedule.celery_options["headers"] == {"home": "${HOME}", "odd": "${"}
    assert [(problem.severity, problem.what) for problem in problems] == [
        ("warning", "'${HOME}' stays as it is: the worker fills in no references here"),
        ("warning", "'${' stays as it is: the worker fills in no references here"),
    ]


def test_only_the_file_and_the_application_set_what_follows_a_run() -> None:
    linked = {"task": "t", "every": "5s", "celery_options": {"link": "scheduler.tasks.run_command"}}
    declared, _ = validate_fields("job", linked, tasks=None)
    assert declared is not None
    assert validate_fields("job", linked, tasks=None, reserved=Reserved(()))[0] is None
    assert validate_fields("job", linked, tasks=None, reserved=Reserved((), (declared.fields(),)))[0] is not None
    ours = {"task": "t", "every": "5s", "celery_options": {"headers": {"scheduler_run": "x"}}}
    assert "which only beat sets" in validate_fields("job", ours, tasks=None)[1][0].what


def test_a_signature_brings_its_arguments_and_options() -> None:
    signature = Signature("t", (2,), {"a": 1}, {"queue": "high"})
    result = read({"job": {"task": signature, "schedule": 5, "args": (1,), "options": {"priority": 3}}}, "UTC")
    said = result.fields["job"]
    assert (said["args"], said["kwargs"], said["queue"], said["priority"]) == ([1, 2], {"a": 1}, "high", 3)


@pytest.mark.parametrize("kind", ["chain", "group", "chord"])
def test_a_canvas_becomes_a_run_that_starts_it(kind: str) -> None:
    app = Celery("theirs", set_as_current=False)
    one, two = (app.signature("t", args=(number,)) for number in (1, 2))
    canvas = {"chain": chain(one, two), "group": group(one, two), "chord": chord([one], two)}[kind]
    app.add_periodic_task(60, canvas, name="job", queue="high")
    result = brought(app)
    said = result.fields["job"]
    assert (said["task"], said["every"], said["queue"]) == ("scheduler.tasks.start_canvas", "1m", "high")
    assert type(maybe_signature(dict(said["kwargs"]["canvas"]), app=app)) is type(canvas)
    assert [kind in problem.what for problem in result.problems] == [True]


@pytest.mark.parametrize(("backend", "names"), [("redis://", []), ("file:///tmp", ["celery.backend_cleanup"])])
def test_old_results_are_deleted_where_celerys_beat_does_so(backend: str, names: list[str]) -> None:
    app = Celery("theirs", set_as_current=False, backend=backend)
    fields = brought(app).fields
    assert [*fields] == names
    assert [said["cron"] for said in fields.values()] == ["0 4 * * *" for _ in names]


def test_names_become_names_of_the_file_and_stay_apart() -> None:
    names = file_names(["nightly", "my job", "my-job", "my/job", "add(2, 2)", "…", "x" * 200])
    assert names[0] == "nightly"
    assert names[2] == "my-job"
    assert names[4] == "add-2-2"
    assert len(set(names)) == len(names)
    assert all(not validate_fields(name, {"task": "t", "every": "5s"}, tasks=None)[1] for name in names)
    assert file_names(["my/job", "my job"]) == [names[3], names[1]]


def test_periodic_tasks_that_are_added_when_the_application_is_ready_are_there_too() -> None:
    app = Celery("theirs", set_as_current=False)

    @app.task(name="theirs.add")
    def add(x: int, y: int) -> int:
        return x + y

    @app.on_after_configure.connect
    def configured(sender: Celery, **_: Any) -> None:
        sender.add_periodic_task(30.0, add.s(2, 2), name="configured", queue="high")

    @app.on_after_finalize.connect
    def finalized(sender: Celery, **_: Any) -> None:
        sender.add_periodic_task(crontab(minute=3), add.s(x=1), args=(5,))

    app.conf.timezone = NEW_YORK
    app.conf.beat_schedule = {"object": {"task": add, "schedule": 900}}
    result = brought(app)
    assert result.problems == ()
    assert {name: Schedule.model_validate(dict(fields)).task for name, fields in result.fields.items()} == {
        "object": "theirs.add",
        "configured": "theirs.add",
        "theirs.add-5-x-1": "theirs.add",
    }
    assert result.fields["configured"] == {"task": "theirs.add", "every": "30s", "args": [2, 2], "queue": "high"}
    assert result.fields["theirs.add-5-x-1"]["timezone"] == NEW_YORK


@pytest.mark.parametrize(
    ("settings", "zone"), [({}, "UTC"), ({"timezone": NEW_YORK}, NEW_YORK), ({"timezone": "UTC"}, "UTC")]
)
def test_the_zone_is_the_applications(settings: dict[str, Any], zone: str) -> None:
    assert zone_of(Celery("theirs", set_as_current=False, changes=settings)) == zone
