"""The names of every key in Redis."""

from __future__ import annotations

from dataclasses import dataclass

#: What `Keys.notice` takes.
NOTICES = ("loss", "snapshot", "broker", "messages", "kind", "given_up", "flask", "tasks", "followers")
NEWS = ("zones",)  #: the same for news, which ask for nothing


@dataclass(frozen=True)
class Keys:
    """Every key of this service. RedBeat's own are the first three; names never start with a colon, so none collide."""

    prefix: str = "redbeat:"

    @property
    def schedule(self) -> str:
        """RedBeat's index of all schedules: a sorted set, scored by the next due instant."""
        return f"{self.prefix}:schedule"

    @property
    def lock(self) -> str:
        """RedBeat's lock: a string, the leader's token."""
        return f"{self.prefix}:lock"

    def entry(self, name: str) -> str:
        """The hash of a schedule; RedBeat's own key."""
        return f"{self.prefix}{name}"

    def name(self, entry_key: str) -> str:
        return entry_key.removeprefix(self.prefix)

    def ledger(self, name: str) -> str:
        """Hash of a schedule's runs, see ``_keys.lua``."""
        return f"{self.prefix}:ledger:{name}"

    def output(self, run_id: str, attempt: int | str) -> str:
        """What an attempt of a run printed and logged: a string, see ``storage/output.py``."""
        return f"{self.outputs}{attempt}:{run_id}"

    @property
    def outputs(self) -> str:
        """What the keys of all outputs begin with."""
        return f"{self.prefix}:output:"

    def moved(self, name: str) -> str:
        """The present name of a schedule that was renamed."""
        return f"{self.prefix}:moved:{name}"

    @property
    def failing(self) -> str:
        """Sorted set of the schedules whose newest ended run failed or was lost, by since when, see ``_health.lua``."""
        return f"{self.prefix}:failing"

    @property
    def paused(self) -> str:
        """Sorted set of the schedules that `pause_after_failures` paused, by when, see ``_pause.lua``."""
        return f"{self.prefix}:paused"

    @property
    def stuck(self) -> str:
        """Sorted set of the schedules whose newest run expired untaken, by since when, see ``_health.lua``."""
        return f"{self.prefix}:stuck"

    @property
    def pings(self) -> str:
        """List of the pings that wait, oldest first, see ``_pings.lua``."""
        return f"{self.prefix}:pings"

    @property
    def failed_pings(self) -> str:
        """Hash of the schedules whose pings do not arrive, each with a SinkState as JSON."""
        return f"{self.prefix}:failed_pings"

    @property
    def slow(self) -> str:
        """Sorted set of the running runs whose schedule has `slow_after`, by when they become slow."""
        return f"{self.prefix}:slow"

    @property
    def outcomes(self) -> str:
        """Sorted set of the schedules by the outcome of the row that was added last, see ``storage/outcomes.py``."""
        return f"{self.prefix}:outcomes"

    @property
    def runs(self) -> str:
        """Sorted set of the rows of all ledgers, by due instant, see ``_ledger.lua``."""
        return f"{self.prefix}:runs"

    @property
    def went_wrong(self) -> str:
        """The same of the runs that failed or were lost."""
        return f"{self.prefix}:went_wrong"

    @property
    def quarantined(self) -> str:
        """Sorted set of the entries that beat set aside, by name."""
        return f"{self.prefix}:quarantined"

    @property
    def revised(self) -> str:
        """Sorted set of the names that were changed last, by the counter of changes, see ``storage/revised.py``."""
        return f"{self.prefix}:revised"

    @property
    def health_changes(self) -> str:
        """Stream of the schedules that began to fail or are well again, see ``_health.lua``."""
        return f"{self.prefix}:health_changes"

    @property
    def told(self) -> str:
        """Hash of what alerts said last, by what they are about, see ``storage/alerts.py``."""
        return f"{self.prefix}:told"

    @property
    def sinks(self) -> str:
        """Hash of how the last delivery to each sink ended, as JSON."""
        return f"{self.prefix}:sinks"

    def alert_outbox(self, sink: str) -> str:
        """List of the alerts that wait for a sink, oldest first."""
        return f"{self.prefix}:alerts:{sink}"

    @property
    def counters(self) -> str:
        """Hash of counters that only grow, of all schedules together, see ``_counters.lua``."""
        return f"{self.prefix}:counters"

    def minutes(self, hour: int | str) -> str:
        """Hash of the counters of each minute of an hour, which is counted from 1970, see ``_counters.lua``."""
        return f"{self.prefix}:minutes:{hour}"

    @property
    def indexed(self) -> str:
        """Which version of the indexes was made from the ledgers that were there."""
        return f"{self.prefix}:indexed"

    @property
    def leases(self) -> str:
        """Sorted set of running runs, by the end of their lease, and of those that wait, by when they expire."""
        return f"{self.prefix}:leases"

    @property
    def followers(self) -> str:
        """List of the runs that start because another one has ended, oldest first, see ``_followers.lua``."""
        return f"{self.prefix}:followers"

    @property
    def later(self) -> str:
        """Sorted set of the runs by hand that wait for their time, by that time, see ``later.lua``."""
        return f"{self.prefix}:later"

    def group(self, name: str) -> str:
        """Sorted set of the runs that have a place in a group, by when they got it."""
        return f"{self.prefix}:group:{name}"

    def group_queue(self, name: str) -> str:
        """Sorted set of the runs that wait for a place in a group, by since when."""
        return f"{self.prefix}:group_queue:{name}"

    @property
    def outbox(self) -> str:
        """List of the runs that wait for a broker other than this Redis, newest first."""
        return f"{self.prefix}:outbox"

    @property
    def queues(self) -> str:
        """Queues of runs that no worker claimed yet, see ``_keys.lua``."""
        return f"{self.prefix}:queues"

    def sent(self, queue: str) -> str:
        """Sorted set of the runs that no worker claimed yet, by when they were pushed, see ``_keys.lua``."""
        return f"{self.prefix}:sent:{queue}"

    @property
    def wake(self) -> str:
        """Channel on which every change of a schedule is announced."""
        return f"{self.prefix}:wake"

    @property
    def audit(self) -> str:
        """The audit log: a stream."""
        return f"{self.prefix}:audit"

    def history(self, name: str) -> str:
        """Stream of a schedule's last changes, with the ids of the audit log, which may have dropped them."""
        return f"{self.prefix}:history:{name}"

    def staged(self, what: str) -> str:
        """What the keys begin with under which a large set of changes is laid down before it is made."""
        return f"{self.prefix}:staged:{what}:"

    @property
    def file(self) -> str:
        """What became of the schedule file that the leader read last."""
        return f"{self.prefix}:file"

    @property
    def leader(self) -> str:
        """What the leader says of itself; gone with its lease."""
        return f"{self.prefix}:leader"

    @property
    def last_led(self) -> str:
        """When a beat led last; what fell due since then was missed because none did."""
        return f"{self.prefix}:last_led"

    @property
    def marker(self) -> str:
        """Which life of the data this is; gone when Redis lost all of it."""
        return f"{self.prefix}:marker"

    @property
    def revision(self) -> str:
        """Counter of all changes."""
        return f"{self.prefix}:revision"

    @property
    def commits(self) -> str:
        """Counter of the steps that sent something; it goes back only with all of Redis's data."""
        return f"{self.prefix}:commits"

    @property
    def forgotten(self) -> str:
        """Redis came back with older data: up to then (epoch seconds), a run without a row was sent and forgotten."""
        return f"{self.prefix}:forgotten"

    @property
    def stops(self) -> str:
        """Hash of the running runs that a person asked to stop: who and why, by id."""
        return f"{self.prefix}:stops"

    @property
    def clock(self) -> str:
        """Which stretches of the wall clock were led through."""
        return f"{self.prefix}:clock"

    @property
    def zones(self) -> str:
        """Hash of the rules of each time zone that the leader used last: the zone's file in Base64."""
        return f"{self.prefix}:zones"

    @property
    def backfills(self) -> str:
        """Hash of the schedules that have a backfill, see ``storage/backfills.py``."""
        return f"{self.prefix}:backfills"

    @property
    def open_backfills(self) -> str:
        """Set of the schedules whose backfill is running."""
        return f"{self.prefix}:open-backfills"

    @property
    def changed(self) -> str:
        """Set of the names that were changed since the leader looked last."""
        return f"{self.prefix}:changed"

    @property
    def set_aside(self) -> str:
        """List of the messages that no worker could read, newest first."""
        return f"{self.prefix}:set_aside"

    def deliveries(self, task_id: str) -> str:
        """How often a plain call was delivered again."""
        return f"{self.prefix}:deliveries:{task_id}"

    def notice(self, kind: str) -> str:
        """What a person should know for a while, in a sentence."""
        return f"{self.prefix}:notice:{kind}"

    def aside(self, key: str, at: int) -> str:
        """Where a key of ours is kept that was of another kind, at an instant in epoch seconds."""
        return f"{self.prefix}:aside:{at}:{key.removeprefix(self.prefix).removeprefix(':')}"

    def token_used(self, mark: str) -> str:
        """When a token of the page was used last, in seconds."""
        return f"{self.prefix}:token_used:{mark}"

    def idempotency(self, key: str) -> str:
        """The answer that an act of the API got, by a digest of who sent it and its Idempotency-Key."""
        return f"{self.prefix}:idempotency:{key}"

    def api_rate(self, who: str, minute: int) -> str:
        """How many requests somebody sent to the API in a minute."""
        return f"{self.prefix}:api_rate:{who}:{minute}"

    def ended_session(self, identity: str) -> str:
        """A session of the page from which its user logged out."""
        return f"{self.prefix}:ended_session:{identity}"

    @property
    def probe(self) -> str:
        """Written, and gone at once, to see whether Redis takes writes."""
        return f"{self.prefix}:probe"

    @property
    def workers(self) -> str:
        """Hash of the workers, each with what it reported of itself last, see ``storage/workers.py``."""
        return f"{self.prefix}:workers"

    @property
    def standby_files(self) -> str:
        """Hash of the schedule file that each standby has, by its digest."""
        return f"{self.prefix}:standby_files"

    @property
    def standbys(self) -> str:
        """Sorted set of the beats that wait, by when they were heard of last."""
        return f"{self.prefix}:standbys"
