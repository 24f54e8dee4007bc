"""What a person meets who clones the repository, types the README's first command and opens the page."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from scheduler.errors import Exit
from tests.acceptance.page import Page
from tests.acceptance.processes import PYTHON, Checkout, temporary_checkout
from tests.support.polling import until

Run = dict[str, Any]


@pytest.fixture
def checkout() -> Iterator[Checkout]:
    with temporary_checkout("my clone, 50%n #2") as made:
        yield made


def finished(page: Page, name: str, since: datetime) -> list[Run]:
    """Its scheduled runs that fell due since then and are done, the oldest first."""
    runs = [run for run in page.json(f"/schedules/{name}")["runs"] if run["finished"] and not run["manual"]]
    return sorted((run for run in runs if due(run) > since), key=due)


def due(run: Run) -> datetime:
    return datetime.fromisoformat(str(run["due"]))


def some(runs: list[Run], least: int) -> list[Run] | None:
    return runs if len(runs) >= least else None


@pytest.mark.xdist_group("up")
@pytest.mark.timeout(600)
def test_the_first_command_on_a_bare_python_runs_log_it_and_an_edit_on_the_page_governs_the_next_run(
    checkout: Checkout,
) -> None:
    with checkout.up(python=PYTHON, PATH="/usr/bin:/bin") as up:
        page = Page(up.ready(seconds=180))
        ready = datetime.now(UTC)  # beat leads before the worker is ready: what was due then may have expired
        page.log_in(up.password)

        three = until(lambda: some(finished(page, "log-it", ready), 3), 120, "log-it ran three times")[:3]
        assert [run["outcome"] for run in three] == ["succeeded"] * 3
        assert [run["result"] for run in three] == ["30"] * 3
        assert [due(run).timestamp() % 10 for run in three] == [0] * 3
        assert {due(later) - due(run) for run, later in pairwise(three)} == {timedelta(seconds=10)}

        before = len(finished(page, "log-it", ready))
        page.submit("/schedules/log-it/edit", timing="5s", why="to see it change", **{"arg.a": "5", "arg.b": "8"})
        after = until(lambda: some(finished(page, "log-it", ready)[before:], 3), 60, "log-it ran three times more")
        edited = [run for run in after if run["result"] == "13"][:3]
        assert len(edited) >= 2, f"the edit governs the very next run, or the one after it if that was sent: {after}"
        assert due(edited[1]) - due(edited[0]) == timedelta(seconds=5)

        up.signal(signal.SIGTERM)
        assert up.ends() == Exit.OK
        checkout.assert_clean()
    home = sorted(path.name for path in checkout.home.rglob("*"))
    assert home == [], "nothing outside the checkout is written"
