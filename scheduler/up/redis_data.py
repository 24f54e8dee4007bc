"""Which server wrote a data directory, and whether another one can read it.

Redis and Valkey have different file formats since Redis 7.4. A server that does not know a format calls the
file damaged and advises to truncate it; Redis 6.2 starts empty beside the files of Redis 7.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

HEAD_BYTES = 64  #: of a base file, in which the writer names itself
WRITER = re.compile(rb"(redis|valkey)-ver.(\d+)\.(\d+)", re.DOTALL)  # the byte between is the length of the version
VERSION = re.compile(r"(Redis|Valkey) server v=(\d+)\.(\d+)")


class Server(NamedTuple):
    """A server program, as far as its file format goes."""

    product: str  #: Redis or Valkey
    version: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.product} {self.version[0]}.{self.version[1]}"

    def reads(self, writer: Server) -> bool:
        """Whether this server can load what ``writer`` wrote."""
        if self.product == writer.product:
            return self.version >= writer.version
        if self.product == "Valkey":
            return writer.version < (7, 4)
        return writer.version < (9, 0) and self.version >= (7, 2)


def read_version(output: str) -> Server | None:
    """The server in the output of its ``--version``."""
    match = VERSION.search(output)
    return Server(match[1], (int(match[2]), int(match[3]))) if match else None


def writer_of(directory: Path) -> Server | None:
    """The server that wrote the append-only files in this directory; None for no files, or none that say."""
    bases = sorted(directory.glob("appendonlydir/*.base.rdb"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in (*bases, directory / "appendonly.aof"):  # Redis 6.2 has the one file
        if path.exists():
            with path.open("rb") as file:
                match = WRITER.search(file.read(HEAD_BYTES))
            return Server(match[1].decode().title(), (int(match[2]), int(match[3]))) if match else None
    return None
