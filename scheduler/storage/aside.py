"""What has no row of its own that says what went wrong: a notice on the page and in `status` counts it.

That is what workers could not do for a plain message, and what beat could not start after a run.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys

MAX_KEPT = 100  #: messages that no worker could read
MAX_CHARS = 20_000  #: of each message
KEPT_S = 7 * 86_400  #: seconds after the last one
SHOWN_S = 86_400  #: seconds for which a notice is shown after the last one


def set_aside(client: Client, keys: Keys, *, queue: str, message: str, reason: str) -> None:
    """Keep a message that was taken from a queue and that no worker can read."""
    kept = {"at": time.time(), "queue": queue, "reason": reason, "message": message[:MAX_CHARS]}
    with client.pipeline() as pipe:
        pipe.lpush(keys.set_aside, json.dumps(kept)).ltrim(keys.set_aside, 0, MAX_KEPT - 1)
        pipe.expire(keys.set_aside, KEPT_S).execute()
    many, at = count(client, keys, "messages", "message"), now()
    text = (
        f"Workers could not read {many}, the last at {at} from queue '{queue}': {reason}. "
        f"They are kept under {keys.set_aside}: correct the program that sends them"
    )
    notify(client, keys, "messages", text)


def give_up(client: Client, keys: Keys, *, task: str, task_id: str, deliveries: int) -> None:
    """Say that a plain call was given up, because its worker process died each time that it ran."""
    many, at = count(client, keys, "given_up", "call"), now()
    text = (
        f"Workers gave up {many} whose process died {deliveries} times, the last at {at}: task {task}, id {task_id}. "
        "Look in the worker's log and the kernel's for what ended the process, out of memory for example"
    )
    notify(client, keys, "given_up", text)


def lose_follower(client: Client, keys: Keys, *, run: str, parent: str, error: str) -> None:
    """Say that a run that should have followed another has no ledger to say itself why it did not start."""
    many, at = count(client, keys, "followers", "run"), now()
    text = f"Beat could not start {many} that should have followed another, the last at {at}: {run}"
    notify(client, keys, "followers", f"{text}{f' after {parent}' if parent else ''}: {error}")


def count(client: Client, keys: Keys, kind: str, noun: str) -> str:
    """How many there were, this one included, until none came for a day."""
    counter = f"{keys.notice(kind)}:count"
    with client.pipeline() as pipe:
        number, _ = pipe.incr(counter).expire(counter, SHOWN_S).execute()
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def notify(client: Client, keys: Keys, kind: str, text: str) -> None:
    client.set(keys.notice(kind), " ".join(text.split()), ex=SHOWN_S)
