"""Typed reading of the variables that an operator sets."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path

from scheduler.errors import ConfigurationError

PREFIX = "SCHEDULER_"
#: Read elsewhere: by tests, and by the command itself.
NOT_FOR_OPERATORS = {PREFIX + name for name in ("FAULTS", "STARTED_AS", "URL", "TOKEN", "TOKEN_FILE")}


class Environment:
    """Typed reading of variables; every error names the variable and its valid values."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.known = set(NOT_FOR_OPERATORS)

    @property
    def credentials(self) -> Path | None:
        """Where systemd puts the credentials of a unit."""
        directory = self.environ.get("CREDENTIALS_DIRECTORY")
        return Path(directory) if directory else None

    def get(self, name: str) -> str:
        """The value of a variable, which is then a known one; empty if it is not set."""
        self.known.add(name)
        return self.environ.get(name, "")

    def text(self, name: str, default: str) -> str:
        return self.get(name).strip() or default

    def path(self, name: str, default: Path | None) -> Path | None:
        text = self.text(name, "")
        return Path(text) if text else default

    def word(self, name: str, *valid: str) -> str:
        """One of the valid words; the first is the default. Raises ConfigurationError."""
        text = self.text(name, valid[0])
        if text not in valid:
            raise ConfigurationError(f"{name}={text!r} is not valid: use {' or '.join(valid)}")
        return text

    def words(self, name: str) -> tuple[str, ...]:
        """The words of a value, separated by commas or white space."""
        return tuple(word for word in re.split(r"[,\s]+", self.get(name)) if word)

    def networks(self, name: str) -> tuple[str, ...]:
        """Addresses and networks such as 10.0.0.0/8."""
        words = self.words(name)
        for word in words:
            try:
                ip_network(word)
            except ValueError:
                raise ConfigurationError(
                    f"{name}: {word!r} is not an address: write addresses or networks like 127.0.0.1 or 10.0.0.0/8"
                ) from None
        return words

    def unknown(self) -> tuple[str, ...]:
        """A sentence for each variable that looks like a setting and was not read, with the name that it resembles."""
        sentences = []
        for name in sorted(name for name in self.environ if name.startswith(PREFIX) and name not in self.known):
            near = difflib.get_close_matches(name, self.known - NOT_FOR_OPERATORS, n=1, cutoff=0.8)
            remedy = f"did you mean {near[0]}?" if near else "see the list of settings in docs/operations.md"
            sentences.append(f"{name} is not a setting and changes nothing: {remedy}")
        return tuple(sentences)

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """A number between ``low`` and ``high``; raises ConfigurationError."""
        text = self.text(name, "")
        try:
            value = float(text) if text else default
        except ValueError:
            raise ConfigurationError(f"{name}={text!r} is not a number: use {low:g} to {high:g}") from None
        if not low <= value <= high:
            raise ConfigurationError(f"{name}={text} is out of range: use {low:g} to {high:g}")
        return value

    def address(self, name: str) -> str:
        """A web address without the slash at its end, or empty; raises ConfigurationError."""
        text = self.text(name, "").rstrip("/")
        if text and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", text):
            raise ConfigurationError(f"{name}={text!r} is not a web address: write it like https://jobs.example.com")
        return text

    def header(self, name: str) -> str:
        """The name of an HTTP header, or empty; raises ConfigurationError."""
        text = self.text(name, "")
        if text and not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", text):
            raise ConfigurationError(f"{name}={text!r} is not the name of a header: write it like X-Remote-User")
        return text

    def target(self, name: str) -> str:
        """A ``module:attribute``, or empty; raises ConfigurationError."""
        text = self.text(name, "")
        if text and not re.fullmatch(r"[\w.]+:[\w.]+", text):
            raise ConfigurationError(f"{name}={text!r} is not 'module:attribute': write it like project.celery:app")
        return text

    def secret(self, name: str, default: str) -> str:
        """The value from the variable, from the file in ``<name>_FILE``, or from the systemd credential of that name.

        The credential of ``SCHEDULER_REDIS_URL`` is ``redis-url``. An unreadable file is an error.
        """
        credential = name.removeprefix("SCHEDULER_").lower().replace("_", "-")
        value, path = self.text(name, ""), self.text(f"{name}_FILE", "")
        if value:
            return value
        if not path and self.credentials and (self.credentials / credential).exists():
            path = str(self.credentials / credential)
        if not path:
            return default
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigurationError(f"{name}_FILE={path}: {error.strerror}: check its path, owner and mode") from None
        except UnicodeDecodeError:
            raise ConfigurationError(
                f"{name}_FILE={path}: not a text file: use a file with nothing but the value"
            ) from None
