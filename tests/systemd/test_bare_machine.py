"""Both commands of the README, typed by an ordinary user on a Debian that has nothing but ``python3``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.page import Page
from tests.support.polling import until
from tests.systemd.bare import RELEASES, terminal

#: The tests that each machine runs: all of them would take too long. One runs those that need what it lacks.
LACKING = "tests/browser tests/systemd tests/acceptance/test_flask_first_run.py"
TESTS = {"bookworm": f"tests/unit/schedule_file {LACKING}", "trixie": "tests/unit"}
TYPED = (
    "python3 -m scheduler up; echo up ended with $?; "
    "python3 -m scheduler test {tests} -m 'not slow'; echo test ended with $?"
)


@pytest.mark.slow
@pytest.mark.parametrize("release", RELEASES)
def test_both_commands_of_the_readme_work_on_a_bare_machine(tmp_path: Path, release: str) -> None:
    with terminal(tmp_path, release, TYPED.format(tests=TESTS[release])) as anna:
        page = Page(anna.shows(r"open (http://\S+/)", 240))
        page.log_in(anna.shows(r"password (\S+)", 10))
        until(lambda: succeeded(page), 60, "a run has succeeded")
        anna.ctrl_c()
        assert anna.shows(r"up ended with (\d+)", 60) == "0"
        assert anna.shows(r"test ended with (\d+)", 600) == "0"
        assert int(anna.shows(r"\b(\d+) passed", 1)) > 100
        if release == "trixie":
            assert anna.shows(r"^\d+ tests skipped\. To run all: (apt-get install [a-z -]+; run as root)$", 1)


def succeeded(page: Page) -> bool:
    return any(run["outcome"] == "succeeded" for run in page.json("/schedules/log-it")["runs"])
