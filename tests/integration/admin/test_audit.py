"""The audit log is searched by who, what, which schedule and when, and read to its end."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from scheduler.admin import audit as page
from scheduler.admin.service import Service
from scheduler.changes import clock
from scheduler.storage import audit
from scheduler.storage.audit import audit_line
from tests.integration.admin.browser import Browser, Document, text
from tests.support.schedules import MINUTE, NOON
from tests.support.shell import Shell


@pytest.fixture
def written(service: Service) -> datetime:
    """What ann and a token did, a minute apart; returns an instant in the middle."""
    did = [("ann", "pause", "a"), ("ann", "resume", "a"), ("token deploy", "pause", "b"), ("Ann", "pause", "c")]
    for minute, (who, what, name) in enumerate(did):
        at = NOON + minute * MINUTE
        line = json.dumps(audit_line(who, at, what, None, None, schedule=name))
        service.store.client.xadd(service.store.keys.audit, {"change": line}, f"{int(at.timestamp() * 1000)}-1")
    return NOON + 1.5 * MINUTE


def told(lines: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(line["by"], line["change"], line["schedule"]) for line in lines]


def test_the_log_is_searched_by_each_filter_and_by_all_at_once(admin: Browser, shell: Shell, written: datetime) -> None:
    asked: list[tuple[dict[str, str], list[tuple[str, str, str]]]] = [
        ({"by": "ann", "change": "pause"}, [("Ann", "pause", "c"), ("ann", "pause", "a")]),
        ({"by": "deploy"}, [("token deploy", "pause", "b")]),
        ({"schedule": "a", "change": "resume"}, [("ann", "resume", "a")]),
        ({"by": "ann", "from": written.isoformat()}, [("Ann", "pause", "c")]),
        ({"by": "nobody"}, []),
    ]
    for query, expected in asked:
        path = "/audit?" + "&".join(f"{key}={value.replace('+', '%2B')}" for key, value in query.items())
        assert told(admin.json(path)["changes"]) == expected, query
        rows = Document(admin.get(path).text).all("th")
        assert len([it for it in rows if it.get("scope") == "row"]) == len(expected)
        schedule, since = query.get("schedule", ""), query.get("from", "")
        options = [it for key in ("by", "change") if key in query for it in (f"--{key}", query[key])]
        options += ["--since", since] if since else []
        said = shell("audit", *([schedule] if schedule else []), *options, "--json")
        assert told(said.json["changes"]) == expected, query
    assert "No changes match" in text(admin.get("/audit?by=nobody"))
    assert len(admin.json("/audit?from=never&before=+&by=")["changes"]) == 4


def test_every_line_is_reached_also_where_one_page_looks_at_few_of_them(
    admin: Browser, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (audit, page):
        monkeypatch.setattr(module, "MAX_LOOKED_AT", 10)
    monkeypatch.setattr(page, "MAX_ROWS", 4)
    monkeypatch.setattr(audit, "LINES_PER_READ", 3)
    for number in range(33):
        who, group = ("bob" if number % 11 else "ann"), ({"group": "many"} if 5 <= number < 9 else {})
        service.store.audit.add(audit_line(who, clock(), "run", None, None, f"number {number}.", schedule="x", **group))
    numbers = list(range(32, -1, -1))
    assert list(pages(admin, "/audit")) == [it for it in numbers if it not in (5, 6, 7)], "of an act on many, one"
    assert list(pages(admin, "/audit?by=ann")) == [22, 11, 0]
    assert list(pages(admin, "/audit?schedule=y")) == []


def pages(admin: Browser, path: str | None) -> Any:
    """The numbers of the lines, page after page."""
    while path:
        shown = admin.get(path)
        yield from (int(it.partition(".")[0]) for it in text(shown).split("number ")[1:])
        path = next((it["href"] for it in Document(shown.text).all("a") if it.get("rel") == "next"), None)


@pytest.mark.parametrize(
    "address", ["/audit?from=1960-01-01T00:00", "/api/v1/audit?since=1970-01-01T00:00:00%2B14:00"], ids=["page", "api"]
)
def test_a_search_from_before_1970_has_all_lines(admin: Browser, written: datetime, address: str) -> None:
    found = admin.json(address)
    assert len(found.get("changes") or found["items"]) == 4


def test_what_one_load_of_the_file_did_of_a_kind_is_one_row_with_undo_only_where_it_can_work(
    admin: Browser, service: Service, load: Callable[[str], None]
) -> None:
    task = "{task: scheduler.tasks.log_it, args: [1, 2], every: 1h}"
    load(f"schedules: {{a: {task}, b: {task}, c: {task}}}\n")
    load(f"schedules: {{a: {task}, d: {task}}}\n")
    rows = [it for it in Document(admin.get("/audit").text).all("th") if it.get("scope") == "row"]
    assert len(rows) == 3, "two were removed, d was added, three were added at first"
    shown = text(admin.get("/audit"))
    assert "3 schedules" in shown
    assert shown.count("Undo") == 1, "what the file added is removed there"
    group = service.store.audit.lines(schedule="c")[0]["group"]
    assert "Undone: 2 schedules." in text(admin.post(f"/audit/groups/{group}/undo"))
    assert set(service.store.all()) == {"a", "b", "c", "d"}
