"""Writing what was changed here into the schedule file."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scheduler import changes
from scheduler.admin.service import Service
from scheduler.changes import export
from scheduler.model import Entry
from scheduler.storage.store import Store
from tests.integration.admin.browser import Browser, Document, text
from tests.integration.admin.conftest import Declare

HERE = "/schedules/nightly/file"


@pytest.fixture
def edited(admin: Browser, nightly: Entry) -> Entry:
    """The schedule of the file, as it was before two of its fields were changed."""
    admin.submit("/schedules/nightly/edit?arguments=json", timing="15 3 * * *", args="[5, 6]")
    return nightly


def reload(service: Service) -> None:
    changes.apply(service.store, changes.check(service.settings.file, service.tasks), by="file schedules.yaml")


def test_each_field_that_was_changed_here_can_be_written(admin: Browser, edited: Entry) -> None:
    links = [found["href"] for found in Document(admin.get("/schedules/nightly").text).all("a")]
    assert {f"{HERE}?field=cron", f"{HERE}?field=args", HERE} <= {*links}


def test_the_difference_is_shown_before_anything_is_written(admin: Browser, service: Service, edited: Entry) -> None:
    before = service.settings.file.read_bytes()
    page = text(admin.get(f"{HERE}?field=args"))
    assert "- args: [10, 20] + args: [5, 6]" in page
    assert "15 3" not in page
    assert service.settings.file.read_bytes() == before


def test_what_is_written_is_the_files_again(admin: Browser, service: Service, store: Store, edited: Entry) -> None:
    before = service.settings.file.read_text()
    assert "Written to schedules.yaml" in text(admin.submit(f"{HERE}?field=args"))
    assert service.settings.file.read_text() == before.replace("[10, 20]", "[5, 6]")
    reload(service)
    entry = store.get("nightly")
    assert (set(entry.overlay), entry.base["args"]) == ({"cron"}, [5, 6])
    line = next(line for line in store.audit.lines() if line["change"] == "write to file")
    assert (line["by"], line["before"], line["after"]) == ("admin", {"args": [10, 20]}, {"args": [5, 6]})


def test_all_fields_can_be_written_at_once(admin: Browser, service: Service, store: Store, edited: Entry) -> None:
    admin.submit(HERE)
    reload(service)
    assert store.get("nightly").overlay == {}
    assert admin.get(f"{HERE}").status_code == 404


def test_a_schedule_that_was_made_here_becomes_the_files(
    admin: Browser, service: Service, store: Store, nightly: Entry, make: Declare
) -> None:
    make("made", description="by hand")
    admin.submit("/schedules/made/file")
    assert service.settings.file.read_text().endswith("every: 1h\n    args: [1, 2]\n")
    reload(service)
    assert store.get("made").origin == "file"


def test_a_file_that_changed_since_is_shown_anew(admin: Browser, service: Service, edited: Entry) -> None:
    form = Document(admin.get(HERE).text).forms[-1]
    file = service.settings.file
    file.write_text(file.read_text() + "# mine\n")
    answer = admin.post(HERE, **form.fields)
    assert answer.status_code == 409
    assert "has changed since you opened this page" in text(answer)
    assert "[5, 6]" not in file.read_text()
    assert admin.post(HERE, **Document(answer.text).forms[-1].fields).status_code == 200
    assert "[5, 6]" in file.read_text()


def test_a_file_that_cannot_be_written_is_a_patch_to_copy(
    admin: Browser, service: Service, edited: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = Document(admin.get(HERE).text).forms[-1]
    monkeypatch.setattr("os.access", lambda path, how: False)  # root may write everywhere
    before = service.settings.file.read_bytes()
    page = admin.get(HERE)
    assert "+ args: [5, 6]" in text(page)
    assert f"{service.settings.file} is not writable for this process" in text(page)
    assert HERE not in [found.action for found in Document(page.text).forms]
    assert admin.post(HERE, **form.fields).status_code == 409
    assert service.settings.file.read_bytes() == before


def test_the_patch_is_there_for_programs(admin: Browser, service: Service, edited: Entry) -> None:
    told = admin.json(f"{HERE}?field=args")
    assert told["file"] == str(service.settings.file)
    assert told["reasons"] == []
    assert "+    args: [5, 6]\n" in told["patch"]


@pytest.mark.parametrize("field", ["queue", "nothing"])
def test_what_was_not_changed_cannot_be_written(admin: Browser, edited: Entry, field: str) -> None:
    assert admin.get(f"{HERE}?field={field}").status_code == 404


def test_another_site_can_write_nothing(admin: Browser, service: Service, edited: Entry) -> None:
    form = Document(admin.get(HERE).text).forms[-1]
    headers = {"Sec-Fetch-Site": "cross-site"}
    answer = admin.client.post(HERE, data=form.fields, headers=headers, environ_base=admin.environ)
    assert answer.status_code == 403
    assert "[5, 6]" not in service.settings.file.read_text()


def test_a_file_with_errors_is_told_and_not_touched(
    admin: Browser, service: Service, edited: Entry, load: Callable[[str], None]
) -> None:
    service.settings.file.write_text("schedules: [")
    assert admin.get(HERE).status_code == 422
    assert service.settings.file.read_text() == "schedules: ["


def test_markup_in_a_value_is_text_in_the_difference(admin: Browser, nightly: Entry) -> None:
    admin.submit("/schedules/nightly/edit", description="<script>alert(1)</script>")
    assert "<script>alert" not in admin.get(HERE).text


def test_export_and_page_propose_the_same(admin: Browser, service: Service, edited: Entry) -> None:
    [made] = export.propose(service.settings.file, service.tasks, export.candidates(service.store))
    assert made.patch == admin.json(HERE)["patch"]
