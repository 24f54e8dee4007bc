"""The options of a sink with their secrets filled in, only while it sends, and never in an error."""

from __future__ import annotations

import re
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel

from scheduler.alerts.sinks.sink import SinkFailed
from scheduler.references import CannotFill, Filled

Options = TypeVar("Options", bound=BaseModel)
MAX_REASON = 300  #: characters of another program's words in an error


class Resolved(Filled):
    """Fills in the references of one sink's options, and says errors without their values."""

    def options(self, options: Options) -> Options:
        """The options with every ``${VAR}`` and ``${file:/path}`` filled in; raises SinkFailed."""
        return options.model_copy(update=self.filled(options.model_dump(mode="json")))

    def filled(self, value: Any) -> Any:
        """A value with every reference in it filled in; raises SinkFailed."""
        try:
            return self.fill(value)
        except CannotFill as error:
            reference = str(error).partition(" in the arguments")[0]
            remedy = "set the variable, or let the leader's user read the file"
            raise SinkFailed(f"{reference} cannot be filled in — {remedy}") from None

    def fail(self, what: str, reason: object = "") -> NoReturn:
        """Raise SinkFailed with one line, in which references replace their values."""
        said = re.sub(r"\s+", " ", str(self.hide(f"{what}: {reason}" if reason else what))).strip()
        raise SinkFailed(said if len(said) <= MAX_REASON else said[: MAX_REASON - 1] + "…") from None
