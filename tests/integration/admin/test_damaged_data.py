"""One damaged row, entry or line takes no page and no command away: it is shown as one that cannot be read."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from scheduler import changes
from scheduler.errors import Exit
from scheduler.model import run_id
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store
from tests.integration.admin.browser import Browser, text
from tests.integration.admin.conftest import Declare
from tests.support.schedules import HOUR, NOON
from tests.support.shell import Shell

RUN = run_id("job", NOON)
SOON = (datetime.now(UTC) + HOUR).isoformat()
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1e300, -1e300, 10**30, 253402300799, 1.5, "", "x", "\ud800", "nan", "1e400", "\x1b[2J\n", [],
    [1], {}, {"a": [None]}, [[None], {}], {"__type__": "datetime", "year": 99999},
)  # fmt: skip
NOT_JSON = (b"", b"{", b"\xff\xfe", b"[1]", b"null", b"NaN", b'"x"', b"12", b"{}", b"[" * 3000, b"1" * 5000)
PAGES = ("/schedules", "/schedules?q=x&tag=y", "/schedules?state=ok", "/schedules/job", "/audit", "/audit?schedule=job",
         "/schedules/job/edit", f"/schedules/job/runs/{RUN}", "/healthz", "/tasks/some")  # fmt: skip
COMMANDS = (("list",), ("status",), ("history", "job"), ("next", "job"), ("next", "--all", "--until", SOON),
            ("audit",), ("audit", "job"), ("plan",), ("export",))  # fmt: skip
CODES = {Exit.OK, Exit.TEMPORARY, Exit.PROBLEMS, Exit.CHANGES, Exit.NO_INPUT, Exit.USAGE}
RECORD = {
    "due": str(NOON.timestamp()), "outcome": "succeeded", "task": "t", "task_id": "some", "queue": "celery",
    "sent": "1772452800", "started": "1772452801.5", "finished": "1772452802", "worker": "w", "result": "3",
    "attempt": "1", "count": "1", "until": "0", "manual": "1", "reason": "", "by": "ann", "traceback": "",
}  # fmt: skip


def damage(whole: dict[str, Any]) -> Iterator[bytes]:
    """A JSON record in which each value in turn is odd or missing, and what is no record at all."""
    for key in whole:
        yield from (json.dumps(whole | {key: odd}).encode() for odd in ODD)
        yield json.dumps({name: value for name, value in whole.items() if name != key}).encode()
    good = json.dumps(whole).encode()
    yield from (*NOT_JSON, good[: len(good) // 2], good.replace(b"a", b"\xff"))


@pytest.fixture
def look(admin: Browser, shell: Shell, client: Client, keys: Keys, settings: Any) -> Callable[[object], None]:
    """Open every page and give every command that reads."""
    settings.file.write_text("schedules: {}\n")
    client.set(keys.lock, "ours")

    def all_answer(case: object) -> None:
        for path in PAGES:
            for kind in ("text/html", "application/json"):
                answer = admin.get(path, Accept=kind)
                assert answer.status_code in (200, 404, 409), (case, path, kind)
                assert kind not in answer.content_type or kind == "text/html" or json.loads(answer.text)
        for command in COMMANDS:
            assert shell(*command).code in CODES, (case, command)

    return all_answer


def some(cases: Iterator[Any], count: int = 25) -> list[Any]:
    """The same ones in each run; all of them take seven minutes."""
    every = list(cases)
    return random.Random(1).sample(every, min(count, len(every)))


def test_a_ledger_row_that_cannot_be_read_is_shown_as_that_and_takes_nothing_away(
    make: Declare, look: Callable[[object], None], client: Client, keys: Keys, admin: Browser, shell: Shell
) -> None:
    make("job")
    make("other")
    for stored in some(damage(RECORD)):
        client.hset(keys.ledger("job"), mapping={RUN: stored, ":last": RUN, "no-instant": stored})
        look(stored)
    client.hset(keys.ledger("job"), RUN, b"{")
    assert "unreadable" in text(admin.get("/schedules/job"))
    assert "cannot be read" in text(admin.get(f"/schedules/job/runs/{RUN}"))
    rows = {row["name"]: row["state"] for row in shell("list", "--json").json}
    assert rows == {"job": "unreadable", "other": "new"}


def test_an_audit_line_that_cannot_be_read_is_shown_as_that_and_takes_nothing_away(
    make: Declare, look: Callable[[object], None], client: Client, keys: Keys, store: Store, shell: Shell
) -> None:
    make("job")
    changes.pause(store, "job", by="ann", until=None)
    line = {key: value for key, value in store.audit.lines(1)[0].items() if key != "id"} | {"skip": [None, None]}
    for stored in some(damage(line), 20):
        client.xadd(keys.audit, {"change": stored})
    client.xadd(keys.audit, {"other": "x"})
    look("audit")
    assert "unreadable" in shell("audit").out
    assert shell("audit", "job").out.count("pause job") >= 1


@pytest.mark.parametrize("field", ["fields", "base", "overlay", "pause", "skip", "meta", "definition", "due", "origin"])
def test_an_entry_that_cannot_be_read_is_shown_with_the_reason_and_takes_nothing_away(
    make: Declare, look: Callable[[object], None], client: Client, keys: Keys, store: Store, field: str, admin: Browser
) -> None:
    make("job", tags=["x"])
    make("other")
    changes.pause(store, "job", by="ann")
    good = client.hgetall(keys.entry("job"))
    wholes: dict[str, dict[str, Any]] = {
        "overlay": {"every": {"value": "1h", "by": "ann", "at": 5, "why": ""}},
        "skip": {"by": "ann", "at": 5, "due": 1772452800, "note": ""},
    }
    whole = wholes.get(field) or (json.loads(good[field]) if good[field].startswith("{") else {"a": 1})
    cases = [*damage(whole), *(str(odd).encode("utf-8", "replace") for odd in ODD)]
    if field == "overlay":
        cases += [json.dumps({"every": json.loads(one)}).encode() for one in damage(whole["every"]) if valid(one)]
    for stored in some(iter(cases), 8):
        for origin in ("admin", "file", "redbeat"):
            client.hset(keys.entry("job"), mapping=good | {"origin": origin} | {field: stored})
            look((field, origin, stored))
    assert "other" in text(admin.get("/schedules"))


def valid(stored: bytes) -> bool:
    try:
        json.loads(stored)
    except (ValueError, RecursionError):
        return False
    return True


def test_odd_facts_of_leader_file_standbys_and_index_take_nothing_away(
    make: Declare, look: Callable[[object], None], client: Client, keys: Keys
) -> None:
    make("job")
    texts = [str(odd).encode("utf-8", "replace") for odd in ODD] + list(NOT_JSON)
    for stored in some(iter(texts), 8):
        facts = ("path", "digest", "read", "applied", "summary", "problems", "calendars", "state")
        client.hset(keys.file, mapping=dict.fromkeys(facts, stored) | {"state": "rejected"})
        client.hset(keys.leader, mapping={"name": stored, "since": stored})
        client.zadd(keys.standbys, {stored: 9e15})
        client.hset(keys.standby_files, stored, stored)
        client.zadd(keys.schedule, {stored: 5, b"other:" + stored: float("inf")})
        client.set(keys.notice("loss"), stored)
        client.set("celery-task-meta-some", stored)
        look(stored)
    client.hdel(keys.file, "problems", "read")
    look("fields of the file that are missing")
