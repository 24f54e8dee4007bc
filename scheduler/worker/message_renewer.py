"""Renews what a worker holds of its messages in Redis, and writes what it could not before."""

from __future__ import annotations

import time
from dataclasses import replace

from scheduler.settings import Settings
from scheduler.storage.client import Client, connect
from scheduler.worker.unacknowledged import QoS, held, places, remove


class MessageRenewer:
    """Renews the leases of this worker's messages; acknowledges and notes what it could not before."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.client: Client = connect(replace(settings, redis_url=settings.broker or settings.redis_url))

    def renew(self) -> None:
        """Raises the errors of an absent Redis."""
        with QoS.noting:
            self._renew()

    def _renew(self) -> None:
        tags, settled, unnoted = held(), list(QoS.settled), dict(QoS.unnoted)
        if not tags and not settled and not unnoted:
            return
        now, (messages, index, leases) = time.time(), places()
        with self.client.pipeline(transaction=False) as pipe:
            if tags:
                # XX, because one of them may be acknowledged meanwhile.
                pipe.zadd(index, dict.fromkeys(tags, now), xx=True)
                pipe.zadd(leases, dict.fromkeys(tags, now + QoS.lease), xx=True)
            for tag, stored in unnoted.items():
                pipe.zadd(index, {tag: now})
                # Any worker returns a message that this one dropped; without a lease, at once.
                pipe.zadd(leases, {tag: now + QoS.lease if tag in tags else 0})
                pipe.hset(messages, tag, stored)
            remove(pipe, settled)
            pipe.execute()
        QoS.settled.difference_update(settled)
        for tag in unnoted:
            QoS.unnoted.pop(tag, None)
