"""The state directory of a checkout: one lock, the secrets, and what lives only as long as the service runs."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from werkzeug.security import generate_password_hash

from scheduler.errors import AlreadyRunning, CannotWrite, ConfigurationError

LONGEST_SOCKET = 107  # bytes, of which sun_path holds one more for its end
LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # without those that are read as another


class StateDirectory:
    """`.scheduler` of a checkout, mode 0700."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.run = self.path / "run"  #: pidfiles and the socket; empty while the service is down
        self.redis_data = self.path / "redis"
        self.redis_socket = self.run / "redis.sock"
        self.secret_key = self.path / "secret-key"
        self.password_hash = self.path / "admin-password-hash"

    def prepare(self) -> None:
        """Make what is missing; raise CannotWrite if the place cannot be written."""
        try:
            for directory in (self.path, self.run, self.redis_data):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                directory.chmod(0o700)
            (self.path / "up.lock").touch(mode=0o600)
        except OSError as error:
            raise self.cannot_write(error) from None

    def cannot_write(self, error: OSError) -> CannotWrite:
        return CannotWrite(
            f"cannot write the state directory {self.path}: {error.strerror}; make it a directory that you may write, "
            "or name another in SCHEDULER_STATE_DIR"
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only service here; raise AlreadyRunning with the other's URL.

        The kernel drops the lock with its last holder, so none outlives a crash.
        """
        with (self.path / "up.lock").open("r+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                where = lock.read().strip()
                raise AlreadyRunning(
                    f"the service already runs in this checkout{' at ' + where if where else ''}: "
                    "use it, or stop it with Ctrl-C in its terminal"
                ) from None
            lock.truncate(0)
            yield

    def note_url(self, url: str) -> None:
        (self.path / "up.lock").write_text(url + "\n", encoding="utf-8")

    def clear_run(self) -> None:
        """Remove pidfiles and the socket of processes that were killed; only the lock's holder may."""
        for left in self.run.iterdir():
            left.unlink(missing_ok=True)

    def socket_url(self) -> str:
        """The private Redis as redis-py and kombu are told it; raise ConfigurationError if no socket fits the path."""
        length = len(os.fsencode(self.redis_socket))
        if length > LONGEST_SOCKET:
            raise ConfigurationError(
                f"the path of the Redis socket, {self.redis_socket}, has {length} bytes and {LONGEST_SOCKET} are "
                "allowed: set SCHEDULER_STATE_DIR to a directory with a shorter path"
            )
        return f"unix://{quote(str(self.redis_socket))}"

    def make_secret_key(self) -> None:
        """A key that outlives restarts, so that nobody is logged out by one."""
        if not self.secret_key.exists() or not self.secret_key.stat().st_size:
            self.write_secret(self.secret_key, secrets.token_hex(32))

    def make_password(self) -> str:
        """A new password for the admin; only its scrypt hash is kept."""
        password = "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(3))
        self.write_secret(self.password_hash, generate_password_hash(password, method="scrypt"))
        return password

    def write_secret(self, path: Path, text: str) -> None:
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)
        new.write_text(text + "\n", encoding="utf-8")
        new.rename(path)
