"""The connection that a process keeps: each command gets its own answer, whatever happened to the one before."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from scheduler.storage.client import Client
from scheduler.storage.line import PIECE_BYTES, Line


@pytest.fixture
def line(client: Client) -> Line:
    return Line(client.connection_pool)


def wrong_answers(line: Line, who: str) -> int:
    """Of 300 commands."""
    return sum(line.call("ECHO", f"{who} {number}") != f"{who} {number}" for number in range(300))


def test_threads_share_it_and_each_gets_its_own_answers(line: Line) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda who: wrong_answers(line, who), "abcd")) == 0


def test_what_is_long_is_sent_in_pieces_of_which_each_has_the_time_limit(
    line: Line, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.call("PING")
    sizes: list[int] = []
    send = line.connection.send_packed_command

    def noted(pieces: list[memoryview]) -> None:
        sizes.extend(map(len, pieces))
        send(pieces)

    monkeypatch.setattr(line.connection, "send_packed_command", noted)
    line.call("SET", "long", "x" * 200_000)
    assert max(sizes) <= PIECE_BYTES < sum(sizes)
    assert client.get("long") == "x" * 200_000


def test_a_forked_process_opens_its_own(line: Line) -> None:
    line.call("PING")
    child = os.fork()
    if not child:
        os._exit(wrong_answers(line, "child") != 0)
    assert wrong_answers(line, "parent") == 0
    assert os.waitpid(child, 0)[1] == 0


def test_a_forked_process_waits_for_no_answer_to_what_was_posted_before(line: Line) -> None:
    done: list[str] = []
    line.post([("SET", "a", "1")], lambda: done.append("done"))
    child = os.fork()
    if not child:
        # A wait in vain for the answer would end with another connection.
        os._exit(line.call("CLIENT", "ID") != line.call("CLIENT", "ID") or done != [])
    assert os.waitpid(child, 0)[1] == 0
    assert wrong_answers(line, "parent") == 0
    assert done == ["done"]


def test_what_is_posted_while_another_thread_uses_it_is_done_at_once(line: Line, client: Client) -> None:
    done: list[str] = []

    def post_meanwhile(_: Any) -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(line.post, [("SET", "a", "1")], lambda: done.append("done")).result()

    line.use(post_meanwhile)
    assert done == ["done"]
    assert client.get("a") == "1"


def test_one_that_the_server_closed_is_opened_again_unseen(line: Line, client: Client) -> None:
    client.client_kill_filter(_id=line.call("CLIENT", "ID"))
    assert line.call("ECHO", "x") == "x"


def test_an_answer_that_nobody_read_is_not_taken_for_the_next_one(line: Line) -> None:
    """A time limit ends a body at any place, also between a command and its answer."""

    def interrupted(connection: Any) -> None:
        connection.send_command("ECHO", "old")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        line.use(interrupted)
    assert line.call("ECHO", "new") == "new"


def test_a_transaction_that_is_refused_writes_nothing_and_leaves_the_line_in_use(line: Line, client: Client) -> None:
    with pytest.raises(redis.ResponseError, match="unknown command"):
        line.in_one_step([("SET", "a", "1"), ("NONSENSE",), ("SET", "b", "1")])
    assert not client.exists("a", "b")
    line.in_one_step([("SET", "a", "1"), ("SET", "b", "2")])
    assert client.mget("a", "b") == ["1", "2"]
    assert line.call("ECHO", "x") == "x"


def test_an_error_of_a_single_command_is_raised_and_what_was_posted_with_it_is_not_done(line: Line) -> None:
    done: list[str] = []
    commands = [("SET", "a", "1"), ("ZADD", "a", "1", "b")]
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        line.in_one_step(commands)
    line.post(commands, lambda: done.append("never"))
    assert line.call("ECHO", "x") == "x"
    assert done == []


def test_what_was_posted_is_done_and_its_answers_are_not_taken_for_others(line: Line, client: Client) -> None:
    done: list[str] = []
    line.post([("SET", "a", "1"), ("SET", "b", "2")], lambda: done.append("both"))
    assert line.call("ECHO", "x") == "x"
    assert done == ["both"]
    line.post([("SET", "a", "3")], lambda: done.append("one"))
    line.post([("NONSENSE",)], lambda: done.append("never"))
    assert line.call("ECHO", "y") == "y"
    assert done == ["both", "one"]
    assert client.mget("a", "b") == ["3", "2"]


def test_what_was_posted_over_a_lost_connection_has_failed_once_the_next_command_is_answered(line: Line) -> None:
    told: list[str] = []
    line.post([("SET", "a", "1")], lambda: told.append("done"), lambda: told.append("failed"))
    line.connection.disconnect()
    assert line.call("ECHO", "x") == "x"
    assert told == ["failed"]
