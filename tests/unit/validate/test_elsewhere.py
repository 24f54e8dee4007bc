"""Keys of other schedulers are answered with the lines to paste, and those pass the check."""

from __future__ import annotations

import pytest

from scheduler.schedule_file import parse
from scheduler.validate import validate, validate_fields
from scheduler.validate.elsewhere.words import WORDS

TIMINGS = [
    # Celery and django-celery-beat
    ("schedule: 30", "every: 30s"),
    ("schedule: 900.0", "every: 15m"),
    ('schedule: "0 9 * * *"', 'cron: "0 9 * * *"'),
    ("schedule: every 10 minutes", "every: 10m"),
    ("schedule: crontab(minute=0, hour='*/3')", 'cron: "0 */3 * * *"'),
    ("schedule: timedelta(minutes=5)", "every: 5m"),
    ("schedule: {minute: 30, hour: 7, day_of_week: 1}", 'cron: "30 7 * * 1"'),
    ("crontab: {minute: 0, hour: 9, timezone: Europe/Berlin}", 'cron: "0 9 * * *" and timezone: Europe/Berlin'),
    ('crontab: "0 9 * * * Europe/Berlin"', 'cron: "0 9 * * *" and timezone: Europe/Berlin'),
    ("interval: {every: 10, period: minutes}", "every: 10m"),
    ("clocked: 2026-12-24 18:00", 'at: "2026-12-24T18:00"'),
    # Sidekiq, solid_queue, Ofelia, AWS, Kubernetes
    ("schedule: every day at noon", 'cron: "0 12 * * *"'),
    ("schedule: '@every 10s'", 'cron: "@every 10s"'),
    ("schedule: '@daily'", 'cron: "@daily"'),
    ("expression: rate(5 minutes)", "every: 5m"),
    ("every: ['1h', first_in: 5s]", "every: 1h"),
    ("every: {minutes: 10}", "every: 10m"),
    ("cron: {minute: 0, hour: 9}", 'cron: "0 9 * * *"'),
    # systemd
    ("OnCalendar: Mon..Fri 09:00", 'cron: "0 9 * * MON-FRI"'),
    ("OnCalendar: '*-*-* 02:30:00 Europe/Berlin'", 'cron: "30 2 * * *" and timezone: Europe/Berlin'),
    ("OnCalendar: weekly", 'cron: "0 0 * * 1"'),
    ("OnUnitActiveSec: 15min", "every: 15m"),
    ("OnUnitActiveSec: 900", "every: 15m"),
]
OTHERS = [
    ("class: HardJob", "task: HardJob"),
    ("ExecStart: /usr/bin/backup all", "command: [/usr/bin/backup, all]"),
    ("cmd: 'backup | gzip > /srv/b.gz'", 'shell: "backup | gzip > /srv/b.gz"'),
    ("command: /usr/bin/backup all", "command: [/usr/bin/backup, all]"),
    ("command: backup > /srv/b", 'shell: "backup > /srv/b"'),
    ("options: {queue: reports, expires: 60}", "queue: reports and expires: 1m"),
    ("one_off: true", "max_runs: 1"),
    ("expire_seconds: 60", "expires: 1m"),
    ("start_time: 2026-12-01 00:00", 'start: "2026-12-01 00:00"'),
    ("RandomizedDelaySec: 5min", "jitter: 5m"),
    ("Persistent: true", "catch_up: latest"),
    ("Persistent: no", "catch_up: none"),
    ("concurrencyPolicy: Forbid", "overlap: skip"),
    ("concurrencyPolicy: Allow", "overlap: allow"),
    ("startingDeadlineSeconds: 100", "catch_up_window: 1m40s"),
    ("suspend: true", "enabled: false"),
    ("timeZone: America/New_York", "timezone: America/New_York"),
    ("backoffLimit: 6", "retries: 6"),
    ("activeDeadlineSeconds: 600", "timeout: 10m"),
    ("no-overlap: true", "overlap: skip"),
    ("misfire_grace_time: 30", "catch_up_window: 30s"),
    ("max_instances: 3", "overlap: allow"),
    ("coalesce: false", "catch_up: all"),
]


def told(text: str) -> list[str]:
    return [problem.remedy for problem in validate(parse(text, ""), tasks=None).problems]


def schedule(*lines: str) -> str:
    return "schedules:\n  x:\n" + "".join(f"    {line}\n" for line in lines)


@pytest.mark.parametrize(("theirs", "ours"), TIMINGS)
def test_a_timing_of_another_scheduler_is_one_error_with_the_lines_to_paste(theirs: str, ours: str) -> None:
    assert told(schedule("task: a.b", theirs)) == [f"write {ours}"]
    assert told(schedule("task: a.b", *ours.split(" and "))) == []


@pytest.mark.parametrize(("theirs", "ours"), OTHERS)
def test_any_other_key_is_one_error_with_the_lines_to_paste(theirs: str, ours: str) -> None:
    task = [] if ours.startswith(("task:", "command:", "shell:")) else ["task: a.b"]
    assert told(schedule(*task, "every: 5m", theirs)) == [f"write {ours}"]
    assert told(schedule(*task, "every: 5m", *ours.split(" and "))) == []


def test_a_whole_schedule_of_another_scheduler_has_one_error_for_each_of_its_keys() -> None:
    assert told(schedule("class: Reports", 'schedule: "5 4 * * *"', "queue: low")) == [
        "write task: Reports",
        'write cron: "5 4 * * *"',
    ]


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("schedule: sometimes", 'write cron: "30 2 * * *" or every: 10m'),
        ("one_off: false", "leave it out: without it, it runs at each due instant"),
        ("runAs: root", "write user: root"),
        ("relative: true", "leave it out, and write start: to choose the instant that every: counts from"),
        ("options: {eta: x}", "write its queue, priority, expires and timeout"),
        ("concurrencyPolicy: Replace", "write overlap: replace"),
        (
            "cmd: mysqldump --password=hunter2",
            "write command: [/usr/bin/program, argument], or shell: with the line",
        ),
    ],
)
def test_a_value_without_an_equal_is_answered_without_a_guess(line: str, remedy: str) -> None:
    assert remedy in told(schedule("task: a.b", line))


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("defaults: {concurrencyPolicy: Forbid}", "write overlap: skip"),
        ("concurrencyPolicy: Forbid", "write overlap: skip under defaults:"),
        ("defaults: {suspend: true}", "write enabled: false in a schedule"),
        ("tz: Europe/Berlin", "write timezone: Europe/Berlin"),
        ("beat_schedule: {}", "write schedules:, and one name with its keys for each below it"),
    ],
)
def test_a_key_in_another_place_is_answered_with_the_place_of_ours(text: str, remedy: str) -> None:
    assert told(text) == [remedy]


def test_the_page_answers_as_the_file_does() -> None:
    _, problems = validate_fields("x", {"task": "a.b", "every": "5m", "concurrencyPolicy": "Forbid"}, tasks=None)
    assert [problem.remedy for problem in problems] == ["write overlap: skip"]


@pytest.mark.parametrize("key", sorted(WORDS))
def test_any_value_of_any_word_is_answered_in_one_short_line(key: str) -> None:
    for value in ("x", "a\nb", "", 0, -1, 10**30, 1.5, True, None, [], ["x"], {}, {"a": [1]}, "y" * 5000, float("inf")):
        _, problems = validate_fields("x", {"task": "a.b", "every": "5m", key: value}, tasks=None)
        for problem in problems:
            assert len(str(problem)) < 600
            assert str(problem).isprintable()
