"""Every reason why a due instant did not run, did not succeed, or was sent more than once.

The ledger stores the word, and a detail only where there are facts to add: a name, a period, an error. Pages,
``history`` and log lines take the sentence from here.
"""

from __future__ import annotations

from enum import StrEnum

from scheduler.model.run import Outcome


class Reason(StrEnum):
    """The word in the ledger; its ``sentence`` for people, the ``outcome`` it leads to, and the files that write it."""

    sentence: str
    outcome: Outcome
    writers: tuple[str, ...]  #: relative to ``scheduler/``; a test compares them with the code

    def __new__(cls, word: str, outcome: Outcome, sentence: str, *writers: str) -> Reason:
        reason = str.__new__(cls, word)
        reason._value_ = word
        reason.outcome, reason.sentence, reason.writers = outcome, sentence, writers
        return reason

    OVERLAP = "overlap", "skipped", "the previous run had not finished", "lua/commit.lua"
    PAUSED = "paused", "skipped", "the schedule was paused", "sending/decide.py"
    REQUESTED = "by request", "skipped", "a person asked to skip it", "sending/decide.py"
    EXCLUDED = "excluded", "skipped", "a calendar excludes this day", "sending/decide.py"
    MISSED = "missed", "skipped", "it was not sent in time", "sending/decide.py"
    ELSEWHERE = "elsewhere", "skipped", "another beat sent it", "sending/decide.py"
    NO_QUEUE = "no queue", "skipped", "its queue is not a list in Redis", "lua/commit.lua"
    REMOVED = (
        "removed",
        "skipped",
        "the schedule was removed while this run waited",
        "lua/apply.lua",
        "sending/later.py",
    )
    NOT_STARTED = "not started", "skipped", "the schedule that follows could not be started", "sending/followers.py"
    EXPIRED = (
        "expired",
        "skipped",
        "no worker started it in time",
        "lua/_ledger.lua",
        "beat/outbox.py",
        "beat/lost_messages.py",
        "worker/lacking.py",
        "worker/signals.py",
    )

    ERROR = "error", "failed", "it ended with an error", "worker/signals.py"
    TIME_LIMIT = "time limit", "failed", "it took longer than its timeout", "worker/signals.py"
    MEMORY_LIMIT = (
        "memory limit",
        "failed",
        "it used more memory than its max_memory",
        "worker/memory.py",
        "worker/signals.py",
    )
    NO_NEXT_ATTEMPT = "no next attempt", "failed", "no worker started the next attempt in time", "lua/_ledger.lua"
    REVOKED = "revoked", "failed", "its Celery task was revoked", "worker/signals.py"
    UNREADABLE = "message unreadable", "failed", "the worker could not read its message", "worker/intake.py"
    UNSENDABLE = "unsendable", "failed", "its message could not be published", "beat/outbox.py", "sending/later.py"

    STOPPED = "stopped", "stopped", "a person stopped it", "lua/_ledger.lua"

    REPLACED = "replaced", "stopped", "a newer run replaced it", "lua/_ledger.lua"

    LOST = "lost", "lost", "its worker stopped answering", "beat/lost_runs.py", "worker/signals.py", "worker/stops.py"
    FORGOTTEN = (
        "forgotten",
        "lost",
        "it was sent, and Redis came back with older data that does not know how it ended",
        "sending/decide.py",
        "sending/followers.py",
        "sending/later.py",
        "beat/lost_runs.py",
    )
    MESSAGE_LOST = "message lost", "lost", "its message was lost and could not be built again", "beat/lost_messages.py"

    RERUN = "rerun", "queued", "sent again because its worker stopped answering", "lua/lose.lua"
    RESENT = "resent", "queued", "sent again because its message was lost", "lua/send_again.lua"
    LATER = "for later", "queued", "waits for its time", "lua/later.lua"
    RETRYING = "retrying", "queued", "waits for its next attempt", "worker/signals.py"
    GROUP = "group full", "queued", "it had to wait for a place in its group", "lua/_held.lua"
    RETRIED = "retried", "queued", "a person ran it again", "lua/rerun.lua"
    RATE_LIMITED = (
        "rate limited",
        "queued",
        "its worker holds it back because of the task's rate_limit",
        "worker/consumer.py",
    )
    TASK_LACKING = "task lacking", "queued", "it had to wait for a worker that has its task", "worker/lacking.py"
    HANDED_BACK = (
        "handed back",
        "queued",
        "queued again because its worker was shutting down",
        "storage/ledger.py",
    )

    def explain(self, detail: str = "") -> str:
        """The facts where there are any, or else the sentence."""
        return detail or self.sentence


def explain(word: str, detail: str = "") -> str:
    """The same for a word from the ledger, which another version may have written."""
    return detail or SENTENCES.get(word, "")


SENTENCES = {reason.value: reason.sentence for reason in Reason}
#: The words by the outcome that they lead to.
WORDS: dict[str, list[str]] = {
    outcome: [reason.value for reason in Reason if reason.outcome == outcome]
    for outcome in dict.fromkeys(reason.outcome for reason in Reason)
}
