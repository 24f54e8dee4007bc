"""The command line works on a service elsewhere, through the API of its page, and says the same."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.serving import make_server

from scheduler import changes
from scheduler.admin.accounts import Account, hash_token, make_token, write
from scheduler.admin.service import Service
from scheduler.cli import cli
from scheduler.errors import Exit
from scheduler.model import Entry
from scheduler.settings import Settings
from scheduler.storage.store import Write
from tests.support.shell import Said, Shell

READ = ("list", "next", "history", "status", "logs", "audit", "doctor")
ACT = ("run", "stop", "retry", "backfill", "pause", "resume", "skip", "undo")
#: They work on the service's host only, or need no service.
AT_HOME = {
    *("up", "reload", "test", "password", "install", "uninstall", "check", "plan", "apply", "schema", "export"),
    *("import", "rebuild", "alerts", "user", "token"),
}
Far = Callable[..., Said]


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """Where the page answers."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def token_file(settings: Settings, tmp_path: Path) -> Path:
    """The token of an editor, in a file of the one who uses it."""
    token, path = make_token(), tmp_path / "token"
    settings.accounts.parent.mkdir(exist_ok=True)
    write(settings.accounts, [Account("laptop", "editor", hash_token(token))])
    path.write_text(f"{token}\n")
    return path


@pytest.fixture
def far(shell: Shell, address: str, token_file: Path) -> Far:
    """A command, as on a host that has the token and the address only."""
    return lambda *command: shell("--url", address, "--token-file", str(token_file), *command)


@pytest.mark.parametrize("json_", [[], ["--json"]], ids=["text", "json"])
def test_what_it_prints_and_its_exit_code_are_those_of_the_host(
    shell: Shell, far: Far, nightly: Entry, service: Service, json_: list[str]
) -> None:
    odd = replace(service.store.get("nightly"), name="räum/auf", revision=0)  # as another program may call it
    service.store.write([Write("räum/auf", None, odd)])
    run = service.dispatcher.run_now(service.store.get("nightly"), "ann")
    changes.stop(service.ledger, run, by="ann", note="why")
    service.dispatcher.run_now(service.store.get("räum/auf"), "ann")
    changes.pause(service.store, "nightly", by="ann", note="disk")
    for command in (
        ["list"],
        ["status"],
        ["next", "nightly", "-n", "3"],
        ["next", "räum/auf", "--after", "2030-01-01 00:00"],
        ["next", "--all", "--until", "2027-01-01 09:00", "--after", "2026-12-31 20:00"],
        ["next", "--cron", "0 9 * * *", "--after", "2030-01-01 00:00"],
        ["history"],
        ["history", "nightly", "-n", "1"],
        ["history", "--failed"],
        ["history", "gone"],
        ["audit"],
        ["audit", "nightly", "-n", "1"],
        ["doctor"],
        ["logs", run],
        ["logs", "nightly"],
        ["backfill", "nightly"],
        ["backfill", "nightly", "--from", "2026-01-01 00:00", "--to", "2026-01-05 00:00", "--dry-run"],
        ["retry", "gone"],
        ["stop", "nightly"],
        ["undo", "1-1"],
    ):
        here, there = shell(*command, *json_), far(*command, *json_)
        assert same(there) == same(here), command


def same(said: Said) -> tuple[int, str, str]:
    """What was said, apart from how long ago things were and where Redis is."""
    out = re.sub(r'"lease_ends_in": [\d.]+|Redis at \S+', "", said.out)
    return said.code, out, said.err


def test_acts_are_those_of_the_token(far: Far, nightly: Entry, service: Service) -> None:
    assert far("pause", "nightly", "--note", "disk").out.startswith("paused nightly; `")
    assert far("resume", "nightly").code == Exit.OK
    assert "skipping nightly at" in far("skip", "nightly", "--note", "inventory").out
    assert far("skip", "nightly", "--undo").code == Exit.OK
    sent = far("run", "nightly", "--args", "[1, 2]", "--json").json
    assert far("stop", "nightly", "--note", "later").out.startswith(f"stopped {sent['run']}")
    assert far("retry", "nightly", "--json").json["was"] == "stopped"
    later = far("run", "nightly", "--at", "2027-01-01 06:00")
    assert "waits for 2027-01-01 06:00:00 UTC" in later.out
    assert far("backfill", "nightly", "--from", "2026-01-01 00:00", "--to", "2026-01-05 00:00").out.startswith(
        "began 4 due"
    )
    assert far("backfill", "nightly", "--stop").code == Exit.OK
    paused = next(it for it in service.store.audit.lines() if it["change"] == "pause")
    assert far("undo", paused["id"]).code == Exit.PROBLEMS  # it was resumed since
    assert {line["by"] for line in service.store.audit.lines(8)} == {"token laptop"}


def test_a_busy_web_server_is_asked_again_and_a_redirect_does_not_get_the_token(shell: Shell, token_file: Path) -> None:
    later, asked = "Sun, 29 Nov 2026 23:00:00 GMT", list[str]()

    class Front(BaseHTTPRequestHandler):
        """It has too many requests, then it is another site."""

        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(302 if len(asked) > 1 else 429)
            self.send_header("Retry-After", later)
            self.send_header("Location", f"http://{self.headers['Host'].replace('127.0.0.1', 'localhost')}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Front) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        said = shell("--url", f"http://127.0.0.1:{server.server_port}", "--token-file", str(token_file), "status")
        server.shutdown()
        thread.join()
    assert said.code == Exit.UNAVAILABLE
    assert "answers 302, and leads to http://localhost" in said.err
    assert asked == ["/api/v1/status"] * 2


def test_a_run_is_followed_to_its_end(far: Far, nightly: Entry, service: Service) -> None:
    assert far("logs", "nightly", "--follow").code == Exit.NO_INPUT
    run = service.dispatcher.run_now(service.store.get("nightly"), "ann")
    service.ledger.claim(service.ledger.get(run), "here", "token")
    said = threading.Timer(0.5, lambda: service.ledger.close(run, "succeeded", token="token"))
    said.start()
    assert far("logs", run, "--follow").code == Exit.OK
    assert service.ledger.get(run).outcome == "succeeded"
    said.join()


def test_what_needs_the_host_says_so_and_does_nothing(far: Far) -> None:
    for command in (["plan"], ["export"], ["rebuild"], ["user", "list"], ["token", "add", "x"]):
        said = far(*command)
        assert said.code == Exit.USAGE, command
        assert "needs the service's host: run it there, without --url" in said.err
    assert set(cli.commands) - AT_HOME == {*READ, *ACT}


def test_a_wrong_token_and_a_wrong_address_say_what_to_do(
    shell: Shell, far: Far, address: str, token_file: Path, nightly: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.cli.remote.TRIES", 1)
    monkeypatch.setenv("SCHEDULER_URL", address)
    assert "--url needs a token" in shell("list").err
    monkeypatch.setenv("SCHEDULER_TOKEN_FILE", str(token_file))
    assert shell("list").code == Exit.OK
    unknown = shell("--token", make_token(), "list")
    assert (unknown.code, unknown.err) == (
        Exit.NO_PERMISSION,
        "scheduler: this token is not known: whoever runs the service can make a new one\n",
    )
    for url, code, words in (
        ("http://127.0.0.1:1", Exit.UNAVAILABLE, "does not answer"),
        (f"{address}/login", Exit.UNAVAILABLE, "check --url"),
        ("jobs.example.com", Exit.USAGE, "write it like https://jobs.example.com"),
    ):
        said = shell("--url", url, "list")
        assert (said.code, words in said.err) == (code, True), said.err


def test_the_token_is_in_no_message_and_a_viewer_changes_nothing(
    shell: Shell, address: str, settings: Settings, nightly: Entry, service: Service
) -> None:
    token = make_token()
    settings.accounts.parent.mkdir(exist_ok=True)
    write(settings.accounts, [Account("watcher", "viewer", hash_token(token))])
    assert json.loads(shell("--url", address, "--token", token, "list", "--json").out)[0]["name"] == "nightly"
    said = shell("--url", address, "--token", token, "pause", "nightly")
    assert said.code == Exit.NO_PERMISSION
    assert "this needs the role operator" in said.err
    assert token not in said.err
    assert service.store.get("nightly").pause is None
