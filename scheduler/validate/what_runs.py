"""Checks of what a schedule runs: a task, a program, a shell line or an HTTP request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from scheduler.model import Schedule
from scheduler.model.accounts import account_of
from scheduler.model.what_runs import FILE_ONLY, KINDS, OF_PROGRAMS, Http
from scheduler.printable import shown
from scheduler.validate.terms import MAX_FINDINGS, Finding, Path

ONE_KIND = "write exactly one of task, command, shell and http"
HEADER = re.compile("[A-Za-z0-9!#$%&'*+.^_`|~-]+")
VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")


def key_findings(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Errors unless exactly one key says what runs, and for keys that belong to another one."""
    given = [kind for kind in KINDS if kind in data]
    if not given:
        yield Finding(("task",), "it names nothing to run", ONE_KIND, at_key=True)
        return
    if len(given) > 1:
        what = f"{', '.join(given[:-1])} and {given[-1]} are {'both' if len(given) == 2 else 'all'} given"
        yield Finding((given[-1],), what, ONE_KIND, at_key=True)
    runs_program = not {"command", "shell"}.isdisjoint(given)
    for key in () if runs_program else OF_PROGRAMS:
        if key in data:
            yield Finding((key,), f"{key} belongs to command and shell", "delete it", at_key=True)
    codes = data.get("retry_for") if isinstance(data.get("retry_for"), list) and not runs_program else ()
    for index, code in enumerate(codes or ()):
        if type(code) is int:
            what = f"retry_for: {code} is an exit code, which only command and shell have"
            yield Finding(("retry_for", index), what, "write the name of an exception")
    if data.get("user") is not None and "queue" in data:
        what = "user and queue are both given, and user has a queue of its own"
        yield Finding(("queue",), what, "delete one of the two", at_key=True)
    for key in () if "task" in given else ("args", "kwargs"):
        if data.get(key):
            yield Finding((key,), f"{key} belongs to task", f"write the arguments into {given[0]}", at_key=True)


def value_findings(schedule: Schedule) -> Iterator[Finding]:
    """Errors for values that no program can get, and for the queue of an account."""
    if account := account_of(schedule.queue or ""):
        what = f"queue {shown(schedule.queue)} is that of the account {shown(account)}"
        yield Finding(("queue",), what, f"write user: {account} instead")
    if schedule.model_fields_set.isdisjoint(FILE_ONLY):
        return
    if schedule.command is not None and not schedule.command[0].strip():
        yield Finding(("command", 0), "command begins with an empty text", "write the program first")
    if schedule.shell is not None and not schedule.shell.strip():
        yield Finding(("shell",), "shell is empty", "write a line for the shell")
    if not schedule.directory.startswith(("/", "${")):
        what = f"directory must be an absolute path, not {shown(schedule.directory)}"
        yield Finding(("directory",), what, "begin it with /")
    wrong = [name for name in schedule.environment if not VARIABLE.fullmatch(name)]
    for name in wrong[:MAX_FINDINGS]:
        what = f"{shown(name)} cannot be the name of an environment variable"
        yield Finding(("environment", name), what, "use letters, digits and _, and no digit first", at_key=True)
    if schedule.http is not None:
        yield from http_findings(schedule.http)
    for path, text in texts(schedule):
        if "\0" in text:
            yield Finding(path, "it contains a NUL character, which no program can get", "delete it")


def texts(schedule: Schedule) -> Iterator[tuple[Path, str]]:
    """The texts that a program gets, with their paths."""
    yield from ((("command", index), text) for index, text in enumerate(schedule.command or ()))
    yield from ((("environment", name), text) for name, text in schedule.environment.items())
    yield ("shell",), schedule.shell or ""
    yield ("directory",), schedule.directory


def http_findings(http: Http) -> Iterator[Finding]:
    """Errors for a request that cannot be sent, and for an address that is not public."""
    if "${" not in http.url:
        yield from url_findings(http)
    if not http.timeout:
        yield Finding(("http", "timeout"), "http.timeout leaves the request no time", "write one such as 10s")
    for name, value in http.headers.items():
        if not HEADER.fullmatch(name):
            what = f"{shown(name)} cannot be the name of a header"
            yield Finding(("http", "headers", name), what, "use letters, digits and -", at_key=True)
        if not value.isprintable():
            yield Finding(("http", "headers", name), "a header cannot hold control characters", "remove them")


def url_findings(http: Http) -> Iterator[Finding]:
    """Errors for an address without references."""
    path: Path = ("http", "url")
    try:
        parts = urlsplit(http.url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        yield Finding(path, f"url is not an address: {error}", "write one such as https://example.org/jobs")
        return
    if parts.scheme not in ("http", "https") or not host or not http.url.isprintable() or " " in http.url:
        yield Finding(path, f"url {shown(http.url)} is not an address", "write one such as https://example.org/jobs")
    elif parts.username is not None or parts.password is not None:
        yield Finding(path, "url holds a user name", 'write headers: {Authorization: "${file:/path}"}')
    elif not http.allow_private and is_private(host):
        yield Finding(path, f"{shown(host)} is not a public address", "write allow_private: true if that is meant")


def is_private(host: str) -> bool:
    """Whether a host is written as an address that is not public; a name is looked up when the job runs."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return not ip_address(host).is_global
    except ValueError:
        return False
