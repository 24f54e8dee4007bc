"""Messages name the command as their reader starts it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler import command_name as naming
from scheduler.command_name import (
    STARTED_AS,
    as_typed,
    command_name,
    log_of,
    restart_advice,
    schema_comment,
    start_command,
    with_command_name,
)
from scheduler.errors import NotFound
from scheduler.model.accounts import start_worker

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "scheduler"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no wrapper had started this process."""
    for variable in (STARTED_AS, "SUDO_USER"):
        monkeypatch.delenv(variable, raising=False)


def start(monkeypatch: pytest.MonkeyPatch, *command: str, module: bool = False) -> None:
    """As if the process had been started like that."""
    monkeypatch.setattr(sys, "orig_argv", list(command))
    monkeypatch.setattr(sys, "argv", [naming.MAIN if module else command[0]])


def program(path: Path) -> str:
    path.parent.mkdir(parents=True)
    path.touch(mode=0o755)
    return str(path)


def test_python_is_named_as_it_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    for python in ("python3", ".venv/bin/python", "/opt/python 3/bin/python"):
        start(monkeypatch, python, "-m", "scheduler", module=True)
        quoted = "'/opt/python 3/bin/python'" if " " in python else python
        assert command_name() == f"{quoted} -m scheduler"


def test_a_script_on_the_path_needs_no_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = program(tmp_path / "bin" / "scheduler")
    start(monkeypatch, script)
    assert command_name() == script
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert command_name() == "scheduler"


def test_what_a_wrapper_hands_on_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STARTED_AS, "my wrapper")
    start(monkeypatch, "python3", "-m", "scheduler", module=True)
    assert command_name() == "my wrapper"
    assert start_command() == start_command("celery-worker") == "my wrapper up"
    assert log_of("celery-admin") == "see what it prints in the terminal of `my wrapper up`"


@pytest.mark.parametrize(
    ("user", "sudo_user", "name"),
    [(0, "", "celery-scheduler"), (0, "ann", "sudo celery-scheduler"), (999, "", "sudo celery-scheduler")],
)
def test_an_installed_service_has_its_own_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, user: int, sudo_user: str, name: str
) -> None:
    program(tmp_path / "bin" / "sudo")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(sys, "prefix", str(naming.INSTALLED_IN / "venv"))
    monkeypatch.setattr("os.geteuid", lambda: user)
    if sudo_user:
        monkeypatch.setenv("SUDO_USER", sudo_user)
    assert command_name() == name
    assert log_of("celery-admin").endswith(f"`{name.replace('celery-scheduler', 'journalctl -u celery-admin')}`")
    assert start_command() == name.replace("celery-scheduler", "systemctl start celery-beat")
    assert start_command("celery-worker") == name.replace("celery-scheduler", "systemctl start celery-worker")
    log, restart = (name.replace("celery-scheduler", it) for it in ("journalctl -u", "systemctl restart"))
    assert restart_advice("x", "web1") == f"on web1, see `{log} x`, and if it hangs, `{restart} x`"
    several = f"on web1, see `{log} 'x*'`, and if it hangs, restart its unit of `systemctl list-units 'x*'`"
    assert restart_advice("x*", "web1") == several
    enable = name.replace("celery-scheduler", "systemctl enable --now celery-worker@reports")
    assert start_worker("reports") == f"run `{enable}` on one of its hosts"
    assert start_worker("a b") == "start a worker for it, with `-Q a b`", "systemd would want it escaped"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command_name() == "celery-scheduler", "a machine without sudo"


def test_beside_an_installed_service_a_clone_names_the_commands_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert with_command_name("run `scheduler list`", beats="sudo celery-scheduler") == "run `celery-scheduler list`"
    assert start_command("celery-worker", "celery-scheduler") == "systemctl start celery-worker"
    assert start_command("celery-worker", "") == f"{command_name()} up"


def test_the_processes_of_an_installed_package_name_the_script_beside_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = program(tmp_path / "bin" / "scheduler")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    start(monkeypatch, str(tmp_path / "bin" / "celery"))
    assert command_name() == "python3 -m scheduler", "a clone"
    monkeypatch.setattr(naming, "__file__", str(tmp_path / "site-packages" / "scheduler" / "command_name.py"))
    assert command_name() == script


def test_the_schema_is_found_from_here_and_stays_where_an_upgrade_leaves_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    assert schema_comment() == "# yaml-language-server: $schema=scheduler/schedules.schema.json"
    monkeypatch.chdir(tmp_path)
    assert schema_comment() == f"# yaml-language-server: $schema={PACKAGE}/schedules.schema.json"
    monkeypatch.setattr(naming, "__file__", "/my projects/scheduler/command_name.py")
    assert schema_comment().endswith("$schema=file:///my%20projects/scheduler/schedules.schema.json")
    monkeypatch.setattr(sys, "prefix", str(naming.INSTALLED_IN / "venv"))
    assert schema_comment().endswith("$schema=/opt/celery-scheduler/schedules.schema.json")


def test_an_error_names_the_command_when_it_is_shown_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    error = NotFound("nothing there: `scheduler list` shows every one; the task `scheduler.tasks.log_it` stays")
    assert "`scheduler list`" in error.args[0], "what is stored"
    for name in ("scheduler", r"C:\g<0> -m scheduler"):
        monkeypatch.setenv(STARTED_AS, name)
        assert str(error) == f"nothing there: `{name} list` shows every one; the task `scheduler.tasks.log_it` stays"
        assert with_command_name(str(error)) == str(error)


@pytest.mark.slow
def test_the_real_command_line_names_itself() -> None:
    command = [sys.executable, "-m", "scheduler", "--help"]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert output.startswith(f"Usage: {as_typed(sys.executable)} -m scheduler ")


NO_MESSAGES = ("command_name.py", "__main__.py", "environment.py")  #: the name itself, old Pythons, a script


@pytest.mark.slow
def test_no_message_holds_the_name_of_one_way_to_start() -> None:
    literals = [
        f"{path.relative_to(ROOT)}: {text}"
        for path in PACKAGE.rglob("*.py")
        if path.name not in NO_MESSAGES
        for text in literal_texts(ast.parse(path.read_text(encoding="utf-8")))
        if "-m scheduler " in text
    ]
    assert not literals, "write `scheduler …`: see scheduler/command_name.py"


def literal_texts(tree: ast.Module) -> Iterator[str]:
    """Every string of a module but its docstrings."""
    described = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, described) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value
