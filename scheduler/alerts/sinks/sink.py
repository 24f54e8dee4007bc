"""What each kind of sink provides."""

from __future__ import annotations

from typing import Any, Protocol

from pydantic import BaseModel

from scheduler.alerts.alert import Alert

SEND_TIMEOUT_S = 20.0  #: seconds after which a sink gives up; the engine counts a sink that takes longer as failed


class SinkFailed(Exception):
    """A sink did not take an alert: one sentence with the reason, without secrets."""


class Sink(Protocol):
    """What a module here provides."""

    @property
    def Options(self) -> type[BaseModel]:  # noqa: N802  (a class of the module)
        """The options of one sink in the file; secrets are references, resolved in ``send``."""

    def send(self, alert: Alert, options: Any) -> None:
        """Hand the alert over, within SEND_TIMEOUT_S; raises SinkFailed."""
