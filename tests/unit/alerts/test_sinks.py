"""Each sink hands an alert to a real receiver, and says in one sentence without secrets why one does not take it."""

from __future__ import annotations

import email
import hashlib
import hmac
import json
import os
import sys
import threading
from email.policy import default
from pathlib import Path

import pytest

from scheduler.alerts.alert import Alert
from scheduler.alerts.sinks import command, sink, webhook
from scheduler.alerts.sinks import email as mail
from scheduler.alerts.sinks.sink import SinkFailed
from tests.support.receivers import Post, Web, serving

ALERT = Alert(
    "a:1",
    "failing",
    "critical",
    "nightly",
    at=1_767_225_600.0,
    due=1_767_225_600.0,
    reason="<disk> is full",
    output="no space",
)
SECRET = "squirrel-7"


def test_a_webhook_gets_the_alert_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    with serving(Web()) as server:
        webhook.send(ALERT, webhook.Options(url=f"{server.url}/hook?a=1", secret="${HOOK_SECRET}"))
    [(path, headers, body)] = server.taken
    signed = f"{headers[webhook.TIMESTAMP_HEADER]}.".encode() + body
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert (path, headers[webhook.SIGNATURE_HEADER]) == ("/hook?a=1", f"sha256={expected}")
    assert Alert.from_json(body.decode()) == ALERT


@pytest.mark.parametrize(
    ("template", "text"),
    [("slack", "&lt;disk&gt; is full"), ("teams", "<disk> is full"), ("discord", "<disk> is full")],
)
def test_a_webhook_speaks_the_form_of_a_chat(template: str, text: str) -> None:
    with serving(Web()) as server:
        webhook.send(ALERT, webhook.Options.model_validate({"url": server.url, "template": template}))
    [(_, headers, body)] = server.taken
    assert text in json.dumps(json.loads(body))
    assert webhook.SIGNATURE_HEADER not in headers


@pytest.mark.parametrize("status", [302, 500])
def test_a_webhook_that_is_refused_or_redirected_fails_without_its_path(status: int) -> None:
    with serving(Web(status)) as server, pytest.raises(SinkFailed, match=f"^127.0.0.1 answered {status}$"):
        webhook.send(ALERT, webhook.Options(url=f"{server.url}/{SECRET}"))
    assert len(server.taken) == 1


def test_a_webhook_that_hangs_fails_at_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink, "SEND_TIMEOUT_S", 0.2)
    with serving(Web()) as server:
        server.slow = threading.Event()
        with pytest.raises(SinkFailed, match=r"no answer within 0\.2 s"):
            webhook.send(ALERT, webhook.Options(url=server.url))
        server.slow.set()


@pytest.mark.parametrize("url", ["ftp://host/x", "nothing", "http://127.0.0.1:x/", "http://[/"])
def test_an_address_that_is_none_is_said(url: str) -> None:
    with pytest.raises(SinkFailed):
        webhook.send(ALERT, webhook.Options(url=url))


def test_a_secret_that_is_missing_is_named() -> None:
    with pytest.raises(SinkFailed, match=r"^\$\{NOT_SET_HERE\} cannot be filled in"):
        webhook.send(ALERT, webhook.Options(url="${NOT_SET_HERE}"))


def options(server: Post, **more: object) -> mail.Options:
    to = ["ann@example.org", "ops@example.org"]
    given = {"to": to, "from": "beat@example.org", "server": "127.0.0.1", "port": server.port, "security": "none"}
    return mail.Options.model_validate({**given, **more})


def test_an_smtp_server_gets_the_mail() -> None:
    with serving(Post()) as server:
        mail.send(ALERT, options(server))
    [raw] = server.mails
    got = email.message_from_bytes(raw, policy=default)
    assert (got["Subject"], got["To"]) == ("nightly failed", "ann@example.org, ops@example.org")
    assert got["Message-ID"] == "<a.1@celery-scheduler>"
    assert "<disk> is full" in got.get_content()
    assert "no space" in got.get_content()


def test_an_smtp_server_that_refuses_is_quoted() -> None:
    with (
        serving(Post("550 no such user")) as server,
        pytest.raises(SinkFailed, match=r"refused ann@example\.org: 550 no such user"),
    ):
        mail.send(ALERT, options(server))
    assert not server.mails


def test_a_mail_is_not_sent_without_the_encryption_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", SECRET)
    with serving(Post()) as server, pytest.raises(SinkFailed, match="STARTTLS") as failed:
        mail.send(ALERT, options(server, security="starttls", user="beat", password="${SMTP_PASSWORD}"))
    assert not server.mails
    assert SECRET not in str(failed.value)


def test_no_server_means_sendmail(tmp_path: Path) -> None:
    sendmail = script(tmp_path, f'cat > {tmp_path}/mail; echo "$@" > {tmp_path}/arguments')
    given = {"to": ["ann@example.org"], "from": "beat@example.org", "sendmail": sendmail}
    mail.send(ALERT, mail.Options.model_validate(given))
    assert "Subject: nightly failed" in (tmp_path / "mail").read_text()
    assert (tmp_path / "arguments").read_text() == "-oi -t\n"


def test_an_address_with_a_line_break_is_refused() -> None:
    with pytest.raises(SinkFailed, match="an address of the mail is wrong"):
        mail.send(ALERT, mail.Options.model_validate({"to": ["a@b\nBcc: c@d"], "from": "beat@example.org"}))


def test_a_command_gets_the_alert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDULER_ADMIN_PASSWORD", SECRET)
    monkeypatch.setenv("PAGER", "ann")
    program = script(tmp_path, f"cat > {tmp_path}/alert; env > {tmp_path}/env; echo $1 > {tmp_path}/argument")
    command.send(ALERT, command.Options(argv=(program, "${PAGER}")))
    assert Alert.from_json((tmp_path / "alert").read_text()) == ALERT
    assert "SCHEDULER_ALERT_TITLE=nightly failed\n" in (tmp_path / "env").read_text()
    assert SECRET not in (tmp_path / "env").read_text()
    assert (tmp_path / "argument").read_text() == "ann\n"


def test_a_command_that_fails_is_quoted_without_its_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGER_KEY", SECRET)
    program = script(tmp_path, "echo no such key $1; exit 3")
    with pytest.raises(SinkFailed, match=r"exited with 3: no such key \$\{PAGER_KEY\}$"):
        command.send(ALERT, command.Options(argv=(program, "${PAGER_KEY}")))


def test_a_command_that_does_not_exist_is_said(tmp_path: Path) -> None:
    with pytest.raises(SinkFailed, match="cannot be started: No such file or directory"):
        command.send(ALERT, command.Options(argv=(str(tmp_path / "none"),)))


@pytest.mark.slow
def test_a_command_that_hangs_ends_with_what_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink, "SEND_TIMEOUT_S", 1.0)
    os.mkfifo(tmp_path / "held")
    # The child holds the pipe open until it ends.
    reader = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)
    program = script(tmp_path, f"{sys.executable} -c 'import time; time.sleep(600)' > {tmp_path}/held & wait")
    with pytest.raises(SinkFailed, match="took longer than 1 s and was stopped"):
        command.send(ALERT, command.Options(argv=(program,)))
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b""
    os.close(reader)


def script(directory: Path, body: str) -> str:
    path = directory / "program"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)
