"""Lua scripts as functions: how they are called, and how their answers are waited for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from hashlib import sha1
from typing import Any

import redis

from scheduler.storage.client import Client
from scheduler.storage.line import Line
from scheduler.storage.lua import script_text, texts


def line_of(client: Client) -> Line:
    """The connection that a client's scripts use."""
    if not hasattr(client, "scheduler_line"):
        client.scheduler_line = Line(client.connection_pool)
    line: Line = client.scheduler_line
    return line


class Script:
    """A Lua script, called by its hash, and sent in full to a Redis that does not know it.

    Scripts of one client share its line. Its text is put together when it is first called: a process calls few of those
    that it has.
    """

    def __init__(self, client: Client, make_text: Callable[[], str]) -> None:
        self.client = client
        self.line = line_of(client)
        self.make_text = make_text

    @cached_property
    def text(self) -> str:
        return self.make_text()

    @cached_property
    def sha(self) -> str:
        return sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[str] = (), args: Sequence[Any] = (), *, wait_s: float = 0.0) -> Any:
        """Its result; ``wait_s`` seconds are its time limit in place of the pool's. Raises what redis-py does."""
        try:
            return self.line.call("EVALSHA", self.sha, len(keys), *keys, *args, wait_s=wait_s)
        except redis.exceptions.NoScriptError:
            # In one step: a Redis that is started anew between loading and calling has forgotten the script again.
            return self.line.call("EVAL", self.text, len(keys), *keys, *args, wait_s=wait_s)

    def post(self, keys: Sequence[str] = (), args: Sequence[Any] = ()) -> Posted:
        """Call the script, and look for its answer later. It is sent once, whatever the client does to repeat calls."""
        return Posted(self, keys, args)


class Posted:
    """A call on its way to Redis, which ends with ``answer`` or ``drop``."""

    def __init__(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> None:
        self.script = script
        self.keys, self.args = keys, args
        self.pool = script.client.connection_pool
        self.connection = self.pool.get_connection()
        try:
            self.connection.send_command("EVALSHA", script.sha, len(keys), *keys, *args)
        except BaseException:
            self.pool.release(self.connection)
            raise

    def answer(self) -> Any:
        """Wait for the script, and return its result."""
        try:
            return self.connection.read_response()
        except redis.exceptions.NoScriptError:
            return self.script.client.eval(self.script.text, len(self.keys), *self.keys, *self.args)
        finally:
            self.pool.release(self.connection)

    def drop(self) -> None:
        """Give up the connection without reading the answer."""
        self.connection.disconnect()
        self.pool.release(self.connection)


def script(client: Client, *names: str) -> Script:
    """The Lua script made of ``scheduler/lua/<name>.lua``, one after the other, and of what these need.

    All files are read when the process makes its first script.
    """
    texts()
    return Script(client, partial(script_text, *names))
