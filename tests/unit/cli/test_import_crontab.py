"""`import crontab`: what cron runs today, as a schedule file that the gate accepts."""

from __future__ import annotations

from pathlib import Path

import pytest

from scheduler import schedule_file
from scheduler.cli import main
from scheduler.validate import validate

CRONTAB = """\
MAILTO=ops@example.org
# Nightly "full" backup: all of it
30 2 * * * /usr/local/bin/backup --full
CRON_TZ=America/New_York
*/5 * * * * echo "100 #{1}" | logger
@reboot /bin/true
"""


@pytest.fixture
def printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    source = tmp_path / "crontab"
    source.write_text(CRONTAB)
    assert main(["import", "crontab", str(source), "--timezone", "Europe/Berlin"]) == 0
    out, err = capsys.readouterr()
    return out, err


def test_what_is_printed_is_a_valid_schedule_file_with_cron_s_policies(printed: tuple[str, str]) -> None:
    found = validate(schedule_file.parse(printed[0], "imported.yaml"), tasks=None)
    assert found.errors == ()
    backup, echo = found.declared["backup"].schedule, found.declared["echo"].schedule
    assert (backup.cron, backup.timezone, backup.description) == (
        "30 2 * * *",
        "Europe/Berlin",
        'Nightly "full" backup: all of it',
    )
    assert backup.kwargs["argv"] == ["/usr/local/bin/backup", "--full"]
    assert (echo.timezone, echo.kwargs["argv"]) == ("America/New_York", ["/bin/sh", "-c", 'echo "100 #{1}" | logger'])
    assert (backup.overlap, backup.catch_up) == ("allow", "none")


def test_what_cannot_move_is_listed_in_the_file_and_on_standard_error(printed: tuple[str, str]) -> None:
    out, err = printed
    for text in ("MAILTO=ops@example.org", "@reboot /bin/true"):
        assert text in out
        assert text in err
    assert err.endswith("2 schedules, 2 lines to convert by hand\n")


def test_an_empty_crontab_gives_an_empty_file_that_is_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").write_text("")
    assert main(["import", "crontab", str(tmp_path / "empty")]) == 0
    assert validate(schedule_file.parse(capsys.readouterr().out, "imported.yaml"), tasks=None).errors == ()


def test_a_zone_that_does_not_exist_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "crontab").write_text(CRONTAB)
    assert main(["import", "crontab", str(tmp_path / "crontab"), "--timezone", "Europe/Berln"]) == 64
    assert "Europe/Berlin" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("@every 5m /usr/local/bin/poll", "    every: 5m\n"),
        ("*/6 * * * * * echo six", "#   its command begins with *: is this a crontab with seconds?\n"),
        ("0 0 9 * * 1-5 * /bin/open", "#   its command begins with 1-5: is this a crontab with seconds?\n"),
    ],
)
def test_lines_of_other_crons_are_read_or_listed(
    line: str, printed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "crontab"
    source.write_text(f"{line}\n")
    assert main(["import", "crontab", str(source)]) == 0
    out = capsys.readouterr().out
    assert printed in out
    assert validate(schedule_file.parse(out, "imported.yaml"), tasks=None).errors == ()
