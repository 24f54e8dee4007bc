"""The names of every key in Redis."""

from __future__ import annotations

from dataclasses import dataclass

#: What `Keys.notice` takes.
NOTICES = ("loss", "snapshot", "broker", "messages", "kind", "given_up", "flask", "tasks", "followers")
NEWS = ("zones",)  #: the same for news, which ask for nothing


class Key:
    """A key of that name, which there is once in a service."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, keys: Keys, owner: type[Keys]) -> str:
        return f"{keys.prefix}:{self.name}"


@dataclass(frozen=True)
class Keys:
    """Every key of this service. RedBeat's own are the first three; names never start with a colon, so none collide."""

    prefix: str = "redbeat:"

    schedule = Key("schedule")  #: RedBeat's index of all schedules: a sorted set, scored by the next due instant.
    lock = Key("lock")  #: RedBeat's lock: a string, the leader's token.

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

    outputs = Key("output:")  #: What the keys of all outputs begin with.

    def moved(self, name: str) -> str:
        """The present name of a schedule that was renamed."""
        return f"{self.prefix}:moved:{name}"

    #: Sorted set of the schedules whose newest ended run failed or was lost, by since when, see ``_health.lua``.
    failing = Key("failing")
    #: Sorted set of the schedules that `pause_after_failures` paused, by when, see ``_pause.lua``.
    paused = Key("paused")
    #: Sorted set of the schedules whose newest run expired untaken, by since when, see ``_health.lua``.
    stuck = Key("stuck")
    pings = Key("pings")  #: List of the pings that wait, oldest first, see ``_pings.lua``.
    #: Hash of the schedules whose pings do not arrive, each with a SinkState as JSON.
    failed_pings = Key("failed_pings")
    slow = Key("slow")  #: Sorted set of the running runs whose schedule has `slow_after`, by when they become slow.
    #: Sorted set of the schedules by the outcome of the row that was added last, see ``storage/outcomes.py``.
    outcomes = Key("outcomes")
    #: Sorted sets of the schedules by when a run of each ended last, and how long its newest took, see ``_recent.lua``.
    ended = Key("ended")
    took = Key("took")
    runs = Key("runs")  #: Sorted set of the rows of all ledgers, by due instant, see ``_ledger.lua``.
    went_wrong = Key("went_wrong")  #: The same of the runs that failed or were lost.
    skips = Key("skips")  #: The same of the due instants that were skipped.
    quarantined = Key("quarantined")  #: Sorted set of the entries that beat set aside, by name.
    #: Sorted set of the names that were changed last, by the counter of changes, see ``storage/revised.py``.
    revised = Key("revised")
    #: Stream of the schedules that began to fail or are well again, see ``_health.lua``.
    health_changes = Key("health_changes")
    told = Key("told")  #: Hash of what alerts said last, by what they are about, see ``storage/alerts.py``.
    problems = Key("problems")  #: Hash of since when the leader sees each problem, see ``storage/first_seen.py``.
    sinks = Key("sinks")  #: Hash of how the last delivery to each sink ended, as JSON.

    def alert_outbox(self, sink: str) -> str:
        """List of the alerts that wait for a sink, oldest first."""
        return f"{self.prefix}:alerts:{sink}"

    counters = Key("counters")  #: Hash of counters that only grow, of all schedules together, see ``_counters.lua``.

    def minutes(self, hour: int | str) -> str:
        """Hash of the counters of each minute of an hour, which is counted from 1970, see ``_counters.lua``."""
        return f"{self.prefix}:minutes:{hour}"

    indexed = Key("indexed")  #: Which version of the indexes was made from the ledgers that were there.
    #: Sorted set of running runs, by the end of their lease, and of those that wait, by when they expire.
    leases = Key("leases")
    #: List of the runs that start because another one has ended, oldest first, see ``_followers.lua``.
    followers = Key("followers")
    later = Key("later")  #: Sorted set of the manual runs that wait for their time, by that time, see ``later.lua``.

    def group(self, name: str) -> str:
        """Sorted set of the runs that have a place in a group, by when they got it."""
        return f"{self.prefix}:group:{name}"

    def group_queue(self, name: str) -> str:
        """Sorted set of the runs that wait for a place in a group, by since when."""
        return f"{self.prefix}:group_queue:{name}"

    outbox = Key("outbox")  #: List of the runs that wait for a broker other than this Redis, newest first.
    taken = Key("taken")  #: Sorted set of the queues that workers took from, by when one last did, also one that left.
    queues = Key("queues")  #: Queues of runs that no worker claimed yet, see ``_keys.lua``.

    def sent(self, queue: str) -> str:
        """Sorted set of the runs that no worker claimed yet, by when they were pushed, see ``_keys.lua``."""
        return f"{self.prefix}:sent:{queue}"

    wake = Key("wake")  #: Channel on which every change of a schedule is announced.

    def beat(self, token: str) -> str:
        """Channel to which the beat with this token subscribes for as long as it lives, see ``beat/leader_life.py``."""
        return f"{self.prefix}:beat:{token}"

    audit = Key("audit")  #: The audit log: a stream.

    def history(self, name: str) -> str:
        """Stream of a schedule's last changes, with the ids of the audit log, which may have dropped them."""
        return f"{self.prefix}:history:{name}"

    def staged(self, what: str) -> str:
        """What the keys begin with under which a large set of changes is laid down before it is made."""
        return f"{self.prefix}:staged:{what}:"

    file = Key("file")  #: What became of the schedule file that the leader read last.
    leader = Key("leader")  #: What the leader says of itself; gone with its lease.
    last_led = Key("last_led")  #: When a beat led last; what fell due since then was missed because none did.
    marker = Key("marker")  #: Which life of the data this is; gone when Redis lost all of it.
    revision = Key("revision")  #: Counter of all changes.
    commits = Key("commits")  #: Counter of the steps that sent something; it goes back only with all of Redis's data.
    #: Redis came back with older data: up to then (epoch seconds), a run without a row was sent and forgotten.
    forgotten = Key("forgotten")
    stops = Key("stops")  #: Hash of the running runs that a person asked to stop: who and why, by id.
    clock = Key("clock")  #: Which stretches of the wall clock were led through.
    zones = Key("zones")  #: Hash of the rules of each time zone that the leader used last: the zone's file in Base64.
    backfills = Key("backfills")  #: Hash of the schedules that have a backfill, see ``storage/backfills.py``.
    open_backfills = Key("open-backfills")  #: Set of the schedules whose backfill is running.
    changed = Key("changed")  #: Set of the names that were changed since the leader looked last.
    set_aside = Key("set_aside")  #: List of the messages that no worker could read, newest first.

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
        """How many requests one token or person sent to the API in this minute."""
        return f"{self.prefix}:api_rate:{who}:{minute}"

    sessions = Key("sessions")  #: Who is logged in to the page, and where: a hash from a session's id.

    def sign_in(self, digest: str) -> str:
        """The person whom a link logs in once, by a digest of its secret."""
        return f"{self.prefix}:sign_in:{digest}"

    def ended_session(self, identity: str) -> str:
        """A session of the page from which its user logged out."""
        return f"{self.prefix}:ended_session:{identity}"

    probe = Key("probe")  #: Written, and gone at once, to see whether Redis takes writes.
    #: Hash of the workers, each with what it reported of itself last, see ``storage/workers.py``.
    workers = Key("workers")
    standby_files = Key("standby_files")  #: Hash of the schedule file that each standby has, by its digest.
    standbys = Key("standbys")  #: Sorted set of the beats that wait, by when they were heard of last.
