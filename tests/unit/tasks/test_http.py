"""``http_request``: what is sent, what is expected, and which addresses are refused."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from scheduler.tasks import TaskFailed, http_request
from scheduler.tasks.errors import TimedOut
from scheduler.tasks.http_requests import MAX_BODY_BYTES, Guard, is_expected, is_public


class Answers(BaseHTTPRequestHandler):
    """Answers by path; ``/echo`` with what it was sent."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        sent = {"method": self.command, "headers": {k.lower(): v for k, v in self.headers.items()}, "body": body}
        path = self.path.partition("?")[0]
        if path == "/slow":
            self.server.over.wait()  # type: ignore[attr-defined]
        status = {"/moved": 302, "/broken": 503}.get(path, 200)
        self.send_response(status)
        if path == "/moved":
            self.send_header("Location", "http://169.254.169.254/token?a=b")
        self.end_headers()
        if path == "/drip":
            while not self.server.over.wait(0.02):  # type: ignore[attr-defined]
                self.wfile.write(b"x")
        self.wfile.write(b"x" * 300_000 if path == "/long" else json.dumps(sent).encode())

    do_POST = do_PUT = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None: ...

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:  # the request was given up
            self.close_connection = True


@pytest.fixture
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.over = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.over.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_request_has_its_method_headers_and_json(site: str) -> None:
    got = http_request(f"{site}/echo", headers={"X-Team": "ops"}, json={"a": [1]}, allow_private=True)
    sent = json.loads(got["body"])
    assert (got["status"], got["body_cut"]) == (200, False)
    assert (sent["method"], sent["body"], sent["headers"]["x-team"]) == ("POST", '{"a":[1]}', "ops")
    assert sent["headers"]["content-type"] == "application/json"
    assert sent["headers"]["user-agent"] == "celery-scheduler"
    assert json.loads(http_request(f"{site}/echo", allow_private=True)["body"])["method"] == "GET"
    assert json.loads(http_request(f"{site}/echo", method="PUT", allow_private=True)["body"])["method"] == "PUT"


def test_a_status_that_is_not_expected_fails_with_the_body(site: str) -> None:
    with pytest.raises(
        TaskFailed, match=r"^GET http://127\.0\.0\.1:\d+/broken answered 503 .*, and not 200-299"
    ) as failed:
        http_request(f"{site}/broken?token=hush", allow_private=True)
    assert "GET" in failed.value.output
    assert "hush" not in str(failed.value)
    assert http_request(f"{site}/broken", expect="200, 500-599", allow_private=True)["status"] == 503


def test_a_redirect_is_not_followed_and_said(site: str) -> None:
    with pytest.raises(
        TaskFailed, match=r"answered 302 .* — it points to http://169\.254\.169\.254/token: write that url"
    ):
        http_request(f"{site}/moved", allow_private=True)


def test_the_body_is_bounded(site: str) -> None:
    got = http_request(f"{site}/long", allow_private=True)
    assert (got["body"], got["body_cut"]) == ("x" * MAX_BODY_BYTES, True)


@pytest.mark.parametrize("path", ["/slow", "/drip"])
def test_the_timeout_is_for_the_whole_answer(site: str, path: str) -> None:
    with pytest.raises(TimedOut, match=r"was stopped: it exceeded its timeout of 0\.3 s"):
        http_request(site + path, timeout=0.3, allow_private=True)


@pytest.mark.parametrize("url", ["{site}/echo", "http://localhost:1/", "http://[::1]:1/", "http://2130706433/"])
def test_an_address_that_is_not_public_is_refused(site: str, url: str) -> None:
    with pytest.raises(TaskFailed, match="is not a public address — write allow_private: true"):
        http_request(url.format(site=site))


def test_a_name_that_leads_elsewhere_at_the_second_look_up_is_refused_before_anything_is_sent(site: str) -> None:
    host, port = site.removeprefix("http://").split(":")
    with Guard(5, allow_private=False) as guard, socket.create_connection((host, int(port))) as connected:
        with pytest.raises(TaskFailed, match=r"127\.0\.0\.1 is not a public address"):
            guard.admit(connected)
        assert connected.fileno() == -1


def test_our_connections_are_the_ones_that_are_used(site: str) -> None:
    with Guard(5, allow_private=True) as guard:
        assert guard.ask("GET", f"{site}/echo", {}, None)[0] == 200
        assert len(guard.sockets) == 1


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("0.0.0.0", False),
        ("::", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::a00:1", False),
        ("2002:7f00:1::", False),
        ("fe80::1%lo", False),
        ("fd00::1", False),
    ],
)
def test_what_is_a_public_address(address: str, public: bool) -> None:
    assert is_public(address) == public


@pytest.mark.parametrize("url", ["https://u:p@example.org/", "file:///etc/passwd", "example.org"])
def test_what_is_no_plain_address_is_refused(url: str) -> None:
    with pytest.raises(TaskFailed, match="is not an http:// or https:// address without a user name"):
        http_request(url)


def test_what_cannot_be_reached_says_why_without_the_libraries_words() -> None:
    with pytest.raises(TaskFailed, match=r"^GET http://127\.0\.0\.1:1/ failed: Connection refused$"):
        http_request("http://127.0.0.1:1/", allow_private=True)


def test_a_list_of_statuses_is_read_as_it_is_written() -> None:
    assert is_expected(404, "200-299, 404")
    assert not is_expected(403, "200-299,404")
