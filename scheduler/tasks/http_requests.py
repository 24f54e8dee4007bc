"""HTTP requests with checked addresses, bounded bodies and a deadline."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any

import urllib3
from celery.exceptions import SoftTimeLimitExceeded
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout, parse_url

from scheduler.tasks.errors import TaskFailed, TimedOut

MAX_BODY_BYTES = 65_536  #: of an answer; the rest is not read
CHUNK_BYTES = 8192
DEFAULT_HEADERS = {"User-Agent": "celery-scheduler", "Accept-Encoding": "identity"}
NAT64 = ipaddress.ip_network("64:ff9b::/96")  #: the last 32 bits are an IPv4 address


def send(
    url: str, method: str, headers: Mapping[str, str], json: Any, expect: str, timeout: float, allow_private: bool
) -> dict[str, Any]:
    """Send a request, and wait for the answer; see ``http_request``."""
    started = time.monotonic()
    asked = f"{method or ('GET' if json is None else 'POST')} {without_secrets(url)}"
    with Guard(timeout, allow_private) as guard:
        try:
            status, reason, location, body = guard.ask(asked.split()[0], url, headers, json)
        except SoftTimeLimitExceeded:
            raise TimedOut(f"{asked} was stopped: its run exceeded its timeout") from None
        except (HTTPError, OSError, ValueError) as error:
            if guard.is_over or isinstance(bottom(error), TimeoutError):
                raise TimedOut(f"{asked} was stopped: it exceeded its timeout of {timeout:g} s") from None
            raise TaskFailed(f"{asked} failed: {in_words(bottom(error))}") from None
    text = body[:MAX_BODY_BYTES].decode("utf-8", "replace")
    if not is_expected(status, expect):
        there = f" — it points to {without_secrets(location)}: write that url" if location else ""
        raise TaskFailed(f"{asked} answered {status} {reason}, and not {expect}{there}".replace(" ,", ","), text)
    seconds = round(time.monotonic() - started, 3)
    return {"status": status, "seconds": seconds, "body": text, "body_cut": len(body) > MAX_BODY_BYTES}


class Guard:
    """Connections whose addresses are checked, and which all end at a deadline that a slow answer cannot postpone."""

    def __init__(self, seconds: float, allow_private: bool) -> None:
        self.seconds = seconds
        self.allow_private = allow_private
        self.is_over = False
        self.sockets: list[socket.socket] = []
        self.timer = threading.Timer(seconds, self.end)
        self.timer.daemon = True

    def __enter__(self) -> Guard:
        self.timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.timer.cancel()
        for connected in self.sockets:
            connected.close()

    def end(self) -> None:
        """End every connection, so that whoever waits for one gets an error."""
        self.is_over = True
        for connected in self.sockets:
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

    def ask(self, method: str, url: str, headers: Mapping[str, str], json: Any) -> tuple[int, str, str, bytes]:
        """Status, reason, location and body; the body is cut behind MAX_BODY_BYTES + 1."""
        target = parse_url(url)
        if target.scheme not in ("http", "https") or not target.host or target.auth:
            raise ValueError("it is not an http:// or https:// address without a user name")
        if not self.allow_private:
            refuse_private(target.host.strip("[]"), target.port)
        with self.pools() as pools:
            sent = urllib3.HTTPHeaderDict({**DEFAULT_HEADERS})
            sent.update(headers)
            body = {} if json is None else {"json": json}
            answer = pools.request(method, url, headers=sent, redirect=False, preload_content=False, **body)
            read = bytearray()
            while len(read) <= MAX_BODY_BYTES and (chunk := answer.read1(CHUNK_BYTES, decode_content=False)):
                read += chunk
            location = answer.headers.get("Location", "") if 300 <= answer.status < 400 else ""
            answer.close()
            if self.is_over:
                raise TimeoutError
            return answer.status, answer.reason or "", location, bytes(read)

    def pools(self) -> urllib3.PoolManager:
        """urllib3's own pools, with our connections."""
        guard = self

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return guard.admit(super()._new_conn())

        class Secure(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return guard.admit(super()._new_conn())

        pools = urllib3.PoolManager(retries=False, timeout=Timeout(total=self.seconds))
        pools.pool_classes_by_scheme = {
            "http": type("Pool", (urllib3.HTTPConnectionPool,), {"ConnectionCls": Plain}),
            "https": type("Pool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": Secure}),
        }
        return pools

    def admit(self, connected: socket.socket) -> socket.socket:
        """Check the address that the name led to this time, before anything is sent to it."""
        address = connected.getpeername()[0]
        if not self.allow_private and not is_public(address):
            connected.close()
            raise TaskFailed(refusal(address))
        self.sockets.append(connected.dup())  # TLS takes the first one over
        if self.is_over:
            self.end()
        return connected


def refuse_private(host: str, port: int | None) -> None:
    """Raise TaskFailed if the name leads to an address that is not public; OSError if it leads nowhere."""
    for *_, place in socket.getaddrinfo(host, port or 443, type=socket.SOCK_STREAM):
        if not is_public(str(place[0])):
            raise TaskFailed(refusal(host if host == place[0] else f"{host} ({place[0]})"))


def refusal(address: str) -> str:
    return f"{address} is not a public address — write allow_private: true under http: if that is meant"


def is_public(address: str) -> bool:
    """Whether everyone can reach this IP address: it is not private, loopback, link-local, reserved or multicast."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in NAT64 else None)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def is_expected(status: int, expect: str) -> bool:
    """Whether the status is in a list such as ``200-299, 404``."""
    ranges = (part.partition("-") for part in expect.split(","))
    return any(int(low) <= status <= int(high or low) for low, _, high in ranges)


def without_secrets(url: str) -> str:
    """The address without user, query and fragment, which may be secrets."""
    with contextlib.suppress(HTTPError):
        parts = parse_url(url)
        return f"{parts.scheme}://{parts.netloc}{parts.path or ''}"
    return "the url"


def bottom(error: BaseException) -> BaseException:
    """The error below those of the libraries."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error


def in_words(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error) or type(error).__name__
