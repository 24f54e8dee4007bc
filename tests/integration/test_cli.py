"""The command line against a real Redis: what it prints, where, and with which exit code."""

from __future__ import annotations

import getpass
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scheduler import cli, sync
from scheduler.errors import Exit
from scheduler.instants import from_seconds
from scheduler.ledger import Ledger
from scheduler.model import Run, run_id
from scheduler.redis_client import Client, Keys
from scheduler.settings import Settings
from scheduler.store import Store, Write
from tests.support.beats import runs_sent
from tests.support.schedules import HOUR, declared, entry_of

ROOT = Path(cli.__file__).resolve().parent.parent.parent
JOB = "job: {task: scheduler.tasks.log_it, every: 1h, args: [1, 2]}"


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Shell:
    """Runs commands in this process; only `run` needs one of its own, because it is Celery that sends."""

    def __init__(self, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
        self.settings = settings
        self.capsys = capsys

    def __call__(self, *arguments: str) -> Said:
        self.capsys.readouterr()
        code = cli.main(arguments)
        said = self.capsys.readouterr()
        assert "Traceback" not in said.err + said.out
        return Said(int(code), said.out, said.err)

    def apart(self, *arguments: str, **environ: str) -> Said:
        done = subprocess.run(
            [sys.executable, "-m", "scheduler", *arguments],
            cwd=ROOT,
            env=os.environ | environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr + done.stdout
        return Said(done.returncode, done.stdout, done.stderr)

    def file(self, *schedules: str) -> None:
        self.settings.file.write_text(f"schedules: {{{', '.join(schedules)}}}")


@pytest.fixture
def shell(settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("SCHEDULER_REDIS_URL", settings.redis_url)
    monkeypatch.setenv("SCHEDULER_FILE", str(settings.file))
    monkeypatch.setenv("SCHEDULER_STATE_DIR", str(settings.state_dir))
    monkeypatch.setenv("COLUMNS", "200")
    return Shell(settings, capsys)


def add(store: Store, name: str = "job", **fields: Any) -> None:
    fields = {"task": "scheduler.tasks.log_it", "args": [1, 2], "every": "1h"} | fields
    wanted = declared(name, **fields)
    store.write([Write(name, None, entry_of(wanted, "admin", now=from_seconds(time.time())))])


# check, plan, apply


def test_check_of_a_good_file_says_how_much_is_in_it(shell: Shell) -> None:
    shell.file(JOB)
    said = shell("check")
    assert (said.code, said.err) == (Exit.OK, "")
    assert said.out == f"{shell.settings.file}: 1 schedules, 0 warnings, no errors\n"


def test_check_needs_no_redis(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDULER_REDIS_URL", "unix:///nowhere.sock")
    shell.file(JOB)
    assert shell("check").code == Exit.OK


def test_check_tells_every_error_with_its_place_on_stderr(shell: Shell) -> None:
    shell.settings.file.write_text(
        "schedules:\n  job:\n    task: scheduler.tasks.log_in\n    corn: 1 2 3 4 5\n    every: 1h\n"
    )
    said = shell("check")
    file = shell.settings.file
    assert said.code == Exit.PROBLEMS
    assert said.out == ""
    assert said.err.splitlines() == [
        f"{file}:3:11: schedule 'job': unknown task 'scheduler.tasks.log_in' — did you mean 'scheduler.tasks.log_it'? "
        "Tasks come from SCHEDULER_IMPORTS and `imports:`",
        f"{file}:4:5: schedule 'job': unknown key 'corn' — did you mean 'cron'?",
    ]


def test_check_of_a_missing_file_says_what_to_do(shell: Shell) -> None:
    said = shell("check")
    assert said.code == Exit.PROBLEMS
    assert said.err == (
        f"{shell.settings.file} cannot be read: no such file or directory "
        "— create it, or name another file with SCHEDULER_FILE\n"
    )


def test_check_strict_fails_on_warnings(shell: Shell) -> None:
    shell.file("job: {task: scheduler.tasks.fail, cron: '0 0 13 * 5'}")
    assert (shell("check").code, shell("check", "--strict").code) == (Exit.OK, Exit.CHANGES)


def test_check_as_json_is_for_programs(shell: Shell) -> None:
    shell.file("job: {task: scheduler.tasks.fail}")
    said = shell("check", "--json")
    assert said.code == Exit.PROBLEMS
    assert (said.json["ok"], said.json["schedules"]) == (False, 0)
    assert [problem["severity"] for problem in said.json["problems"]] == ["error"]


def test_plan_prints_what_apply_then_does(shell: Shell, store: Store) -> None:
    shell.file(JOB)
    planned = shell("plan")
    assert (planned.code, planned.out) == (Exit.CHANGES, "add job\n1 add\n")
    assert store.names() == []
    applied = shell("apply")
    assert (applied.code, applied.out) == (Exit.OK, planned.out)
    assert store.names() == ["job"]
    assert (shell("plan").code, shell("plan").out) == (Exit.OK, "no changes\n")


def test_plan_shows_each_field_with_both_values(shell: Shell) -> None:
    shell.file(JOB)
    shell("apply")
    shell.file(JOB.replace("[1, 2]", "[3, 4]"))
    assert shell("plan").out == "update job (args: [1, 2] → [3, 4])\n1 update\n"
    (change,) = shell("plan", "--json").json["changes"]
    assert change == {
        "kind": "update",
        "name": "job",
        "fields": {"args": {"before": [1, 2], "after": [3, 4]}},
        "dropped": {},
        "why": "",
    }


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_a_bad_file_is_not_loaded(shell: Shell, store: Store, command: str) -> None:
    shell.file("job: {task: scheduler.tasks.fail}")
    said = shell(command)
    assert said.code == Exit.PROBLEMS
    assert said.err.startswith("scheduler: ")
    assert "schedule 'job': it has no timing" in said.err
    assert store.names() == []


def test_apply_of_a_mass_removal_is_refused_with_the_option_that_means_it(shell: Shell, store: Store) -> None:
    shell.file(JOB, JOB.replace("job", "b"), JOB.replace("job", "c"))
    shell("apply")
    shell.file(JOB)
    said = shell("apply")
    assert said.code == Exit.PROBLEMS
    assert said.err == (
        f"scheduler: {shell.settings.file} would remove 2 of 3 schedules, so nothing was changed: "
        "if that is meant, run `python3 -m scheduler apply --allow-remove`\n"
    )
    assert shell("apply", "--allow-remove").out == "remove b\nremove c\n2 remove\n"
    assert store.names() == ["job"]


def test_apply_names_who_did_it_in_the_audit_log(shell: Shell, store: Store) -> None:
    shell.file(JOB)
    shell("apply")
    assert store.audit()[0]["by"].startswith(f"cli {getpass.getuser()} ")


def test_another_file_can_be_named(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(f"schedules: {{{JOB}}}")
    assert shell("check", "--file", str(tmp_path / "other.yaml")).code == Exit.OK


# list, next, history, status


def test_list_shows_each_schedule_on_one_line(shell: Shell, store: Store) -> None:
    add(store, "every-hour")
    add(store, "daily", cron="30 4 * * *", every=None)
    sync.pause(store, "daily", by="ann")
    head, *lines = shell("list").out.splitlines()
    assert head.split() == ["NAME", "STATE", "TIMING", "NEXT", "LAST"]
    assert [line.split()[:2] for line in lines] == [["daily", "paused"], ["every-hour", "new"]]
    assert re.search(r"new +\S.* +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC +-$", lines[1])


def test_list_of_nothing_is_a_head_without_lines(shell: Shell) -> None:
    assert shell("list").out == "NAME  STATE  TIMING  NEXT  LAST\n"


def test_list_as_json_has_the_names_that_the_page_uses(shell: Shell, store: Store) -> None:
    add(store)
    (row,) = shell("list", "--json").json
    assert (row["name"], row["state"], row["task"], row["origin"]) == ("job", "new", "scheduler.tasks.log_it", "admin")
    assert row["next"].endswith("Z")


def test_next_shows_the_instants_of_a_schedule_in_its_zone_and_in_utc(shell: Shell, store: Store) -> None:
    add(store, cron="30 2 * * *", every=None, timezone="America/New_York")
    words, *lines = shell("next", "job", "-n", "2").out.splitlines()
    assert words
    assert len(lines) == 2
    assert re.fullmatch(r"\S+ 02:30:00 E[SD]T  =  \S+ 0[67]:30:00 UTC", lines[0])


def test_next_of_a_cron_expression_needs_no_redis(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDULER_REDIS_URL", "unix:///nowhere.sock")
    said = shell("next", "--cron", "0 0 13 * 5", "--after", "2026-03-01T00:00Z", "-n", "3")
    assert said.code == Exit.OK
    assert said.out.splitlines()[1:] == [
        "2026-03-06 00:00:00 UTC",
        "2026-03-13 00:00:00 UTC",
        "2026-03-20 00:00:00 UTC",
    ]


def test_next_as_json_is_in_utc(shell: Shell) -> None:
    said = shell(
        "next", "--cron", "@daily", "--timezone", "Europe/Vienna", "--after", "2026-07-01T12:00Z", "-n", "1", "--json"
    )
    assert said.json["next"] == ["2026-07-01T22:00:00Z"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "give a schedule's name, --cron EXPRESSION, --words TEXT, or --all --until TIME"),
        (
            ("job", "--cron", "* * * * *"),
            "give a schedule's name, --cron EXPRESSION, --words TEXT, or --all --until TIME",
        ),
        (("--cron", "61 * * * *"), "minute"),
        (("--cron", "* * * * *", "--timezone", "Mars"), "Mars"),
        (("--cron", "* * * * *", "--after", "soon"), "'soon' is not a date and time"),
        (("--cron", "* * * * *", "-n", "0"), "0 is not in the range"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(shell: Shell, arguments: tuple[str, ...], complaint: str) -> None:
    said = shell("next", *arguments)
    assert said.code == Exit.USAGE
    assert complaint in said.err


@pytest.mark.parametrize("command", [["frobnicate"], ["list", "--nope"], ["pause"], ["run"]], ids=" ".join)
def test_an_unknown_command_or_option_is_a_usage_error(shell: Shell, command: list[str]) -> None:
    said = shell(*command)
    assert said.code == Exit.USAGE
    assert "Usage: python3 -m scheduler" in said.err


@pytest.mark.parametrize("command", ["next", "history", "pause", "resume"])
def test_a_schedule_that_does_not_exist_has_an_exit_code_of_its_own(shell: Shell, command: str) -> None:
    said = shell(command, "nothing")
    assert said.code == Exit.NO_INPUT
    assert said.err == ("scheduler: no schedule is called 'nothing': `python3 -m scheduler list` shows every one\n")


def test_history_shows_what_ran_and_what_did_not_with_the_reason(shell: Shell, store: Store, ledger: Ledger) -> None:
    add(store)
    due = from_seconds(time.time()) - HOUR
    ok, bad, lost = (run_id("job", due + number * HOUR / 10) for number in range(3))
    for identity in (ok, bad, lost):
        ledger.claim(Run(identity, "job", due.timestamp(), "running"), "worker", "token")
    ledger.close(ok, "succeeded", result="30")
    ledger.close(bad, "failed", result="TaskFailed: the disk is full\nsecond line")
    ledger.close(lost, "lost", detail="its worker vanished")
    head, *lines = shell("history", "job").out.splitlines()
    assert head.split() == ["DUE", "OUTCOME", "LATE", "TOOK", "RESULT"]
    assert [line.split()[3] for line in lines] == ["lost", "failed", "succeeded"] or len(lines) == 3
    assert any(line.endswith("TaskFailed: the disk is full") for line in lines)
    assert any(line.endswith("its worker vanished") for line in lines)
    assert {run["outcome"] for run in shell("history", "job", "--json").json} == {"succeeded", "failed", "lost"}
    assert len(shell("history", "job", "-n", "1", "--json").json) == 1


def test_status_without_a_beat_is_a_problem_with_its_remedy(shell: Shell) -> None:
    said = shell("status")
    assert said.code == Exit.PROBLEMS
    assert said.out.splitlines()[0] == "leader    none"
    assert "problem   No beat leads: nothing is sent. Start it with `systemctl start celery-beat`" in said.out


def test_status_with_a_leader_and_nothing_wrong_is_fine(shell: Shell, client: Client, keys: Keys) -> None:
    client.set(keys.lock, "token", px=60_000)
    client.hset(keys.leader, mapping={"name": "host:7", "since": "1795000000"})
    client.pexpire(keys.leader, 60_000)
    said = shell("status")
    assert said.code == Exit.OK
    assert said.out.splitlines()[:2] == ["leader    host:7 since 2026-11-18 11:06:40 UTC", "standbys  none"]
    assert shell("status", "--json").json["leader"]["name"] == "host:7"


def test_status_shows_a_rejected_file_and_a_quarantined_schedule(
    shell: Shell, store: Store, client: Client, keys: Keys
) -> None:
    client.set(keys.lock, "token", px=60_000)
    add(store)
    client.hset(keys.entry("job"), "error", "it is broken")
    store.note_file({"problems": "s.yaml:1:1: one\ns.yaml:2:1: two"})
    said = shell("status")
    assert said.code == Exit.PROBLEMS
    assert [line for line in said.out.splitlines() if line.startswith("problem")] == [
        "problem   s.yaml:1:1: one",
        "problem   s.yaml:2:1: two",
        "problem   schedule 'job': it is broken",
    ]


# run, pause, resume


def test_pause_and_resume_say_what_comes_next(shell: Shell, store: Store) -> None:
    add(store)
    said = shell("pause", "job", "--note", "new disk")
    assert (said.code, said.out) == (Exit.OK, "paused job; `python3 -m scheduler resume job` lets it go on\n")
    pause = store.get("job").pause
    assert pause is not None
    assert (pause.by, pause.note, pause.until) == (f"cli {getpass.getuser()}", "new disk", None)
    assert (shell("resume", "job").code, shell("list", "--json").json[0]["state"]) == (Exit.OK, "new")


def test_a_pause_can_have_an_end(shell: Shell, store: Store) -> None:
    add(store)
    assert shell("pause", "job", "--until", "2099-01-01T00:00Z").out == "paused job until 2099-01-01 00:00:00 UTC\n"
    assert shell("pause", "job", "--json", "--until", "2099-01-01T00:00Z").json["state"] == "paused"


def test_a_pause_until_a_time_that_is_over_is_refused(shell: Shell, store: Store) -> None:
    add(store)
    said = shell("pause", "job", "--until", "2020-01-01T00:00Z")
    assert (said.code, said.err) == (
        Exit.PROBLEMS,
        "scheduler: 2020-01-01 00:00:00 UTC is over already: give a time to come\n",
    )


def test_resuming_what_is_not_paused_says_so(shell: Shell, store: Store) -> None:
    add(store)
    said = shell("resume", "job")
    assert (said.code, said.err) == (Exit.NO_INPUT, "scheduler: 'job' is not paused: there is nothing to resume\n")


def test_run_sends_at_once_and_says_where_the_result_will_be(shell: Shell, store: Store, ledger: Ledger) -> None:
    add(store, overlap="skip")
    said = shell.apart("run", "job")
    assert said.code == Exit.OK
    (identity,) = runs_sent(store.client)
    assert said.out == f"sent {identity}; `python3 -m scheduler history job` shows its result\n"
    run = ledger.get(identity)
    assert (run.manual, run.by) == (True, f"cli {getpass.getuser()}")
    again = shell.apart("run", "job")
    assert again.code == Exit.PROBLEMS
    assert again.err == (
        "scheduler: the run before of 'job' is still queued or running: wait for it, or set overlap: allow\n"
    )


def test_run_of_a_schedule_that_cannot_be_sent_says_why(shell: Shell, store: Store) -> None:
    add(store, args=[1])
    said = shell.apart("run", "job")
    assert said.code == Exit.PROBLEMS
    assert said.err == (
        "scheduler: schedule 'job' cannot be sent: TypeError: log_it() missing 1 required positional argument: 'b'\n"
    )


# what goes wrong around it


@pytest.mark.parametrize(
    "command", ["list", "status", "history job", "next job", "pause job", "resume job", "plan", "apply"]
)
def test_without_redis_each_command_ends_in_one_line(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    shell.file(JOB)
    monkeypatch.setenv("SCHEDULER_REDIS_URL", "redis://ann:secret@127.0.0.1:1/0")
    said = shell(*command.split())
    assert said.code == Exit.UNAVAILABLE
    assert re.fullmatch(
        r"scheduler: Redis .*does not answer \(.*\): start it, or set SCHEDULER_REDIS_URL.*\n", said.err
    )
    assert "secret" not in said.err


def test_a_wrong_setting_ends_in_one_line(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDULER_LEASE", "soon")
    said = shell("list")
    assert (said.code, said.err) == (
        Exit.CONFIG,
        "scheduler: SCHEDULER_LEASE='soon' is not a number: give 3 to 300\n",
    )


def test_a_task_module_that_cannot_be_imported_ends_in_one_line(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "broken_tasks.py").write_text("import json\nraise RuntimeError('boom')\n")
    shell.file(JOB)
    said = shell.apart("check", SCHEDULER_IMPORTS="broken_tasks", PYTHONPATH=str(tmp_path))
    assert said.code == Exit.CONFIG
    assert said.err == (
        "scheduler: SCHEDULER_IMPORTS: cannot import 'broken_tasks': RuntimeError: boom at "
        f"{tmp_path}/broken_tasks.py:2 — mend it, or check the name and that it can be found from the working "
        "directory\n"
    )


def test_the_commands_work_from_another_process_too(shell: Shell) -> None:
    shell.file(JOB)
    said = shell.apart("plan")
    assert (said.code, said.out, said.err) == (Exit.CHANGES, "add job\n1 add\n", "")


def test_help_ends_in_examples_and_exit_codes(shell: Shell) -> None:
    said = shell("--help")
    assert said.code == Exit.OK
    assert "python3 -m scheduler check " in said.out
    for code in Exit:
        assert re.search(rf"\b{int(code)} \w", said.out), code


def test_the_version_is_told(shell: Shell) -> None:
    assert re.fullmatch(r"scheduler, version \d+\.\d+\.\d+\n", shell("--version").out)


@pytest.mark.parametrize("name", sorted(cli.cli.commands))
def test_every_command_has_a_help_in_a_sentence(shell: Shell, name: str) -> None:
    said = shell(name, "--help")
    assert said.code == Exit.OK
    assert said.out.startswith(f"Usage: python3 -m scheduler {name}")


READS = ("check", "plan", "apply", "list", "next", "history", "status", "run", "pause", "resume")


@pytest.mark.parametrize("name", READS)
def test_every_command_that_tells_something_tells_it_as_json_too(shell: Shell, name: str) -> None:
    assert "--json" in shell(name, "--help").out
