"""The timeline: what ran, what will run, and where too much comes at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from scheduler import changes
from scheduler.admin.service import Service
from scheduler.changes import clock
from scheduler.model import Entry
from scheduler.status import pile_ups
from scheduler.status.ahead import ahead
from scheduler.status.catalogue import View
from scheduler.storage.instants import from_seconds, iso
from tests.integration.admin.browser import Browser, Document, text
from tests.integration.admin.conftest import Declare
from tests.integration.admin.runs import run
from tests.support.polling import until

HOURLY = "7 * * * *"


def present_quarter() -> datetime:
    """Its begin, when enough of it is left: what was due then is in the bar in which it is counted now."""
    until(lambda: clock().timestamp() % 900 < 880, 30, "another quarter of an hour")
    return from_seconds(clock().timestamp() // 900 * 900)


def peaks(page: Document) -> list[str]:
    """Where the busiest minutes lead."""
    return [link["href"] for link in page.all("a") if "minute=" in link["href"]]


def test_a_pile_up_is_named_with_its_minute_and_leads_to_all_who_are_in_it(
    admin: Browser, service: Service, make: Declare
) -> None:
    for number in range(41):
        make(f"job-{number:02}", cron=HOURLY, tags=["etl"], every=None)
    make("paused", cron=HOURLY, every=None)
    changes.pause(service.store, "paused", by="ann")
    make("alone", cron="9 * * * *", every=None)
    page = Document(admin.get("/timeline").text)
    assert "41 due" in page.text
    minute = peaks(page)[3]  # hours ahead, so that it does not pass during this test
    listed = text(admin.get(minute))
    assert "41 due at" in listed
    assert all(f"job-{number:02}" in listed for number in range(41))
    assert "paused" not in listed
    assert "alone" not in listed
    assert len(admin.json(minute)["schedules"]) == 41


def shared(admin: Browser, name: str) -> str:
    """What the page of a schedule says of its minute."""
    found = re.search(r"<p>(Shares .*?)</p>", admin.get(f"/schedules/{name}").text)
    return Document(found[1]).text if found else ""


def test_a_schedule_says_with_how_many_others_it_shares_one_of_the_busiest_minutes_until_they_are_spread(
    admin: Browser, service: Service, make: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pile_ups, "MAX_AGE_S", 0.0)
    minutes = [clock() + timedelta(hours=2, minutes=number) for number in range(6)]
    for place, minute in enumerate(minutes):
        for number in range(8 - place):
            make(f"job-{place}-{number}", cron=f"{minute.minute} {minute.hour} * * *", every=None)
    make("alone", cron="0 0 1 1 *", every=None)
    changes.pause(service.store, "job-0-7", by="ann")  # a paused schedule shares no minute
    until(lambda: shared(admin, "job-0-0"), 30, "what is ahead has been looked at")
    words = rf"Shares \w+ \d\d \w+ {minutes[0]:%H:%M} UTC with 6 others: spread them ."
    assert re.fullmatch(words, shared(admin, "job-0-0"))
    assert "with 6 others" in shared(admin, "job-1-6")
    assert "with 3 others" in shared(admin, "job-4-0"), "the fifth of the minutes that the timeline names"
    assert shared(admin, "job-5-0") == "", (
        "three are due in its minute, and the timeline names no more than five minutes"
    )
    assert shared(admin, "alone") == shared(admin, "job-0-7") == ""
    first = iso(minutes[0].replace(second=0, microsecond=0))
    told = {name: admin.json(f"/api/v1/schedules/{name}")["pile_up"] for name in ("job-0-0", "alone", "job-0-7")}
    assert told == {"job-0-0": {"minute": first, "others": 6}, "alone": None, "job-0-7": None}
    assert admin.json("/schedules/job-0-0")["pile_up"] == told["job-0-0"]
    page = Document(admin.get("/timeline").text)
    assert [int(due) for due in re.findall(r"(\d+) due", page.text)[:5]] == [7, 7, 6, 5, 4]
    [link] = peaks(Document(admin.get("/schedules/job-1-0").text))
    assert link in [peak.partition("&")[0] for peak in peaks(page)]
    assert admin.json(link)["schedules"] == [f"job-1-{number}" for number in range(7)]
    for number in range(1, 7):
        changes.pause(service.store, f"job-1-{number}", by="ann")
    until(lambda: not shared(admin, "job-1-0"), 30, "it is alone in its minute")
    changes.edit(service.store, "job-0-0", {"task": "scheduler.tasks.fail", "every": "1d"}, tasks=None, by="ann")
    assert shared(admin, "job-0-0") == "", "at once, by its own timing"


def test_what_ran_and_what_failed_is_on_the_left_by_tag_and_by_schedule(
    admin: Browser, service: Service, make: Declare
) -> None:
    make("good", tags=["etl"], every="1h")
    make("bad", tags=["reports"], every="1h")
    run(service, "good", present_quarter())
    run(service, "bad", present_quarter(), "failed", result="no paper", reason="error")
    page = admin.get("/timeline").text
    assert "1 run, 1 failed" in page
    load = page.partition('class="drawn high"')[2].partition("</svg>")[0]
    drawn = re.findall(r'class="(\w+)" x="[\d.]+" width=".8" y="[\d.]+" height="([\d.]+)"', load)
    assert [tone for tone, _ in drawn[:2]] == ["good", "bad"]
    assert float(drawn[1][1]) < float(drawn[0][1]), "the bar is red only as far as it failed"
    assert 'href="/timeline?tag=reports"' in page
    assert 'href="/timeline?q=bad&amp;tag=reports"' in admin.get("/timeline?q=bad").text
    of_tag = admin.get("/timeline?tag=reports").text
    assert '/schedules/bad"' in of_tag
    assert '/schedules/good"' not in of_tag
    hours = admin.json("/timeline")["load"]
    assert sum(bar["failed"] for bar in hours) == 1


def test_a_failure_that_is_expected_is_not_red_in_the_load_and_in_the_lanes(
    admin: Browser, service: Service, load: Callable[[str], None]
) -> None:
    one = "task: scheduler.tasks.fail, args: [x], every: 1h"
    load(f"schedules: {{flaky: {{{one}, tags: [etl], alerts: {{off: the supplier is down}}}}, other: {{{one}}}}}")
    run(service, "flaky", present_quarter(), "failed")
    for path in ("/timeline", "/timeline?tag=etl"):
        page = admin.get(path).text
        assert 'class="good"' in page
        assert 'class="bad" x=' not in page
        assert "An expected failure counts as a run." in text(admin.get(path))
    assert "An expected failure" not in text(admin.get("/timeline?q=other"))
    run(service, "other", present_quarter(), "failed")
    page = admin.get("/timeline").text
    assert page.count('class="bad" x=') == 2, "in the load, and in the lane of what has no tag"
    assert "2 due, 1 failed" in page


def test_what_failed_in_the_hours_that_are_drawn_is_one_link_away(
    admin: Browser, service: Service, nightly: Entry
) -> None:
    run(service, "nightly", clock() - timedelta(hours=5), "failed", result="KeyError: 'amount'", reason="error")
    run(service, "nightly", clock() - timedelta(hours=9), "failed", result="an older one", reason="error")
    links = Document(admin.get("/timeline").text).all("a")
    [link] = [it["href"] for it in links if "outcome=wrong&from=" in it.get("href", "")]
    page = text(admin.get(link))
    assert "KeyError: 'amount'" in page
    assert "an older one" not in page


def test_what_runs_all_the_time_is_counted_and_not_drawn(admin: Browser, make: Declare) -> None:
    make("beacon", every="10s")
    page = text(admin.get("/timeline"))
    assert "1 schedule that runs at least every 5 minutes is not drawn ahead" in page
    assert "Nothing ran in the last 6 hours" in page


def test_a_hundred_thousand_schedules_cost_what_their_different_timings_cost(service: Service, make: Declare) -> None:
    make("hourly-0", cron=HOURLY, every=None)
    make("daily-0", cron="0 3 * * *", every=None)
    view = service.catalogue.look()
    hourly, daily = view.kept["hourly-0"], view.kept["daily-0"]
    kept = {f"hourly-{number}": replace(hourly) for number in range(99_990)}
    kept |= {f"daily-{number}": replace(daily) for number in range(10)}
    large = View(tuple(kept), kept)
    before = service.store.client.info("stats")["total_commands_processed"]
    found = ahead(service.store, large, large.names, clock(), clock() + timedelta(hours=24))
    assert service.store.client.info("stats")["total_commands_processed"] - before < 10
    assert found.busiest(1)[0][1] >= 99_990
    assert len(found.minutes) in range(24, 27)


def test_schedules_share_instants_unless_their_names_decide(
    service: Service, make: Declare, load: Callable[[str], None]
) -> None:
    for name, fields in {
        "one": {"cron": HOURLY},
        "two": {"cron": HOURLY, "queue": "reports"},
        "other": {"cron": HOURLY, "timezone": "Asia/Tokyo"},
        "late": {"cron": HOURLY, "jitter": "10m"},
        "later": {"cron": HOURLY, "jitter": "10m"},
        "spread": {"cron": "~ * * * *"},
        "wide": {"cron": "~ * * * *"},
    }.items():
        make(name, every=None, **fields)
    timings = {name: kept.timing for name, kept in service.catalogue.look().kept.items()}
    assert timings["one"] == timings["two"]
    assert len(set(timings.values())) == len(timings) - 1


@pytest.mark.parametrize("end", ["0001-01-01T00:00", "0001-01-01T00:00%2B23:59", "9999-12-31T23:59-23:59"])
def test_where_the_calendar_ends_is_as_good_as_no_time(admin: Browser, end: str) -> None:
    assert admin.get(f"/timeline?minute={end}").status_code == 200
    assert admin.get(f"/runs?from={end}&until={end}").status_code == 200
