"""What a crontab's lines mean beyond their programs: guards, programs in the background, a % that cuts, no home."""

from __future__ import annotations

import pwd
import subprocess
from pathlib import Path

import pytest

from scheduler.cli.crontab.jobs import Job, Owner, owner_named
from scheduler.cli.crontab.reader import read_crontab
from scheduler.cli.crontab.shell_words import named, simple_commands

ANN = Owner("ann", "/home/ann")
#: bench/limits.py measures how long they take
EXHAUSTING = [part * 60_000 for part in ("$(", "$('", "$(()", "$(a(b)", '"$(', "`")]


def job(text: str, line: int = 1) -> Job:
    jobs, _ = read_crontab(text, ANN)
    return next(found for found in jobs if found.line == line)


def reasons(text: str) -> list[str]:
    return [found.reason for found in read_crontab(text, ANN)[1]]


@pytest.mark.parametrize(
    ("command", "codes"),
    [
        ("[ -x /sbin/tool ] && /sbin/tool --daily", [1]),
        ("test -x /bin/a -a \\! -d /run/b && perl -e 'sleep 1' && /bin/a", [1]),
        ("cd / && [ -x /bin/a ] && /bin/a > /dev/null 2>&1", [1]),
        ("command -v a >/dev/null && a", [1, 127]),
        ("[ -x /lib/clean ] && if [ ! -d /run/systemd/system ]; then /lib/clean; fi", [1]),
        ("[ -x /bin/a ] && ( cd /srv; a )", [1]),
        ("[ -x /bin/a ] && { cd /srv; a; } || b", []),
        ("[ -x /bin/a ] && for b in c d; do a $b; done; e", []),
        ("mountpoint -q /mnt && rsync -a /srv /mnt", [1, 32]),
        ("systemctl is-active --quiet db && db-backup", [1, 3, 4]),
        ("systemctl restart db && db-backup", []),
        ("{ [ -x /bin/a ] && /bin/a; } > /dev/null", [1]),
        ("bash -c '[ -x /bin/a ] && /bin/a'", [1]),
        ("flock -n /run/a -c 'test -f /b && a' > /dev/null", [1]),
        ("sh -c '[ -x /bin/a ] && /bin/a; b'", []),
        ("/usr/bin/test -d /a && a", [1]),
        ("[ -d '/a && b' ] && { a; b; }", [1]),
        ("x=1; [ -f /a ] && /bin/a", [1]),
        ("[ -x /bin/a ] && /bin/a; b", []),
        ("[ -x /bin/a ] && /bin/a || true", []),
        ("test -x /usr/sbin/anacron || ( cd / && run-parts /etc/cron.daily )", []),
        ("if [ -a ] && [ -b ]; then c; fi", []),
        ("cd /srv && ./a", []),
        ("echo '[ a ] && b'", []),
    ],
)
def test_a_test_that_finds_nothing_to_do_is_no_failure(command: str, codes: list[int]) -> None:
    found = job(f"0 1 * * * {command}", 1)
    assert found.success_codes == (0, *codes)
    assert bool(found.notes) == bool(codes)


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
@pytest.mark.parametrize(
    "test", ["[ -x /none ]", "command -v none", "type none", "hash none", "grep -q a /none", "id none"]
)
def test_a_job_that_finds_nothing_to_do_succeeds(test: str, shell: str) -> None:
    found = job(f"0 1 * * * {test} >/dev/null 2>&1 && none", 1)
    done = subprocess.run([shell, "-c", found.command], check=False, timeout=60)
    assert done.returncode in found.success_codes[1:]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("command -v meter >/dev/null && meter 1 1", "meter"),
        ("su-exec shop /usr/local/bin/poll all", "poll"),
        ("/usr/bin/test -d /a && /opt/copy", "copy"),
        ("mountpoint -q /mnt && rsync -a /srv /mnt", "rsync"),
        ("/usr/bin/7z a /backup/x.7z /srv", "7z"),
        ("xvfb-run -a /usr/bin/chromium --headless", "chromium"),
        ("gosu shop nocache unbuffer /opt/copy", "copy"),
        (r"""bash -c "HOST=\$(echo \$(hostname) | cut -d '.' -f 2); bash \$HOST/save.bash" """, "save.bash"),
        (r"""at=$({ cat /etc/a* || true; } | sed -n 's/^at (.*)$/\1/p'); [ -d "$at" ] && clean "$at" """, "clean"),
    ],
)
def test_what_only_prepares_or_looks_gives_no_name(command: str, name: str) -> None:
    assert named(command)[0] == name


@pytest.mark.parametrize("line", EXHAUSTING, ids=lambda line: repr(line[:6]))
def test_brackets_that_never_close_are_read_whole(line: str) -> None:
    assert "".join(part for command in simple_commands(line) for part in (*command.words, command.end)) == line


@pytest.mark.parametrize(
    ("shell", "command", "waits"),
    [
        ("/bin/sh", "/opt/serve.sh & 2>/dev/null", True),
        ("/bin/sh", "[ -d /run/x ] || /opt/daily&", True),
        ("/bin/sh", "/opt/measure -f &>> /var/log/measure", True),
        ("/bin/bash", "/opt/measure -f &>> /var/log/measure", False),
        ("/bin/bash", "a & b", True),
        ("/bin/sh", "(sleep 30; /opt/poll) & (sleep 45; /opt/poll) &", True),
        ("/bin/sh", "(/opt/serve.sh &)", True),
        ("/bin/csh", "a &", False),
        ("/bin/sh", "a >/dev/null 2>&1 && b >&2", False),
        ("/bin/sh", "wget 'http://localhost/?a=1&b=2'", False),
        ("/bin/sh", 'mail -s "a &> b" x', False),
    ],
)
def test_a_run_lasts_as_long_as_what_its_line_leaves_in_the_background(shell: str, command: str, waits: bool) -> None:
    found = job(f"SHELL={shell}\n0 1 * * * {command}", 2)
    assert found.command == ("trap wait EXIT; " if waits else "") + command
    assert ["background" in note for note in found.notes] == [True] * waits


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_line_that_waits_ends_as_it_did(shell: str) -> None:
    command = job("0 1 * * * { sleep 0.2; echo late; } & echo now; (exit 3)").command
    done = subprocess.run([shell, "-c", command], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("now\nlate\n", 3)


@pytest.mark.parametrize(
    ("command", "is_cut"),
    [
        ("dump > /srv/$(date +%F).sql", True),
        ("dump > /srv/`date +%F`", True),
        ('echo "$(date +%F) done"', True),
        ("sleep $((RANDOM % 60))", True),
        ("dump > /srv/$(date +\\%F).sql", False),
        ("mail -s 'it is (done)' ann%Dear Ann (it's me)", False),
        ("echo it\\'s%", False),
        ("case $A in x) cat ;; esac%a", False),
        ("backup # don't mail", False),
    ],
)
def test_a_percent_sign_that_cuts_a_command_in_two_is_pointed_out(command: str, is_cut: bool) -> None:
    found = reasons(f"0 1 * * * {command}")
    assert ["inside a quote or bracket" in reason for reason in found] == [True] * is_cut


def test_the_samples_in_a_new_crontab_are_no_jobs_that_were_switched_off() -> None:
    samples = "# 0 5 * * 1 tar -zcf /var/backups/home.tgz /home/\n# * * * * *  command to execute\n"
    assert read_crontab(samples + "0 1 * * * a\n", ANN)[1] == []
    assert job(samples + "0 1 * * * a\n", 3).description == ""
    assert reasons("# 0 5 * * 1 tar -zcf /srv/home.tgz /home/\n") == ["it is commented out"]


def test_a_job_of_an_account_without_a_home_runs_in_the_root_directory_and_says_so() -> None:
    jobs, _ = read_crontab("0 1 * * * pwd", Owner("shop", "/nonexistent", has_home=False))
    assert (jobs[0].directory, jobs[0].environment["HOME"]) == ("", "/nonexistent")
    assert "does not exist: it runs in /" in jobs[0].notes[0]
    assert all(owner_named(entry.pw_name).has_home == Path(entry.pw_dir).is_dir() for entry in pwd.getpwall())
    elsewhere, _ = read_crontab("HOME=/tmp\n0 1 * * * pwd", Owner("shop", "/nonexistent", has_home=False))
    assert (elsewhere[0].directory, elsewhere[0].notes) == ("/tmp", ())


def test_what_the_worker_of_an_account_may_lack_is_said_for_a_single_crontab_too() -> None:
    line = "0 1 * * * crontab -l > jobs"
    assert read_crontab(line, ANN)[0][0].notes == ()
    (note,) = read_crontab(line, ANN, named=True)[0][0].notes
    assert "a setuid or setgid program (crontab): systemctl edit celery-worker-as@ann" in note
