"""Keys of Celery, django-celery-beat, APScheduler, Sidekiq, solid_queue, systemd, Kubernetes and Ofelia."""

from __future__ import annotations

from typing import NamedTuple

from scheduler.validate.elsewhere.values import (
    Read,
    calendar_event,
    choice,
    command,
    count,
    handed_on,
    instances,
    options,
    seconds,
    text,
    timing_fields,
    unclear,
)


class Word(NamedTuple):
    """A key of another scheduler: the keys of ours that say it, how its value is read, and what to say otherwise.

    ``otherwise`` follows "write" if the value is unclear, and "leave it out:" if it needs nothing. Without ``keys`` it
    is the whole remedy.
    """

    keys: tuple[str, ...]
    read: Read
    otherwise: str


TIMING = Word(("cron", "every", "at", "timezone"), timing_fields, 'cron: "30 2 * * *" or every: 10m')
INTERVAL = Word(("every",), seconds("every"), "every: 10m")
EVENT = Word(("cron", "every", "timezone"), calendar_event, 'cron: "30 2 * * *"')
AT = Word(("at", "cron", "timezone"), timing_fields, "at: 2026-12-24 18:00")
ZONE = Word(("timezone",), text("timezone"), "timezone: Europe/Berlin")
TASK = Word(("task",), text("task"), "task: with the name of a Celery task")
COMMAND = Word(("command", "shell"), command, "command: [/usr/bin/program, argument], or shell: with the line")
NAME = Word((), unclear, "leave it out: a schedule's name is the key above its own keys")
QUEUE = Word(("queue",), text("queue"), "queue: with the queue's name")
EXPIRES = Word(("expires",), seconds("expires"), "expires: 1h")
TIMEOUT = Word(("timeout",), seconds("timeout"), "timeout: 10m")
RETRIES = Word(("retries",), count("retries"), "retries: 3")
WINDOW = Word(("catch_up_window",), seconds("catch_up_window"), "catch_up_window: 10m")
JITTER = Word(("jitter",), seconds("jitter"), "jitter: 5m")
START = Word(("start",), text("start"), "start: 2026-12-24 18:00")
END = Word(("end",), text("end"), "end: 2026-12-24 18:00")
OFF = Word(("enabled",), choice(true={"enabled": False}, false={"enabled": True}), "enabled: false")
ON = Word(("enabled",), choice(true={"enabled": True}, false={"enabled": False}), "enabled: true")
LATE = Word(("catch_up",), choice(true={"catch_up": "latest"}, false={"catch_up": "none"}), "catch_up: latest")
ALONE = Word(("overlap",), choice(true={"overlap": "skip"}, false={"overlap": "allow"}), "overlap: skip")
ONCE = Word(("max_runs",), choice(true={"max_runs": 1}, false={}), "without it, it runs at each due instant")
USER = Word(("user",), text("user"), "user: with the account's name")
HISTORY = Word((), unclear, "leave it out: SCHEDULER_KEEP says how long runs are kept")
LEDGERS = Word((), unclear, "leave it out: the ledger keeps it")
SENDING = Word((), unclear, "leave it out: queue: says where its runs go")
NEEDLESS = Word((), unclear, "leave it out: it has no meaning here")
POLICY = choice(
    forbid={"overlap": "skip"},
    allow={"overlap": "allow"},
    skip={"overlap": "skip"},
    queue={"overlap": "queue"},
    replace={"overlap": "replace"},
)
CONCURRENCY = Word(("overlap",), POLICY, "overlap: skip, queue, allow or replace")
#: Other schedulers' keys in small letters, without ``_`` and ``-``.
WORDS: dict[str, Word] = {
    **dict.fromkeys(("schedule", "crontab", "cronexpression", "expression", "cronschedule", "trigger"), TIMING),
    **dict.fromkeys(("interval", "runevery", "intervalschedule"), TIMING),
    **dict.fromkeys(("crons", "cronspec", "frequency", "spec", "when", "period"), TIMING),
    **dict.fromkeys(("oncalendar", "calendar"), EVENT),
    **dict.fromkeys(("onunitactivesec", "onunitinactivesec", "onbootsec", "onstartupsec", "onactivesec"), INTERVAL),
    **dict.fromkeys(("seconds", "intervalseconds", "everyseconds"), INTERVAL),
    **dict.fromkeys(("clocked", "clockedtime", "rundate", "runat", "eta", "once"), AT),
    **dict.fromkeys(("timezone", "tz", "crontz", "zone", "zoneinfo", "timezoneinfo"), ZONE),
    **dict.fromkeys(("class", "klass", "worker", "job", "jobclass", "func", "function", "taskname", "regtask"), TASK),
    **dict.fromkeys(("cmd", "execstart", "exec", "run", "script", "argv"), COMMAND),
    **dict.fromkeys(("name", "id", "title", "jobname"), NAME),
    **dict.fromkeys(("queuename", "routingkey"), QUEUE),
    **dict.fromkeys(("expireseconds", "expire", "expiration", "ttl"), EXPIRES),
    **dict.fromkeys(("activedeadlineseconds", "timelimit", "softtimelimit", "hardtimelimit", "runtimemaxsec"), TIMEOUT),
    **dict.fromkeys(("timeoutstartsec", "timeoutsec", "maxruntime", "timeoutseconds"), TIMEOUT),
    **dict.fromkeys(("backofflimit", "maxretries", "retry", "retrycount", "attempts", "maxattempts"), RETRIES),
    **dict.fromkeys(("startingdeadlineseconds", "misfiregracetime", "cronstartingdeadline", "catchupwindow"), WINDOW),
    **dict.fromkeys(("randomizeddelaysec", "splay", "randomdelay"), JITTER),
    **dict.fromkeys(("starttime", "startdate", "startat", "firstat", "notbefore"), START),
    **dict.fromkeys(("endtime", "enddate", "endat", "lastat", "until", "notafter"), END),
    **dict.fromkeys(("suspend", "suspended", "disabled", "paused", "pause"), OFF),
    **dict.fromkeys(("active", "isactive", "enable", "isenabled"), ON),
    **dict.fromkeys(("persistent", "catchup", "runmissed"), LATE),
    **dict.fromkeys(("nooverlap", "withoutoverlapping", "singleton", "unique", "lock"), ALONE),
    **dict.fromkeys(("oneoff", "runonce"), ONCE),
    **dict.fromkeys(
        ("concurrencypolicy", "overlappolicy"),
        CONCURRENCY,
    ),
    "maxinstances": Word(("overlap",), instances, "overlap: skip"),
    "coalesce": Word(("catch_up",), choice(true={"catch_up": "latest"}, false={"catch_up": "all"}), "catch_up: latest"),
    "status": Word(
        ("enabled",), choice(enabled={"enabled": True}, disabled={"enabled": False}), "enabled: true or enabled: false"
    ),
    "options": Word(("queue", "priority", "expires", "timeout"), options, "its queue, priority, expires and timeout"),
    "relative": Word((), unclear, "leave it out, and write start: to choose the instant that every: counts from"),
    "maxruncount": Word(("max_runs",), count("max_runs", 1, 10**9), "max_runs: 10"),
    "comment": Word(("description",), text("description"), "description: with what it is for"),
    "parameters": Word(("kwargs",), unclear, "kwargs: with the same mapping"),
    "arguments": Word(("args",), unclear, "args: with the same list"),
    **dict.fromkeys(("runas", "username", "runasuser"), USER),
    **dict.fromkeys(("successfuljobshistorylimit", "failedjobshistorylimit", "ttlsecondsafterfinished"), HISTORY),
    **dict.fromkeys(("lastrunat", "totalruncount", "nextruntime", "datechanged", "lastrun"), LEDGERS),
    **{
        name.replace("_", ""): Word(("celery_options",), handed_on(name), f"celery_options: with {name} in it")
        for name in ("countdown", "headers", "link", "link_error")
    },
    **dict.fromkeys(("exchange", "serializer"), SENDING),
    **dict.fromkeys(("accuracysec", "wakesystem", "activejob", "replaceexisting", "jobstore", "executor"), NEEDLESS),
    **dict.fromkeys(("dateasargument", "symbolizeargs", "apiversion", "kind", "restartpolicy"), NEEDLESS),
    **dict.fromkeys(
        ("jobtemplate", "metadata", "container", "image"),
        Word((), unclear, "leave it out, and write task: with the name of a Celery task"),
    ),
}
#: What others call ``schedules:`` at the top.
LISTS = frozenset({
    "beatschedule", "celerybeatschedule", "jobs", "tasks", "recurring", "recurringtasks", "cronjobs", "crons",
    "entries", "periodictasks", "timers",
})  # fmt: skip
