"""What a look at the page costs."""

from __future__ import annotations

import gzip
from datetime import timedelta
from pathlib import Path

import scheduler.admin
from scheduler.admin.service import Service
from scheduler.changes import clock
from scheduler.model import Entry
from tests.integration.admin.browser import Browser
from tests.integration.admin.conftest import Declare
from tests.integration.admin.runs import run

STATIC = Path(scheduler.admin.__file__).parent / "static"
MAX_JAVASCRIPT = 8_192  #: bytes as they are sent


def test_a_page_that_did_not_change_is_not_sent_again(admin: Browser, service: Service, nightly: Entry) -> None:
    run(service, "nightly", clock() - timedelta(seconds=30))
    first = admin.get("/schedules")
    again = admin.get("/schedules", If_None_Match=first.headers["ETag"])
    assert (again.status_code, again.data) == (304, b"")
    run(service, "nightly", clock() - timedelta(seconds=20), "failed", result="no paper", reason="error")
    assert "no paper" in admin.get("/schedules", If_None_Match=first.headers["ETag"]).text


def test_words_that_count_by_themselves_do_not_make_a_page_another_one(
    admin: Browser, service: Service, nightly: Entry
) -> None:
    run(service, "nightly", clock() - timedelta(seconds=30))
    tags = {admin.get("/schedules").headers["ETag"] for _ in range(2)}
    service.store.client.hset(service.store.keys.leader, mapping={"name": "web1:1", "since": clock().timestamp()})
    assert admin.get("/schedules").headers["ETag"] not in tags, "who leads is news"
    assert len(tags) == 1


def test_what_is_sent_is_compressed_for_whoever_can_unpack_it(admin: Browser, make: Declare) -> None:
    for number in range(50):
        make(f"job-{number:03}", description="does what it has to do", tags=["etl"])
    plain, packed = admin.get("/schedules"), admin.get("/schedules", Accept_Encoding="gzip")
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < 8_000 < len(plain.data)


def test_all_javascript_of_the_page_is_at_most_8_kilobytes(stranger: Browser) -> None:
    scripts = sorted(STATIC.glob("*.js"))
    sizes = {it.name: len(stranger.get(f"/static/{it.name}", Accept_Encoding="gzip").data) for it in scripts}
    assert sum(sizes.values()) <= MAX_JAVASCRIPT, sizes
