"""What ``dpkg`` and ``python3 -m scheduler install`` put on a machine, exchange there, and take away again."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.polling import until
from tests.systemd import image
from tests.systemd.accounts import bodies, reckon, rows, settles
from tests.systemd.conftest import JOBS, UNITS
from tests.systemd.host import Host
from tests.systemd.host import host as booted_host

SECRETS = "/etc/celery-scheduler/credentials"
SHIPPED = "share/celery-scheduler"  #: where a package has its clone, below /usr
UNIT_FILES = "/usr/lib/systemd/system/celery*.service /usr/lib/systemd/system/celery-.service.d/*"
SCHEDULES = """\
imports: [jobs]
schedules:
  tick: {task: jobs.tick, every: 1s, catch_up: all, overlap: allow, expires: none}
  nap: {task: jobs.nap, every: 1d, args: [15]}
"""
OWNED = f"cat {SECRETS}/* /etc/celery-scheduler/*.*"
#: Whatever is not of the machine's own doing: its logs, its process files, what dpkg remembers.
ALL = "find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /var/log/journal "
ALL += "-o -path /var/lib/dpkg -o -path /var/lib/redis -o -path /root -o -path /var/cache \\) -prune -o -print | sort"


@pytest.fixture
def bare() -> Iterator[Host]:
    """Debian with Redis, and nothing of the service."""
    with booted_host([image.debian()], "bare") as host:
        host.run("systemctl", "start", "redis-server")
        yield host


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image.package(tmp_path_factory.mktemp("package"))


def bring(host: Host, package: Path) -> str:
    """The package's path in the host."""
    inside = f"/root/{package.name}"
    shutil.copy(package, f"/proc/{host.leader}/root{inside}")
    return inside


def next_version(package: Path, version: str, added: dict[str, str]) -> Path:
    """The same package with another version and something added to some of its files."""
    tree, made = package.parent / version, package.with_name(f"{version}.deb")
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(control.read_text().replace("Version: ", f"Version: {version}+"))
    for file, text in added.items():
        with (tree / "usr" / file).open("a") as changed:
            changed.write(text)
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, made], check=True)
    shutil.rmtree(tree)
    return made


def wheel(host: Host) -> str:
    """A package of the operator's own, in the host."""
    path = "/root/own-1.0-py3-none-any.whl"
    facts = {"METADATA": "Metadata-Version: 2.1\nName: own\nVersion: 1.0\n", "RECORD": ""}
    facts["WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(f"/proc/{host.leader}/root{path}", "w") as file:
        file.writestr("own.py", "NAME = 'own'\n")
        for name, text in facts.items():
            file.writestr(f"own-1.0.dist-info/{name}", text)
    return path


def pids(host: Host) -> list[int]:
    return [host.main_pid(unit) for unit in UNITS]


def outcomes(host: Host, name: str) -> list[str]:
    """Of its runs, the newest first; a stretch of skips counts as one."""
    return [run["outcome"] for run in json.loads(host.run("celery-scheduler", "history", name, "--json"))]


def everything(host: Host) -> set[str]:
    """Every path, without the copies that useradd and userdel keep of the files before them."""
    host.shell("rm -f /etc/passwd- /etc/shadow- /etc/group- /etc/gshadow-")
    return set(host.shell(ALL).splitlines())


def logs_in(host: Host) -> int:
    """The status of a login on the page with the password that lies there."""
    ask = (
        "import urllib.request as u, urllib.parse as p, urllib.error as e\n"
        "class Stay(u.HTTPRedirectHandler):\n"
        "    def redirect_request(*_): return None\n"
        f"body = p.urlencode({{'password': open('{SECRETS}/admin-password').read().strip()}}).encode()\n"
        "page = 'http://127.0.0.1:8000'\n"
        "try:\n"
        "    asked = u.Request(page + '/login', body, {'Origin': page})\n"
        "    print(u.build_opener(Stay).open(asked, timeout=20).status)\n"
        "except e.HTTPError as error:\n"
        "    print(error.code)\n"
    )
    return int(host.run("python3", "-c", ask))


def test_a_package_installs_runs_is_exchanged_goes_back_from_a_broken_one_and_leaves_nothing(
    bare: Host, package: Path
) -> None:
    before = everything(bare)
    comes(bare, bring(bare, package))
    second = bring(bare, next_version(package, "2", {f"{SHIPPED}/scheduler/__init__.py": "# the second\n"}))
    owned = is_exchanged_in_a_task(bare, second)
    stays_where_the_next_one_is_broken(bare, package, second)
    settles(bare)
    assert set(reckon(rows(bare), bodies([bare]))) == {"succeeded"}

    bare.run("dpkg", "--remove", "celery-scheduler")
    assert bare.attempt("pgrep", "-u", "celery").returncode == 1
    assert bare.attempt("ls", "/opt/celery-scheduler").returncode != 0
    assert bare.shell(OWNED) == owned
    bare.run("dpkg", "--install", second)
    bare.status_says("celery-beat", "2 schedules")
    bare.run("dpkg", "--purge", "celery-scheduler")
    assert everything(bare) - before == set()
    assert bare.attempt("getent", "passwd", "celery").returncode != 0


def comes(host: Host, package: str) -> None:
    said = host.run("dpkg", "--install", package)
    assert "celery-beat    active: leader since" in said
    assert "celery-worker  active: takes runs from celery" in said
    assert f"sudo cat {SECRETS}/admin-password" in said
    assert host.run("cat", f"{SECRETS}/admin-password") not in said
    assert host.shell(f"stat -c '%U %a' {SECRETS} {SECRETS}/*").splitlines() == ["root 700", *["root 600"] * 6]
    assert logs_in(host) == 303
    for unit in (*UNITS, "celery.target"):
        assert (host.show(unit, "ActiveState"), host.show(unit, "UnitFileState")) == ("active", "enabled")
    until(lambda: "succeeded" in outcomes(host, "log-it"), 60, "the first schedule ran")


def is_exchanged_in_a_task(host: Host, package: str) -> str:
    """Returns what the operator owns, which no version changes."""
    host.write("/etc/celery-scheduler/jobs.py", JOBS)
    host.shell("echo SCHEDULER_KEEP_RUNS=10000 >> /etc/celery-scheduler/environment")  # every row is reckoned
    host.write("/etc/celery-scheduler/schedules.yaml", SCHEDULES)
    host.run("systemctl", "restart", "celery-beat", "celery-worker")
    host.run("celery-scheduler", "apply", "--allow-remove")
    host.run("celery-scheduler", "run", "nap")
    until(lambda: outcomes(host, "nap") == ["running"], 60, "it runs")
    host.run("systemctl", "stop", "celery-admin.socket", "celery-admin")
    host.write("/etc/celery-scheduler/requirements.txt", wheel(host))
    ran, owned = pids(host), host.shell(OWNED)
    host.run("dpkg", "--install", package)
    assert outcomes(host, "nap") == ["succeeded"]
    assert host.shell(OWNED) == owned
    assert host.run("/opt/celery-scheduler/venv/bin/python", "-c", "import own; print(own.NAME)") == "own"
    assert host.show("celery-admin", "ActiveState") == "inactive", "what was stopped stays so"
    assert not set(pids(host)[1:]) & set(ran)
    assert len(host.shell("ls -d /opt/celery-scheduler/*/bin/").split()) == 2, "one release, and the link to it"
    for run in json.loads(host.run("celery-scheduler", "history", "tick", "--json")):
        assert run["outcome"] in ("succeeded", "queued", "running"), run
    ran = pids(host)
    host.run("dpkg", "--install", package)
    assert pids(host) == ran, "the same once more does nothing"
    return owned


def stays_where_the_next_one_is_broken(host: Host, package: Path, good: str) -> None:
    unit, units = "systemd/celery-worker.service", host.shell(f"cat {UNIT_FILES}")
    added = {f"{SHIPPED}/scheduler/beat/scheduler.py": "raise RuntimeError('broken on purpose')\n"}
    added |= dict.fromkeys((f"{SHIPPED}/{unit}", f"lib/systemd/system/{Path(unit).name}"), "# of the third\n")
    failed = host.attempt("dpkg", "--install", bring(host, next_version(package, "3", added)))
    assert failed.returncode != 0
    assert "broken on purpose" in failed.stdout, failed.stdout
    assert "this release is refused: celery-beat does not start; " in failed.stdout
    assert " runs again" in failed.stdout
    assert host.shell(f"cat {UNIT_FILES}") == units
    assert host.show("celery-worker", "NeedDaemonReload") == "no"
    host.becomes("celery-beat", "ActiveState", "active")
    host.becomes("celery-worker", "ActiveState", "active")
    host.run("dpkg", "--install", good)


INSTALL = f"cd /srv/clone && python3 -B -m scheduler install --wheels package/usr/{SHIPPED}/wheels"


def clone(host: Host, package: Path) -> Path:
    """A clone in the host, with the package's wheels, for INSTALL."""
    tree = Path(f"/proc/{host.leader}/root/srv/clone")
    shutil.copytree(image.ROOT, tree, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    subprocess.run(["dpkg-deb", "--extract", package, tree / "package"], check=True)
    return tree


def test_a_checkout_installs_once_says_before_what_it_would_do_and_leaves_nothing(bare: Host, package: Path) -> None:
    clone(bare, package)
    install = INSTALL
    before = everything(bare)
    said = bare.shell(f"{install} --dry-run").splitlines()
    assert "would create the user celery" in said
    assert all(line.startswith("would ") for line in said)
    assert everything(bare) == before
    assert "celery-beat    active: leader since" in bare.shell(install)
    ran = pids(bare)
    again = bare.shell(install).splitlines()
    assert [line.split()[0] for line in again] == ["celery-beat", "celery-worker", "celery-admin"]
    assert pids(bare) == ran
    # As where this was interrupted before the restart:
    bare.shell("cd /opt/celery-scheduler && mkdir 0.0.9-before && ln -s 0.0.9-before kept")
    assert " is on trial, 0.0.9-before is kept" in bare.attempt("celery-scheduler", "status").stdout
    bare.shell(install)
    assert "is on trial" not in bare.attempt("celery-scheduler", "status").stdout
    assert not set(pids(bare)) & set(ran)
    assert bare.attempt("test", "-e", "/opt/celery-scheduler/0.0.9-before").returncode == 1
    assert bare.attempt("celery-scheduler", "status").stdout.startswith("leader")
    denied = bare.attempt("runuser", "-u", "nobody", "--", "celery-scheduler", "status")
    assert (denied.returncode, "sudo celery-scheduler" in denied.stdout) == (77, True)
    other = bare.attempt("dpkg", "--install", bring(bare, package))
    assert other.returncode != 0
    assert "installed under /usr/local already" in other.stdout
    bare.run("celery-scheduler", "uninstall", "--purge")
    assert everything(bare) - before == set()


#: What is done to a file of the clone, and what the refusal says; unit/installation/test_upgrade.py has more kinds.
BROKEN = [
    ("systemd/requirements.lock", "s/^celery==.*/celery==99 \\\\/", "cannot install requirements.lock"),
    ("systemd/celery-worker.service", "/^ExecStart=/d", "celery-worker.service: systemd cannot load it"),
    ("systemd/celery-worker.service", "s|^ExecStart=|&/nowhere|", "celery-worker does not start; "),
    ("scheduler/worker/consumer.py", "$a import time; time.sleep(3600)", "celery-worker does not work within 20 s; "),
]


def test_a_broken_release_is_refused_with_its_units_and_the_next_good_one_is_accepted(
    bare: Host, package: Path
) -> None:
    tree = clone(bare, package)
    bare.shell(INSTALL)
    machine = "cat /usr/local/lib/systemd/system/celery*.service && readlink /opt/celery-scheduler/venv"
    before = bare.shell(machine)
    for file, change, reason in BROKEN:
        good = (tree / file).read_text()
        subprocess.run(["sed", "-i", change, tree / file], check=True)
        refused = bare.attempt("sh", "-c", f"{INSTALL} --timeout 20", seconds=240)
        assert refused.returncode != 0, refused.stdout
        assert reason in refused.stdout, refused.stdout
        assert bare.shell(machine) == before, reason
        for unit in UNITS:
            bare.becomes(unit, "ActiveState", "active")
        assert bare.show("celery-worker", "NeedDaemonReload") == "no"
        (tree / file).write_text(good)
    subprocess.run(["sed", "-i", "$a # a good one", tree / "scheduler/__init__.py"], check=True)
    accepted = bare.shell(INSTALL)
    assert "is kept until this release works" in accepted
    assert bare.shell(machine) != before
    assert len(bare.shell("ls -d /opt/celery-scheduler/*/bin/").split()) == 2, "one release, and the link to it"


def test_without_redis_it_says_what_to_do_and_starts_when_there_is_one(bare: Host, package: Path) -> None:
    bare.run("systemctl", "stop", "redis-server")
    said = bare.run("dpkg", "--install", bring(bare, package))
    assert "celery-beat    activating: waiting for Redis" in said
    assert f"apt install redis-server, or write the URL of another one into {SECRETS}/redis-url" in said
    bare.run("systemctl", "start", "redis-server")
    bare.becomes("celery-beat", "ActiveState", "active")
    bare.becomes("celery-worker", "ActiveState", "active")


def test_what_is_masked_stays_down(bare: Host, package: Path) -> None:
    bare.run("systemctl", "mask", "celery-beat.service")
    bare.run("dpkg", "--install", bring(bare, package))
    assert bare.show("celery-beat", "ActiveState") == "inactive"
    assert bare.show("celery-worker", "ActiveState") == "active"
