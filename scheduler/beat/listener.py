"""The wait between two ticks, which ends early when a change is announced."""

from __future__ import annotations

import time
from collections.abc import Callable

from scheduler.process.stop import Stop
from scheduler.storage.client import Client, PubSub
from scheduler.storage.keys import Keys

LOOK_INTERVAL_S = 0.25  #: seconds between two looks at the schedule file and the lock while nothing is announced


class Listener:
    """Subscribed to the channel on which every change of a schedule is announced."""

    def __init__(self, client: Client, keys: Keys, stop: Stop) -> None:
        self.client = client
        self.keys = keys
        self.stop = stop
        self.pubsub: PubSub | None = None

    def listen(self, seconds: float, is_interrupted: Callable[[], bool]) -> None:
        """Wait so long, or until a change is announced, a reload is asked for, or there is another reason.

        Raises SystemExit when this process is asked to stop.
        """
        if self.pubsub is None:
            self.pubsub = self.client.pubsub(ignore_subscribe_messages=True)
            self.pubsub.subscribe(self.keys.wake)
            self.pubsub.get_message(timeout=1.0)
            return  # a change may have been announced before we listened
        deadline = time.monotonic() + seconds
        while (rest := deadline - time.monotonic()) > 0:
            with self.stop.waiting():
                message = self.pubsub.get_message(timeout=min(rest, LOOK_INTERVAL_S))
            while message is not None and self.pubsub.get_message(timeout=0.0) is not None:
                pass  # one tick looks at everything that was announced by now
            if message is not None or self.stop.asked_to_reload or is_interrupted():
                return

    def close(self) -> None:
        """Unsubscribe, because the connection is lost or the process ends."""
        if self.pubsub is not None:
            self.pubsub.close()
            self.pubsub = None
