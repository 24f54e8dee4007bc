"""SCHEDULER_REDIS_URL: where Redis is, in one spelling, and how each library spells the same place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from scheduler.errors import ConfigurationError

SCHEMES = ("redis", "rediss", "unix", "redis+socket", "sentinel", "sentinel+tls")
PORTS = {"sentinel": 26379, "sentinel+tls": 26379}
LOGIN = ("username", "password", "sentinel_username", "sentinel_password")
TLS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")
DATABASE = ("db", "virtual_host")
SOCKET_TIMEOUT = 3.0  #: seconds for which Redis may hang before it counts as away
SENTINEL_TIMEOUT = 0.5  #: seconds for one Sentinel to answer, before the next one is asked: for each connection anew


@dataclass(frozen=True)
class Place:
    """One Redis. Where ``service`` is set, ``hosts`` are the Sentinels that know where the Redis of that name is."""

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
        """How redis-py connects to the Sentinels themselves."""
        # Without its retry, one of them that is down costs no three seconds: the next one is asked.
        waits = {"socket_timeout": SENTINEL_TIMEOUT, "socket_connect_timeout": SENTINEL_TIMEOUT, "retry": None}
        return {**waits, **self.sentinel_login, **({"ssl": True, **self.tls} if self.tls else {})}

    @property
    def is_open(self) -> bool:
        """Whether anybody on the network may be let in: neither a login nor a certificate, and not this machine."""
        local = all(host in ("localhost", "::1") or host.startswith("127.") for host, _ in self.hosts)
        return not (local or self.login or "ssl_certfile" in self.tls)

    @property
    def broker_url(self) -> str:
        """As kombu and Celery's result backend spell it; they take TLS from settings of their own."""
        if self.socket:
            return f"redis+socket://{self._userinfo}{quote(self.socket)}?virtual_host={self.db}"
        scheme = "sentinel" if self.service else self.scheme
        return ";".join(f"{scheme}://{self._userinfo}{_netloc(host)}/{self.db}" for host in self.hosts)

    @property
    def redbeat_url(self) -> str:
        """As redis-py, and so RedBeat, spells it; RedBeat takes the Sentinels from its options."""
        if self.socket:
            return f"unix://{self._userinfo}{quote(self.socket)}?db={self.db}"
        return "redis-sentinel://" if self.service else self.broker_url

    @property
    def shown(self) -> str:
        """Without a login and options, for pages and logs."""
        if self.socket:
            return f"unix://{self.socket}" + (f"?db={self.db}" if self.db else "")
        path = f"{self.service}/{self.db}" if self.service else str(self.db)
        return f"{self.scheme}://{self.written}/{path}"

    @property
    def _userinfo(self) -> str:
        if not self.login:
            return ""
        return f"{quote(self.login.get('username', ''), safe='')}:{quote(self.login.get('password', ''), safe='')}@"

    def is_also(self, url: str) -> bool:
        """Whether another setting of the operator's names this Redis too."""
        try:
            return url == self.broker_url or parse(url) == self
        except ConfigurationError:
            return False

    def celery(self) -> dict[str, Any]:
        """The settings of Celery and RedBeat that say where and how; transport options are to be merged."""
        transport: dict[str, Any] = {}
        redbeat: dict[str, Any] = {"socket_timeout": SOCKET_TIMEOUT}
        if self.service:
            transport = {"master_name": self.service, "sentinel_kwargs": self.sentinel_options}
            redbeat |= {"sentinels": list(self.hosts), "service_name": self.service, "db": self.db, **self.login}
            redbeat["sentinel_kwargs"] = self.sentinel_options
        found: dict[str, Any] = {
            "broker_url": self.broker_url,
            "result_backend": self.broker_url,
            "broker_transport_options": transport,
            "result_backend_transport_options": transport,
            "redbeat_redis_url": self.redbeat_url,
            "redbeat_redis_options": redbeat,
        }
        for setting in ("broker_use_ssl", "redis_backend_use_ssl", "redbeat_redis_use_ssl"):
            found |= {setting: self.tls} if self.tls else {}
        return found


def parse(url: str) -> Place:
    """Read ``redis://``, ``rediss://``, ``unix://`` or ``sentinel://host,host/service/db``; else ConfigurationError."""
    parts = _split(url)
    if parts.scheme not in SCHEMES:
        raise ConfigurationError(NO_CLUSTER if "cluster" in parts.scheme else _unknown(parts.scheme))
    userinfo, _, hosts = parts.netloc.rpartition("@")
    username, _, password = userinfo.partition(":")
    options = _options(parts.query)
    login = {"username": unquote(username), "password": unquote(password), **_chosen(options, "username", "password")}
    sentinel_login = _chosen(options, "sentinel_username", "sentinel_password")
    is_socket = parts.scheme in ("unix", "redis+socket")
    service, db = _service(parts.path) if parts.scheme in PORTS else ("", "" if is_socket else parts.path)
    return Place(
        scheme="unix" if is_socket else parts.scheme,
        hosts=() if is_socket else tuple(_host(text, PORTS.get(parts.scheme, 6379)) for text in hosts.split(",")),
        written=hosts,
        socket=unquote(parts.path) if is_socket else "",
        db=_database(options.get("db", options.get("virtual_host", db))),
        service=service,
        login={name: value for name, value in login.items() if value},
        sentinel_login={name.removeprefix("sentinel_"): value for name, value in sentinel_login.items()},
        tls=_tls(_chosen(options, *TLS), wanted=parts.scheme in ("rediss", "sentinel+tls")),
    )


NO_CLUSTER = (
    "Redis Cluster is not supported, because one sending touches keys of several slots: "
    "use one Redis, or Redis with Sentinel"
)


def _split(url: str) -> SplitResult:
    """As urlsplit, which refuses brackets after the first of several hosts since Python's patch releases of 2024."""
    scheme, colon, rest = url.partition("://")
    netloc = re.split("[/?#]", rest, maxsplit=1)[0]
    return urlsplit(f"{scheme}{colon}{rest.removeprefix(netloc)}")._replace(netloc=netloc)


def _unknown(scheme: str) -> str:
    known = ", ".join(f"{known}://" for known in SCHEMES)
    return f"SCHEDULER_REDIS_URL starts with {repr(scheme) if scheme else 'nothing'}: use one of {known}"


def _service(path: str) -> tuple[str, str]:
    """The service and the database of ``/service/db``."""
    service, _, db = path.strip("/").partition("/")
    if not service:
        raise ConfigurationError(
            "SCHEDULER_REDIS_URL names no service: write sentinel://host:26379,host:26379/service/0, "
            "the service being the name after `sentinel monitor` in sentinel.conf"
        )
    return unquote(service), db


def _options(query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    known = (*DATABASE, *LOGIN, *TLS)
    if unknown := sorted(options.keys() - set(known)):
        raise ConfigurationError(f"SCHEDULER_REDIS_URL has the option {unknown[0]!r}: known are {', '.join(known)}")
    return options


def _chosen(options: dict[str, str], *names: str) -> dict[str, str]:
    return {name: options[name] for name in names if name in options}


def _tls(options: dict[str, str], *, wanted: bool) -> dict[str, Any]:
    if options and not wanted:
        raise ConfigurationError(
            f"SCHEDULER_REDIS_URL has {next(iter(options))}, which means TLS: begin it with rediss:// or sentinel+tls://"
        )
    if not wanted:
        return {}
    found: dict[str, Any] = {"ssl_cert_reqs": "required", **options}
    if found["ssl_cert_reqs"] not in ("required", "optional", "none"):
        raise ConfigurationError("SCHEDULER_REDIS_URL: ssl_cert_reqs is required, optional or none")
    if "ssl_check_hostname" in found:
        found["ssl_check_hostname"] = found["ssl_check_hostname"].lower() not in ("0", "no", "false")
    elif found["ssl_cert_reqs"] == "none":
        found["ssl_check_hostname"] = False
    return found


def _host(text: str, port: int) -> tuple[str, int]:
    try:
        split = urlsplit(f"//{text}")
        return unquote(split.hostname or "localhost"), split.port or port
    except ValueError as error:
        raise ConfigurationError(f"SCHEDULER_REDIS_URL names no host and port in {text!r}: {error}") from None


def _netloc(host: tuple[str, int]) -> str:
    return f"[{host[0]}]:{host[1]}" if ":" in host[0] else f"{host[0]}:{host[1]}"


def _database(text: str) -> int:
    number = text.strip("/") or "0"
    if not number.isdecimal():
        raise ConfigurationError(f"SCHEDULER_REDIS_URL names the database {number!r}: it is a number, 0 if left out")
    return int(number)
