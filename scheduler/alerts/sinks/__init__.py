"""Where alerts go. Each kind of sink is a module here with a model of its options and a function ``send``.

For a new kind, copy a module and add it to KINDS, and its options to ``model/alerts.py``.
"""

from __future__ import annotations

from scheduler.alerts.sinks import apprise, command, email, webhook
from scheduler.alerts.sinks.sink import Sink

#: By the key that names the kind in the schedule file.
KINDS: dict[str, Sink] = {"apprise": apprise, "command": command, "email": email, "webhook": webhook}
