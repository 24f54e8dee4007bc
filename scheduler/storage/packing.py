"""How commands are written for Redis: half a surrogate pair, as names that are not UTF-8 have, becomes ``\\udce9``."""

from __future__ import annotations

from typing import Any

import hiredis
from redis.connection import HiredisRespSerializer


class Packer(HiredisRespSerializer):
    """For the connections of redis-py, which would raise UnicodeEncodeError."""

    def pack(self, *parts: Any) -> list[bytes]:
        """A command and its arguments as Redis reads them."""
        try:
            return super().pack(*parts)  # type: ignore[no-any-return]
        except UnicodeEncodeError:
            return super().pack(*map(encodable, parts))  # type: ignore[no-any-return]


def packed(command: tuple[Any, ...]) -> bytes:
    """The same for a command whose parts are texts, bytes and numbers, in less time."""
    try:
        return bytes(hiredis.pack_command(command))
    except UnicodeEncodeError:
        return bytes(hiredis.pack_command(tuple(map(encodable, command))))


def encodable(part: Any) -> Any:
    """A text as bytes; any other part as it is."""
    return part.encode("utf-8", "backslashreplace") if isinstance(part, str) else part
