"""Moving a crontab here: what becomes of each line."""

from __future__ import annotations

import subprocess

import pytest

from scheduler.cli.crontab_file import ImportedJob, read_crontab

USERS = """\
# Edit this file to introduce tasks to be run by cron.
# m h  dom mon dow   command
MAILTO=ops@example.org
PATH = /usr/local/bin:/usr/bin:/bin
GREETING="hello world"

# Back up the database
# before the night shift
30 2 * * 1-5  /usr/local/bin/backup --all "my files"
CRON_TZ=America/New_York
0 9 1 * *     cd /srv/shop && ./report.sh > /tmp/report 2>&1
@daily        backup
#0 5 * * *    tar -zcf /var/backups/home.tgz /home/
@reboot       /usr/bin/start-something
30-10 * * * * never
CRON_TZ=Mars/Olympus
0 1 * * *     lost
CRON_TZ=
*/5 * * * *   mail -s "50\\% full" root%Dear root,%%the disk is half full.
* * * *       too-few
"""
SYSTEM = """\
SHELL=/bin/bash
HOME=/var/tmp
17 *\t* * *\troot    cd / && run-parts --report /etc/cron.hourly
25 6\t* * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }
5 4 * * sun   www-data  /usr/bin/php /srv/cron.php
"""


def job(text: str, line: int, *, system: bool = False) -> ImportedJob:
    jobs, _ = read_crontab(text, system=system)
    return next(found for found in jobs if found.line == line)


def reasons(text: str, *, system: bool = False) -> dict[int, str]:
    return {found.line: found.reason for found in read_crontab(text, system=system)[1]}


def test_a_plain_command_becomes_an_argument_list() -> None:
    found = job(USERS, 9)
    assert found.argv == ("/usr/local/bin/backup", "--all", "my files")
    assert not found.shell
    assert (found.cron, found.timezone, found.name) == ("30 2 * * 1-5", None, "backup")


def test_the_comment_above_becomes_the_description() -> None:
    assert job(USERS, 9).description == "Back up the database before the night shift"
    assert job(USERS, 12).description == ""


def test_the_head_of_a_new_crontab_describes_nothing() -> None:
    assert job("# Edit this file\n# m h  dom mon dow   command\n0 1 * * * a\n", 3).description == ""


def test_settings_reach_the_commands_below_them() -> None:
    assert job(USERS, 9).run == [
        "/usr/bin/env",
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "GREETING=hello world",
        "/usr/local/bin/backup",
        "--all",
        "my files",
    ]
    assert job("0 1 * * * a b\nX=1\n", 1).run == ["a", "b"]


def test_a_shell_command_keeps_its_shell_and_says_so() -> None:
    found = job(USERS, 11)
    assert found.argv == ("/bin/sh", "-c", "cd /srv/shop && ./report.sh > /tmp/report 2>&1")
    assert found.shell
    assert found.timezone == "America/New_York"


@pytest.mark.parametrize(
    "command",
    ["a | b", "a; b", "a > b", "a $X", "a `b`", "a *.txt", "a ~/b", "X=1 a", "a 'b", "cd /tmp", ". ./a", "a # b"],
)
def test_whatever_a_shell_would_act_on_needs_one(command: str) -> None:
    assert job(f"0 1 * * * {command}", 1).argv == ("/bin/sh", "-c", command)


@pytest.mark.parametrize("command", ["a b", "a 'b c' \"d e\"", "a --x=1", "/usr/bin/a -b +c @d %"])
def test_whatever_a_shell_would_leave_alone_needs_none(command: str) -> None:
    assert not job("0 1 * * * " + command.replace("%", "\\%"), 1).shell


def test_a_percent_sign_begins_standard_input() -> None:
    found = job("0 1 * * * cat -%first%%third 'quoted' 5\\%", 1)
    assert found.shell
    output = subprocess.run(found.argv, capture_output=True, text=True, check=True).stdout
    assert output == "first\n\nthird 'quoted' 5%\n"


def test_names_are_unique_and_come_from_the_program() -> None:
    jobs, _ = read_crontab(USERS)
    assert [found.name for found in jobs] == ["backup", "report.sh", "backup-2", "mail"]
    assert [found.name for found in read_crontab(SYSTEM, system=True)[0]] == ["run-parts", "run-parts-2", "php"]


def test_nothing_is_dropped_without_a_word() -> None:
    assert reasons(USERS) == {
        3: "no mail is sent: the output is kept with each run",
        13: "it is commented out",
        14: "@reboot has no due instants — make it a systemd unit that starts with the machine",
        15: "minute '30-10' runs backwards — write 30-59,0-10, or swap the two",
        16: "unknown time zone 'Mars/Olympus' — use an IANA name such as Europe/Berlin, America/New_York or UTC",
        17: "its CRON_TZ 'Mars/Olympus' does not exist",
        20: "it is neither a setting nor a job",
    }


def test_every_line_is_a_job_a_setting_a_comment_or_listed() -> None:
    jobs, left = read_crontab(USERS)
    told = {found.line for found in jobs} | {found.line for found in left}
    quiet = {1, 2, 4, 5, 6, 7, 8, 10, 18}
    assert told | quiet == set(range(1, len(USERS.splitlines()) + 1))


def test_an_empty_cron_tz_ends_the_one_before() -> None:
    assert job(USERS, 19).timezone is None


def test_tz_is_only_for_the_commands_as_in_cron() -> None:
    text = "TZ=Asia/Tokyo\n0 1 * * * a\n"
    assert job(text, 2).timezone is None
    assert job(text, 2).run == ["/usr/bin/env", "TZ=Asia/Tokyo", "a"]
    assert reasons(text) == {1: "only the commands see it, as in cron: set `timezone` for when they run"}


def test_an_empty_mailto_is_what_happens_anyway() -> None:
    assert reasons('MAILTO=""\n0 1 * * * a\n') == {}


def test_a_system_crontab_names_a_user() -> None:
    found = job(SYSTEM, 3, system=True)
    assert found.user == "root"
    assert found.argv == ("/bin/bash", "-c", "cd / && run-parts --report /etc/cron.hourly")
    assert found.directory == "/var/tmp"
    assert job(SYSTEM, 5, system=True).argv == ("/usr/bin/php", "/srv/cron.php")
    assert reasons(SYSTEM, system=True)[5] == "cron runs it as www-data: here it runs as the worker's user"


def test_a_user_without_a_command_is_no_job() -> None:
    assert reasons("0 1 * * * root\n", system=True) == {1: "it is neither a setting nor a job"}


def test_control_characters_in_a_command_are_refused() -> None:
    assert reasons("0 1 * * * a\x07b\n") == {1: "its command holds control characters"}


def test_an_empty_crontab_is_no_error() -> None:
    assert read_crontab("") == ([], [])
