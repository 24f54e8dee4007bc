"""Acts on many schedules: a dry run, one reason, one group of the audit log, one undo."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler import changes
from scheduler.admin.service import Service
from scheduler.changes import chosen_runs, clock
from scheduler.model import Entry, run_id
from tests.integration.admin.browser import Browser, Document, text
from tests.integration.admin.conftest import Declare
from tests.integration.admin.runs import commit, lead, run, set_aside
from tests.support.health import quarantine


@pytest.fixture
def twelve(service: Service, make: Declare) -> list[str]:
    """Twelve schedules with a tag, of which ann paused the last, and one without it."""
    lead(service)
    names = [f"etl-{number:02}" for number in range(12)]
    for name in names:
        make(name, tags=["etl"])
    make("other")
    changes.pause(service.store, "etl-11", by="ann", until=clock() + timedelta(days=2))
    return names


def paused(service: Service) -> list[str]:
    return [name for name, entry in service.store.all().items() if entry.pause and entry.pause.note == "move"]


def test_a_dry_run_says_what_would_happen_to_how_many_and_changes_nothing(
    admin: Browser, service: Service, twelve: list[str]
) -> None:
    before = service.store.all()
    page = text(admin.post("/bulk/pause", all="on", tag="etl"))
    assert "Pause 11 schedules?" in page
    assert "etl-00, etl-01" in page
    assert "1 left alone 'etl-11' is paused already by ann until" in page
    assert service.store.all() == before


def test_a_whole_search_is_paused_with_one_reason_and_undone_at_once(
    admin: Browser, service: Service, twelve: list[str]
) -> None:
    form = Document(admin.post("/bulk/pause", all="on", tag="etl").text).forms[-1]
    answer = admin.post(form.action, **(form.fields | {"why": "move", "until": "2050-01-01T06:00"}))
    assert "Paused 11 schedules." in text(answer)
    assert paused(service) == twelve[:11]
    assert service.store.get("etl-11").pause is not None
    audit = Document(admin.get("/audit").text)
    assert "11 schedules" in audit.text
    assert audit.text.count("pause until Sat 01 Jan 2050 06:00 UTC : move") == 1, "one line for all of them"
    [undo] = {form.action for form in audit.forms if "/groups/" in form.action}
    assert "Undone: 11 schedules" in text(admin.post(undo))
    entries = service.store.all()
    now = clock().timestamp()
    running = [name for name, entry in entries.items() if not entry.pause or (entry.pause.until or now + 1) <= now]
    assert running == [*twelve[:11], "other"]


def test_only_the_chosen_ones_are_changed_and_a_second_act_finds_nothing(
    admin: Browser, service: Service, twelve: list[str]
) -> None:
    names = json.dumps(twelve[:3])
    assert "Disabled 3 schedules." in text(admin.post("/bulk/disable/now", names=names, why="no need"))
    assert "Disabled 0 schedules. Left alone: 3; 'etl-00' is so already." in text(
        admin.post("/bulk/disable/now", names=names)
    )
    disabled = [name for name, entry in service.store.all().items() if not entry.fields.get("enabled", True)]
    assert disabled == twelve[:3]
    assert "Enabled 3 schedules." in text(admin.post("/bulk/enable/now", names=names))


def test_what_cannot_be_done_is_told_with_its_reason_and_the_rest_is_done(
    admin: Browser, service: Service, nightly: Entry, twelve: list[str]
) -> None:
    set_aside(service, "etl-01", "it has no task")
    names = json.dumps(["etl-00", "nightly", "gone"])
    page = text(admin.post("/bulk/delete/now", names=names))
    assert "Deleted 1 schedule. Left alone: 2; 'nightly' is declared in the schedule file" in page
    assert "etl-00" not in service.store.all()
    skipped = text(admin.post("/bulk/skip/now", names=json.dumps(["etl-01", "etl-02"])))
    assert "Will skip the next run of 1 schedule. Left alone: 1; 'etl-01' cannot be read: it has no task." in skipped
    assert "No longer skipped: 1 schedule." in text(admin.post("/bulk/unskip/now", names=json.dumps(["etl-02"])))


def test_a_pile_up_is_spread_with_the_next_runs_before_and_after(
    admin: Browser, service: Service, make: Declare
) -> None:
    for number in range(41):
        make(f"job-{number:02}", cron="7 * * * *", every=None)
    names = json.dumps([f"job-{number:02}" for number in range(41)])
    dry = text(admin.post("/bulk/spread", names=names, value="20m"))
    assert "Spread 41 schedules?" in dry
    assert len(set(re.findall(r"\d\d:\d\d:\d\d UTC", dry))) > 5
    assert "Spread 41 schedules." in text(admin.post("/bulk/spread/now", names=names, value="20m"))
    assert service.store.get("job-40").fields["jitter"] == "20m"
    peaks = [int(number) for number in re.findall(r"<b>(\d+) due</b>", admin.get("/timeline").text)]
    assert all(number < 20 for number in peaks), peaks


def test_tags_are_added_and_removed_and_runs_are_sent(
    admin: Browser, service: Service, nightly: Entry, twelve: list[str]
) -> None:
    names = json.dumps(["etl-00", "nightly"])
    assert "Tagged 2 schedules." in text(admin.post("/bulk/tag/now", names=names, value="slow"))
    assert service.store.get("nightly").tags == ("reports", "night", "slow")
    assert "write the tag" in text(admin.post("/bulk/untag/now", names=names))
    assert "Removed the tag from 2" in text(admin.post("/bulk/untag/now", names=names, value="slow"))
    assert service.store.get("nightly") == nightly or service.store.get("nightly").fields == nightly.fields
    assert "Sent a run of 2 schedules." in text(admin.post("/bulk/run/now", names=names))
    assert [run.by for run in service.ledger.runs("etl-00")] == ["admin"]
    assert "'etl-00' is queued already" in text(admin.post("/bulk/run", names=names))


def test_what_runs_is_stopped_and_what_failed_last_is_sent_again_with_one_reason(
    admin: Browser, service: Service, twelve: list[str]
) -> None:
    due = clock() - timedelta(minutes=9)
    queued = run_id("etl-00", due)
    commit(service, service.store.get("etl-00"), runs=(due,))
    bad = [run(service, name, due, "failed", result="no") for name in ("etl-01", "etl-02")]
    run(service, "etl-02", due + timedelta(minutes=1))
    dry = text(admin.post("/bulk/stop", all="on", tag="etl"))
    assert "Stop the runs of 1 schedule?" in dry
    assert "a program SIGTERM" in dry
    assert "one click undoes it" not in dry
    names = json.dumps(twelve[:3])
    assert "Stopped, or asked to stop, the runs of 1 schedule. Left alone: 2; 'etl-01' has no run under way." in text(
        admin.post("/bulk/stop/now", names=names, why="wrong day")
    )
    assert service.ledger.get(queued).outcome == "stopped"
    answer = text(admin.post("/bulk/retry/now", names=names, why="the gateway is back"))
    assert "Retried the last run of 1 schedule. Left alone: 2; the newest run of 'etl-00' was stopped." in answer
    assert "Undo it" not in answer
    assert [service.ledger.get(it).outcome for it in (queued, *bad)] == ["stopped", "queued", "failed"]
    lines = service.store.audit.lines(2)
    assert [(it["change"], it["schedule"]) for it in lines] == [("retry", "etl-01"), ("stop", "etl-00")]
    assert lines[0]["group"] != lines[1]["group"]
    assert f"{bad[0]}: the gateway is back" in lines[0]["why"]


def test_the_run_of_a_quarantined_schedule_is_stopped_too(admin: Browser, service: Service, twelve: list[str]) -> None:
    due = clock() - timedelta(minutes=9)
    commit(service, service.store.get("etl-00"), runs=(due,))
    quarantine(service.store, "etl-00", "it is broken")
    admin.post("/bulk/stop/now", names=json.dumps(twelve[:1]))
    assert service.ledger.get(run_id("etl-00", due)).outcome == "stopped"


def test_a_run_that_has_just_ended_keeps_no_other_of_its_schedule_from_being_stopped(
    admin: Browser, service: Service, twelve: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dues = [clock() - timedelta(minutes=minutes) for minutes in (9, 8)]
    entry = service.store.get("etl-00")
    commit(service, replace(entry, fields=entry.fields | {"overlap": "allow"}), runs=tuple(dues))
    listed = [run_id("etl-00", due) for due in dues]
    service.ledger.stop(listed[0], "stopped by ben")
    monkeypatch.setattr(chosen_runs, "under_way", lambda *_: listed)  # as they were when the act began
    assert "runs of 1 schedule." in text(admin.post("/bulk/stop/now", names=json.dumps(twelve[:1])))
    assert service.ledger.get(listed[1]).detail.startswith("stopped by admin")


def test_what_was_changed_here_is_reverted_and_the_undo_brings_it_back(
    admin: Browser, service: Service, nightly: Entry, twelve: list[str]
) -> None:
    changes.edit(service.store, "nightly", nightly.fields | {"args": [5, 5]}, tasks=None, by="ben")
    answer = text(admin.post("/bulk/revert/now", names=json.dumps(["nightly", "etl-00"]), why="tried"))
    assert "Reverted 1 schedule. Left alone: 1; 'etl-00' does not differ from what is declared." in answer
    assert (service.store.get("nightly").fields, service.store.get("nightly").overlay) == (nightly.fields, {})
    [undo] = {form.action for form in Document(admin.get("/audit").text).forms if "/groups/" in form.action}
    admin.post(undo)
    assert service.store.get("nightly").fields["args"] == [5, 5]


@pytest.mark.parametrize("sent", ['{"a": 1}', "[", "7", "[" * 5_000], ids=["object", "cut", "number", "deep"])
def test_a_damaged_form_changes_nothing(admin: Browser, service: Service, twelve: list[str], sent: str) -> None:
    before = service.store.all()
    assert admin.post("/bulk/pause/now", names=sent).status_code == 409
    assert "Choose at least one schedule" in text(admin.post("/bulk/pause"))
    assert "in the past" in text(admin.post("/bulk/pause/now", names='["other"]', until="2001-01-01T00:00"))
    assert service.store.all() == before


def test_more_than_fit_into_one_act_are_refused_beside_the_list_and_its_search(
    admin: Browser, service: Service, twelve: list[str]
) -> None:
    before = service.store.all()
    names = json.dumps([f"job-{number}" for number in range(3_000)])
    answer = admin.post("/bulk/pause", names=names, q="job")
    assert answer.request.url.endswith("/schedules?q=job")
    assert "Nothing was changed: 3000 schedules are more than 2000 at once: narrow the search." in text(answer)
    assert service.store.all() == before


def test_a_wrong_length_of_time_is_told_beside_its_field_with_what_was_typed(
    admin: Browser, service: Service, twelve: list[str]
) -> None:
    names = json.dumps(twelve[:3])
    for path in ("/bulk/spread", "/bulk/spread/now"):
        answer = admin.post(path, names=names, value="soon", why="a pile-up")
        assert answer.status_code == 422
        assert "duration 'soon'" in text(answer)
        fields = Document(answer.text).forms[-1].fields
        assert (fields["value"], fields["why"], json.loads(fields["names"])) == ("soon", "a pile-up", twelve[:3])
    assert "jitter" not in service.store.get("etl-00").fields


def test_an_undo_of_all_leaves_alone_what_was_changed_since(
    admin: Browser, service: Service, twelve: list[str]
) -> None:
    admin.post("/bulk/spread/now", names=json.dumps(twelve[:3]), value="20m")
    later = service.store.get("etl-01").fields | {"jitter": "5m"}
    changes.edit(service.store, "etl-01", later, tasks=None, by="ben")
    [undo] = {form.action for form in Document(admin.get("/audit").text).forms if "/groups/" in form.action}
    answer = text(admin.post(undo))
    assert "Undone: 2 schedules. Left alone: 1; 'etl-01' has changed since in jitter" in answer
    jitters = [service.store.get(name).fields.get("jitter") for name in twelve[:3]]
    assert jitters == [None, "5m", None]
