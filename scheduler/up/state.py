"""The state directory of a project: one lock, the secrets, and files that exist only while the service runs."""

from __future__ import annotations

import fcntl
import os
import secrets
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from werkzeug.security import generate_password_hash

from scheduler.errors import AlreadyRunning, CannotWrite, ConfigurationError
from scheduler.settings import private_socket, socket_url

MAX_SOCKET_PATH_BYTES = 107  # sun_path has 108, the last for its end
READABLE_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # without 0, 1, l and o, which look alike


class StateDirectory:
    """`.scheduler` of a project, mode 0700."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.run = self.path / "run"  #: pidfiles, the socket and the password; empty while the service is down
        self.password = self.run / "admin-password"  #: for its owner, who can read the socket beside it too
        self.redis_data = self.path / "redis"
        self.redis_socket = private_socket(path)
        self.secret_key = self.path / "secret-key"
        self.password_hash = self.path / "admin-password-hash"

    def prepare(self) -> None:
        """Create the directories that are missing; raise CannotWrite if that fails."""
        try:
            for directory in (self.path, self.run, self.redis_data):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                directory.chmod(0o700)
            (self.path / "up.lock").touch(mode=0o600)
        except OSError as error:
            raise self.cannot_write(error) from None

    def cannot_write(self, error: OSError) -> CannotWrite:
        """The error for a directory that the user may not write."""
        return CannotWrite(
            f"cannot write the state directory {self.path}: {error.strerror}; make it a directory that you may write, "
            "or set SCHEDULER_STATE_DIR to another one"
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only service here; raise AlreadyRunning with the URL of the other one.

        The kernel drops the lock when its last holder ends, so no lock outlives a crash.
        """
        with (self.path / "up.lock").open("r+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunning(already_running(lock.read().strip(), self.password_hint())) from None
            lock.truncate(0)
            yield

    def page(self) -> str:
        """Where the page of the running service is and how to get its password; empty if no service runs here."""
        try:
            with (self.path / "up.lock").open("r+", encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            hint = self.password_hint()
            url = (self.path / "up.lock").read_text(encoding="utf-8").strip()
            return f"{url}, {hint}" if url and hint else url
        except OSError:
            pass
        return ""

    def password_hint(self) -> str:
        """The command that shows the password again; empty while there is none of ours."""
        if not self.password.exists():
            return ""
        inside = self.password.is_relative_to(Path.cwd())
        return f"password: cat {shlex.quote(str(self.password.relative_to(Path.cwd()) if inside else self.password))}"

    def note_url(self, url: str) -> None:
        """Tell a second ``up`` and ``status`` where the page is."""
        (self.path / "up.lock").write_text(url + "\n", encoding="utf-8")

    def clear_run(self) -> None:
        """Remove the files of processes that were killed; only the holder of the lock may."""
        for path in self.run.iterdir():
            path.unlink(missing_ok=True)

    def socket_url(self) -> str:
        """The URL of the private Redis for redis-py and kombu; raise ConfigurationError if the path is too long."""
        length = len(os.fsencode(self.redis_socket))
        if length > MAX_SOCKET_PATH_BYTES:
            raise ConfigurationError(
                f"the path of the Redis socket, {self.redis_socket}, has {length} bytes, but at most "
                f"{MAX_SOCKET_PATH_BYTES} are allowed: set SCHEDULER_STATE_DIR to a directory with a shorter path"
            )
        return socket_url(self.redis_socket)

    def make_secret_key(self) -> None:
        """A key that outlives restarts, so that a restart logs no one out."""
        if not self.secret_key.exists() or not self.secret_key.stat().st_size:
            self.write_secret(self.secret_key, secrets.token_hex(32))

    def make_password(self) -> str:
        """A new password for the page. Its scrypt hash is kept; the password itself only while the service runs."""
        password = "-".join("".join(secrets.choice(READABLE_LETTERS) for _ in range(4)) for _ in range(3))
        self.write_secret(self.password, password)
        self.write_secret(self.password_hash, generate_password_hash(password, method="scrypt"))
        return password

    def write_secret(self, path: Path, text: str) -> None:
        """Replace a file in one step; only its owner can read it. Raises CannotWrite."""
        new = path.with_suffix(".new")
        try:
            new.unlink(missing_ok=True)
            new.touch(mode=0o600)
            new.write_text(text + "\n", encoding="utf-8")
            new.rename(path)
        except OSError as error:
            raise self.cannot_write(error) from None


def already_running(url: str, password_hint: str) -> str:
    """The sentence for a second ``up`` in the same directory."""
    place = f" at {url}" if url else ""
    hint = f" ({password_hint})" if password_hint else ""
    return f"the service already runs in this directory{place}: use it{hint}, or stop it with Ctrl-C in its terminal"
