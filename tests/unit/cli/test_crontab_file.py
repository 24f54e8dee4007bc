"""Moving a crontab here: what becomes of each line."""

from __future__ import annotations

import pwd

import pytest

from scheduler.cli.crontab import kinds
from scheduler.cli.crontab.jobs import Job, Owner, names
from scheduler.cli.crontab.reader import read_crontab
from scheduler.cli.crontab.text import file_lines

ANN = Owner("ann", "/home/ann")

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
#: bench/limits.py measures how long it takes
LONG = "".join(
    f"{line % 60} 1 * * * [ -x /opt/tool ] && /opt/tool --job=job{line} && python3 work.py {line} > /var/log/{line}\n"
    for line in range(4_000)
)
SYSTEM = """\
SHELL=/bin/bash
HOME=/var/tmp
17 *\t* * *\troot    cd / && run-parts --report /etc/cron.hourly
25 6\t* * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }
5 4 * * sun   www-data  /usr/bin/php /srv/cron.php
"""


def job(text: str, line: int, *, system: bool = False) -> Job:
    jobs, _ = read_crontab(text, ANN, system=system)
    return next(found for found in jobs if found.line == line)


def reasons(text: str, *, system: bool = False) -> dict[int, str]:
    return {found.line: found.reason for found in read_crontab(text, ANN, system=system)[1]}


def name_of(*commands: str) -> list[str]:
    text = "".join(f"0 1 * * * {command}\n" for command in commands)
    return names(read_crontab(text, ANN)[0])


def test_a_line_is_the_shell_s_as_it_is() -> None:
    found = job(USERS, 11)
    assert found.command == "cd /srv/shop && ./report.sh > /tmp/report 2>&1"
    assert (found.when, found.timezone, found.stdin) == ("0 9 1 * *", "America/New_York", "")


def test_the_comment_above_becomes_the_description() -> None:
    assert job(USERS, 9).description == "Back up the database before the night shift"
    assert job(USERS, 12).description == ""


def test_the_head_of_a_new_crontab_describes_nothing() -> None:
    for title in ("# m h  dom mon dow   command", "# mn hr dom  cmd", "# *  *  *  *  * user-name command to be run"):
        text = f"# Edit this file\n{title}\n0 1 * * * a\n"
        assert (job(text, 3).description, reasons(text)) == ("", {})


def test_a_job_has_the_environment_and_directory_that_cron_gives_it() -> None:
    assert job("0 1 * * * a\nX=1\n", 1).environment == {
        "SHELL": "/bin/sh",
        "PATH": "/usr/bin:/bin",
        "HOME": "/home/ann",
        "LOGNAME": "ann",
    }
    found = job("SHELL=/bin/bash\nHOME=/srv/shop\nPATH=\nX = '$Y ${Z} '\nLOGNAME=bob\n0 1 * * * a\n", 6)
    assert found.environment == {
        "SHELL": "/bin/bash",
        "PATH": "",
        "HOME": "/srv/shop",
        "X": "$Y ${Z} ",
        "LOGNAME": "ann",
    }
    assert found.directory == "/srv/shop"


@pytest.mark.parametrize(
    ("line", "command", "stdin"),
    [
        ("cat -%first%%third 'quoted' 5\\%", "cat -", "first\n\nthird 'quoted' 5%\n"),
        ("date +\\%F", "date +%F", ""),
        ("cat%", "cat", ""),
        ("cat%a%", "cat", "a\n"),
    ],
)
def test_a_percent_sign_begins_standard_input(line: str, command: str, stdin: str) -> None:
    found = job(f"0 1 * * * {line}", 1)
    assert (found.command, found.stdin) == (command, stdin)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("cd /srv/shop && /usr/bin/python3 manage.py clearsessions >/dev/null 2>&1", "manage.py"),
        ('flock -n /tmp/lock -c "/usr/bin/backup --full"', "backup"),
        ("sudo -u www-data php -d memory_limit=1G /srv/cron.php", "cron.php"),
        ("nice -n 19 ionice -c2 -n7 /usr/local/bin/reindex all", "reindex"),
        ("docker exec -i web php artisan schedule:run", "artisan"),
        ("sleep $((RANDOM\\%60)); curl -fsS https://example.org/", "curl"),
        ("if [ -x /usr/bin/a ] && [ -d /x ]; then /usr/bin/a; fi", "a"),
        ("bash -lc 'cd /app && bundle exec rake stats:daily'", "rake"),
        ("timeout 5m python3 -m reports.daily", "reports.daily"),
        ("X=1 java -Xmx1g -jar /opt/report.jar", "report.jar"),
        ("[ -x /sbin/tool ] && /sbin/tool", "tool"),
        ('echo "a; b && c"', "echo"),
        ("echo a | /usr/bin/loader", "loader"),
        ("test -x /a && perl -e 'sleep int(rand(3600))' && certbot -q renew", "certbot"),
        ("perl -e 'print 1'", "perl"),
        (": ", "job"),
        ("/usr/local/bin/fan>/dev/null", "fan"),
        ("sudo $HOME/tools/watch.sh check -c &>/dev/null", "watch.sh"),
        ("bash /srv/deploy.sh -c full", "deploy.sh"),
        ("sudo sh -c 'rotate > /x'", "rotate"),
        ("sleep $[(RANDOM\\%10)+10]; balance -q", "balance"),
        ("sleep $(( ( RANDOM \\% 600 ) + 1 ))m && rotate", "rotate"),
        ("sleep $(( ( RANDOM % 600 ) + 1 ))m", "sleep"),
        ("env QUIET=1 $RUN $APP/bin/align --all", "align"),
        ("php ${INDEX} /cron/cleanup", "cleanup"),
        ("$RUN", "RUN"),
        ("php <path to the script> --quiet", "php"),
    ],
)
def test_a_name_is_that_of_the_program_that_really_runs(command: str, name: str) -> None:
    assert name_of(command) == [name]


def test_jobs_of_one_program_are_told_apart_by_a_word() -> None:
    commands = ("backup --full /srv", "backup --home /srv", "backup /srv", "/opt/other")
    assert name_of(*commands) == ["backup-full", "backup-home", "backup", "other"]
    assert name_of("a", "a", "a", "a-2") == ["a", "a-2", "a-3", "a-2-2"]
    assert name_of("curl -u a:b x", "curl --token=c0ffee y") == ["curl", "curl-2"], "no secret in a name"


@pytest.mark.parametrize(
    ("when", "read", "notes"),
    [
        ("*/90 * * * *", "*/60 * * * *", 1),
        ("0 */36 */40 1-6/20 *", "0 */24 */31 1-6/12 *", 3),
        ("*/60 */24 */31 */12 */7", "*/60 */24 */31 */12 */7", 0),
        ("*/5,30/99 * * * *", "*/5,30/60 * * * *", 1),
    ],
)
def test_a_step_larger_than_its_field_means_what_cron_means(when: str, read: str, notes: int) -> None:
    found = job(f"{when} a", 1)
    assert (found.when, len(found.notes)) == (read, notes)


def test_nothing_is_dropped_without_a_word() -> None:
    assert reasons(USERS) == {
        13: "it is commented out",
        14: "@reboot has no due instants — make it a systemd unit that starts with the machine",
        15: "minute '30-10' runs backwards — write 30-59,0-10, or swap the two",
        16: "unknown time zone 'Mars/Olympus' — use an IANA name such as Europe/Berlin, America/New_York or UTC",
        17: "its CRON_TZ 'Mars/Olympus' does not exist",
        20: "it is neither a setting nor a job",
    }


def test_every_line_is_a_job_a_setting_a_comment_or_listed() -> None:
    jobs, left = read_crontab(USERS, ANN)
    told = {found.line for found in jobs} | {found.line for found in left}
    quiet = {1, 2, 3, 4, 5, 6, 7, 8, 10, 18}
    assert told | quiet == set(range(1, len(USERS.splitlines()) + 1))


def test_an_empty_cron_tz_ends_the_one_before() -> None:
    assert job(USERS, 19).timezone is None


def test_a_zone_before_one_line_is_that_line_s() -> None:
    text = "CRON_TZ=Europe/Berlin 0 9 * * * a\n0 9 * * * b\nTZ=Mars/Olympus @daily c\n"
    assert (job(text, 1).timezone, job(text, 1).when, job(text, 2).timezone) == ("Europe/Berlin", "0 9 * * *", None)
    assert reasons(text)[3].startswith("unknown time zone 'Mars/Olympus'")


def test_tz_is_only_for_the_commands_as_in_cron() -> None:
    text = "TZ=Asia/Tokyo\n0 1 * * * a\n"
    assert job(text, 2).timezone is None
    assert job(text, 2).environment["TZ"] == "Asia/Tokyo"
    assert reasons(text) == {1: "only the commands see it, as in cron: set `timezone` for when they run"}


def test_a_system_crontab_names_a_user() -> None:
    found = job(SYSTEM, 3, system=True)
    assert found.owner == Owner("root", "/root")
    assert found.command == "cd / && run-parts --report /etc/cron.hourly"
    assert (found.directory, found.environment["LOGNAME"]) == ("/var/tmp", "root")
    assert (found.user, job(SYSTEM, 5, system=True).user, reasons(SYSTEM, system=True)) == ("root", "www-data", {})
    lost = job("0 1 * * * no-such-user a b\n", 1, system=True)
    assert (lost.command, lost.directory) == ("a b", "")
    assert "in the home of no-such-user" in lost.notes[0]


def test_an_account_before_each_command_is_a_user_too() -> None:
    accounts = (it.pw_name for it in pwd.getpwall())
    account = next(it for it in accounts if kinds.is_account(it) and it not in kinds.SURE_USERS)
    assert reasons(f"1 * * * * {account} /opt/a\n@daily {account} cd /b\n").keys() == {1, 2}
    assert reasons(f"1 * * * * {account} /opt/a\n@daily /opt/b -x\n") == {}


def test_a_mailto_that_refers_to_something_is_said() -> None:
    assert reasons("MAILTO=${WHO}\n0 1 * * * a\n") == {
        1: "cron mails to it as it is written, here nobody: write a sink of alerts:"
    }


def test_a_user_without_a_command_is_no_job() -> None:
    assert reasons("0 1 * * * root\n", system=True) == {1: "it is neither a setting nor a job"}


def test_a_system_crontab_read_as_a_user_s_is_said_and_the_other_way_round() -> None:
    text = "1 * * * * root cd /\n2 * * * * deploy run-it now\n"
    assert list(reasons(text).values()) == [
        f"its command begins with the user {user}: is this a system crontab? Read it with --system"
        for user in ("root", "deploy")
    ]
    assert reasons("1 * * * * backup all\n2 * * * * /bin/ls -l\n") == {}
    assert reasons("1 * * * * /bin/ls -l\n", system=True) == {
        1: "'/bin/ls' is no user's name: is this a user's crontab? Read it without --system"
    }


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("*/6 * * * * * echo six", "its command begins with *: is this a crontab with seconds?"),
        ("0 0 9 * * 1-5 * open", "its command begins with 1-5: is this a crontab with seconds?"),
        ("0 30 2 * * MON-FRI open", "its command begins with MON-FRI: is this a crontab with seconds?"),
        ("0 0 12 1 * ? open", "its command begins with ?: is this a crontab with seconds?"),
        ("H 3 * * * build", "H is Jenkins' word for a time chosen by the job's name: write ~ for it"),
        ("&bootrun 0 1 * * * a", "it begins with &, which only fcron reads: write its timing by hand"),
        ("ID=x 0 1 * * * a", "ID=x is dcron's: write its timing by hand"),
        ("0 1 * * * -n a", "its command begins with -n, an option of BSD's cron: delete it"),
    ],
)
def test_a_line_of_another_cron_is_recognised(line: str, reason: str) -> None:
    assert reasons(line) == {1: reason}


@pytest.mark.parametrize(
    "line",
    [
        "0 1 * * * mysqldump -uroot -ps3cret shop",
        "0 1 * * * curl -u ann:s3cret https://example.org/",
        "0 1 * * * PGPASSWORD=s3cret pg_dump shop",
        "0 1 * * * backup --password s3cret",
        "0 1 * * * wget https://ann:s3cret@example.org/",
        "DB_PASSWORD=s3cret",
    ],
)
def test_a_password_in_a_line_is_pointed_out_and_not_repeated(line: str) -> None:
    (found,) = read_crontab(line, ANN)[1]
    assert "everyone who can read this file sees" in found.reason
    assert "s3cret" not in found.text + found.reason


@pytest.mark.parametrize(
    "command", ["a --password-file=/x", "PGPASSFILE=/x a", "a --password=$PASS", "mkdir -p /a", "ssh a -p 22", "cd x"]
)
def test_what_holds_no_password_is_left_alone(command: str) -> None:
    assert reasons(f"0 1 * * * {command}") == {}


def test_control_characters_in_a_command_are_refused() -> None:
    assert reasons("0 1 * * * a\x07b\n") == {1: "its command holds control characters"}
    assert reasons("0 1 * * * a\udce4b\n") == {1: "its command is not UTF-8: write it as UTF-8, and import it again"}
    assert reasons("\ufeff0 1 * * * a\n") == {}


def test_an_empty_crontab_is_no_error() -> None:
    assert read_crontab("", ANN) == ([], [])


@pytest.mark.slow
def test_four_thousand_lines_become_four_thousand_schedules() -> None:
    jobs, left = read_crontab(LONG, ANN)
    assert (len(jobs), left) == (4_000, [])
    assert len([*file_lines(jobs, "UTC", "ann")]) > 4_000 * 6
