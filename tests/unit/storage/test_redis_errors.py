"""Which answers of Redis mean "wait and try again", which "a person must mend it", and which are our own mistake."""

from __future__ import annotations

import pytest
import redis

from scheduler.settings import Settings
from scheduler.storage.client import AWAY, REFUSED, Parser
from scheduler.storage.refusals import REFUSALS, UNREACHABLE, code_of, explain

SHA = "0" * 40
PASSING = [
    "READONLY You can't write against a read only replica.",
    f"READONLY You can't write against a read only replica. script: {SHA}, on @user_script:3.",
    "OOM command not allowed when used memory > 'maxmemory'.",
    f"OOM command not allowed when used memory > 'maxmemory'. script: {SHA}, on @user_script:3.",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    "LOADING Redis is loading the dataset in memory",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "NOREPLICAS Not enough good replicas to write.",
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    "UNKILLABLE Sorry the script already executed write commands against the dataset.",
    "ERR max number of clients reached",
    # Redis 6.2 wraps the error of a script's command.
    f"ERR Error running script (call to f_{SHA}): @user_script:3: @user_script: 3: "
    "-READONLY You can't write against a read only replica.",
    f"ERR Error running script (call to f_{SHA}): @user_script:3: @user_script: 3: "
    "-OOM command not allowed when used memory > 'maxmemory'.",
]
REFUSING = [
    "NOAUTH Authentication required.",
    "WRONGPASS invalid username-password pair or user is disabled.",
    "NOPERM User beat has no permissions to run the 'info' command",
    f"ERR Error running script (call to f_{SHA}): @user_script:3: @user_script: 3: "
    "-NOPERM User beat has no permissions to run the 'info' command",
]
MISTAKES = [
    "WRONGTYPE Operation against a key holding the wrong kind of value",
    "NOSCRIPT No matching script. Please use EVAL.",
    "ERR unknown command 'FOO'",
    f"ERR Error running script (call to f_{SHA}): @user_script:3: @user_script:3: attempt to index a nil value",
    f"ERR user_script:3: attempt to perform arithmetic on a nil value script: {SHA}, on @user_script:3.",
]


@pytest.mark.parametrize("reply", PASSING)
def test_what_passes_is_waited_for(reply: str) -> None:
    error = Parser.parse_error(reply)
    assert isinstance(error, AWAY)
    assert not isinstance(error, REFUSED)


@pytest.mark.parametrize("reply", REFUSING)
def test_what_a_person_must_mend_is_told_apart(reply: str) -> None:
    assert isinstance(Parser.parse_error(reply), REFUSED)


@pytest.mark.parametrize("reply", MISTAKES)
def test_a_mistake_of_ours_is_not_waited_for(reply: str) -> None:
    error = Parser.parse_error(reply)
    assert isinstance(error, redis.ResponseError)
    assert not isinstance(error, (*AWAY, *REFUSED))


CODES = {*REFUSALS} - {"MAXCLIENTS"}


@pytest.mark.parametrize("reply", [*PASSING, *REFUSING])
def test_each_refusal_is_explained_by_its_own_sentence(reply: str) -> None:
    code = next((code for code in CODES if f"{code} " in reply), "MAXCLIENTS" if "max number" in reply else "")
    line = str(explain(Parser.parse_error(reply), Settings()))
    assert REFUSALS.get(code, UNREACHABLE).meaning in line
    assert REFUSALS.get(code, UNREACHABLE).remedy in line


def test_where_the_operator_named_no_redis_the_remedy_is_to_start_the_service() -> None:
    line = str(explain(redis.ConnectionError("refused"), Settings(redis_is_named=False)))
    assert line == (
        "Redis at redis://localhost:6379/0 does not answer (refused): start the service with "
        "`python3 -m scheduler up`, or set SCHEDULER_REDIS_URL to a Redis that runs"
    )


@pytest.mark.parametrize("reply", MISTAKES)
def test_a_mistake_of_ours_is_no_refusal(reply: str) -> None:
    assert code_of(Parser.parse_error(reply)) == ""


def test_a_replica_behind_sentinel_and_a_command_in_a_pipeline_are_recognized() -> None:
    with pytest.raises(redis.ConnectionError) as caught:
        become_a_connection_error(Parser.parse_error("READONLY You can't write against a read only replica."))
    assert code_of(caught.value) == "READONLY"
    raw = redis.ResponseError("Command # 1 (SADD a b) of pipeline caused error: NOREPLICAS Not enough good replicas.")
    assert code_of(raw) == "NOREPLICAS"


def become_a_connection_error(error: Exception) -> None:
    """As redis-py does with what a replica says behind Sentinel."""
    try:
        raise error
    except redis.exceptions.ReadOnlyError:
        raise redis.ConnectionError("The previous master is now a slave")  # noqa: B904
