"""Messages that no worker can read: the newest are kept, and a notice says how many there were."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys

MAX_KEPT = 100  #: messages
MAX_CHARS = 20_000  #: of each message
KEPT_S = 7 * 86_400  #: seconds after the last one
SHOWN_S = 86_400  #: seconds for which the notice is shown after the last one


def set_aside(client: Client, keys: Keys, *, queue: str, message: str, reason: str) -> None:
    """Keep a message that was taken from a queue, and say so on the page and in `status`."""
    now = time.time()
    kept = {"at": now, "queue": queue, "reason": reason, "message": message[:MAX_CHARS]}
    counter = f"{keys.set_aside}:count"
    with client.pipeline() as pipe:
        pipe.lpush(keys.set_aside, json.dumps(kept)).ltrim(keys.set_aside, 0, MAX_KEPT - 1)
        pipe.expire(keys.set_aside, KEPT_S)
        pipe.incr(counter).expire(counter, SHOWN_S)
        *_, count, _ = pipe.execute()
    many = "1 message" if count == 1 else f"{count} messages"
    at = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S")
    notice = (
        f"Workers could not read {many}, the last at {at} UTC from queue '{queue}': {reason}. "
        f"They are kept under {keys.set_aside}: correct the program that sends them"
    )
    client.set(keys.notice("messages"), " ".join(notice.split()), ex=SHOWN_S)
