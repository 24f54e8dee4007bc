"""New time zone data: the next due instants that are stored follow the new rules at the next start of a leader."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from scheduler.beat.context import Context
from scheduler.beat.roster import Roster
from scheduler.beat.sender import MAX_BATCH
from scheduler.beat.standing_by import Takeover
from scheduler.errors import Conflict
from scheduler.events import emit
from scheduler.sending.moved_clock import after_new_zone_rules
from scheduler.storage import entries
from scheduler.storage.entries import DamagedEntry
from scheduler.storage.store import Write
from scheduler.timing.zones import fingerprint, get_zone, offset_at, read_rules, rules

ALL = ":all"  #: field for the fingerprint of all zone data; no zone has such a name
BY_WALL_CLOCK = ("cron", "rrule", "at")  #: the kinds of timings that a zone's rules move
KEPT_S = 400 * 86_400  #: seconds for which Redis keeps the rules after the last start of a leader
NOTICE_S = 7 * 86_400  #: seconds for which page and ``status`` say which schedules moved
MAX_SHOWN = 10  #: schedules that the notice names


class ZoneRules:
    """Compares the zone data of this process with those of the leader before, once in each term."""

    def __init__(self, context: Context, roster: Roster, takeover: Takeover) -> None:
        self.context = context
        self.roster = roster
        self.noted: set[str] = set()  #: zones whose rules Redis has
        self.handled = takeover.led_until or takeover.at
        self.are_followed = False

    def follow(self) -> None:
        """Give each schedule of a changed zone its next due instant by the new rules.

        Leaves the rest to the next call when a person or program changed a schedule meanwhile. Raises LostLock.
        """
        client, keys = self.context.client, self.context.keys
        if self.are_followed:
            return
        before = client.hgetall(keys.zones)
        if before.get(ALL) == fingerprint():
            self.noted = {*before}
            client.expire(keys.zones, KEPT_S)
            self.are_followed = True
            return
        used, writes = self.planned(before)
        try:
            for start in range(0, len(writes), MAX_BATCH):
                self.context.store.write(writes[start : start + MAX_BATCH], token=self.context.lease.token)
                self.context.lease.progress()
        except Conflict:
            self.context.lease.hold_on(client)
            return
        self.report(writes)
        client.delete(keys.zones)
        self.note(used)
        self.are_followed = True

    def keep(self) -> None:
        """Keep the rules of the zones that were met since."""
        if self.are_followed and (new := self.roster.zones - self.noted):
            self.note(new)

    def note(self, zones: set[str]) -> None:
        """Keep the rules of these zones for the next leader."""
        keys = self.context.keys
        with self.context.client.pipeline() as pipe:
            pipe.hset(keys.zones, mapping={zone: stored(zone) for zone in zones} | {ALL: fingerprint()})
            pipe.expire(keys.zones, KEPT_S)
            pipe.execute()
        self.noted |= zones

    def planned(self, before: Mapping[str, str]) -> tuple[set[str], list[Write]]:
        """The zones that schedules use, and a change for each schedule that gets another due instant."""
        shifts: dict[str, timedelta | None] = {}
        writes = []
        for entry in self.context.store.all().values():
            with suppress(DamagedEntry):
                job = entries.job(entry)
                zone = job.timing.zone
                if job.timing.kind not in BY_WALL_CLOCK or zone == "UTC":
                    continue
                if zone not in shifts:
                    shifts[zone] = shift(zone, before.get(zone, ""), self.handled)
                moved = shifts[zone]
                after = None if moved is None else after_new_zone_rules(entry, job, self.handled, moved)
                writes += [] if after is None else [Write(entry.name, entry, after)]
        return set(shifts), writes

    def report(self, writes: list[Write]) -> None:
        """Log which schedules moved, and show it on the page for a while."""
        if not writes:
            return
        named = [f"{write.name} ({instant(write.before)} → {instant(write.after)})" for write in writes[:MAX_SHOWN]]
        more = f" and {len(writes) - MAX_SHOWN} more" if len(writes) > MAX_SHOWN else ""
        count = "1 schedule" if len(writes) == 1 else f"{len(writes)} schedules"
        notice = f"New time zone data moved the next run of {count} (UTC): {', '.join(named)}{more}"
        emit("zones.changed", notice=notice)
        self.context.client.set(self.context.keys.notice("zones"), notice, ex=NOTICE_S)


def stored(zone: str) -> str:
    """The rules of a zone as Redis keeps them."""
    return base64.b64encode(rules(zone)).decode()


def shift(zone: str, before: str, at: datetime) -> timedelta | None:
    """By how much the zone's wall clock is earlier by the new rules at this instant; None if the rules are the same."""
    if before == stored(zone):
        return None
    try:
        old = read_rules(base64.b64decode(before))
    except ValueError:  # no leader used the zone before, or the hash is damaged
        return timedelta(0)
    return offset_at(old, at) - offset_at(get_zone(zone), at)


def instant(entry: object) -> str:
    """The next due instant of an entry, to the minute."""
    due = getattr(entry, "due", None)
    return f"{due:%Y-%m-%d %H:%M}" if due else "none"
