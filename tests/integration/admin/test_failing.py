"""Failing schedules, in every place that shows what needs a person."""

from __future__ import annotations

from scheduler.errors import Exit
from scheduler.model import Run, run_id
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store, Write
from tests.integration.admin.browser import Browser, text
from tests.support.health import quarantine
from tests.support.schedules import MINUTE, NOON, declared, entry_of
from tests.support.shell import Shell, add

SCHEDULES, FAILING = 10_000, 313


def fail(ledger: Ledger, name: str, minute: int, result: str = "OSError: the disk is full\nof /srv") -> None:
    """A run that fell due in this minute after noon fails a second later."""
    due = NOON + minute * MINUTE
    ledger.claim(Run(run_id(name, due), name, due.timestamp(), "running", task="t"), "host:1", "token")
    assert ledger.close(run_id(name, due), "failed", token="token", finished=due.timestamp() + 1, result=result)


def sentences(shell: Shell, admin: Browser) -> list[str]:
    """What is said about schedules; `status`, `doctor`, the page and /readyz say the same, and fail."""
    doctor, ready, status = shell("doctor", "--json"), admin.get("/readyz").get_json(), shell("status")
    assert (doctor.code, status.code, ready["ok"]) == (Exit.PROBLEMS, Exit.PROBLEMS, False)
    assert doctor.json["problems"] == ready["problems"]
    found = [problem["sentence"] for problem in ready["problems"]]
    page = admin.get("/schedules")
    for sentence in found:
        assert f"problem   {sentence}: " in status.out
        assert sentence in text(page)
    assert f"<title>({len(found)}) Schedules" in page.text
    return [sentence for sentence in found if "schedule" in sentence]


def test_a_schedule_that_fails_is_named_everywhere_with_its_error_until_it_succeeds(
    shell: Shell, store: Store, ledger: Ledger, admin: Browser
) -> None:
    add(store)
    fail(ledger, "job", 0, "KeyError: 'amount'")
    assert sentences(shell, admin) == ["schedule 'job' is failing: its last run did not succeed (KeyError: 'amount')"]
    fail(ledger, "job", 1)
    (sentence,) = sentences(shell, admin)
    assert sentence == "schedule 'job' is failing: its last 2 runs did not succeed (OSError: the disk is full)"
    assert f"{sentence}: see `python3 -m scheduler history job` (since 2026-03-02 12:00:01 UTC)" in shell("status").out
    assert shell("status", "--json").json["problems"] == admin.get("/readyz").get_json()["problems"]
    due = NOON + 2 * MINUTE
    ledger.claim(Run(run_id("job", due), "job", due.timestamp(), "running", task="t"), "host:1", "token")
    ledger.close(run_id("job", due), "succeeded", token="token")
    assert sentences(shell, admin) == []
    store.client.zadd(store.keys.failing, {"job": due.timestamp()})  # as if it had succeeded in the middle of the look
    assert sentences(shell, admin) == ["schedule 'job' is failing: its last run did not succeed"]


def test_of_ten_thousand_schedules_the_worst_ten_are_named_and_all_that_fail_are_counted(
    shell: Shell, store: Store, ledger: Ledger, admin: Browser
) -> None:
    names = [f"job-{number:05}" for number in range(SCHEDULES)]
    store.write([Write("zzz", None, entry_of(declared("zzz")))])
    with store.client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.copy(store.keys.entry("zzz"), store.keys.entry(name))
        pipe.zadd(store.keys.schedule, {store.keys.entry(name): NOON.timestamp() for name in names})
        pipe.execute()
    quarantine(store, "zzz", "it is broken")
    for minute, name in enumerate(reversed(names[:FAILING])):
        fail(ledger, name, minute)
    found = sentences(shell, admin)
    worst = [f"schedule '{name}' is failing" for name in names[:FAILING][:-11:-1]]
    assert [sentence.partition(":")[0] for sentence in found] == [
        "schedule 'zzz' is quarantined",
        *worst,
        f"{FAILING - 10} more schedules are failing",
    ]
    for query in ("", "?page=200", "?q=job-09999", "?state=quarantined", "?q=nothing"):
        page = text(admin.get(f"/schedules{query}"))
        for words in ("schedule 'zzz' is quarantined", f"{FAILING - 10} more schedules are failing"):
            assert words in page, (query, words)
        assert ("313 failing" in page) == (not query.startswith("?q=")), "the counts are of what a search finds"
