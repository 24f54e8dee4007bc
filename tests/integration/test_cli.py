"""The commands that look and act, against a real Redis: what they print, where, and with which exit code."""

from __future__ import annotations

import getpass
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from scheduler import changes
from scheduler.command_name import as_typed
from scheduler.errors import Exit
from scheduler.model import Outcome, Reason, Run, run_id
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store
from tests.support.beats import runs_sent
from tests.support.health import quarantine
from tests.support.polling import until
from tests.support.schedules import HOUR
from tests.support.shell import Shell, add
from tests.support.workers import seem_to_work


def test_list_shows_each_schedule_on_one_line(shell: Shell, store: Store) -> None:
    add(store, "every-hour")
    add(store, "daily", cron="30 4 * * *", every=None)
    changes.pause(store, "daily", by="ann")
    head, *lines = shell("list").out.splitlines()
    assert head.split() == ["NAME", "STATE", "TIMING", "NEXT", "LAST"]
    assert [line.split()[:2] for line in lines] == [["daily", "paused"], ["every-hour", "new"]]
    assert re.search(r"new +\S.* +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC +-$", lines[1])


def test_a_variable_that_is_no_setting_is_named_once_and_the_command_runs(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHEDULER_KEEP_RUN", "5")
    done = shell("list")
    wrong = "SCHEDULER_KEEP_RUN is not a setting and changes nothing: did you mean SCHEDULER_KEEP_RUNS?"
    assert (done.code, done.err) == (0, f"scheduler: {wrong}\n")


def test_list_takes_an_argument_with_spaces_for_one_word(shell: Shell, store: Store) -> None:
    add(store, "one", description="prices of the supplier")
    add(store, "two", description="supplier of the prices", tags=["two words"])
    assert [it["name"] for it in shell("list", "the supplier", "prices", "--json").json] == ["one"]
    assert [it["name"] for it in shell("list", "tag:two words", "--json").json] == ["two"]


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
    ledger.close(lost, "lost", reason=Reason.LOST)
    head, *lines = shell("history", "job").out.splitlines()
    assert head.split() == ["DUE", "OUTCOME", "LATE", "TOOK", "RESULT"]
    assert [line.split()[3] for line in lines] == ["lost", "failed", "succeeded"] or len(lines) == 3
    assert any(line.endswith("TaskFailed: the disk is full") for line in lines)
    assert any(line.endswith(Reason.LOST.sentence) for line in lines)
    assert {run["outcome"] for run in shell("history", "job", "--json").json} == {"succeeded", "failed", "lost"}
    assert len(shell("history", "job", "-n", "1", "--json").json) == 1


def test_status_without_a_beat_is_a_problem_with_its_remedy(shell: Shell) -> None:
    said = shell("status")
    assert said.code == Exit.PROBLEMS
    assert said.out.splitlines()[0] == "leader    none"
    assert "problem   No beat leads, so nothing is sent: start one with `python3 -m scheduler up`" in said.out


def test_status_with_a_leader_and_nothing_wrong_is_fine(shell: Shell, client: Client, keys: Keys) -> None:
    client.set(keys.lock, "token", px=60_000)
    client.hset(keys.leader, mapping={"name": "host:7", "since": "1795000000"})
    client.pexpire(keys.leader, 60_000)
    seem_to_work(client, keys)
    said = shell("status")
    assert said.code == Exit.OK
    assert said.out.splitlines()[:2] == ["leader    host:7 since 2026-11-18 11:06:40 UTC", "standbys  none"]
    assert shell("status", "--json").json["leader"]["name"] == "host:7"


def test_history_shows_what_failed_last_night_in_all_schedules(shell: Shell, store: Store, ledger: Ledger) -> None:
    last_night = time.time() - 8 * 3600
    add(store, "a")
    add(store, "b")
    for name, outcome, after in (("a", "failed", 0), ("b", "lost", 60), ("a", "succeeded", 120)):
        due = from_seconds(last_night + after)
        run = Run(run_id(name, due), name, due.timestamp(), "running", task="t")
        ledger.claim(run, "host:1", "token")
        ledger.close(run.id, outcome, token="token", result="OSError: no disk")  # type: ignore[arg-type]
    head, newest, oldest = shell("history", "--failed").out.splitlines()
    assert head.split()[:3] == ["SCHEDULE", "DUE", "OUTCOME"]
    assert (newest.split()[0], oldest.split()[0]) == ("b", "a")
    assert oldest.endswith("OSError: no disk")
    since = from_seconds(last_night + 30).replace(microsecond=0).isoformat()
    assert [run["schedule"] for run in shell("history", "--failed", "--since", since, "--json").json] == ["b"]
    every = shell("history", "--json").json
    assert [(run["schedule"], run["outcome"]) for run in every] == [("a", "succeeded"), ("b", "lost"), ("a", "failed")]
    assert shell("history", "--since", since, "--until", since, "--json").json == []
    assert (
        shell("history", "--until", since, "--json").json
        == shell("history", "a", "--failed", "--json").json
        == every[2:]
    )
    assert shell("history", "a", "--since", since, "--json").json == every[:1]


def test_status_shows_a_rejected_file_and_a_quarantined_schedule(
    shell: Shell, store: Store, client: Client, keys: Keys
) -> None:
    client.set(keys.lock, "token", px=60_000)
    seem_to_work(client, keys)
    add(store)
    quarantine(store, "job", "it is broken")
    store.note_file({"problems": "s.yaml:1:1: one\ns.yaml:2:1: two"})
    said = shell("status")
    assert said.code == Exit.PROBLEMS
    lines = [line.partition(" (since ")[0] for line in said.out.splitlines() if line.startswith("problem")]
    assert lines == [
        "problem   s.yaml:1:1: one",
        "problem   s.yaml:2:1: two",
        "problem   schedule 'job' is quarantined: it is broken: change it in the schedule file or on the page",
    ]


def test_pause_and_resume_say_what_comes_next(shell: Shell, store: Store) -> None:
    add(store)
    said = shell("pause", "job", "--note", "new disk")
    assert (said.code, said.out) == (Exit.OK, "paused job; `python3 -m scheduler resume job` ends the pause\n")
    pause = store.get("job").pause
    assert pause is not None
    assert (pause.by, pause.note, pause.until) == (f"cli {getpass.getuser()}", "new disk", None)
    assert (shell("resume", "job").code, shell("list", "--json").json[0]["state"]) == (Exit.OK, "new")


def test_a_pause_can_have_an_end(shell: Shell, store: Store) -> None:
    add(store)
    assert shell("pause", "job", "--until", "2099-01-01T00:00Z").out == "paused job until 2099-01-01 00:00:00 UTC\n"
    assert shell("pause", "job", "--json", "--until", "2099-01-01T00:00Z").json["state"] == "paused"


def test_a_pause_takes_the_place_of_another_only_with_replace(shell: Shell, store: Store) -> None:
    add(store)
    changes.pause(store, "job", by="ann", note="new disk")
    kept = store.get("job")
    said = shell("pause", "job", "--note", "mine")
    assert (said.code, store.get("job")) == (Exit.PROBLEMS, kept)
    assert said.err.startswith("scheduler: 'job' is paused already by ann (new disk): to replace that pause, `")
    assert "scheduler pause job --replace`" in said.err
    assert shell("pause", "job", "--note", "mine", "--replace").code == Exit.OK
    assert shell("pause", "job", "--note", "mine").code == Exit.OK, "the same again loses nothing"
    held = store.get("job").pause
    assert held is not None
    assert held.note == "mine"


def test_a_pause_until_a_time_that_is_over_is_refused(shell: Shell, store: Store) -> None:
    add(store)
    said = shell("pause", "job", "--until", "2020-01-01T00:00Z")
    assert (said.code, said.err) == (
        Exit.PROBLEMS,
        "scheduler: 2020-01-01 00:00:00 UTC is in the past: give a later time\n",
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
    assert said.out == f"sent {identity}; `{as_typed(sys.executable)} -m scheduler history job` shows its result\n"
    run = ledger.get(identity)
    assert (run.manual, run.by) == (True, f"cli {getpass.getuser()}")
    again = shell.apart("run", "job")
    assert again.code == Exit.PROBLEMS
    assert again.err == (
        "scheduler: the run before of 'job' is still queued or running: wait for it, or set overlap: allow\n"
    )


@pytest.mark.parametrize(
    ("outcome", "ended", "code", "more"),
    [
        ("succeeded", {}, Exit.OK, ""),
        ("failed", {}, Exit.PROBLEMS, ": it ended with an error"),
        ("failed", {"exit_code": 3}, 3, ": it ended with an error"),
    ],
)
@pytest.mark.parametrize("option", [(), ("--json",)], ids=["words", "json"])
def test_run_can_wait_for_the_end_of_the_run_and_ends_like_it(
    shell: Shell,
    store: Store,
    ledger: Ledger,
    option: tuple[str, ...],
    outcome: Outcome,
    ended: dict[str, Any],
    code: int,
    more: str,
) -> None:
    add(store)
    with ThreadPoolExecutor(1) as pool:
        said = pool.submit(shell.apart, "run", "job", "--wait", *option)
        (identity,) = until(lambda: runs_sent(store.client), 60, "it is sent")
        ledger.claim(Run(identity, "job", 0.0, "running"), "host:1", "token")
        reason = Reason.ERROR if outcome == "failed" else None
        ledger.close(identity, outcome, token="token", reason=reason, result="what it\nprinted", **ended)
        done = said.result(60)
        assert done.code == code
        if option:
            assert done.json["exit_code"] == ended.get("exit_code")
        else:
            assert done.out == f"{identity} {outcome}{more}\nwhat it\nprinted\n"


def test_run_of_a_schedule_that_cannot_be_sent_says_why(shell: Shell, store: Store) -> None:
    add(store, args=[1])
    said = shell.apart("run", "job")
    assert said.code == Exit.PROBLEMS
    assert said.err == (
        "scheduler: schedule 'job' cannot be sent: TypeError: log_it() missing 1 required positional argument: 'b'\n"
    )
