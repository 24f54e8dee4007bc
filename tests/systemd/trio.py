"""Three hosts on a switch, each with Redis and a Sentinel; beat and workers on two of them: see docs/operations.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.polling import until
from tests.systemd.conftest import prepare
from tests.systemd.host import Host
from tests.systemd.host import host as booted_host
from tests.systemd.network import Network

NAMES = ("one", "two", "three")
SERVICE = ("celery-beat", "celery-worker")
LEASE = 6
ENVIRONMENT = f"SCHEDULER_LEASE={LEASE}\nSCHEDULER_MAX_INTERVAL=2\nSCHEDULER_RUN_LEASE=6\nSCHEDULER_DRAIN=4\n"
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
LAG = 2  #: min-replicas-max-lag: seconds, and one more, for which a Redis that was cut off still takes writes
#: ``tick`` shows that runs go on; ``each`` must run for every due instant, however late.
SCHEDULES = """\
imports: [jobs]
schedules:
  tick: {task: jobs.tick, every: 1s, catch_up: none, overlap: allow}
  each: {task: jobs.tick, every: 1s, catch_up: all, overlap: allow}
"""
REDIS = f"""\
bind * -::*
protected-mode no
dir /var/lib/redis
appendonly yes
save ""
min-replicas-to-write 1
min-replicas-max-lag {LAG}
repl-diskless-sync-delay 0
"""
SENTINEL = """\
port 26379
protected-mode no
dir /var/lib/redis-sentinel
sentinel monitor mymaster {primary} 6379 2
sentinel down-after-milliseconds mymaster 2000
sentinel failover-timeout mymaster 6000
"""
SENTINEL_UNIT = """\
[Service]
User=redis
StateDirectory=redis-sentinel
ExecStart=/usr/bin/redis-server /var/lib/redis-sentinel/sentinel.conf --sentinel

[Install]
WantedBy=multi-user.target
"""


class Trio:
    """The hosts, and what runs on them."""

    def __init__(self, hosts: dict[str, Host], network: Network) -> None:
        self.hosts = hosts
        self.network = network

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    @property
    def workers(self) -> list[Host]:
        return [self.hosts["one"], self.hosts["two"]]

    def install(self) -> None:
        """Once; what is written here lasts over every power cut."""
        addresses = ",".join(f"{self.network.address(name)}:26379" for name in NAMES)
        for host in self.hosts.values():
            prepare(host, ENVIRONMENT)
            host.write("/etc/systemd/system/sentinel.service", SENTINEL_UNIT)
            host.write("/etc/celery-scheduler/credentials/redis-url", f"sentinel://{addresses}/mymaster/0")
            host.write("/etc/celery-scheduler/schedules.yaml", SCHEDULES)
            for unit in SERVICE:
                allowed = "[Service]\nIPAddressAllow=10.99.0.0/24\n"
                host.write(f"/etc/systemd/system/{unit}.service.d/network.conf", allowed)
            host.run("systemctl", "daemon-reload")
            host.run("systemctl", "enable", "redis-server", "sentinel", *(SERVICE if host in self.workers else ()))

    def arrange(self, *, primary: str, leader: str) -> None:
        """Everything anew and empty, with the Redis of that host in charge, and its beat leading."""
        self.network.heal()
        for host in self.hosts.values():
            if host.process is None:
                host.boot()
            host.freeze(False)
            for how in (("kill", "--signal=KILL"), ("stop",)):
                host.run("systemctl", *how, *SERVICE, "sentinel", "redis-server", check=False)
            host.shell("rm -rf /var/lib/celery-*/* /var/lib/redis/* /var/lib/redis-sentinel/*; systemctl reset-failed")
        for name in (primary, *(name for name in NAMES if name != primary)):
            self.start_redis(name, primary)
        until(lambda: self.redis(primary, "info", "replication").count("state=online") == 2, 60, "two replicas")
        for name in NAMES:
            self.start_sentinel(name, primary)
        ready = "OK 3 usable Sentinels"
        until(lambda: all(ready in self.sentinel(name, "ckquorum") for name in NAMES), 60, "the Sentinels agree")
        self[leader].run("systemctl", "start", *SERVICE)
        self[leader].status_says("celery-beat", "leader since ")
        other = "two" if leader == "one" else "one"
        self[other].run("systemctl", "start", *SERVICE)

    @contextmanager
    def clock(self, name: str, ahead: int) -> Iterator[None]:
        """Beat and worker of that host are started with a clock that is that many seconds ahead."""
        faked = f"[Service]\nEnvironment=LD_PRELOAD={FAKETIME} FAKETIME={ahead:+d}s FAKETIME_DONT_FAKE_MONOTONIC=1\n"
        for unit in SERVICE:
            self[name].write(f"/run/systemd/system/{unit}.service.d/clock.conf", faked)
        self[name].run("systemctl", "daemon-reload")
        self[name].ahead = ahead
        try:
            yield
        finally:
            self[name].ahead = 0
            self[name].shell("rm /run/systemd/system/*/clock.conf; systemctl daemon-reload")

    def start_redis(self, name: str, primary: str) -> None:
        host = self[name]
        of = "" if name == primary else f"replicaof {self.network.address(primary)} 6379\n"
        host.write("/etc/redis/redis.conf", REDIS + of)
        host.shell("chown redis: /etc/redis /etc/redis/redis.conf")
        host.run("systemctl", "start", "redis-server")

    def start_sentinel(self, name: str, primary: str) -> None:
        """One that knows the others already, which would take them some seconds to find out."""
        known = "".join(
            f"sentinel known-sentinel mymaster {self.network.address(other)} 26379 {identity(other)}\n"
            for other in NAMES
            if other != name
        )
        text = SENTINEL.format(primary=self.network.address(primary)) + f"sentinel myid {identity(name)}\n" + known
        self[name].write("/var/lib/redis-sentinel/sentinel.conf", text)
        self[name].shell("chown -R redis: /var/lib/redis-sentinel")
        self[name].run("systemctl", "start", "sentinel")

    def redis(self, name: str, *command: str) -> str:
        return self[name].run("redis-cli", *command, check=False)

    def sentinel(self, name: str, *command: str) -> str:
        return self[name].run("redis-cli", "-p", "26379", "sentinel", *command, "mymaster", check=False)

    def others(self, *names: str) -> list[str]:
        return [name for name in NAMES if name not in names]


def identity(name: str) -> str:
    """The id of a host's Sentinel."""
    return f"{NAMES.index(name) + 1:040x}"


@contextmanager
def trio(layers: Sequence[Path]) -> Iterator[Trio]:
    network = Network()
    try:
        with ExitStack() as stack:
            hosts = {name: stack.enter_context(booted_host(layers, name, network)) for name in NAMES}
            made = Trio(hosts, network)
            made.install()
            yield made
    finally:
        network.end()
