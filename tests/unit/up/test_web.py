from __future__ import annotations

import socket

import pytest

from scheduler.up import web


def test_the_first_free_port_is_taken_when_none_is_given() -> None:
    with web.listen("127.0.0.1", None) as first, web.listen("127.0.0.1", None) as second:
        ports = [listener.getsockname()[1] for listener in (first, second)]
    assert ports[0] < ports[1]
    assert all(web.FIRST_PORT <= port <= web.LAST_PORT for port in ports)


def test_a_given_port_that_is_taken_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(web.CannotListen, match=f"port {port} is taken on 127.0.0.1: give another one with --port"):
            web.listen("127.0.0.1", port)


def test_an_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(web.CannotListen, match=r"cannot listen on 192\.0\.2\.1 port 8000: .*; give another --host"):
        web.listen("192.0.2.1", 8000)


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]")])
def test_the_url_is_one_that_a_browser_on_this_machine_can_open(host: str, shown: str) -> None:
    with web.listen(host, 0) as listener:
        assert web.address(listener) == f"{shown}:{listener.getsockname()[1]}"


@pytest.mark.parametrize(("status", "fine"), [("200 OK", True), ("500 INTERNAL SERVER ERROR", False)])
def test_the_first_request_waits_in_the_open_socket_for_the_answer(status: str, fine: bool) -> None:
    with web.listen("127.0.0.1", 0) as listener:
        request = web.FirstRequest(listener)
        assert not request.answered()
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(4096).startswith(b"GET /healthz HTTP/1.0\r\n")
            connection.sendall(f"HTTP/1.1 {status}\r\n\r\n".encode())
        request.connection.setblocking(True)
        if fine:
            assert request.answered()
            return
        with pytest.raises(web.CannotListen, match=r"the admin answers 'HTTP/1\.1 500 INTERNAL SERVER ERROR'"):
            request.answered()
