"""What every answer carries, and what no template may hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import scheduler.admin
from scheduler.model import Entry
from tests.integration.admin.browser import Browser, Document

PACKAGE = Path(scheduler.admin.__file__).parent
TEMPLATES = sorted((PACKAGE / "templates").glob("*.html"))
SCHEDULE = "/schedules/nightly"
PAGES = ["/schedules", SCHEDULE, f"{SCHEDULE}/edit", "/schedules/new", "/audit", "/timeline", "/nothing", "/login"]


@pytest.mark.parametrize("path", [*PAGES, "/healthz", "/readyz", "/static/admin.css", "/static/nothing", "/tasks/x"])
def test_every_answer_carries_the_strict_policy(admin: Browser, nightly: Entry, path: str) -> None:
    headers = admin.get(path, False).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert {policy[f"{kind}-src"] for kind in ("style", "script", "img", "connect")} == {"'self'"}
    assert policy["form-action"] == "'self'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"
    assert not [name for name, _ in headers if name.startswith("Access-Control-")]
    assert headers["Cache-Control"] == ("max-age=3600" if path.startswith("/static/") else "no-store")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_needs_unsafe_inline(template: Path) -> None:
    source = template.read_text(encoding="utf-8")
    assert not re.search(r"\sstyle\s*=|<style", source)
    assert not re.search(r"<[^>]*\son\w+\s*=", source)
    assert not re.search(r"javascript:", source, re.IGNORECASE)
    assert "|safe" not in source.replace(" ", "")
    for script in re.findall(r"<script[^>]*>.*?</script>", source, re.DOTALL):
        assert re.fullmatch(r'<script type="module" src="[^"]+"></script>', script)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_sound_html(admin: Browser, stranger: Browser, nightly: Entry, path: str) -> None:
    page = Document((stranger if path == "/login" else admin).get(path, False).text)
    assert page.open == [], "every element is closed"
    assert len(page.all("h1")) == 1
    assert page.all("html") == [{"lang": "en"}]
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = {attributes["for"] for attributes in page.all("label")}
    for kind in ("input", "select", "textarea"):
        for control in page.all(kind):
            hidden = control.get("type") == "hidden" or "aria-label" in control
            assert hidden or control["id"] in labelled, control
    for cell in page.all("th"):
        assert "scope" in cell
    for _, attributes in page.elements:
        for target in attributes.get("aria-describedby", "").split():
            assert target in ids or "-wrong-" in target


def test_what_a_page_refers_to_is_there_and_is_ours(admin: Browser, nightly: Entry) -> None:
    for path in PAGES[:-1]:
        page = Document(admin.get(path, False).text)
        links = [link.get("href") or link.get("src", "") for kind in ("link", "script") for link in page.all(kind)]
        assert len(links) >= 3
        for link in links:
            assert link.startswith("/")
            assert admin.get(link).status_code == 200
