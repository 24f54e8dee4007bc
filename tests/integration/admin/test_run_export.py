"""The runs of a search as a file, for a spreadsheet and for programs."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest

from scheduler.admin import run_export as pages
from scheduler.admin.service import Service
from scheduler.changes import clock
from scheduler.model import Reason
from scheduler.sending.decide import Skip
from scheduler.status import as_csv
from scheduler.status import runs as status_runs
from tests.integration.admin.browser import Browser, Document
from tests.integration.admin.conftest import Declare
from tests.integration.admin.runs import run, skip


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_links_below_the_list_give_all_runs_of_the_search_as_csv_and_as_json(
    service: Service, admin: Browser, make: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_runs, "PAGE_SIZE", 1)
    make("job", overlap="allow"), make("other")
    now = clock()
    failed = [
        run(service, "job", now - timedelta(minutes=at), "failed", result='Bad, "very" bad\nline 2', reason="error")
        for at in (30, 20)
    ]
    run(service, "job", now - timedelta(minutes=10))
    run(service, "other", now - timedelta(minutes=5), "failed")
    skip(service, service.store.get("job"), Skip(Reason.OVERLAP, now, now + timedelta(hours=1), 2))
    page = Document(admin.get("/runs?outcome=failed&q=job&last=24h").text)
    of_csv, of_json = (it["href"] for it in page.all("a") if it["href"].startswith("/runs."))
    answer = admin.get(of_csv)
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="runs.csv"'
    assert answer.headers["Cache-Control"] == "no-store"
    found = rows(answer.text)
    assert [(it["id"], it["outcome"], it["reason"]) for it in found] == [(it, "failed", "error") for it in failed[::-1]]
    assert found[0]["result"] == 'Bad, "very" bad\nline 2'
    assert (found[0]["lateness"], found[0]["duration"], found[0]["started_by"]) == ("0.0", "2.0", "schedule")
    exported = admin.get(of_json).get_json()
    listed = admin.json("/api/v1/runs?outcome=failed&q=job")
    assert exported == {"items": listed["items"], "next": None}
    (skipped,) = rows(admin.get("/runs.csv?outcome=skipped").text)
    assert (skipped["count"], skipped["started"], skipped["task"]) == ("2", "", "")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "=cmd|' /C x'!A0"])
def test_no_text_of_a_run_is_a_formula_in_a_spreadsheet(
    service: Service, admin: Browser, make: Declare, text: str
) -> None:
    make("job")
    run(service, "job", clock() - timedelta(minutes=9), result=text)
    (found,) = rows(admin.get("/runs.csv").text)
    assert found["result"] == f"'{text}"
    assert as_csv.line([text, -1.5]).endswith(",-1.5\r\n")


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_file_without_all_runs_says_so_and_links_to_the_next(
    service: Service, admin: Browser, make: Declare, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    make("job", overlap="allow")
    runs = [run(service, "job", clock() - timedelta(minutes=at)) for at in range(1, 6)]

    def ids(path: str) -> tuple[list[str], str]:
        answer = admin.get(path)
        assert (
            f"{'runs-newest-2' if 'Link' in answer.headers else 'runs'}.{kind}" in answer.headers["Content-Disposition"]
        )
        items = rows(answer.text) if kind == "csv" else answer.get_json()["items"]
        following = answer.headers.get("Link", "").partition(">")[0][1:]
        return [it["id"] for it in items], following

    for bound in ({"MAX_EXPORTED": 2}, {"MAX_EXPORT_LOOKED_AT": 2}):
        with monkeypatch.context() as patch:
            for name, value in bound.items():
                patch.setattr(status_runs, name, value)
            first, following = ids(f"/runs.{kind}?q=job")
            second, further = ids(following)
            third, end = ids(further)
        assert [*first, *second, *third] == runs
        assert end == ""
    monkeypatch.setattr(pages, "MAX_BYTES", {"csv": 450, "json": 1000}[kind])
    assert len(ids(f"/runs.{kind}")[0]) == 2


def test_only_who_may_see_the_list_gets_the_file(stranger: Browser) -> None:
    assert stranger.get("/runs.csv", False).status_code == 302
    assert stranger.get("/runs.json", False, Accept="application/json").status_code == 401
