"""The list while a search is typed."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from scheduler.admin.service import Service
from tests.browser.browsers import both_browsers
from tests.browser.conftest import Open
from tests.browser.test_pages import make, with_and_without_javascript
from tests.integration.admin.runs import lead

pytestmark = pytest.mark.xdist_group("browser")
NOTE_ROWS = """() => { window.noted = ""; const rows = document.getElementById("rows");
    new MutationObserver(() => window.noted += rows.innerText).observe(rows, {childList: true, subtree: true}) }"""
ADDRESS = "() => location.pathname + location.search"


@pytest.fixture
def sixty(service: Service) -> Service:
    """Sixty schedules of two teams, so that the list has two pages."""
    lead(service)
    for number in range(60):
        make(service, f"job-{number:02}", tags=["etl" if number % 20 else "billing"])
    return service


def names(page: Page) -> list[str]:
    return page.locator(".list tbody th a:not(.tag)").all_inner_texts()


@both_browsers
def test_the_list_and_the_address_follow_what_is_typed_and_the_caret_stays(open_page: Open, sixty: Service) -> None:
    page = open_page()
    page.goto("/audit")
    page.goto("/schedules?sort=name")
    box = page.get_by_label("Search")
    box.press_sequentially("billing 0")
    row_of = page.get_by_role("link", name="job-20")
    expect(row_of).to_have_count(1)
    expect(page.get_by_role("link", name="job-21")).to_have_count(0)
    assert names(page) == ["job-00", "job-20", "job-40"]
    expect(page.get_by_text("1–3 of 3 matching, 60 in total")).to_have_count(2)  # once for screen readers
    expect(page.locator(".paging")).to_have_count(0)
    assert page.evaluate(ADDRESS) == "/schedules?q=billing+0&sort=name"
    for _ in range(2):
        box.press("ArrowLeft")
    box.press_sequentially("x")
    expect(page.get_by_text("No schedules match 'billingx 0'.").first).to_be_visible()
    expect(box).to_be_focused()
    assert box.evaluate("it => it.selectionStart") == len("billingx")
    box.press("Backspace")
    expect(row_of).to_have_count(1)
    row_of.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("job-20")
    page.go_back()
    expect(box).to_have_value("billing 0")
    assert names(page) == ["job-00", "job-20", "job-40"]
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Audit log")


def test_an_emptied_search_shows_all_again_from_the_first_page(open_page: Open, sixty: Service) -> None:
    page = open_page("/schedules?q=job&page=2")
    expect(page.get_by_role("link", name="job-59")).to_be_visible()
    page.get_by_label("Search").fill("")
    expect(page.get_by_role("link", name="job-00")).to_be_visible()
    expect(page.get_by_role("link", name="Show all")).to_have_count(0)
    expect(page.locator(".paging")).to_contain_text("Page 1 of 2")
    assert page.evaluate(ADDRESS) == "/schedules"


def test_a_late_answer_to_an_older_search_is_dropped(open_page: Open, sixty: Service) -> None:
    page = open_page()
    held: list[Route] = []
    page.route("**/schedules?q=billing", lambda route: held.append(route))
    box = page.get_by_label("Search")
    with page.expect_request("**/schedules?q=billing"):
        box.fill("billing")
    box.fill("job-07")
    expect(page.get_by_role("link", name="job-00")).to_have_count(0)
    assert names(page) == ["job-07"]
    page.evaluate(NOTE_ROWS)
    with page.expect_response("**/schedules?q=billing"):
        for route in held:
            route.continue_()
    make(sixty, "job-070")
    expect(page.get_by_role("link", name="job-070")).to_be_visible()  # with the next refresh
    assert "job-070" in page.evaluate("noted")
    assert "job-20" not in page.evaluate("noted")


def test_what_a_search_finds_is_not_spoken_before_it_is_shown(open_page: Open, sixty: Service) -> None:
    page = open_page()
    page.route(
        "**/schedules?q=billing",
        lambda route: route.fulfill(status=200, headers={"Retry-After": "1"}, body="busy"),
        times=1,
    )
    page.get_by_label("Search").fill("billing")
    expect(page.locator("#connection")).to_contain_text("The page is busy")
    assert page.locator("#found").text_content() == ""
    expect(page.locator("#rows .range")).to_contain_text("of 3 matching")


def test_all_that_match_is_unchecked_when_the_search_changes(open_page: Open, sixty: Service) -> None:
    page = open_page("/schedules?q=job")
    page.get_by_label("All 60 that match").check()
    page.get_by_label("job-40").check()
    page.get_by_label("Search").fill("billing")
    expect(page.get_by_label("All 3 that match")).not_to_be_checked()
    expect(page.get_by_label("job-40")).to_be_checked()


@both_browsers
def test_the_timeline_and_its_address_follow_what_is_typed_and_keep_its_tag(open_page: Open, sixty: Service) -> None:
    page = open_page("/timeline?tag=billing")
    lanes = page.locator(".lane a")
    expect(lanes).to_have_text(["job-00", "job-20", "job-40"])
    box = page.get_by_label("Search")
    box.press_sequentially("job-2")
    expect(lanes).to_have_text(["job-20"])
    expect(page.get_by_text("1 of 60 schedules match")).to_have_count(2)  # once for screen readers
    expect(box).to_be_focused()
    assert page.evaluate(ADDRESS) == "/timeline?q=job-2&tag=billing"
    box.fill("")
    expect(lanes).to_have_count(3)
    assert page.evaluate(ADDRESS) == "/timeline?tag=billing"


@with_and_without_javascript
def test_a_search_by_button_is_a_page_of_its_own(open_page: Open, sixty: Service, javascript: bool) -> None:
    page = open_page("/schedules?tag=billing", java_script_enabled=javascript)
    page.get_by_label("Search").fill("20")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("link", name="job-40")).to_have_count(0)
    page.wait_for_url("**/schedules?q=20&tag=billing")
    assert names(page) == ["job-20"]
