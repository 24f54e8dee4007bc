"""Names and identities in addresses."""

from __future__ import annotations

from urllib.parse import unquote

from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.routing import Map, Rule

from scheduler.admin.addresses import SegmentConverter
from scheduler.model.page import RESERVED, escape, schedule_path, unescape

NAMES = st.text(max_size=30) | st.text("~/\\.new", max_size=6)


@given(NAMES)
@example("")
@example("new")
@example("..")
@example("~")
@example("~6Eew")
@example("a/b\\c~d")
def test_every_name_comes_back_and_is_one_segment_of_its_own(name: str) -> None:
    segment = escape(name)
    assert unescape(segment) == name
    assert segment not in RESERVED
    assert "/" not in segment
    assert "\\" not in segment


@given(NAMES, NAMES)
def test_no_two_names_share_an_address(one: str, other: str) -> None:
    assert (escape(one) == escape(other)) == (one == other)


def test_ordinary_names_stay_readable() -> None:
    assert escape("nightly-report_2.x") == "nightly-report_2.x"
    assert escape("nightly@2026-03-02T12:00:00Z") == "nightly@2026-03-02T12:00:00Z"


@given(NAMES)
def test_the_link_of_an_alert_is_the_address_of_that_page(name: str) -> None:
    routes = Map(
        [Rule("/schedules/<segment:name>/runs/<segment:run_id>", endpoint="run")],
        converters={"segment": SegmentConverter},
    )
    path = unquote(schedule_path(name or "x", "run of " + name))
    assert routes.bind("host").match(path) == ("run", {"name": name or "x", "run_id": "run of " + name})
