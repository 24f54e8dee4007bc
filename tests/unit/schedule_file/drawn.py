"""Schedule files drawn at random, right and wrong in every key."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from scheduler.model import TIMING_KINDS

LETTERS = st.characters(
    min_codepoint=32, max_codepoint=0xFFFD, exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff"
)
TEXT = st.text(LETTERS, max_size=8)
KINDS = (st.none(), st.booleans(), st.integers(-3, 300), st.floats(-9, 9, width=16), TEXT, st.lists(TEXT, max_size=2))
JUNK = st.tuples(st.one_of(KINDS)).map(lambda one: one[0])  # a tuple counts as one choice beside others, not as six
NAMES = st.one_of(st.sampled_from(["a", "log-it", "x" * 100, "x" * 101, "a b", ":lock", "-a", "", "9.z_"]), TEXT)
DURATIONS = st.sampled_from(
    ["30s", "1h30m", "2d", "1.5h", " 10m ", "1w 2d", "500ms", "5", "m", "1m1h", "1m 1m", "", "-1s", "1 h", "none"]
)
GOOD_TIMINGS = {"cron": "30 2 * * *", "every": "5m", "at": "2030-01-01 10:00"}
TIMINGS = st.one_of(
    st.sampled_from(list(GOOD_TIMINGS.items())).map(lambda item: dict([item])),
    st.dictionaries(st.sampled_from(TIMING_KINDS), st.one_of(JUNK, st.sampled_from(["5m", "@daily"])), max_size=2),
)
KEYS: dict[str, st.SearchStrategy[Any]] = {
    "queue": st.one_of(st.sampled_from(["q", "none"]), JUNK),
    "priority": st.one_of(st.integers(-1, 10), st.just("none"), JUNK),
    "expires": st.one_of(DURATIONS, JUNK),
    "timeout": st.one_of(DURATIONS, JUNK),
    "kill_after": st.one_of(DURATIONS, JUNK),
    "max_memory": st.one_of(st.sampled_from(["512MB", " 2 GiB ", "1MB", "1 M", "512", "1GBi", "2gb", "none"]), JUNK),
    "retries": st.one_of(st.integers(-1, 101), JUNK),
    "retry_delay": st.one_of(DURATIONS, JUNK),
    "retry_backoff": st.one_of(DURATIONS, JUNK),
    "retry_jitter": JUNK,
    "retry_for": st.one_of(
        st.lists(
            st.one_of(st.sampled_from(["OSError", "a.b.C", "no name", "", "é", 0, 75, 75.0, 256]), JUNK), max_size=2
        ),
        JUNK,
    ),
    "overlap": st.one_of(st.sampled_from(["skip", "queue", "allow", "replace", "Replace"]), JUNK),
    "max_queued": st.one_of(st.integers(0, 101), JUNK),
    "pause_after_failures": st.one_of(st.sampled_from([0, 1, 3.0, 1000, 1001, "none"]), JUNK),
    "catch_up": st.one_of(st.sampled_from(["none", "latest", "all"]), JUNK),
    "catch_up_window": st.one_of(DURATIONS, JUNK),
    "on_lost": st.one_of(st.sampled_from(["report", "rerun"]), JUNK),
}
FOLLOWED = st.one_of(
    st.sampled_from(["next", " next ", ["next"], ["next", "next "]]), NAMES, st.lists(NAMES, max_size=2), JUNK
)
OWN_KEYS: dict[str, st.SearchStrategy[Any]] = {
    **KEYS,
    "description": JUNK,
    "timezone": st.one_of(st.sampled_from(["UTC", "Europe/Berlin"]), JUNK),
    "start": st.one_of(st.just("2026-01-01 00:00"), JUNK),
    "max_runs": JUNK,
    "jitter": st.one_of(DURATIONS, JUNK),
    "except": st.one_of(st.just([]), JUNK),
    "args": st.one_of(st.lists(JUNK, max_size=2), JUNK),
    "kwargs": st.one_of(st.dictionaries(TEXT, JUNK, max_size=2), JUNK),
    "environment": st.one_of(st.dictionaries(st.one_of(st.just("A"), TEXT), TEXT, max_size=2), JUNK),
    "directory": st.one_of(st.sampled_from(["/", "/srv", "srv", "~"]), JUNK),
    "success_codes": st.one_of(st.lists(st.integers(-1, 256), max_size=2), JUNK),
    "stdin": JUNK,
    "user": st.one_of(st.sampled_from(["backup", "_apt", " www-data ", "a b", "1a", "x" * 33]), JUNK),
    "group": st.one_of(st.sampled_from(["warehouse", " warehouse "]), NAMES),
    "then": st.one_of(
        FOLLOWED,
        st.dictionaries(st.sampled_from(["success", "failure", "always", "never"]), FOLLOWED, max_size=2),
        st.fixed_dictionaries({"task": st.just("some.task")}, optional={"retries": JUNK, "every": st.just("5m")}),
    ),
    "alerts": st.dictionaries(
        st.sampled_from(["to", "events", "failures", "cooldown", "reminder", "off", "colour"]),
        st.one_of(st.sampled_from([3, "1h", ["ops"], ["failing", "lost"]]), JUNK),
        max_size=2,
    ),
    "ping": st.one_of(st.sampled_from(["https://hc-ping.com/x", "${PING}", "hc-ping.com"]), JUNK),
    "tags": st.one_of(st.lists(TEXT, max_size=2), JUNK),
    "enabled": st.one_of(st.booleans(), st.sampled_from(["yes", "no", 0, 1])),
    "renamed_from": NAMES,
    "colour": JUNK,
}
REQUESTS = st.fixed_dictionaries(
    {"url": st.one_of(st.sampled_from(["http://example.com/x", "https://example.com", "example.com"]), JUNK)},
    optional={
        "method": st.one_of(st.sampled_from(["GET", "POST", "get"]), JUNK),
        "headers": st.one_of(st.dictionaries(TEXT, TEXT, max_size=2), JUNK),
        "json": JUNK,
        "expect": st.one_of(st.sampled_from([204, "200-299, 404", "299-200", "600"]), JUNK),
        "timeout": st.one_of(DURATIONS, JUNK),
        "allow_private": JUNK,
    },
)
WHAT_RUNS: dict[str, st.SearchStrategy[Any]] = {
    "task": st.one_of(st.just("some.task"), JUNK),
    "command": st.one_of(st.lists(st.one_of(st.just("ls"), JUNK), max_size=2), JUNK),
    "shell": st.one_of(st.just("cd /srv && ls > out"), JUNK),
    "http": st.one_of(REQUESTS, JUNK),
}
GOOD_RUNS: list[dict[str, Any]] = [
    {"task": "some.task"},
    {"command": ["ls", "-l"]},
    {"shell": "cd /srv && ls > out"},
    {"http": {"url": "https://example.com/x", "json": None}},
]
RUNS = st.one_of(
    st.sampled_from(GOOD_RUNS),
    *(st.fixed_dictionaries({kind: values}) for kind, values in WHAT_RUNS.items()),
    st.dictionaries(st.sampled_from([*WHAT_RUNS]), JUNK, max_size=2),
)


def few(keys: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Two of these keys at most, and rather one: with more, hardly a schedule would be right in all of them."""
    one = st.sampled_from([*keys])
    chosen = st.one_of(one.map(lambda name: [name]), st.lists(one, max_size=2, unique=True))
    return chosen.flatmap(lambda names: st.fixed_dictionaries({name: keys[name] for name in names}))


SCHEDULES = st.builds(
    lambda *parts: {key: its for part in parts for key, its in part.items()}, RUNS, TIMINGS, few(OWN_KEYS)
)
PLACES = st.one_of(st.integers(0, 1001), JUNK)
TOP_KEYS: dict[str, st.SearchStrategy[Any]] = {
    "timezone": st.one_of(st.just("Europe/Berlin"), JUNK),
    "include": st.one_of(st.just("schedules.d/*.yaml"), st.lists(TEXT, max_size=2), JUNK),
    "imports": st.one_of(st.lists(TEXT, max_size=2), JUNK),
    "defaults": st.one_of(few(KEYS), few({**KEYS, "task": JUNK}), JUNK),
    "groups": st.dictionaries(st.one_of(st.just(" warehouse "), NAMES), few({"max_running": PLACES}), max_size=2),
    "calendars": st.one_of(st.dictionaries(TEXT, st.lists(st.just("2026-12-25")), max_size=2), JUNK),
    "colour": JUNK,
}
FILES = st.builds(
    lambda schedules, top: {"schedules": schedules, **top},
    st.one_of(
        st.builds(lambda its: {"a": its}, SCHEDULES),
        st.dictionaries(NAMES, st.one_of(SCHEDULES, JUNK), max_size=2),
        JUNK,
    ),
    few(TOP_KEYS),
)
NEARLY_GOOD = st.builds(
    lambda runs, timing, rest, defaults: {
        "defaults": defaults,
        "groups": {"warehouse": {"max_running": 1}},
        "schedules": {"a": {**runs, **timing, **rest}, "next": {"task": "some.task", "every": "5m"}},
    },
    st.one_of(st.sampled_from(GOOD_RUNS), RUNS),
    st.sampled_from(list(GOOD_TIMINGS.items())).map(lambda item: dict([item])),
    few({**OWN_KEYS, "renamed_from": st.just("old")}),
    st.one_of(st.just({}), few(KEYS)),
)
