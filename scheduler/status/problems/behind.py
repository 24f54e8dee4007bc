"""A leader that is slow, or hangs."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem

BEHIND_S = 60.0  #: seconds that a leader may take to send what is due, besides its longest sleep


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Count what should have been sent by now. Redis that refuses writes is named already."""
    leader, limit = facts.leader, facts.now - BEHIND_S - facts.settings.max_interval
    if leader is None or leader.since > limit or facts.refusal:
        return
    with facts.client.pipeline(transaction=False) as pipe:
        pipe.zrangebyscore(facts.keys.schedule, 0, limit, 0, 1, withscores=True)
        pipe.zcount(facts.keys.schedule, 0, limit)
        first, number = pipe.execute()
    if first:
        name = first[0][0].removeprefix(facts.keys.prefix)
        late = "due more than a minute ago and not sent yet"
        several = f"Beat is behind: {number} schedules were {late}; '{name}' has waited longest"
        sentence = several if number > 1 else f"Beat is behind: schedule '{name}' was {late}"
        remedy = facts.restart("celery-beat", leader.name.partition(":")[0])
        yield ServiceProblem(sentence, remedy, "critical", "beat", first[0][1])
