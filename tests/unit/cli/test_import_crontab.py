"""`import crontab`: what cron runs today, as a schedule file that the gate accepts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler import schedule_file
from scheduler.cli import main
from scheduler.cli.crontab.included import included_lines
from scheduler.cli.crontab.jobs import Owner, names
from scheduler.cli.crontab.reader import read_crontab
from scheduler.cli.crontab.text import file_lines
from scheduler.references import Filled
from scheduler.tasks import run_command
from scheduler.validate import Validated, validate
from tests.support.schedules import declared

CRONTAB = """\
# Nightly "full" backup: all of it
30 2 * * * /usr/local/bin/backup --full
CRON_TZ=America/New_York
*/5 * * * * echo "100 #{1}" | logger
@reboot /bin/true
@every 1h30m /usr/local/bin/poll
"""


def imported(text: str, home: str = "/home/ann") -> Validated:
    jobs, _ = read_crontab(text, Owner("ann", home))
    printed = "\n".join(file_lines(jobs, "Europe/Berlin", "ann"))
    return validate(schedule_file.parse(printed, "imported.yaml"), tasks={})


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
    assert backup.shell == "/usr/local/bin/backup --full"
    assert (echo.timezone, echo.shell) == ("America/New_York", 'echo "100 #{1}" | logger')
    assert found.declared["poll"].schedule.every == "1h30m"
    assert (backup.overlap, backup.catch_up) == ("allow", "none")


def test_what_cannot_move_is_listed_in_the_file_and_on_standard_error(printed: tuple[str, str]) -> None:
    out, err = printed
    for text in ("@reboot /bin/true", "@reboot has no due instants"):
        assert text in out
        assert text in err
    assert err.endswith("3 schedules, 1 line to look at\n")


def test_the_zone_is_at_the_top_once(printed: tuple[str, str]) -> None:
    assert printed[0].count("timezone: ") == 2
    assert "\ntimezone: Europe/Berlin\n" in printed[0]
    assert "\n    timezone: America/New_York\n" in printed[0]


def test_the_owner_and_their_home_can_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "crontab").write_text("0 1 * * * ./poll.sh\n")
    assert main(["import", "crontab", str(tmp_path / "crontab"), "--user", "bob", "--home", "/srv/bob"]) == 0
    schedule = validate(schedule_file.parse(capsys.readouterr().out, ""), tasks={}).declared["poll.sh"].schedule
    assert (schedule.directory, schedule.environment["LOGNAME"], schedule.environment["HOME"], schedule.user) == (
        "/srv/bob",
        "bob",
        "/srv/bob",
        "bob",
    )
    assert main(["import", "crontab", str(tmp_path / "crontab"), "--user", "a b"]) == 64
    assert main(["import", "crontab", str(tmp_path / "crontab"), "--home", "x"]) == 64


@pytest.mark.parametrize(
    ("crontab", "output"),
    [
        ("30 1 * * * for part in a b; do echo part-${part}; done", "part-a\npart-b\n"),
        ("APP=shop\n0 4 * * * echo name-${APP}", "name-shop\n"),
        ('X=a ${Y} $(b)\n0 4 * * * echo "$X"', "a ${Y} $(b)\n"),
        ("0 4 * * * pwd; echo $HOME $LOGNAME", "{home}\n{home} ann\n"),
        ("HOME=/\n0 4 * * * pwd; echo home is $HOME", "/\nhome is /\n"),
        ("SHELL=/bin/bash\n0 4 * * * [[ a == a ]] && echo ${BASH_VERSION:+bash}", "bash\n"),
        ("0 4 * * * cat; date +\\%\\%%a ${B}%%c", "a ${B}\n\nc\n%\n"),
        ("10 3 * * * [ -x /usr/sbin/not-installed ] && /usr/sbin/not-installed --daily", ""),
        ("0 4 * * * ls tool", "tool\n"),
    ],
)
def test_an_imported_job_does_what_it_did_under_cron(crontab: str, output: str, tmp_path: Path) -> None:
    (tmp_path / "tool").touch()
    found = imported(crontab, str(tmp_path))
    assert found.problems == ()
    ((_, item),) = found.declared.items()
    call = declared("job", **item.fields()).schedule.call
    filled = Filled().fill(call.kwargs)
    assert run_command(**filled)["output"] == output.replace("{home}", str(tmp_path))


def test_mailto_is_who_hears_of_a_failure() -> None:
    one = imported("MAILTO=ops@example.org,dev@example.org\nMAILFROM=cron@example.org\n0 1 * * * a\n@daily b\n")
    (sink,) = one.alerts.sinks.values()
    assert sink.email is not None
    assert (sink.email.to, sink.email.from_) == (("ops@example.org", "dev@example.org"), "cron@example.org")
    assert (one.alerts.to, one.declared["a"].schedule.alerts) == (None, None)
    two = imported("0 1 * * * a\nMAILTO=ops\n0 1 * * * b\nMAILTO=dev\n0 1 * * * c\nMAILTO=\n0 1 * * * d\n")
    assert two.problems == ()
    assert two.alerts.to == ()
    to = {name: item.schedule.alerts and item.schedule.alerts.to for name, item in two.declared.items()}
    assert to == {"a": None, "b": ("mail-ops",), "c": ("mail-2-dev",), "d": None}


WORD = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TIMES = st.sampled_from(
    ["0 1 * * *", "*/90 */36 * * 1", "@daily", "@every 5m", "@reboot", "H * * * *", "* * *", "~ 1 * * *"]
)
COMMANDS = st.one_of(
    WORD,
    st.sampled_from(
        ["[ -x /a ] && /a ${B:-c}", "a%b ${", "PGPASSWORD=x a", "root a b", "* a", "cd /x && ./y #z", "$${x}"]
    ),
    st.lists(st.sampled_from([*"'\"\\`$(){}[]&|;<>% a1-=/:#!?*~\t", "&&", "||", "bash", "-c", "${", "sudo"])).map(
        "".join
    ),
)
SETTINGS = st.builds(
    "{}={}".format,
    st.sampled_from(["MAILTO", "HOME", "SHELL", "PATH", "CRON_TZ", "TZ", "X", "LOGNAME", "MAILFROM"]),
    WORD,
)
LINES = st.one_of(
    st.builds("{} {}".format, TIMES, COMMANDS),
    st.builds("{} root {}".format, TIMES, COMMANDS),
    SETTINGS,
    st.builds("# {}".format, WORD),
    WORD,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES, max_size=8), st.booleans(), st.sampled_from(["/home/ann", "", "/${x}"]), st.booleans())
def test_whatever_a_crontab_holds_the_printed_file_passes_its_own_check(
    lines: list[str], system: bool, home: str, named: bool
) -> None:
    text = "\n".join(lines)
    jobs, _ = read_crontab(text, Owner("ann", home), system=system, named=named)
    printed = "\n".join(file_lines(jobs, "UTC", "ann"))
    alone = "\n".join(included_lines("ann", jobs, names(jobs), "UTC"))
    assert not jobs or validate(schedule_file.parse(alone, "included.yaml"), tasks={}).errors == (), alone
    found = validate(schedule_file.parse(printed, "imported.yaml"), tasks={})
    assert found.errors == (), printed
    by_name = {name: item.schedule for name, item in found.declared.items()}
    assert [schedule.shell for schedule in by_name.values()] == [job.command for job in jobs]
    assert [schedule.user or "" for schedule in by_name.values()] == [job.user for job in jobs]
    assert all(
        Filled().fill(schedule.call.kwargs).get("stdin", "") == job.stdin
        and Filled().fill(schedule.call.kwargs)["environment"] == job.environment
        for schedule, job in zip(by_name.values(), jobs, strict=True)
    )


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
