"""The record of each run: claimed once, ended once, found again, bounded."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from scheduler.errors import NotFound
from scheduler.model import Reason, Run, read_run_id, run_id
from scheduler.settings import Settings
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import MAX_RESULT_CHARS, Delivery, Ledger
from scheduler.storage.store import Store, Write
from tests.support.outputs import printed
from tests.support.schedules import NOON, declared, entry_of
from tests.support.shop import Shop

ID = run_id("job", NOON)
DUE = NOON.timestamp()


def run(identity: str = ID, **fields: Any) -> Run:
    return Run(identity, "job", DUE, "running", task="t", task_id="id", **fields)


def claim(ledger: Ledger, identity: str = ID, token: str = "token") -> str:
    return ledger.claim(run(identity), "host:1", token)


def test_a_run_is_claimed_by_one_delivery_and_refused_to_the_next(ledger: Ledger) -> None:
    assert claim(ledger, token="first") == "claimed"
    assert claim(ledger, token="second") == "running"


def test_a_claim_whose_answer_was_lost_can_be_repeated(ledger: Ledger) -> None:
    assert [claim(ledger, token="first"), claim(ledger, token="first")] == ["claimed", "claimed"]
    assert ledger.get(ID).attempt == 1


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "skipped", "lost"])
def test_a_run_that_ended_is_refused_with_its_end(ledger: Ledger, outcome: Any) -> None:
    claim(ledger)
    ledger.close(ID, outcome)
    assert claim(ledger, token="second") == outcome


def test_a_run_that_is_to_be_tried_again_can_be_claimed_again(ledger: Ledger) -> None:
    claim(ledger, token="first")
    ledger.close(ID, "queued", until=time.time() + 60)
    assert claim(ledger, token="second") == "claimed"
    assert ledger.get(ID).attempt == 2


@pytest.mark.parametrize("was_trimmed", [False, True])
def test_the_message_of_a_run_is_acknowledged_in_the_step_that_ends_it_and_no_other_is(
    ledger: Ledger, client: Client, keys: Keys, was_trimmed: bool
) -> None:
    claim(ledger)
    if was_trimmed:
        client.delete(keys.ledger("job"))
    client.hset("taken", mapping={"its tag": "message", "another": "message"})
    for key in ("index", "leases"):
        client.zadd(key, {"its tag": 1, "another": 2})
    client.config_resetstat()
    assert ledger.close(ID, "succeeded", delivery=Delivery("its tag", ("taken", "index", "leases"))) is not was_trimmed
    assert client.hkeys("taken") == client.zrange("index", 0, -1) == client.zrange("leases", 0, -1) == ["another"]


@pytest.mark.parametrize("row", ["", "{", "[]", "7"])
def test_a_row_that_somebody_damaged_is_as_one_that_was_lost(
    ledger: Ledger, client: Client, keys: Keys, row: str
) -> None:
    client.hset(keys.ledger("job"), ID, row)
    assert claim(ledger) == "claimed"
    client.hset(keys.ledger("job"), ID, row)
    assert not ledger.close(ID, "succeeded")


def test_a_run_whose_record_was_lost_is_the_latest_of_its_schedule_once_it_is_claimed(ledger: Ledger) -> None:
    claim(ledger)
    assert ledger.latest(["job"])["job"].outcome == "running"


def test_a_run_of_which_an_attempt_began_is_never_skipped(ledger: Ledger) -> None:
    """Its message came back to the queue, or was a retry, and expired there."""
    claim(ledger)
    assert ledger.close(ID, "queued", when=1.0, until=2.0, result="tried again after: ValueError")
    assert ledger.close(ID, "skipped", reason=Reason.EXPIRED)
    run = ledger.get(ID)
    assert (run.outcome, run.reason, run.result) == ("failed", "no next attempt", "tried again after: ValueError")


def test_a_second_delivery_that_expired_or_is_held_back_ends_no_run_that_a_worker_has(ledger: Ledger) -> None:
    claim(ledger)
    assert not ledger.close(ID, "skipped", reason=Reason.EXPIRED, unclaimed=True)
    assert not ledger.close(ID, "queued", when=1.0, until=2.0, reason=Reason.RATE_LIMITED, unclaimed=True)
    assert ledger.get(ID).outcome == "running"


def test_a_claim_writes_who_works_since_when(ledger: Ledger) -> None:
    before = time.time()
    claim(ledger)
    found = ledger.get(ID)
    assert (found.outcome, found.worker, found.schedule, found.due) == ("running", "host:1", "job", DUE)
    assert before <= found.started <= time.time()
    assert found.lateness == found.started - DUE


def test_a_second_attempt_keeps_the_first_start(ledger: Ledger) -> None:
    claim(ledger, token="first")
    started = ledger.get(ID).started
    ledger.close(ID, "queued", until=time.time() + 60)
    claim(ledger, token="second")
    assert ledger.get(ID).started == started


def test_an_end_is_written_once(ledger: Ledger) -> None:
    claim(ledger)
    assert ledger.close(ID, "succeeded", result="3")
    assert not ledger.close(ID, "failed", result="late")
    found = ledger.get(ID)
    assert (found.outcome, found.result) == ("succeeded", "3")
    assert found.duration is not None
    assert 0 <= found.duration < 10


def test_a_run_that_was_given_up_takes_the_word_of_the_worker_that_held_it(ledger: Ledger) -> None:
    claim(ledger, token="mine")
    ledger.close(ID, "lost")
    assert not ledger.close(ID, "failed", token="another's")
    assert not ledger.close(ID, "failed")
    assert ledger.close(ID, "succeeded", token="mine", result="3")
    assert ledger.get(ID).outcome == "succeeded"


def test_a_worker_that_was_given_up_does_not_end_the_run_that_another_has_by_now(ledger: Ledger) -> None:
    ledger.claim(run(), "frozen:1", "first")
    ledger.close(ID, "queued", until=time.time() + 60, reason=Reason.RERUN)  # as beat does for `on_lost: rerun`
    ledger.claim(run(), "other:2", "second")
    assert not ledger.close(ID, "succeeded", token="first")
    assert not ledger.close(ID, "failed", token="frozen:1"), "its main process ended a body that took too long"
    assert not ledger.hand_back(ID, "frozen:1")
    assert (ledger.get(ID).outcome, ledger.get(ID).worker) == ("running", "other:2")
    assert ledger.close(ID, "succeeded", token="second")


def test_a_worker_that_was_given_up_ends_a_run_that_no_other_has_taken_yet(ledger: Ledger) -> None:
    claim(ledger, token="mine")
    ledger.close(ID, "queued", until=time.time() + 60, reason=Reason.RERUN)
    assert ledger.close(ID, "succeeded", token="mine")
    assert claim(ledger, token="second") == "succeeded"


def test_a_run_that_nobody_knows_cannot_end(ledger: Ledger, client: Client) -> None:
    assert not ledger.close(ID, "succeeded")
    assert client.keys() == []


def test_a_claim_without_a_record_makes_one(ledger: Ledger) -> None:
    """Redis lost its data, and the message lived on elsewhere."""
    claim(ledger)
    assert ledger.get(ID) == replace(run(worker="host:1", attempt=1), started=ledger.get(ID).started)
    assert ledger.runs("job") == [ledger.get(ID)]


@pytest.mark.parametrize("text", ["ü/\\\"'\n\u2028\x00", "100 %", "[]", "null", '{"a": 1}'])
def test_every_text_comes_back_as_it_was(ledger: Ledger, text: str) -> None:
    claim(ledger)
    ledger.close(ID, "failed", result=text, traceback=text, detail=text, reason=Reason.ERROR)
    found = ledger.get(ID)
    assert (found.result, found.traceback, found.detail) == (text, text, text)


def test_a_long_result_is_cut_at_its_beginning(ledger: Ledger) -> None:
    """The end of a traceback says what happened."""
    claim(ledger)
    ledger.close(ID, "failed", traceback="x" * 10_000 + "the end")
    found = ledger.get(ID).traceback
    assert len(found) == MAX_RESULT_CHARS
    assert found.endswith("the end")


def test_a_long_output_keeps_the_line_that_names_its_error(ledger: Ledger) -> None:
    claim(ledger)
    ledger.close(ID, "failed", result="TaskFailed: the disk is full\n" + "x" * 10_000 + "the end")
    found = ledger.get(ID).result
    assert len(found) == MAX_RESULT_CHARS
    assert found.startswith("TaskFailed: the disk is full\n…\nx")
    assert found.endswith("the end")


def test_a_lease_is_renewed_only_for_runs_that_are_held(ledger: Ledger, client: Client, keys: Keys) -> None:
    claim(ledger)
    ends = client.zscore(keys.leases, ID)
    assert time.time() < ends <= time.time() + ledger.lease
    client.zadd(keys.leases, {ID: 1.0})
    ledger.renew([ID, "job@never"])
    assert client.zscore(keys.leases, ID) > time.time()
    assert client.zrange(keys.leases, 0, -1) == [ID]
    ledger.renew([])


def test_the_end_of_a_run_ends_its_lease(ledger: Ledger, client: Client, keys: Keys) -> None:
    claim(ledger)
    ledger.close(ID, "succeeded")
    assert not client.exists(keys.leases)


def ids(count: int) -> list[str]:
    return [run_id("job", NOON + timedelta(minutes=number)) for number in range(count)]


def test_the_newest_run_comes_first_whatever_was_written_last(ledger: Ledger) -> None:
    for identity in reversed(ids(3)):
        ledger.claim(replace(run(identity), due=read_run_id(identity)[1]), "w", "t")
    assert [found.id for found in ledger.runs("job")] == list(reversed(ids(3)))
    assert [found.id for found in ledger.runs("job", 2)] == list(reversed(ids(3)))[:2]


def test_the_ledger_of_a_schedule_is_bounded_by_number_also_when_runs_come_without_a_record(
    client: Client, keys: Keys, settings: Settings
) -> None:
    few = Ledger(client, keys, replace(settings, keep_runs=10))
    for identity in ids(100):
        few.claim(replace(run(identity), due=read_run_id(identity)[1]), "w", identity)
        printed(few, identity, b"hello")
        few.close(identity, "succeeded")
    found = [one.id for one in few.runs("job", 1000)]
    assert 10 <= len(found) <= 2 * 10 + 3
    assert found == list(reversed(ids(100)))[: len(found)]
    assert client.zrange(keys.runs, 0, -1, desc=True) == found
    assert set(client.scan_iter(f"{keys.outputs}*")) == {keys.output(identity, 1) for identity in found}


def test_the_ledger_of_a_schedule_is_bounded_by_age(client: Client, keys: Keys, settings: Settings) -> None:
    short = Ledger(client, keys, replace(settings, keep_days=1.0))
    claim(short)
    assert 86_000 < client.ttl(keys.ledger("job")) <= 86_400


def test_the_runs_of_a_renamed_schedule_are_found_under_both_names(ledger: Ledger, store: Store) -> None:
    store.write([Write("job", None, entry_of(declared()))])
    claim(ledger)
    entry = store.get("job")
    store.write([Write("job", entry, None, moved_to="new"), Write("new", None, replace(entry, name="new"))])
    assert [found.id for found in ledger.runs("new")] == [ID]
    assert ledger.get(ID).outcome == "running"
    assert ledger.close(ID, "succeeded")
    assert ledger.runs("new")[0].outcome == "succeeded"
    assert claim(ledger, token="second") == "succeeded"


def test_a_run_ends_also_with_the_name_of_a_file_that_is_no_utf_8(ledger: Ledger) -> None:
    claim(ledger)
    error = str(FileNotFoundError(2, "No such file", os.fsdecode(b"/data/caf\xe9.txt")))
    result, trace = f"FileNotFoundError: {error}", f"…\n{error}\ud83d"
    assert ledger.close(ID, "failed", token="token", result=result, traceback=trace)
    run = ledger.get(ID)
    assert (run.outcome, run.result) == ("failed", r"FileNotFoundError: [Errno 2] No such file: '/data/caf\udce9.txt'")
    assert run.traceback == f"…\n{run.result.partition(': ')[2]}\\ud83d"


def test_a_run_that_is_not_there_is_named(ledger: Ledger) -> None:
    with pytest.raises(
        NotFound, match=r"^no run is called 'job@2026-03-02T12:00:00Z', or it is older than the ledger keeps$"
    ):
        ledger.get(ID)


def test_no_key_of_the_ledger_lasts_for_ever(ledger: Ledger, client: Client) -> None:
    claim(ledger)
    for key in client.scan_iter():
        assert client.ttl(key) > 0, key


@pytest.mark.parametrize("name", ["add every 10", "a|b c", "ü ö", "x@y", "a:b/c"])
def test_a_name_that_another_program_chose_leaves_nothing_open(
    ledger: Ledger, client: Client, keys: Keys, name: str
) -> None:
    for number in range(3):
        identity = run_id(name, NOON + timedelta(minutes=number))
        assert ledger.claim(replace(run(identity), schedule=name), "w", "t") == "claimed"
        assert ledger.close(identity, "succeeded")
    assert client.hget(keys.ledger(name), ":open") == ""
    assert [found.schedule for found in ledger.runs(name)] == [name] * 3


def test_a_record_is_json_that_other_programs_can_read(ledger: Ledger, client: Client, keys: Keys) -> None:
    claim(ledger)
    stored = json.loads(client.hget(keys.ledger("job"), ID))
    assert (stored["outcome"], stored["worker"]) == ("running", "host:1")


def test_instants_of_a_run_are_epoch_seconds(ledger: Ledger) -> None:
    claim(ledger)
    assert from_seconds(ledger.get(ID).due) == NOON


def test_a_run_ends_in_the_ledger_of_the_new_name_although_another_schedule_has_the_old_one(
    ledger: Ledger, client: Client, keys: Keys
) -> None:
    claim(ledger)
    client.rename(keys.ledger("job"), keys.ledger("renamed"))
    client.set(keys.moved("job"), "renamed")
    client.hset(keys.ledger("job"), ":last", run_id("job", NOON + timedelta(hours=1)))  # of a new schedule
    assert ledger.close(ID, "succeeded", token="token")
    assert [row.id for row in ledger.runs("renamed") if row.outcome == "succeeded"] == [ID]


def test_a_ledger_that_has_rows_of_backfills_is_not_trimmed_at_each_run(shop: Shop, client: Client, keys: Keys) -> None:
    shop.add()
    shop.dispatcher.limits = (keys.prefix, 10, 86_400_000)
    for hour in range(10):
        for end, kind in (("", ""), (".5", ',"backfill":"1"')):
            row = f'{{"due":"{hour}{end}","outcome":"succeeded"{kind}}}'
            client.hset(keys.ledger("job"), f"job@2026-01-01T{hour:02}:00:00{end}Z", row)
    client.config_resetstat()
    for minute in range(60):
        shop.tick(minute)
    assert 0 < client.info("commandstats")["cmdstat_hdel"]["calls"] < 10
    assert client.hlen(keys.ledger("job")) < 45
