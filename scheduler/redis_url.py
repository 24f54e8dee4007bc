"""Parse SCHEDULER_REDIS_URL, and convert it to the form that each library expects."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from scheduler.errors import ConfigurationError

SCHEMES = ("redis", "rediss", "unix", "redis+socket", "sentinel", "sentinel+tls")
REDIS_PORT = 6379
PORTS = {"sentinel": 26379, "sentinel+tls": 26379}
LOGIN = ("username", "password", "sentinel_username", "sentinel_password")
TLS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")
DATABASE = ("db", "virtual_host")
PORT = re.compile(r":\d*$")
SOCKET_TIMEOUT = 3.0  #: seconds without an answer after which Redis counts as away
SENTINEL_TIMEOUT = 0.5  #: seconds without an answer after which the next Sentinel is asked, at each connection


@dataclass(frozen=True)
class Place:
    """The address of one Redis. With ``service``, ``hosts`` are the Sentinels that monitor the Redis of that name."""

    scheme: str
    hosts: tuple[tuple[str, int], ...] = ()
    written: str = field(default="", compare=False)  #: the hosts as the operator wrote them
    socket: str = ""
    db: int = 0
    service: str = ""
    login: dict[str, str] = field(default_factory=dict, repr=False)
    sentinel_login: dict[str, str] = field(default_factory=dict, repr=False)
    tls: dict[str, Any] = field(default_factory=dict)  #: redis-py's options; empty without TLS

    @property
    def sentinel_options(self) -> dict[str, Any]:
        """redis-py's options for connections to the Sentinels."""
        # No retry: with it, a Sentinel that is down would cost three seconds before the next one is asked.
        waits = {"socket_timeout": SENTINEL_TIMEOUT, "socket_connect_timeout": SENTINEL_TIMEOUT, "retry": None}
        return {**waits, **self.sentinel_login, **({"ssl": True, **self.tls} if self.tls else {})}

    @property
    def is_open(self) -> bool:
        """Whether Redis may accept anyone on the network: not on this machine, no login, no client certificate."""
        local = all(host in ("localhost", "::1") or host.startswith("127.") for host, _ in self.hosts)
        return not (local or self.login or "ssl_certfile" in self.tls)

    @property
    def broker_url(self) -> str:
        """The URL for kombu and Celery's result backend, which take TLS options from other settings."""
        if self.socket:
            return f"redis+socket://{self._userinfo}{quote(self.socket)}?virtual_host={self.db}"
        scheme = "sentinel" if self.service else self.scheme
        return ";".join(f"{scheme}://{self._userinfo}{_netloc(host)}/{self.db}" for host in self.hosts)

    @property
    def redbeat_url(self) -> str:
        """The URL for redis-py, and so for RedBeat, which takes the Sentinels from its options."""
        if self.socket:
            return f"unix://{self._userinfo}{quote(self.socket)}?db={self.db}"
        return "redis-sentinel://" if self.service else self.broker_url

    @property
    def shown(self) -> str:
        """The URL without login and options, for pages and logs."""
        if self.socket:
            return f"unix://{self.socket}" + (f"?db={self.db}" if self.db else "")
        path = f"{self.service}/{self.db}" if self.service else str(self.db)
        return f"{self.scheme}://{self.written}/{path}"

    @property
    def command_line(self) -> str:
        """``redis-cli`` with what reaches this Redis; it asks for the password. Sentinels do not say the address."""
        parts = ["redis-cli"]
        if self.socket:
            parts += ["-s", self.socket]
        elif not self.service:
            host, port = self.hosts[0]
            parts += [] if host in ("localhost", "127.0.0.1") else ["-h", host]
            parts += [] if port == REDIS_PORT else ["-p", str(port)]
        parts += ["--tls"] if self.tls else []
        parts += ["--user", self.login["username"]] if self.login.get("username") else []
        return shlex.join([*parts, *(["--askpass"] if self.login else [])])

    @property
    def _userinfo(self) -> str:
        if not self.login:
            return ""
        return f"{quote(self.login.get('username', ''), safe='')}:{quote(self.login.get('password', ''), safe='')}@"

    def is_also(self, url: str) -> bool:
        """Whether this URL from another setting is the same Redis."""
        try:
            return url == self.broker_url or parse(url) == self
        except ConfigurationError:
            return False

    def celery(self) -> dict[str, Any]:
        """Connection settings for Celery and RedBeat; merge the transport options into existing ones."""
        transport: dict[str, Any] = {}
        redbeat: dict[str, Any] = {"socket_timeout": SOCKET_TIMEOUT}
        if self.service:
            transport = {"master_name": self.service, "sentinel_kwargs": self.sentinel_options}
            redbeat |= {"sentinels": list(self.hosts), "service_name": self.service, "db": self.db, **self.login}
            redbeat["sentinel_kwargs"] = self.sentinel_options
        settings: dict[str, Any] = {
            "broker_url": self.broker_url,
            "result_backend": self.broker_url,
            "broker_transport_options": transport,
            "result_backend_transport_options": transport,
            "redbeat_redis_url": MaskedUrl(self.redbeat_url),
            "redbeat_redis_options": redbeat,
        }
        for setting in ("broker_use_ssl", "redis_backend_use_ssl", "redbeat_redis_use_ssl"):
            settings |= {setting: self.tls} if self.tls else {}
        return settings


class MaskedUrl(str):
    """A URL that `celery report` shows without its login: it masks Celery's own settings, but not RedBeat's."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(re.sub(r"//[^/]*@", "//********@", str(self)))


def parse(url: str) -> Place:
    """Parse a URL of one of SCHEMES, such as ``sentinel://host,host/service/db``; raises ConfigurationError."""
    parts = _split(url)
    if parts.scheme not in SCHEMES:
        raise ConfigurationError(NO_CLUSTER if "cluster" in parts.scheme else _unknown(parts.scheme))
    userinfo, _, hosts = parts.netloc.rpartition("@")
    username, _, password = userinfo.partition(":")
    options = _options(parts.query)
    is_socket = parts.scheme in ("unix", "redis+socket")
    if is_socket and not unquote(parts.path).strip("/\0"):
        raise ConfigurationError("SCHEDULER_REDIS_URL names no socket: write unix:///run/redis/redis.sock")
    login = {"username": unquote(username), "password": unquote(password), **_chosen(options, "username", "password")}
    sentinel_login = _chosen(options, "sentinel_username", "sentinel_password")
    service, db = _service(parts.path) if parts.scheme in PORTS else ("", "" if is_socket else parts.path)
    return Place(
        scheme="unix" if is_socket else parts.scheme,
        hosts=() if is_socket else tuple(_host(text, PORTS.get(parts.scheme, REDIS_PORT)) for text in hosts.split(",")),
        written=hosts,
        socket=unquote(parts.path) if is_socket else "",
        db=_database(options.get("db", options.get("virtual_host", db))),
        service=service,
        login={name: value for name, value in login.items() if value},
        sentinel_login={name.removeprefix("sentinel_"): value for name, value in sentinel_login.items()},
        tls=_tls(_chosen(options, *TLS), wanted=parts.scheme in ("rediss", "sentinel+tls")),
    )


NO_CLUSTER = (
    "Redis Cluster is not supported, because one step writes keys of several slots: "
    "use a single Redis, or Redis with Sentinel"
)


def amqp_url(url: str) -> str:
    """A RabbitMQ URL with its login percent-encoded, which kombu needs; raises ConfigurationError."""
    from kombu.connection import Connection  # takes longer than all else that a command line imports

    parts = _split(url, "amqp://user:password@host:5672/vhost")
    userinfo, at, host = parts.netloc.rpartition("@")
    _host(host, 5672)
    login = ":".join(quote(unquote(part), safe="") for part in userinfo.split(":", 1)) + at
    quoted = f"{parts.scheme}://{login}{host}" + url.partition("://")[2].removeprefix(parts.netloc)
    try:
        Connection(quoted).as_uri()  # type: ignore[no-untyped-call]
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(
            f"SCHEDULER_REDIS_URL has an option that kombu does not take ({type(error).__name__}): "
            "write amqp://user:password@host:5672/vhost"
        ) from None
    return quoted


def _split(url: str, example: str = "redis://:password@host:6379/0") -> SplitResult:
    """As urlsplit, which refuses brackets after the first of several hosts since Python's patch releases of 2024."""
    if not url.isprintable():
        raise ConfigurationError("SCHEDULER_REDIS_URL has a character that no URL has: remove or percent-encode it")
    scheme, colon, rest = url.partition("://")
    netloc = re.split("[/?#]", rest, maxsplit=1)[0]
    if "@" in rest and "@" not in netloc and (netloc.count(":") == 1 and not PORT.search(netloc)):
        # What follows is a part of a password, which no message may show.
        raise ConfigurationError(
            f"SCHEDULER_REDIS_URL has an invalid port: write {example}, with / ? # in a password as %2F %3F %23"
        )
    return urlsplit(f"{scheme}{colon}{rest.removeprefix(netloc)}")._replace(netloc=netloc)


def _unknown(scheme: str) -> str:
    known = ", ".join(f"{known}://" for known in SCHEMES)
    return f"SCHEDULER_REDIS_URL starts with {repr(scheme) if scheme else 'nothing'}: use one of {known}"


def _service(path: str) -> tuple[str, str]:
    """Service and database from ``/service/db``."""
    service, _, db = path.strip("/").partition("/")
    if not service:
        raise ConfigurationError(
            "SCHEDULER_REDIS_URL has no service name: write sentinel://host:26379,host:26379/service/0, "
            "where service is the name after `sentinel monitor` in sentinel.conf"
        )
    return unquote(service), db


def _options(query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    known = (*DATABASE, *LOGIN, *TLS)
    if unknown := sorted(options.keys() - set(known)):
        raise ConfigurationError(f"SCHEDULER_REDIS_URL has the unknown option {unknown[0]!r}: use {', '.join(known)}")
    return options


def _chosen(options: dict[str, str], *names: str) -> dict[str, str]:
    return {name: options[name] for name in names if name in options}


def _tls(options: dict[str, str], *, wanted: bool) -> dict[str, Any]:
    if options and not wanted:
        raise ConfigurationError(
            f"SCHEDULER_REDIS_URL has {next(iter(options))}, an option of TLS: start it with rediss:// or sentinel+tls://"
        )
    if not wanted:
        return {}
    chosen: dict[str, Any] = {"ssl_cert_reqs": "required", **options}
    if chosen["ssl_cert_reqs"] not in ("required", "optional", "none"):
        raise ConfigurationError("SCHEDULER_REDIS_URL has an invalid ssl_cert_reqs: use required, optional or none")
    if "ssl_check_hostname" in chosen:
        chosen["ssl_check_hostname"] = chosen["ssl_check_hostname"].lower() not in ("0", "no", "false")
    elif chosen["ssl_cert_reqs"] == "none":
        chosen["ssl_check_hostname"] = False
    return chosen


def _host(text: str, port: int) -> tuple[str, int]:
    try:
        split = urlsplit(f"//{text}")
        host = unquote(split.hostname or "localhost")
        if re.search(r"[\[\]@/?#%\s]", host):
            raise ValueError("it has a character that no host has")
        return host, split.port or port
    except ValueError as error:
        raise ConfigurationError(f"SCHEDULER_REDIS_URL has an invalid host or port {text!r}: {error}") from None


def _netloc(host: tuple[str, int]) -> str:
    return f"[{host[0]}]:{host[1]}" if ":" in host[0] else f"{host[0]}:{host[1]}"


def _database(text: str) -> int:
    number = text.strip("/") or "0"
    if not number.isdecimal():
        raise ConfigurationError(
            f"SCHEDULER_REDIS_URL has an invalid database {number!r}: use a number, or leave it out for 0"
        )
    return int(number)
