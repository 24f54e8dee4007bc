"""What the systemd units say, against what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scheduler.beat.lease import HUNG_AFTER_S
from scheduler.environment import Environment
from scheduler.errors import Exit
from scheduler.model import accounts
from scheduler.process.notify import ALIVE_INTERVAL_S, EXTENSION_S
from scheduler.settings import Settings
from scheduler.worker.drain import ENDING_S

ROOT = Path(__file__).resolve().parent.parent.parent.parent
UNITS = ROOT / "systemd"
SERVICES = ("beat", "worker", "admin")


def setting(name: str, key: str) -> list[str]:
    """Every value of a unit's key, in order."""
    text = (UNITS / f"celery-{name}.service").read_text(encoding="utf-8")
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def seconds(name: str, key: str) -> float:
    [value] = setting(name, key)
    return float(value)


def test_systemd_waits_longer_for_a_worker_than_the_worker_for_its_tasks() -> None:
    assert seconds("worker", "TimeoutStopSec") >= Settings().drain + ENDING_S + 10


def test_the_comment_beside_the_stop_names_the_default_drain() -> None:
    text = (UNITS / "celery-worker.service").read_text(encoding="utf-8")
    assert f"SCHEDULER_DRAIN seconds ({Settings().drain:g})" in text
    assert f"SCHEDULER_DRAIN={Settings().drain:g}" in (UNITS / "environment").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SERVICES)
def test_what_hangs_is_started_again_within_90_seconds(name: str) -> None:
    watchdog = seconds(name, "WatchdogSec")
    assert watchdog + seconds(name, "TimeoutAbortSec") + seconds(name, "RestartSec") < 90
    assert watchdog >= max(3 * ALIVE_INTERVAL_S, 2 * EXTENSION_S, HUNG_AFTER_S), (
        "it would be restarted while it is well"
    )


@pytest.mark.parametrize("name", SERVICES)
def test_a_restart_is_tried_for_ever_but_not_for_a_wrong_configuration(name: str) -> None:
    assert setting(name, "Restart") == ["always"]
    assert setting(name, "StartLimitIntervalSec") == ["0"]
    assert str(int(Exit.CONFIG)) in setting(name, "RestartPreventExitStatus")[0].split()


@pytest.mark.parametrize("name", SERVICES)
def test_commands_are_absolute_and_without_a_shell(name: str) -> None:
    commands = [command for key in ("ExecStart", "ExecReload") for command in setting(name, key)]
    assert commands
    for command in commands:
        assert command.startswith("/")
        assert not re.search(r"/(ba|da)?sh |[;|&>`]", command)


@pytest.mark.parametrize("name", SERVICES)
def test_the_pidfile_is_in_the_units_own_directory(name: str) -> None:
    assert setting(name, "RuntimeDirectory") == [f"celery-{name}"]
    assert setting(name, "PIDFile") == [f"/run/celery-{name}/{name}.pid"]
    assert f"pid=/run/celery-{name}/{name}.pid" in setting(name, "ExecStart")[0] or (
        f"--pidfile=/run/celery-{name}/{name}.pid" in setting(name, "ExecStart")[0]
    )


def test_a_worker_of_another_queue_differs_from_the_first_in_its_name_and_its_places() -> None:
    first, other = (
        (UNITS / name).read_text(encoding="utf-8").splitlines()
        for name in ("celery-worker.service", "celery-worker@.service")
    )
    keys = [theirs.split("=")[0] for ours, theirs in zip(first, other, strict=True) if ours != theirs]
    assert keys == ["Description", "RuntimeDirectory", "PIDFile", "ExecStart"]


def test_the_worker_of_an_account_differs_from_the_first_in_its_user_its_names_and_its_places() -> None:
    first, other = (
        {line for line in (UNITS / name).read_text(encoding="utf-8").splitlines() if not line.startswith("#")}
        for name in ("celery-worker.service", f"{accounts.UNIT}@.service")
    )
    assert {line.split("=")[0] for line in first - other} == {
        "Description", "User", "Group", "RuntimeDirectory", "PIDFile", "ExecStart",
        "StateDirectory", "StateDirectoryMode", "LogsDirectory", "LogsDirectoryMode",  # systemd would give them away
    }  # fmt: skip
    assert {line.split("=")[0] for line in other - first} == {
        "Description", "User", "RuntimeDirectory", "PIDFile", "ExecStart", "UnsetEnvironment", "EnvironmentFile"
    }  # fmt: skip
    files = setting("worker-as@", "EnvironmentFile")
    assert files == ["-/etc/default/locale", "-/etc/environment", *setting("worker", "EnvironmentFile")], "ours counts"
    assert f"--queues={accounts.queue_of('%i')} " in setting("worker-as@", "ExecStart")[0]
    root = (UNITS / "celery-worker-as@root.service.d/70-root.conf").read_text(encoding="utf-8")
    assert f"AssertPathExists={accounts.ALLOW_ROOT}\n" in root


@pytest.mark.parametrize("name", SERVICES)
def test_credentials_have_names_that_the_settings_read(name: str, tmp_path: Path) -> None:
    for credential in setting(name, "LoadCredential"):
        if credential.startswith("accounts:"):  # read again and again, so only its path is a setting
            read = Settings.from_environ({"CREDENTIALS_DIRECTORY": str(tmp_path), "SCHEDULER_REDIS_URL": "redis://"})
            assert read.accounts == tmp_path / "accounts"
            continue
        word, _, path = credential.partition(":")
        assert path == f"/etc/celery-scheduler/credentials/{word}"
        (tmp_path / word).write_text("secret")
        variable = f"SCHEDULER_{word.upper().replace('-', '_')}"
        assert Environment({"CREDENTIALS_DIRECTORY": str(tmp_path)}).secret(variable, "") == "secret"


def test_the_sample_of_the_environment_has_no_comment_behind_a_value() -> None:
    for line in (UNITS / "environment").read_text(encoding="utf-8").splitlines():
        value = line.removeprefix("#")
        assert not line or line.startswith("# ") or re.fullmatch(r"[A-Z_]+=[^\s#]*", value), line
