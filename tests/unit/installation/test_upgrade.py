"""Upgrades to releases that are broken in different ways, from one that works and from one that does not."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.errors import Exit
from scheduler.installation import units
from scheduler.installation.layout import HARDENING, SERVICES, Layout, Refused
from scheduler.installation.release import FILES, Release
from scheduler.installation.upgrade import Upgrade

pytestmark = pytest.mark.slow

UNIT = "celery-worker.service"
#: What a release does to its services, what is wrong in one of its files, and what the refusal says.
BROKEN = {
    "beat cannot be imported": ({"celery-beat": "crash"}, {}, "celery-beat does not start"),
    "the worker cannot be imported": ({"celery-worker": "crash"}, {}, "celery-worker does not start"),
    "the page cannot be imported": ({"celery-admin": "crash"}, {}, "celery-admin does not start"),
    "beat refuses its configuration": ({"celery-beat": "exit"}, {}, "celery-beat does not start"),
    "the worker's credentials are missing": ({"celery-worker": "exit"}, {}, "celery-worker does not start"),
    "the worker hangs at its start": ({"celery-worker": "hang"}, {}, "celery-worker does not work within 0.3 s"),
    "beat hangs at its start": ({"celery-beat": "hang"}, {}, "celery-beat does not work within 0.3 s"),
    "the worker never takes runs": ({"celery-worker": "nothing"}, {}, "celery-worker does not work within 0.3 s"),
    "a unit file is broken": ({}, {UNIT: "BROKEN"}, f"{UNIT}: systemd cannot load it: it is broken"),
    "a unit starts another program": ({}, {UNIT: "WRONG"}, "celery-worker does not start"),
    "a drop-in is broken too": ({"celery-beat": "crash"}, {HARDENING: "nonsense"}, "celery-beat does not start"),
}


#: Nothing is wrong, or beat is restarted again and again.
BEFORE: list[dict[str, str]] = [{}, {"celery-beat": "crash"}]
TIMEOUT_S = 0.3


class Machine:
    """A machine with the tests' ``systemctl``, and releases for it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.made = 0
        (root / "pid").write_text("100\n")
        for name in ("services", "releases"):
            (root / name).mkdir()

    def release(self, behaviour: dict[str, str], added: dict[str, str] | None = None) -> Release:
        """A complete release; ``added`` is put at the end of its units."""
        self.made += 1
        source = self.root / f"source-{self.made}"
        layout = Layout(source, self.root / "usr", self.root / "program", self.root / "etc")
        for path in layout.files.values():
            name = str(path.relative_to(source)).removeprefix("systemd/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name} of {self.made}\n{(added or {}).get(name, '')}\n")
        made = Release(layout)
        made.home.mkdir(parents=True)
        (made.home / "behaviour").mkdir()
        for service, does in behaviour.items():
            (made.home / "behaviour" / service).write_text(f"{does}\n")
        made.save(made.home, layout.files)
        return made

    def starts(self, release: Release) -> None:
        """Put it in use without a trial."""
        release.put_in_place()
        units.systemctl("daemon-reload")
        units.restart(SERVICES)

    def files(self) -> dict[str, str]:
        """The files of the machine, and what systemd loaded of them."""
        paths = [path for name in ("usr", "loaded") for path in (self.root / name).rglob("*") if path.is_file()]
        return {str(path): path.read_text() for path in paths}

    def services(self) -> dict[str, tuple[str, str]]:
        """Of each service the release that it was started from, and its state."""
        started = {name: Path((self.root / "releases" / name).read_text().strip()).name for name in SERVICES}
        return {name: (release, units.state(name).active) for name, release in started.items()}

    def pids(self) -> list[str]:
        return [units.state(name).pid for name in SERVICES]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/systemctl").symlink_to(Path(__file__).with_name("systemctl.sh"))
    (tmp_path / "bin/journalctl").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setenv("FAKE_SYSTEMD", str(tmp_path))
    return Machine(tmp_path)


@pytest.mark.parametrize("before", BEFORE, ids=["from a good one", "from a broken one"])
@pytest.mark.parametrize("kind", BROKEN)
def test_after_a_refused_release_units_and_services_are_as_before_and_the_next_good_one_is_accepted(
    machine: Machine, kind: str, before: dict[str, str]
) -> None:
    behaviour, added, reason = BROKEN[kind]
    old = machine.release(before)
    machine.starts(old)
    files, services = machine.files(), machine.services()
    broken = machine.release(behaviour, added)
    with pytest.raises(Refused) as refused:
        Upgrade(broken, TIMEOUT_S).run()
    end = f"{old.home.name} is back, but celery-beat does not start" if before else f"{old.home.name} runs again"
    assert (str(refused.value), refused.value.code) == (f"this release is refused: {reason}; {end}", Exit.PROBLEMS)
    assert (machine.files(), machine.services()) == (files, services)
    assert (old.before, old.others, old.layout.kept.is_symlink()) == (old.home, [], False)

    good = machine.release({})
    assert Upgrade(good, TIMEOUT_S).run() == Exit.OK
    assert machine.services() == dict.fromkeys(SERVICES, (good.home.name, "active"))
    assert (good.before, good.others, good.layout.kept.is_symlink()) == (good.home, [], False)


def test_a_unit_file_that_cannot_be_loaded_restarts_nothing(machine: Machine) -> None:
    machine.starts(machine.release({}))
    pids = machine.pids()
    with pytest.raises(Refused):
        Upgrade(machine.release({}, {UNIT: "BROKEN"}), TIMEOUT_S).run()
    assert machine.pids() == pids


def test_a_file_that_only_the_refused_release_has_is_removed(machine: Machine) -> None:
    old = machine.release({})
    machine.starts(old)
    new = machine.release({"celery-beat": "crash"})
    page = new.layout.source / "docs/new.md"
    page.parent.mkdir()
    page.write_text("new")
    shutil.rmtree(new.home / FILES)
    new.save(new.home, new.layout.files)
    with pytest.raises(Refused):
        Upgrade(new, TIMEOUT_S).run()
    assert not (new.layout.program / "docs/new.md").exists()


def test_while_redis_is_away_the_release_before_is_kept_and_named(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = machine.release({}), machine.release({"celery-worker": "wait"})
    machine.starts(old)
    assert Upgrade(new, TIMEOUT_S).run() == Exit.TEMPORARY
    assert f"{old.home} is kept, because celery-worker waits for Redis" in capsys.readouterr().out
    assert new.layout.kept.resolve() == old.home
    (new.home / "behaviour/celery-worker").unlink()  # Redis is back
    assert Upgrade(new, TIMEOUT_S).run() == Exit.OK
    assert (new.before, new.others, new.layout.kept.is_symlink()) == (new.home, [], False)


def test_after_an_interrupted_trial_the_accepted_release_is_the_one_to_go_back_to(machine: Machine) -> None:
    old, untried = machine.release({}), machine.release({})
    machine.starts(old)
    untried.keep()
    machine.starts(untried)  # the power is cut here
    with pytest.raises(Refused, match=f"{old.home.name} runs again"):
        Upgrade(machine.release({"celery-beat": "hang"}), TIMEOUT_S).run()
    assert machine.services() == dict.fromkeys(SERVICES, (old.home.name, "active"))


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """SIGINT interrupts, although a shell that starts the tests in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupted_upgrade_is_taken_back(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    old = machine.release({})
    machine.starts(old)
    files = machine.files()
    hanging = machine.release({"celery-worker": "hang"})

    def press(_seconds: float) -> None:
        """Ctrl-C at its first pause: inside of Popen, Python itself would leave a pipe open."""
        monkeypatch.setattr(time, "sleep", pause)
        signal.raise_signal(signal.SIGINT)

    pause = time.sleep
    monkeypatch.setattr(time, "sleep", press)
    with pytest.raises(KeyboardInterrupt):
        Upgrade(hanging, 60).run()
    assert time.sleep is pause
    assert (machine.files(), machine.services()) == (files, dict.fromkeys(SERVICES, (old.home.name, "active")))


def test_without_another_release_it_says_so(machine: Machine) -> None:
    only = machine.release({"celery-beat": "crash"})
    machine.starts(only)
    with pytest.raises(Refused, match="celery-beat does not start; there is no other release to go back to"):
        Upgrade(only, TIMEOUT_S).run()
    assert only.before == only.home
