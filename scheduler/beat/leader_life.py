"""Tells a standby that the leader's process is dead, seconds before its lock expires.

Each beat subscribes to a channel of its own. The kernel closes the connections of a process that dies, however it dies,
and Redis drops the subscription at once.
"""

from __future__ import annotations

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.lock import Holder

LATE_S = 0.5  #: seconds by which a renewal of the lock may be late
RENEWALS = 3  #: of each lease


class LeaderLife:
    """What a standby has seen of the leader over its present connection to Redis."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys
        self.listening = ""  #: the token of the leader whose subscription this beat has seen

    def has_ended(self, leader: Holder) -> bool:
        """Whether the leader's subscription is gone and it missed a renewal: either alone may happen to one that lives.

        Never of a leader that this beat has not seen subscribed, as one that may not subscribe.
        """
        [(_, subscribed)] = self.client.pubsub_numsub(self.keys.beat(leader.token))
        if subscribed:
            self.listening = leader.token
        return not subscribed and self.listening == leader.token and until_missed(leader) <= 0

    def until_news(self, leader: Holder) -> float:
        """Seconds after which it is worth looking again, if the leader does not renew its lock."""
        rest = until_missed(leader) if self.listening == leader.token else leader.remaining
        return rest if rest > 0 else min(leader.remaining, LATE_S)

    def forget(self) -> None:
        """Redis was away: with it went everybody's subscription, and a leader needs time to subscribe again."""
        self.listening = ""


def until_missed(leader: Holder) -> float:
    """Seconds until the leader has missed a renewal."""
    return leader.remaining - leader.lease * (RENEWALS - 1) / RENEWALS + LATE_S
