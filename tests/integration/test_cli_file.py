"""The commands about the schedule file: what they print, where, and with which exit code."""

from __future__ import annotations

import getpass
import json
from pathlib import Path

import pytest

from scheduler.errors import Exit
from scheduler.storage.store import Store
from tests.support.shell import JOB, Shell


def test_check_of_a_good_file_says_how_much_is_in_it(shell: Shell) -> None:
    shell.file(JOB)
    said = shell("check")
    assert (said.code, said.err) == (Exit.OK, "")
    assert said.out == f"{shell.settings.file}: 1 schedule, 0 warnings, no errors\n"


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
    assert said.code == Exit.NO_INPUT
    assert said.err == (
        f"{shell.settings.file} cannot be read: no such file or directory "
        "— create it, or set SCHEDULER_FILE to another file\n"
    )


def test_check_warns_of_an_account_that_this_host_lacks_and_of_root(shell: Shell) -> None:
    shell.file(*(f"{user}-{n}: {{shell: id, every: 1h, user: {user}}}" for user in ("no-one", "root") for n in (1, 2)))
    said = shell("check")
    assert said.code == Exit.OK
    lines = [line.partition(": ")[2] for line in said.out.splitlines()[:-1]]
    assert lines == [
        "warning: schedule 'no-one-1': this host has no account 'no-one' — create it, unless its worker is on "
        "another host",
        "warning: schedule 'root-1': a job as root makes everyone who can write to this Redis root on its host — "
        "give it an account that may do just this, or allow it, see docs/security.md",
    ]


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
        f"if you mean it, run `python3 -m scheduler apply --allow-remove {shell.settings.file}`\n"
    )
    assert shell("apply", "--allow-remove").out == "remove b\nremove c\n2 remove\n"
    assert store.names() == ["job"]


def test_apply_names_who_did_it_in_the_audit_log(shell: Shell, store: Store) -> None:
    shell.file(JOB)
    shell("apply")
    assert store.audit.lines()[0]["by"].startswith(f"cli {getpass.getuser()} ")


def test_another_file_can_be_named(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(f"schedules: {{{JOB}}}")
    assert shell("check", "--file", str(tmp_path / "other.yaml")).code == Exit.OK


@pytest.mark.parametrize("command", ["check", "plan", "apply"])
def test_the_file_can_be_an_argument_but_not_be_named_twice(shell: Shell, tmp_path: Path, command: str) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(JOB)
    assert shell(command, str(other)).code == shell(command, "--file", str(other)).code or command == "apply"
    twice = shell(command, str(other), "--file", str(other))
    assert twice.code == Exit.USAGE
    assert "give the schedule file once: as FILE or with --file" in twice.err


def test_check_tells_how_many_files_there_are_and_warns_of_a_pattern_without_any(shell: Shell) -> None:
    directory = shell.settings.file.parent
    (directory / "more.yaml").write_text(f"schedules:\n  more: {JOB.partition(': ')[2]}\n")
    shell.settings.file.write_text("include: [more.yaml, 'schedules.d/*.yaml']\nschedules: {}\n")
    said = shell("check")
    assert said.code == Exit.OK
    assert said.out.splitlines() == [
        f"{shell.settings.file}:1:22: warning: include: 'schedules.d/*.yaml' matches no file — check the pattern, "
        "which is relative to this file's directory; ignore this if the files come later",
        f"{shell.settings.file}: 1 schedule in 2 files, 1 warning, no errors",
    ]
    assert shell("check", "--strict").code == Exit.CHANGES
    assert json.loads(shell("check", "--json").out)["includes"] == [str(directory / "more.yaml")]
    assert shell("plan").out.startswith("add more")


@pytest.mark.parametrize("command", ["check", "plan", "apply"])
@pytest.mark.parametrize("how", [(), ("--json",)])
def test_every_command_about_a_missing_file_ends_with_no_input(
    shell: Shell, command: str, how: tuple[str, ...]
) -> None:
    assert shell(command, *how).code == Exit.NO_INPUT


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_what_is_refused_is_told_to_programs_in_json(shell: Shell, command: str) -> None:
    shell.file("job: {task: scheduler.tasks.fail}", "b: {task: nothing, every: 1h}")
    said = shell(command, "--json")
    assert (said.code, said.err) == (Exit.PROBLEMS, "")
    assert (said.json["summary"], said.json["changes"], len(said.json["problems"])) == ("refused", [], 2)


def test_a_refused_mass_removal_is_json_too(shell: Shell, store: Store) -> None:
    shell.file(JOB)
    shell("apply")
    shell.file()
    said = shell("apply", "--json")
    assert said.code == Exit.PROBLEMS
    assert "would remove 1 of 1 schedules" in said.json["problems"][0]
    assert shell("apply", "--json", "--allow-remove").json["summary"] == "1 remove"
    assert store.names() == []


def test_plan_of_a_mass_removal_says_what_apply_will_want(shell: Shell) -> None:
    shell.file(JOB)
    shell("apply")
    shell.file()
    said = shell("plan")
    assert (said.code, said.out) == (Exit.CHANGES, "remove job\n1 remove\n")
    assert said.err == "scheduler: this removes most schedules, so `apply` needs --allow-remove\n"


def test_plan_of_a_file_that_looks_cut_short_says_so(shell: Shell) -> None:
    shell.file(JOB, JOB.replace("job", "other"))
    shell("apply")
    shell.settings.file.write_text(f"schedules:\n  {JOB}")
    said = shell("plan")
    assert (said.code, said.out) == (Exit.CHANGES, "remove other\n1 remove\n")
    assert "has no line break at its end, as if cut short, so `apply` needs --allow-remove" in said.err


def test_what_apply_did_is_json_for_programs(shell: Shell) -> None:
    shell.file(JOB)
    said = shell("apply", "--json")
    assert (said.code, said.json["summary"]) == (Exit.OK, "1 add")
    assert [(change["kind"], change["name"]) for change in said.json["changes"]] == [("add", "job")]


def test_the_schema_is_printed_and_its_path(shell: Shell) -> None:
    path = Path(shell("schema", "--path").out.rstrip("\n"))
    assert shell("schema").out == path.read_text(encoding="utf-8")
