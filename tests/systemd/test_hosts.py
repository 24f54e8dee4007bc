"""Three hosts, of which one loses power, is cut off, stands still or has a wrong clock: runs go on, none is doubled."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.polling import until
from tests.systemd.accounts import bodies, reckon, rows, seconds_of, settles
from tests.systemd.host import Host, at_leisure
from tests.systemd.trio import LAG, SERVICE, Trio
from tests.systemd.trio import trio as booted_trio

PROMISED = 10.0  #: seconds without a run at most, on machines of their own


@pytest.fixture(scope="session")
def hosts(layers: list[Path]) -> Iterator[Trio]:
    with booted_trio(layers) as made:
        yield made


def steady(hosts: Trio, primary: str, leader: str) -> None:
    """Everything runs, on two hosts."""
    hosts.arrange(primary=primary, leader=leader)
    until(lambda: len(bodies([hosts[leader]])) > 1 and len(bodies(hosts.workers)) > 3, 60, "runs on both")


def goes_on(seen: list[Host], since: float) -> float:
    """Seconds without a run, once there is one each second again."""

    def again() -> list[float] | None:
        began = [body.at for body in bodies(seen) if body.at > since]
        return began if len([at for at in began if at > time.time() - 4]) >= 3 and began[-1] > since + 5 else None

    with telling(seen):
        began = until(again, 60, "a run each second")
    return max(after - before for before, after in zip([since, *began], began, strict=False))


@contextmanager
def telling(hosts: list[Host]) -> Iterator[None]:
    """Show what beat and workers said and did where something does not come."""
    try:
        yield
    except AssertionError:
        for host in hosts:
            # Each process of the worker writes into the journal where it is.
            host.run("systemctl", "kill", "--signal=ABRT", "--kill-whom=all", "celery-worker", check=False)
            for unit in SERVICE:
                print(host.name, host.show(unit, "StatusText"), host.journal(unit, "--lines=120"), sep="\n")
        raise


def accounted(hosts: Trio, *, torn_from: float = 0) -> None:
    """Every due instant has its line in the Redis that is in charge in the end, and those of ``each`` have run.

    A Redis that lost its replicas may have taken writes for some seconds, which nobody else knows of; before that, busy
    replicas may have been as far behind as ``min-replicas-max-lag`` allows.
    """
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    until(lambda: any(body.run_id > f"each@{now}" for body in bodies(hosts.workers, "each")), 60, "all was caught up")
    torn = (torn_from - LAG - 1, torn_from + LAG + 2) if torn_from else (0, 0)
    for name, outcomes in (("tick", {"succeeded", "lost", "skipped"}), ("each", {"succeeded", "lost"})):
        with telling(hosts.workers):
            settles(hosts["two"], name)
            assert reckon(rows(hosts["two"], name), bodies(hosts.workers, name), torn).keys() <= outcomes


def test_the_leaders_host_loses_power(hosts: Trio) -> None:
    steady(hosts, primary="three", leader="one")
    hosts["one"].power_cut()
    assert goes_on([hosts["two"]], time.time()) < at_leisure(PROMISED)
    hosts["one"].boot()
    accounted(hosts)


def test_the_host_of_the_redis_in_charge_loses_power(hosts: Trio) -> None:
    steady(hosts, primary="three", leader="one")
    hosts["three"].power_cut()
    cut = time.time()
    assert goes_on(hosts.workers, cut) < at_leisure(PROMISED)
    hosts["three"].boot()
    accounted(hosts, torn_from=cut)


def test_the_host_of_both_loses_power(hosts: Trio) -> None:
    steady(hosts, primary="one", leader="one")
    hosts["one"].power_cut()
    cut = time.time()
    assert goes_on([hosts["two"]], cut) < at_leisure(PROMISED)
    hosts["one"].boot()
    accounted(hosts, torn_from=cut)


def test_the_leader_is_cut_off_and_stands_by_when_it_is_back(hosts: Trio) -> None:
    steady(hosts, primary="three", leader="one")
    hosts.network.cut("one")
    cut = time.time()
    assert goes_on([hosts["two"]], cut) < at_leisure(PROMISED)
    comes_back(hosts, "one")
    assert not sent_by(hosts["one"], cut + 1)
    accounted(hosts)


def test_the_leader_is_cut_off_with_its_redis_and_sends_nothing_into_the_void(hosts: Trio) -> None:
    steady(hosts, primary="one", leader="one")
    cut = time.time()
    hosts.network.cut("one")
    assert goes_on([hosts["two"]], cut) < at_leisure(PROMISED)
    back = time.time()  # from here on its worker may take runs that the other host sends
    comes_back(hosts, "one")
    assert not sent_by(hosts["one"], cut + LAG + 2)
    assert not [body for body in bodies([hosts["one"]]) if cut + LAG + 2 < body.at < back]
    accounted(hosts, torn_from=cut)


def test_a_leader_that_stood_still_past_its_lease_sends_nothing_when_it_goes_on(hosts: Trio) -> None:
    steady(hosts, primary="three", leader="one")
    hosts["one"].freeze()
    hosts.network.cut("one")  # a virtual machine that is paused acknowledges nothing either
    frozen = time.time()
    assert goes_on([hosts["two"]], frozen) < at_leisure(PROMISED)
    hosts["one"].freeze(False)
    comes_back(hosts, "one")
    assert not sent_by(hosts["one"], frozen + 1)
    accounted(hosts)


@pytest.mark.parametrize("ahead", [5, 90])
def test_hosts_whose_clocks_differ_run_nothing_twice_when_one_takes_over_from_the_other(
    hosts: Trio, ahead: int
) -> None:
    with hosts.clock("two", ahead):
        steady(hosts, primary="three", leader="one")
        hosts["one"].run("systemctl", "stop", "celery-beat")
        assert goes_on(hosts.workers, time.time()) < at_leisure(PROMISED)
        until(lambda: is_caught_up(hosts, ahead), at_leisure(PROMISED), "all was caught up by that clock")
        if ahead < 60:  # else it would be silent for so long
            hosts["one"].run("systemctl", "start", "celery-beat")
            hosts["two"].run("systemctl", "stop", "celery-beat")
            assert goes_on(hosts.workers, time.time()) < at_leisure(PROMISED) + ahead
        accounted(hosts)


def is_caught_up(hosts: Trio, ahead: int) -> bool:
    """Whether the ledger reaches to now on a clock that is that many seconds ahead; a look may itself take seconds."""
    looked_at = time.time()
    return seconds_of(rows(hosts["one"])[0])[-1] > looked_at + ahead - 4


def comes_back(hosts: Trio, name: str) -> None:
    """It is on the network again, and knows that another one leads; it is the same process."""
    pid = hosts[name].main_pid("celery-beat")
    hosts.network.heal()
    hosts[name].status_says("celery-beat", "standby: two:")
    assert hosts[name].main_pid("celery-beat") == pid


def sent_by(host: Host, since: float) -> list[str]:
    """What the beat of a host says that it sent for due instants after that one.

    The journal has its own time of a line, which is later where the host was frozen before it wrote the line.
    """
    said = re.findall(r"Sent \w+@(\S+)", host.journal("celery-beat", "--output=cat"))
    return [due for due in said if datetime.fromisoformat(due).timestamp() > since]
