"""Keys of another kind than this service writes: they are set aside, so that nothing else stops for them."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from scheduler.storage.client import Client
from scheduler.storage.keys import NEWS, NOTICES, Keys

KEPT_S = 30 * 86_400  #: seconds for which a key that was set aside is kept


def set_aside_other_kinds(client: Client, keys: Keys, *, everywhere: bool) -> dict[str, str]:
    """Rename the keys of ours that are of another kind; returns a sentence about each, by the name that it had.

    With ``everywhere`` it reads the whole keyspace, for those of single schedules and queues too.
    """
    wanted = fixed(keys)
    if everywhere:
        kinds = {
            keys.alert_outbox(""): "list",
            keys.sent(""): "zset",
            keys.ledger(""): "hash",
            keys.group(""): "zset",
            keys.group_queue(""): "zset",
            keys.minutes(""): "hash",
            keys.moved(""): "string",
            keys.history(""): "stream",
            keys.outputs: "string",
        }
        for begin, kind in kinds.items():
            wanted |= dict.fromkeys(client.scan_iter(match=f"{escaped(begin)}*", count=1000), kind)
    return rename(client, keys, wanted)


def escaped(text: str) -> str:
    """The text as a pattern of Redis that matches only itself."""
    return re.sub(r"([\\\[\]*?^])", r"\\\1", text)


def fixed(keys: Keys) -> dict[str, str]:
    """The keys whose names do not depend on schedules or queues, and the kind of each."""
    kinds = {
        "string": [keys.lock, keys.last_led, keys.marker, keys.revision, keys.commits, keys.forgotten, keys.clock],
        "hash": [keys.file, keys.leader, keys.workers, keys.standby_files, keys.zones, keys.told, keys.sinks],
        "zset": [keys.schedule, keys.leases, keys.standbys, keys.failing, keys.stuck, keys.slow],
        "set": [keys.queues, keys.changed, keys.open_backfills],
        "list": [keys.outbox, keys.set_aside, keys.pings, keys.followers],
        "stream": [keys.audit, keys.health_changes],
    }
    kinds["zset"] += [
        keys.outcomes,
        keys.quarantined,
        keys.paused,
        keys.revised,
        keys.runs,
        keys.went_wrong,
        keys.skips,
    ]
    kinds["zset"] += [keys.later, keys.ended, keys.took, keys.taken]
    kinds["hash"] += [keys.counters, keys.failed_pings, keys.stops, keys.backfills]
    kinds["string"] += [keys.indexed, *map(keys.notice, (*NOTICES, *NEWS))]
    return {key: kind for kind, several in kinds.items() for key in several}


def rename(client: Client, keys: Keys, wanted: Mapping[str, str]) -> dict[str, str]:
    """Set aside those that are of another kind than wanted; returns a sentence about each."""
    with client.pipeline(transaction=False) as pipe:
        for key in wanted:
            pipe.type(key)
        kinds = dict(zip(wanted, pipe.execute(), strict=True))
    others = {}
    for key, kind in kinds.items():
        if kind in (wanted[key], "none"):
            continue
        aside = keys.aside(key, int(time.time()))
        client.rename(key, aside)
        client.expire(aside, KEPT_S)
        others[key] = f"Another program wrote a {kind} to {key}; it is kept for a while as {aside}"
    return others
