"""RedBeat's lock, held as a short lease: one beat leads, the others stand by."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid

from redis import ResponseError

from scheduler import __version__, faults
from scheduler.beat.leader_life import RENEWALS
from scheduler.process import notify
from scheduler.settings import Settings
from scheduler.storage.client import AWAY, REFUSED, Client, connect
from scheduler.storage.keys import Keys
from scheduler.storage.lock import LostLock

HUNG_AFTER_S = 60.0  #: seconds without progress after which a beat gives up its lock
LEADERLESS_S = 20.0  #: seconds without a leader at work after which people are told
LAST_LED_TTL_S = 30 * 86_400  #: seconds for which Redis knows when a beat led last
FACTS_LEASES = 5  #: leases after which a leader says again who it is
FACTS_KEPT_LEASES = 12  #: leases for which Redis keeps that

#: Also from a leader that has died, whose token is the third argument. An attempt before this one may have taken it,
#: and its answer was lost.
TAKE = """
local token = redis.call('GET', KEYS[1])
if token and token ~= ARGV[1] and token ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
#: A beat that takes the lock writes down how long none led in the step that overwrites when one led last: it may die
#: before it can tell. pcall: another program's key in the place of what was told must not keep beat from leading.
RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local last = ARGV[5] ~= '' and tonumber(redis.call('GET', KEYS[3]) or '')
if last and tonumber(ARGV[3]) - last >= tonumber(ARGV[5]) then
  local noted = redis.pcall('HGET', KEYS[4], ':gap')
  local from, to = string.match(type(noted) == 'string' and noted or '', '^(%S+) (%S+)$')
  local is_same = to and last - tonumber(to) < tonumber(ARGV[5])
  redis.pcall('HSET', KEYS[4], ':gap', (is_same and from or string.format('%.6f', last)) .. ' ' .. ARGV[3])
  redis.pcall('EXPIRE', KEYS[4], ARGV[4])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[3], ARGV[3], 'EX', ARGV[4])
if ARGV[6] == '' then return 1 end
redis.call('HSET', KEYS[2], unpack(ARGV, 7))
redis.call('PEXPIRE', KEYS[2], ARGV[6])
return 1
"""
RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('PUBLISH', ARGV[2], '1')
return 1
"""


class Lease:
    """This beat's claim on the lock. A stock RedBeat beat uses the same key, so the two exclude each other.

    A thread renews it, so that a long load of the file does not lose it; but only while beat makes progress, so that
    a beat that hangs loses it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.keys = Keys(settings.key_prefix)
        self.seconds = settings.lease
        self.token = uuid.uuid4().hex
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.held = False
        self.since = 0.0
        self.renewed_at = time.monotonic()  #: when Redis held it for us last
        self.has_failed = False  #: whether a renewal failed that beat did not hear of
        self._progress = self._told_at = 0.0
        self._renewer: threading.Thread | None = None

    def campaign(self, client: Client, dead: str = "") -> bool:
        """Try once to take the lock, also from the beat with the token ``dead``."""
        faults.reach("lease.before_take")
        if client.eval(TAKE, 1, self.keys.lock, self.token, int(self.seconds * 1000), dead):
            faults.reach("lease.after_take")
            self.since = time.time()
            self.progress()
            if self.renew(client, is_new=True) and (self._renewer is None or not self._renewer.is_alive()):
                self._renewer = threading.Thread(target=self._keep, name="lease", daemon=True)
                self._renewer.start()
        return self.held

    def renew(self, client: Client, *, is_new: bool = False) -> bool:
        """Hold the lock for another lease; False, and no longer leader, if it is not ours any more.

        ``is_new`` says that it was taken just now.
        """
        gap = LEADERLESS_S if is_new else ""
        tells = is_new or time.monotonic() - self._told_at >= FACTS_LEASES * self.seconds
        facts = self._facts() if tells else [""]
        arguments = [self.token, int(self.seconds * 1000), time.time(), LAST_LED_TTL_S, gap, *facts]
        keys = [self.keys.lock, self.keys.leader, self.keys.last_led, self.keys.told]
        faults.reach("lease.before_renew")
        self.held = bool(client.eval(RENEW, len(keys), *keys, *(str(argument) for argument in arguments)))
        faults.reach("lease.after_renew")
        if self.held:
            self.renewed_at = time.monotonic()
            self._told_at = self.renewed_at if tells else self._told_at
        return self.held

    def _facts(self) -> list[object]:
        """What Redis keeps of the leader, behind the milliseconds for which it does."""
        facts = ["name", self.name, "since", self.since, "lease", self.seconds, "version", __version__]
        return [int(FACTS_KEPT_LEASES * self.seconds * 1000), *facts]

    def hold_on(self, client: Client) -> None:
        """Renew the lock before a step that does not check it itself; raises LostLock if it is not ours any more."""
        if not self.renew(client):
            raise LostLock

    def progress(self) -> None:
        """Beat began a tick or ended a batch: keeps the lock, and systemd's watchdog quiet."""
        self._progress = time.monotonic()
        notify.alive()

    def release(self, client: Client) -> None:
        """Free the lock, if it is ours, and wake the standbys."""
        self.held = False
        faults.reach("lease.before_release")
        client.eval(RELEASE, 2, self.keys.lock, self.keys.leader, self.token, self.keys.wake)
        faults.reach("lease.after_release")

    def _keep(self) -> None:
        client = connect(self.settings)
        while True:
            time.sleep(self.seconds / RENEWALS)  # two attempts may fail before the lease ends
            if not self.held or time.monotonic() - self._progress > HUNG_AFTER_S:
                return
            try:
                self.renew(client)
            except (*AWAY, *REFUSED, ResponseError):
                self.has_failed = True  # beat itself meets the same, and says so
