"""``scheduler alerts test`` and the checks of ``alerts:``, without Redis."""

from __future__ import annotations

from pathlib import Path

import pytest

from scheduler import changes
from scheduler.cli import main
from scheduler.errors import Exit

FILE = """
alerts:
  sinks:
    ops: {command: [sh, -c, "cat > {directory}/alert"]}
    pager: {command: [sh, -c, "echo no such key $1; exit 3", sh, "${PAGER_KEY}"]}
  failures: 2
  cooldown: 10m
schedules: {}
"""


def test_a_test_alert_goes_to_every_sink_and_each_answer_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PAGER_KEY", "squirrel-7")
    path = written(tmp_path, FILE.replace("{directory}", str(tmp_path)))
    assert main(["alerts", "test", "--file", path]) == Exit.PROBLEMS
    said = capsys.readouterr()
    assert said.out == "ops: sent\n"
    assert said.err == "pager: 'sh' exited with 3: no such key ${PAGER_KEY}\n"
    assert '"event": "test"' in (tmp_path / "alert").read_text()
    assert main(["alerts", "test", "ops", "--file", path]) == Exit.OK
    assert main(["alerts", "test", "oops", "--file", path]) == Exit.NO_INPUT


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("sinks: {ops: {email: {to: [a@b.c], from: a@b.c, srver: x}}}", "unknown key 'srver' — did you mean 'server'?"),
        ("sinks: {ops: {webhook: {url: x}, command: [x]}}", "write exactly one of email, webhook, command and apprise"),
        ("sinks: {ops: {webhook: {url: '${URL'}}}", "'${URL' is not a valid reference"),
        ("to: [ops]", "unknown sink 'ops'"),
        ("events: [failed]", "cannot be 'failed'"),
        ("cooldown: 10", "has no unit"),
    ],
)
def test_a_mistake_in_alerts_is_said_with_its_line(tmp_path: Path, line: str, problem: str) -> None:
    path = written(tmp_path, f"alerts:\n  {line}\nschedules: {{}}\n")
    [error] = changes.check(Path(path), {}).validated.errors
    assert str(error).startswith(f"{path}:2:")
    assert problem in str(error)


def test_a_mistake_in_one_sink_hides_no_other_from_the_schedules(tmp_path: Path) -> None:
    sinks = "{ops: {command: [x]}, mail: {email: {to: [a@b.c], form: a@b.c}}}"
    schedule = "{command: [x], every: 1h, alerts: {to: [ops]}}"
    path = written(tmp_path, f"alerts:\n  sinks: {sinks}\nschedules:\n  job: {schedule}\n")
    errors = changes.check(Path(path), {}).validated.errors
    assert errors
    assert all(str(error).startswith(f"{path}:2:") for error in errors)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("to: [opps]", "3:43: schedule 'job': unknown sink 'opps' — did you mean 'ops'?"),
        ("failures: 0", "is 0, which is too small"),
        ("failurs: 2", "unknown key 'failurs' — did you mean 'failures'?"),
        ("off: flaky, to: [ops]", "delete off, or the others"),
        ("off: ''", "is empty"),
        ("sinks: {}", "unknown key 'sinks'"),
    ],
)
def test_a_mistake_in_the_alerts_of_a_schedule_is_said_with_its_line(tmp_path: Path, line: str, problem: str) -> None:
    job = f"job: {{task: t, every: 1h, alerts: {{{line}}}}}"
    path = written(tmp_path, f"alerts: {{sinks: {{ops: {{command: [x]}}}}}}\nschedules:\n  {job}\n")
    [error] = changes.check(Path(path), None).validated.errors
    assert str(error).startswith(f"{path}:3:")
    assert problem in str(error)


def test_the_leader_reads_sinks_with_their_references_and_durations_in_seconds(tmp_path: Path) -> None:
    checked = changes.check(Path(written(tmp_path, FILE)), {})
    stored = checked.validated.alerts.stored({})
    assert stored["sinks"]["pager"]["command"]["argv"][-1] == "${PAGER_KEY}"
    assert stored["rule"] == {
        "events": ["failing", "lost", "late", "stuck", "missed", "slow", "recovered", "problem"],
        "failures": 2,
        "cooldown": 600.0,
        "reminder": 0.0,
    }


def written(directory: Path, text: str) -> str:
    path = directory / "schedules.yaml"
    path.write_text(text)
    return str(path)
