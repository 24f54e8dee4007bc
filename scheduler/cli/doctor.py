"""The commands that check and mend what is around the schedules: doctor, rebuild."""

from __future__ import annotations

import click

from scheduler.cli.common import Service, as_json, say_problems, with_service
from scheduler.cli.printing import print_json, say
from scheduler.errors import Exit
from scheduler.status.as_json import problem_json
from scheduler.storage import health
from scheduler.storage.client import answering


@click.command()
@as_json
@with_service
def doctor(service: Service, json_: bool) -> int:
    """Check Redis, the clocks, beat, the workers and the schedules.

    Exits with 1 if there is a problem: the same ones as in `status`.
    """
    with answering(service.settings):
        service.store.file_facts()  # a Redis that serves nothing is waited for, and ends this
        overview = service.status.overview(())
    problems, unknown = overview.problems, overview.unknown
    if json_:
        found = {"problems": list(map(problem_json, problems)), "unknown": list(map(problem_json, unknown))}
        print_json({"ok": not problems} | found)
        return Exit.PROBLEMS if problems else Exit.OK
    say_problems((*problems, *unknown))
    if not problems:
        url = service.settings.shown_redis_url
        say(f"no problems found: Redis at {url}, clocks, beat, workers, schedules")
    return Exit.PROBLEMS if problems else Exit.OK


@click.command()
@with_service
def rebuild(service: Service) -> int:
    """Work out every index again: health, states, runs by time.

    It reads every ledger. The leader does so every hour by itself, and nothing has to be stopped for it.
    """
    client, keys = service.store.client, service.store.keys
    with answering(service.settings):
        health.rebuild(client, keys)
        total = health.failing(client, keys, 1).total
    say(f"read every ledger: {total} failing schedule{'' if total == 1 else 's'}")
    return Exit.OK


COMMANDS = (doctor, rebuild)
