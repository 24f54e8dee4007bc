"""Commands that take long show in a terminal how far they are, and nowhere else."""

from __future__ import annotations

import sys

import pytest

from scheduler.cli import bars
from tests.support.shell import JOB, Shell

COMMANDS = (["check"], ["plan"], ["apply"], ["rebuild"])


def use_terminal(
    patch: pytest.MonkeyPatch, delay_s: float = 0, streams: tuple[str, ...] = ("stdout", "stderr")
) -> None:
    """These streams are a terminal, and what takes longer than the delay shows a bar. Not in a fixture: pytest puts
    other streams in the place of those that a fixture sees."""
    patch.setattr(bars, "DELAY_S", delay_s)
    for stream in streams:
        patch.setattr(getattr(sys, stream), "isatty", lambda: True)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_long_command_shows_how_far_it_is(shell: Shell, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    use_terminal(monkeypatch)
    shell.file(JOB)
    shell("apply")
    said = shell(*command)
    assert "[####" in said.err
    assert "[####" not in said.out


@pytest.mark.parametrize("command", [["check", "--json"], ["plan", "--json"], ["apply", "--json"]], ids=" ".join)
def test_nothing_is_drawn_beside_json(shell: Shell, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    use_terminal(monkeypatch)
    shell.file(JOB)
    assert shell(*command).err == ""


@pytest.mark.parametrize("terminal", ["stdout", "stderr"])
def test_nothing_is_drawn_where_a_pipe_takes_the_output(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, terminal: str
) -> None:
    use_terminal(monkeypatch, streams=(terminal,))
    shell.file(JOB)
    for command in COMMANDS:
        assert shell(*command).err == ""


def test_what_is_done_at_once_shows_no_bar(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    use_terminal(monkeypatch, delay_s=3600)
    shell.file(JOB)
    for command in COMMANDS:
        assert shell(*command).err == ""


def test_a_bar_never_goes_beyond_its_end(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    use_terminal(monkeypatch)
    with bars.progress_bar("steps") as bar:
        bar.expect(2)
        bar.advance(5)
    assert "2/2" in capsys.readouterr().err
