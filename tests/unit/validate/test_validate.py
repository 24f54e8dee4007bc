"""The gate: what it lets through, and what it says about the rest."""

from __future__ import annotations

import inspect
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery

from scheduler import schedule_file
from scheduler.registry import signatures
from scheduler.validate import Validated, validate, validate_fields
from scheduler.validate.meaning import REFERENCES


def add(a: int, b: int) -> int:
    return a + b


def report(*, format: str = "pdf", **more: str) -> None: ...


TASKS = {
    "scheduler.tasks.log_it": inspect.signature(add),
    "reports.build": inspect.signature(report),
    "old.task": None,
}


def check(text: str) -> Validated:
    return validate(schedule_file.parse(text, "s.yaml"), tasks=TASKS)


def told(text: str) -> list[str]:
    return [str(problem) for problem in check(text).problems]


def schedule(lines: str, task: str = "old.task") -> str:
    return f"schedules:\n  x:\n    task: {task}\n    {lines}\n"


GOOD = """
timezone: Europe/Berlin
imports: [reports.tasks]
defaults: {expires: 1h, timeout: 10m, retries: 2}
calendars:
  holidays: [2026-12-25, 2026-12-26]
  moves: [2026-12-26, 2027-03-01]

schedules:
  log-it:
    task: scheduler.tasks.log_it
    every: 30s
    args: [10, 20]

  nightly-report:
    description: Sales report for the day before
    task: reports.build
    cron: "30 2 * * *"
    timezone: America/New_York
    kwargs: {format: pdf}
    queue: reports
    overlap: queue
    catch_up: all
    catch_up_window: 6h
    expires: none
    retries: 3
    except: [holidays, moves]
    tags: [reports]
"""


def test_a_good_file_has_no_problems_and_inherits_from_its_top() -> None:
    validated = check(GOOD)
    assert validated.ok
    assert not validated.problems
    assert list(validated.declared) == ["log-it", "nightly-report"]
    plain = validated.declared["log-it"].schedule
    assert plain.timezone == "Europe/Berlin"
    assert plain.args == (10, 20)
    assert (plain.expires, plain.timeout, plain.retries) == (timedelta(hours=1), timedelta(minutes=10), 2)


def test_a_schedule_of_its_own_mind_overrides_the_top_of_the_file() -> None:
    own = check(GOOD).declared["nightly-report"]
    assert own.schedule.timezone == "America/New_York"
    assert own.schedule.retries == 3
    assert own.schedule.expires is None
    assert own.schedule.catch_up_window == timedelta(hours=6)


def test_calendars_are_resolved_to_their_entries_each_once() -> None:
    assert check(GOOD).declared["nightly-report"].excluded == ("2026-12-25", "2026-12-26", "2027-03-01")


def test_every_problem_is_told_at_once_in_the_order_of_the_file() -> None:
    text = """\
timezone: Mars/Olympus
defaults: {retris: 3, overlap: sometimes}
schedules:
  nightly:
    task: scheduler.tasks.log_itt
    corn: "30 2 * * *"
    enabled: no
    every: 30
  a b: {task: old.task, cron: "0 0 * *", retries: 200}
  c: text
"""
    assert told(text) == [
        "s.yaml:1:11: unknown time zone 'Mars/Olympus' — use an IANA name such as Europe/Berlin, "
        "America/New_York or UTC",
        "s.yaml:2:12: unknown key 'retris' — did you mean 'retries'?",
        "s.yaml:2:32: defaults.overlap cannot be 'sometimes' — write 'skip', 'queue', 'allow' or 'replace'",
        "s.yaml:5:11: schedule 'nightly': unknown task 'scheduler.tasks.log_itt' — did you mean "
        "'scheduler.tasks.log_it'? Tasks come from SCHEDULER_IMPORTS and `imports:`",
        "s.yaml:6:5: schedule 'nightly': unknown key 'corn' — did you mean 'cron'?",
        "s.yaml:7:14: schedule 'nightly': enabled must be true or false, not 'no' — "
        "write true or false, without quotes",
        "s.yaml:8:12: schedule 'nightly': every must be text, not 30 — write it with a unit, such as 30s, 10m or 1h30m",
        "s.yaml:9:3: schedule 'a b': 'a b' is not a valid name — use letters, digits, '.', '_' and '-', "
        "begin with a letter or digit, at most 100 characters",
        *[line for line in told(text) if ":9:31:" in line],
        "s.yaml:9:51: schedule 'a b': retries is 200, which is too large — write 100 or less",
        "s.yaml:10:6: schedule 'c': a schedule must be a mapping with keys such as task: and cron:, not 'text' — "
        "indent its keys below its name",
    ]
    assert sum(":9:31: schedule 'a b': " in line for line in told(text)) == 1


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("args: []", "2:3: schedule 'x': it has no timing — write exactly one of cron, every, at, rrule and solar"),
        ("every: 5m\n    at: 2030-01-01 10:00", "5:5: schedule 'x': every and at are both given — write exactly one"),
        ("cron:", "4:10: schedule 'x': cron is empty — write exactly one of"),
        ("every: 5", "4:12: schedule 'x': every must be text, not 5 — write it with a unit"),
        ("every: 5x", "4:12: schedule 'x': every '5x' is not a duration"),
        ("at: 12:30", "4:9: schedule 'x': at '12:30' is not a date and time"),
        (
            "every: 5m\n    timezone: Berlin",
            "5:15: schedule 'x': unknown time zone 'Berlin' — did you mean Europe/Berlin?",
        ),
        ("every: 5m\n    start: soon", "5:12: schedule 'x': start 'soon' is not a date and time"),
        ("every: 5m\n    end: 2026-02-30 10:00", "5:10: schedule 'x': end '2026-02-30 10:00' does not exist"),
        ("every: 5m\n    timeout: 30", "5:14: schedule 'x': timeout: 30 has no unit — write a duration such as 30s"),
        ("every: 5m\n    jitter: 5x", "5:13: schedule 'x': jitter: duration '5x' is not a duration"),
        ("every: 5m\n    except: [holidays]", "5:14: schedule 'x': unknown calendar 'holidays' — declare it under cal"),
        ("every: 5m\n    except: holidays", "5:13: schedule 'x': except must be a list, not 'holidays' — write [a, b]"),
        ("every: 5m\n    retries: '3'", "5:14: schedule 'x': retries must be a whole number, not '3' — write digits"),
        ("every: 5m\n    retries: 010", "5:14: schedule 'x': retries must be a whole number, not '010'"),
        ("every: 5m\n    retries: true", "5:14: schedule 'x': retries must be a whole number, not true"),
        ("every: 5m\n    retries: .inf", "5:14: schedule 'x': retries must be a whole number, not inf"),
        ("every: 5m\n    retries:", "5:13: schedule 'x': retries is empty — write a value, or delete the line"),
        ("every: 5m\n    catch_up:", "5:14: schedule 'x': catch_up is empty — write a value, or delete the line"),
        ("every: 5m\n    expires:", "5:13: schedule 'x': expires is empty — write none for none, or delete the line"),
        ("every: 5m\n    queue: null", "5:12: schedule 'x': queue is empty — write none for none, or delete the line"),
        ("every: 5m\n    max_runs: ~", "5:15: schedule 'x': max_runs is empty — write a value, or delete the line"),
        ("every: 5m\n    max_runs: none", "5:15: schedule 'x': max_runs must be a whole number, not 'none'"),
        ("every: 5m\n    retries: none", "5:14: schedule 'x': retries must be a whole number, not 'none'"),
        (
            "every: 5m\n    kill_after: 30",
            "5:17: schedule 'x': kill_after: 30 has no unit — write a duration such as 30s",
        ),
        ("every: 5m\n    kill_after: none", "5:17: schedule 'x': kill_after: duration 'none' is not a duration — wri"),
        ("every: 5m\n    kill_after:", "5:16: schedule 'x': kill_after is empty — write a value, or delete the line"),
        (
            "every: 5m\n    max_memory: 512",
            "5:17: schedule 'x': max_memory: 512 is not a size — write one such as 512MB",
        ),
        (
            "every: 5m\n    max_memory: 9kB",
            "5:17: schedule 'x': max_memory: is less than 1MB — write a size such as 51",
        ),
        (
            "every: 5m\n    pause_after_failures: 0",
            "5:27: schedule 'x': pause_after_failures is 0, which is too small — write 1 or more",
        ),
        (
            "every: 5m\n    pause_after_failures: often",
            "5:27: schedule 'x': pause_after_failures must be a whole number, not 'often' — write digits",
        ),
        ("every: 5m\n    alerts: {to: }", "5:18: schedule 'x': alerts.to is empty — write a value, or delete the line"),
        ("every: 5m\n    priority: 10", "5:15: schedule 'x': priority is 10, which is too large — write 9 or less"),
        ("every: 5m\n    max_runs: 0", "5:15: schedule 'x': max_runs is 0, which is too small — write 1 or more"),
        ("every: 5m\n    enabled: 'yes'", "5:14: schedule 'x': enabled must be true or false, not 'yes' — write true"),
        ("every: 5m\n    enabled: 1", "5:14: schedule 'x': enabled must be true or false, not 1"),
        ("every: 5m\n    catch_up: some", "5:15: schedule 'x': catch_up cannot be 'some' — write 'none', 'latest' or"),
        ("every: 5m\n    tags: [a, 5]", "5:15: schedule 'x': tags[1] must be text, not 5 — quote it"),
        ("every: 5m\n    args: {a: 1}", "5:11: schedule 'x': args must be a list, not a mapping"),
        ("every: 5m\n    kwargs: [a]", "5:13: schedule 'x': kwargs must be a mapping, not a list"),
        ("every: 5m\n    args: [1, .nan]", "5:15: schedule 'x': JSON has no number nan"),
        ("every: 5m\n    kwargs: {a: {b: [1e999]}}", "5:22: schedule 'x': JSON has no number inf"),
        ("every: 5m\n    description: 5", "5:18: schedule 'x': description must be text, not 5 — quote it"),
        (
            'every: 5m\n    queue: "a\\nb"',
            "5:12: schedule 'x': queue 'a\\nb' contains a line break or another control character",
        ),
        ("every: 5m\n    renamed_from: a b", "5:19: schedule 'x': renamed_from 'a b' is not a valid name — use"),
        ("every: 5m\n    renamed_from: x", "5:19: schedule 'x': renamed_from: 'x' is still declared here"),
        ("every: 5m\n    colour: x", "5:5: schedule 'x': unknown key 'colour' — delete it"),
    ],
)
def test_a_wrong_key_is_explained_at_its_value(lines: str, problem: str) -> None:
    problems = told(schedule(lines))
    assert len(problems) == 1
    assert problems[0].startswith(f"s.yaml:{problem}")


@pytest.mark.parametrize(
    ("timing", "lines"),
    [
        ({"cron": "CRON_TZ=Europe/Berlin 0 9 * * *"}, 'timezone: Europe/Berlin and cron: "0 9 * * *"'),
        ({"cron": "0 9 * * * America/New_York"}, 'timezone: America/New_York and cron: "0 9 * * *"'),
        ({"cron": "every 10 minutes"}, "every: 10m"),
        ({"every": "10 minutes"}, "every: 10m"),
        ({"cron": "every weekday at 9am"}, 'cron: "0 9 * * 1-5"'),
    ],
)
def test_file_and_form_answer_a_timing_of_another_scheduler_with_ours(timing: dict[str, str], lines: str) -> None:
    ((key, value),) = timing.items()
    (in_file,) = told(schedule(f'{key}: "{value}"'))
    (in_form,) = validate_fields("x", {"task": "old.task", **timing}, tasks=None)[1]
    assert in_file.endswith(f" — write {lines}")
    assert str(in_form).endswith(f" — write {lines}")


def test_a_schedule_that_runs_nothing_says_so_at_its_name() -> None:
    assert told("schedules:\n  x:\n    every: 5m\n") == [
        "s.yaml:2:3: schedule 'x': it names nothing to run — write exactly one of task, command, shell and http"
    ]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            "args: [1]",
            "5:11: schedule 'x': the arguments do not match task 'scheduler.tasks.log_it': missing a required ",
        ),
        (
            "args: [1, 2, 3]",
            "5:11: schedule 'x': the arguments do not match task 'scheduler.tasks.log_it': too many pos",
        ),
        ("args: [1]\n    kwargs: {bb: 2}", "6:14: schedule 'x': task 'scheduler.tasks.log_it' takes no argument 'bb'"),
        ("kwargs: {1: 2}", "5:14: schedule 'x': task 'scheduler.tasks.log_it' takes no argument '1' — it takes (a, b)"),
        (
            "tags: []",
            "3:11: schedule 'x': the arguments do not match task 'scheduler.tasks.log_it': missing a required ",
        ),
    ],
)
def test_arguments_are_checked_against_what_the_task_takes(lines: str, problem: str) -> None:
    (line,) = told(schedule(f"every: 5m\n    {lines}", "scheduler.tasks.log_it"))
    assert line.startswith(f"s.yaml:{problem}")
    assert "it takes (a, b)" in line


def test_a_misspelt_argument_gets_a_suggestion_when_the_task_names_one_like_it() -> None:
    (line,) = told(schedule("every: 5m\n    kwargs: {b: 2, aa: 1}", "scheduler.tasks.log_it"))
    assert "takes no argument 'aa' — did you mean 'a'? it takes (a, b)" in line


def test_a_task_of_unknown_signature_takes_anything() -> None:
    assert check(schedule("every: 5m\n    args: [1, 2, 3]\n    kwargs: {z: 1}")).ok


def test_tasks_are_not_checked_where_none_are_known() -> None:
    document = schedule_file.parse(schedule("every: 5m", "not.there"), "s.yaml")
    assert validate(document, tasks=None).ok
    assert validate(document, tasks={}).errors[0].what == "unknown task 'not.there'"


def test_a_task_whose_own_serializer_no_worker_accepts_is_refused() -> None:
    app = Celery(set_as_current=False)

    def body() -> None: ...

    for name, serializer in {"pickles": "pickle", "unknown": "morse", "json": "json"}.items():
        app.task(name=name, serializer=serializer, shared=False)(body)
    lines = [f"  {name}: {{task: {name}, every: 5m}}" for name in ("pickles", "unknown", "json")]
    document = schedule_file.parse("\n".join(["schedules:", *lines]), "s.yaml")
    errors = validate(document, tasks=signatures(app)).errors
    assert [error.what for error in errors] == [
        "task 'pickles' sends its messages as 'pickle', and workers accept JSON only",
        "task 'unknown' sends its messages as 'morse', and workers accept JSON only",
    ]


def test_one_broken_schedule_does_not_hide_the_good_ones() -> None:
    validated = check("schedules:\n  a: {task: old.task, every: 5m}\n  b: {task: old.task}\n")
    assert list(validated.declared) == ["a"]
    assert not validated.ok


def test_both_kinds_of_day_give_a_warning_and_not_an_error() -> None:
    validated = check(schedule('cron: "0 0 13 * 5"'))
    assert validated.ok
    assert list(validated.declared) == ["x"]
    (warning,) = validated.warnings
    assert str(warning).startswith(
        "s.yaml:4:11: warning: schedule 'x': day-of-month and day-of-week are both restricted"
    )


@pytest.mark.parametrize("cron", ["0 0 13 * *", "0 0 * * 5", "0 0 */2 * 5", "@daily", "0 0 0 * * fri"])
def test_one_kind_of_day_gives_no_warning(cron: str) -> None:
    assert not check(schedule(f'cron: "{cron}"')).problems


def test_a_problem_of_the_text_is_told_beside_those_of_the_schedules_and_not_twice() -> None:
    text = schedule("every: 5m\n    every: 6m\n    retries: !int 300\n    queue: 5")
    assert [line.split(": ", 2)[0] for line in told(text)] == ["s.yaml:5:5", "s.yaml:6:14", "s.yaml:7:12"]


def test_a_text_that_cannot_be_read_is_told_alone() -> None:
    validated = check("schedules: [")
    assert len(validated.problems) == 1
    assert not validated.declared


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("schedules:", "1:11: schedules is empty — write name: below it"),
        ("schedules: []", "1:12: schedules must be a mapping, not a list"),
        ("nightly: {task: old.task, every: 5m}", "1:1: unknown key 'nightly' — put schedules below `schedules:`"),
        ("schedule: {}", "1:1: unknown key 'schedule' — did you mean 'schedules'?"),
        ("calendars: {h: 2026-12-25}", "1:16: calendars.h must be a list, not '2026-12-25'"),
        ("calendars: {h: [2026-02-30]}", "1:17: '2026-02-30' does not exist"),
        ("calendars: {h: [5]}", "1:17: calendars.h[0] must be text, not 5 — quote it"),
        ("defaults: {task: x}", "1:12: unknown key 'task'"),
        ("defaults: {cron: x}", "1:12: unknown key 'cron'"),
        ("defaults:", "1:10: defaults is empty"),
        ("defaults: {expires: }", "1:21: expires is empty — write none for none"),
        ("include:", "1:9: include is empty — write a value, or delete the line"),
        ("include: {a: b}", "1:10: include must be a list, not a mapping"),
        ("include: ['']", "1:11: include[0] is empty — write at least one character"),
        ("timezone: 5", "1:11: timezone must be text, not 5"),
        ("imports: x", "1:10: imports must be a list, not 'x'"),
    ],
)
def test_the_top_of_the_file_is_checked_as_strictly(text: str, problem: str) -> None:
    (line,) = told(text)
    assert line.startswith(f"s.yaml:{problem}")


def test_a_wrong_default_is_told_once_and_the_schedules_are_still_checked() -> None:
    text = "defaults: {timeout: 5, retries: 2}\nschedules:\n  a: {task: old.task, every: 5m}\n  b: {task: old.task}\n"
    assert [problem.position.line for problem in check(text).problems if problem.position] == [1, 4]
    assert check(text).declared["a"].schedule.retries == 2


def test_a_former_name_can_be_taken_over_once() -> None:
    fields = "{task: old.task, every: 5m, renamed_from: z}"
    text = f"schedules:\n  a: {fields}\n  b: {fields}\n"
    assert told(text) == [
        "s.yaml:3:48: schedule 'b': renamed_from: 'z' is claimed by 'a' as well — "
        "only one schedule can take over its history"
    ]


@pytest.mark.parametrize("name", [":lock", "a b", "", "é", "-a", "a/b", "a" * 101, '"a\\n"', '"\\e[0m"'])
def test_a_name_outside_the_safe_characters_is_refused(name: str) -> None:
    written = name if name.startswith('"') else f'"{name}"'
    (line,) = told(f"schedules: {{{written}: {{task: old.task, every: 5m}}}}")
    assert "is not a valid name" in line
    assert line.isprintable()


@pytest.mark.parametrize("name", ["a", "7", "log-it", "a.b_c-D", "on", "a" * 100])
def test_a_name_of_safe_characters_is_taken(name: str) -> None:
    assert list(check(f"schedules: {{{name}: {{task: old.task, every: 5m}}}}").declared) == [name]


def test_a_declared_schedule_can_say_when_it_fires() -> None:
    assert check(GOOD).declared["nightly-report"].timing.kind == "cron"


def test_a_form_passes_the_same_gate() -> None:
    fields: dict[str, Any] = {"task": "old.task", "cron": None, "every": "5m", "except": ["h"], "timeout": "5s"}
    declared, problems = validate_fields("x", fields, tasks=TASKS, calendars={"h": ("2026-12-25",)})
    assert not problems
    assert declared is not None
    assert declared.schedule.every == "5m"
    assert declared.excluded == ("2026-12-25",)


def test_a_form_is_told_which_field_is_wrong() -> None:
    fields = {"task": "nope", "cron": "61 * * * *", "retries": "many", "kwargs": {"f": {1, 2}}, "colour": "red"}
    declared, problems = validate_fields("a b", fields, tasks=TASKS)
    assert declared is None
    assert {problem.key for problem in problems} == {"", "task", "cron", "retries", "kwargs", "colour"}
    assert all(problem.position is None and problem.schedule == "a b" for problem in problems)


def test_a_form_with_bottomless_arguments_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(500):
        deep = [deep]
    _, problems = validate_fields("x", {"task": "old.task", "every": "5m", "args": deep}, tasks=TASKS)
    assert [problem.what for problem in problems] == ["args is nested more than 32 levels deep"]


def test_thousands_of_mistakes_are_cut_short() -> None:
    text = "schedules:\n" + "".join(f"  n{n}: {{task: log_it_{n}, evry: 5m}}\n" for n in range(10_000))
    problems = check(text).problems
    assert len(problems) < 2_000
    assert "the schedules from here on were not checked" in [problem.what for problem in problems]


#: bench/limits.py measures what they cost.
EXHAUSTING = (
    "".join(f"k{n}: 1\n" for n in range(200_000)),
    "defaults: {" + "".join(f"k{n}: 1, " for n in range(200_000)) + "}",
    "calendars: {h: [" + "2026-12-25, " * 200_000 + "]}",
    "calendars:\n" + "".join(f"  h{n}: [5, 6]\n" for n in range(50_000)),
    "calendars:\n" + "".join(f"  h{n}: [2026-02-30]\n" for n in range(50_000)),
    schedule("every: 5m\n    args: [" + ".nan, " * 200_000 + "]"),
    schedule("every: 5m\n    except: [" + "h, " * 200_000 + "]"),
    schedule(
        "every: 5m\n    kwargs: {" + "".join(f"k{n}: 1, " for n in range(100_000)) + "}", "scheduler.tasks.log_it"
    ),
    schedule("every: 5m\n    tags: [" + "5, " * 200_000 + "]"),
    "schedules:\n" + "".join(f"  n{n}: {{task: old.task, every: 5m, renamed_from: z}}\n" for n in range(10_000)),
)


@pytest.mark.slow
@pytest.mark.parametrize("text", EXHAUSTING, ids=lambda text: " ".join(text.split())[-40:])
def test_a_file_made_to_exhaust_the_gate_is_refused(text: str) -> None:
    validated = check(text)
    assert validated.errors


@pytest.mark.slow
def test_a_schedule_of_many_unknown_keys_is_cut_short() -> None:
    text = "schedules:\n  x:\n" + "".join(f"    corn{n}: 1\n" for n in range(100_000))
    assert len(check(text).problems) < 1_000


NO_ADDRESS = "it is no web address — begin it with https:// or a reference such as ${PING_URL}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "ping: ftp://host/x\nschedules: {}\n",
            f"s.yaml:1:7: ping: {NO_ADDRESS}",
        ),
        (
            schedule("every: 1h\n    ping: hc-ping.com/x"),
            f"s.yaml:5:11: schedule 'x': ping: {NO_ADDRESS}",
        ),
        (
            schedule("every: 1h\n    ping: 'https://hc-ping.com/${KEY'"),
            f"s.yaml:5:11: schedule 'x': '${{KEY' is not a valid reference — {REFERENCES}",
        ),
        (
            schedule("every: 1h\n    slow_after: 10"),
            "s.yaml:5:17: schedule 'x': slow_after: 10 has no unit — write a duration such as 30s, 10m, 1h30m or 2d",
        ),
    ],
)
def test_a_wrong_ping_or_slow_after_is_said_with_its_place(text: str, said: str) -> None:
    assert told(text) == [said]


def test_slow_after_of_the_defaults_holds_for_each_schedule_that_has_none() -> None:
    text = "defaults: {slow_after: 10m}\nschedules:\n" + "".join(
        f"  {name}: {{task: old.task, every: 1h{own}}}\n" for name, own in (("x", ""), ("y", ", slow_after: none"))
    )
    declared = check(text).declared
    assert [declared[name].schedule.slow_after for name in "xy"] == [timedelta(minutes=10), None]
