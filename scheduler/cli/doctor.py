"""The commands that check and mend what is around the schedules: doctor, rebuild."""

from __future__ import annotations

import click

from scheduler.cli.bars import progress_bar
from scheduler.cli.common import Desk, Service, as_json, say_problems, with_desk, with_service
from scheduler.cli.printing import print_json, say
from scheduler.errors import Exit
from scheduler.operations import service as service_operations
from scheduler.storage import health
from scheduler.storage.client import answering


@click.command()
@as_json
@with_desk
def doctor(desk: Desk, json_: bool) -> int:
    """Check Redis, the clocks, beat, the workers and the schedules.

    Exits with 1 if there is a problem: the same ones as in `status`.
    """
    if desk.host:
        with answering(desk.host.settings):
            desk.host.store.file_facts()  # a Redis that serves nothing is waited for, and ends this
    answer = desk.ask(service_operations.problems)
    if json_:
        print_json(answer)
    else:
        say_problems((*answer["problems"], *answer["unknown"]))
    if answer["ok"] and not json_:
        redis = f"Redis at {desk.host.settings.shown_redis_url}" if desk.host else "Redis"
        say(f"no problems found: {redis}, clocks, beat, workers, schedules")
    return Exit.OK if answer["ok"] else Exit.PROBLEMS


@click.command()
@with_service
def rebuild(service: Service) -> int:
    """Work out every index again: health, states, runs by time.

    It reads every ledger. The leader does so every hour by itself, and nothing has to be stopped for it.
    """
    client, keys = service.store.client, service.store.keys
    with answering(service.settings):
        with progress_bar("ledgers", client.zcard(keys.schedule)) as bar:
            health.rebuild(client, keys, bar.advance)
        total = health.failing(client, keys, 1).total
    say(f"read every ledger: {total} failing schedule{'' if total == 1 else 's'}")
    return Exit.OK


COMMANDS = (doctor, rebuild)
