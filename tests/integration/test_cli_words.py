"""`next --words`: the strict small grammar, from the command line."""

from __future__ import annotations

import pytest

from scheduler.cli import main


def test_words_are_spelled_as_the_file_spells_them_and_answered(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["next", "--words", "every weekday at 9", "--timezone", "Europe/Berlin", "-n", "1"]
    assert main([*arguments, "--after", "2026-11-22 12:00"]) == 0
    # A Sunday; Berlin is an hour ahead of UTC in November.
    assert capsys.readouterr().out.splitlines() == [
        'cron: "0 9 * * 1-5"',
        "2026-11-23 09:00:00 CET  =  2026-11-23 08:00:00 UTC",
    ]


def test_words_that_are_not_known_are_refused_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["next", "--words", "now and then"]) == 64
    assert "write it like: every 15 minutes" in capsys.readouterr().err
