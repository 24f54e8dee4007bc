"""Every way in which a real Redis refuses, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.redis_server import RedisServer


def configured(name: str, value: int | str) -> Callable[[RedisServer], None]:
    """What gives a server this setting."""

    def configure(server: RedisServer) -> None:
        with server.client() as client:
            client.config_set(name, value)

    return configure


lack_replicas = configured("min-replicas-to-write", 1)
fill = configured("maxmemory", 1)
want_password = configured("requirepass", "secret")
serve_nothing_stale = configured("replica-serve-stale-data", "no")


def become_replica(server: RedisServer) -> None:
    with server.client() as client:
        client.replicaof("127.0.0.1", 1)


def lose_primary(server: RedisServer) -> None:
    serve_nothing_stale(server)
    become_replica(server)


def allow_little(server: RedisServer) -> None:
    with server.client() as client:
        client.acl_setuser("default", enabled=True, commands=["-evalsha", "-eval"])


def mend(server: RedisServer) -> None:
    """End each refusal of writes."""
    with server.client() as client:
        client.config_set("maxmemory", 0)
        client.config_set("min-replicas-to-write", 0)
        client.config_set("save", "")
        client.replicaof("NO", "ONE")


#: What spoils a server, by the code of its refusal; then the meaning and the remedy that are said of it.
KINDS = {
    "NOREPLICAS": (lack_replicas, "accepts no writes: too few replicas are connected", "start its replicas or lower"),
    "READONLY": (become_replica, "accepts no writes: it is a replica", "set SCHEDULER_REDIS_URL to the primary"),
    "MASTERDOWN": (lose_primary, "serves nothing: it is a replica that has lost its primary", "start the primary"),
    "OOM": (fill, "accepts no writes: its memory is full", "raise its maxmemory"),
    "MISCONF": (RedisServer.fail_to_save, "accepts no writes: it cannot save to its disk", "free space on that disk"),
    "NOAUTH": (want_password, "requires a password", "add it to SCHEDULER_REDIS_URL"),
    "NOPERM": (allow_little, "does not give its user enough permissions", "give the user the ACL rule"),
}
#: Those that leave the data readable.
READABLE = ("NOREPLICAS", "READONLY", "OOM", "MISCONF")
