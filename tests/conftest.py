"""What all tests share: Hypothesis judges what it finds, and never how long a busy machine took to find it."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from scheduler.command_name import STARTED_AS

os.environ.pop(STARTED_AS, None)  # of who runs the tests; messages would name that command
settings.register_profile("steady", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")
