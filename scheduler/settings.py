"""Settings from the environment and systemd credentials, read once into one frozen object.

No other module reads a variable that an operator sets.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from scheduler.environment import Environment
from scheduler.errors import ConfigurationError
from scheduler.redis_url import SCHEMES, Place, amqp_url, parse

DEFAULT_REDIS_URL = "redis://localhost:6379/0"
AMQP_SCHEMES = ("amqp", "amqps")


@dataclass(frozen=True)
class Settings:
    """The operator's settings, named like their variables; see "Configuration" in docs/operations.md."""

    redis_url: str = field(default=DEFAULT_REDIS_URL, repr=False)
    redis_is_named: bool = True  #: whether the operator set it; otherwise `up` starts a Redis
    broker: str = field(default="", repr=False)  #: broker URL of the workers; empty: the same Redis
    file: Path = Path("schedules.yaml")
    imports: tuple[str, ...] = ()
    celery_app: str = ""
    flask_app: str = ""
    state_dir: Path = Path(".scheduler")
    key_prefix: str = "redbeat:"
    lease: float = 6.0  #: seconds that the leader's lock lasts without renewal
    max_interval: float = 2.0  #: seconds; the longest sleep of beat
    run_lease: float = 30.0  #: seconds without renewal by its worker after which a run is lost
    drain: float = 60.0  #: seconds that a stopping worker gives its runs to finish
    log_file: str = ""  #: additional log file of beat and workers
    log_format: str = "text"  #: of log lines: text, or json
    keep_runs: int = 100  #: runs in the ledger per schedule
    keep_days: float = 30.0  #: days to keep a run in the ledger
    output_bytes: int = 65_536  #: bytes to keep of each attempt's output; 0 for none
    admin_password_hash: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    admin_url: str = ""  #: of the page, without a slash at its end, for links in alerts
    metrics_token: str = field(default="", repr=False)  #: lets a program read /metrics; empty: only a login does
    metrics_schedules: tuple[str, ...] = ()  #: schedules that get series of their own in /metrics
    trusted_hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    accounts_file: Path | None = None  #: see ``accounts``
    read_only: bool = False  #: whether nobody changes anything on the page
    user_header: str = ""  #: header in which a web server names its visitor, over a unix socket only; empty for none
    api_rate: int = 600  #: requests a minute that one token or person may send to the API
    proxies: tuple[str, ...] = ()  #: addresses and networks of proxies that name the page's visitors
    unknown: tuple[str, ...] = ()  #: a sentence for each variable with our prefix that is no setting

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read ``SCHEDULER_*``; a ConfigurationError names the variable and its valid values."""
        env = Environment(os.environ if environ is None else environ)
        state_dir = Path(env.text("SCHEDULER_STATE_DIR", ".scheduler"))
        named = env.secret("SCHEDULER_REDIS_URL", "")
        settings = cls(
            redis_url=named or private_redis(state_dir) or DEFAULT_REDIS_URL,
            redis_is_named=bool(named),
            broker=env.secret("SCHEDULER_BROKER_URL", ""),
            file=Path(env.text("SCHEDULER_FILE", "schedules.yaml")),
            imports=env.words("SCHEDULER_IMPORTS"),
            celery_app=env.target("SCHEDULER_CELERY_APP"),
            flask_app=env.target("SCHEDULER_FLASK_APP"),
            state_dir=state_dir,
            key_prefix=env.text("SCHEDULER_KEY_PREFIX", "redbeat:"),
            lease=env.number("SCHEDULER_LEASE", 6.0, 3.0, 300.0),
            max_interval=env.number("SCHEDULER_MAX_INTERVAL", 2.0, 0.1, 60.0),
            run_lease=env.number("SCHEDULER_RUN_LEASE", 30.0, 2.0, 45.0),
            drain=env.number("SCHEDULER_DRAIN", 60.0, 0.0, 86_400.0),
            log_file=env.text("SCHEDULER_LOG_FILE", ""),
            log_format=env.word("SCHEDULER_LOG_FORMAT", "text", "json"),
            keep_runs=int(env.number("SCHEDULER_KEEP_RUNS", 100, 1, 100_000)),
            keep_days=env.number("SCHEDULER_KEEP_DAYS", 30.0, 0.01, 3660.0),
            output_bytes=int(env.number("SCHEDULER_OUTPUT_BYTES", 65_536, 0, 16_777_216)),
            admin_password_hash=env.secret("SCHEDULER_ADMIN_PASSWORD_HASH", ""),
            secret_key=env.secret("SCHEDULER_SECRET_KEY", ""),
            admin_url=env.address("SCHEDULER_ADMIN_URL"),
            metrics_token=env.secret("SCHEDULER_METRICS_TOKEN", ""),
            metrics_schedules=env.words("SCHEDULER_METRICS_SCHEDULES"),
            trusted_hosts=env.words("SCHEDULER_TRUSTED_HOSTS") or cls.trusted_hosts,
            accounts_file=env.path("SCHEDULER_ACCOUNTS", env.credentials and env.credentials / "accounts"),
            read_only=env.word("SCHEDULER_READ_ONLY", "no", "yes") == "yes",
            user_header=env.header("SCHEDULER_USER_HEADER"),
            api_rate=int(env.number("SCHEDULER_API_RATE", 600, 1, 1_000_000)),
            proxies=env.networks("SCHEDULER_PROXIES"),
            unknown=env.unknown(),  # last, because the calls above say which are known
        )
        settings.check()
        return settings

    def check(self) -> None:
        """Refuse contradictory values: a lock that expires between two renewals would elect two leaders."""
        parse(self.redis_url)
        self.check_broker()
        if self.lease < 3 * self.max_interval:
            raise ConfigurationError(
                f"SCHEDULER_LEASE={self.lease:g} is less than three times "
                f"SCHEDULER_MAX_INTERVAL={self.max_interval:g}: raise the lease or lower the interval"
            )

    @property
    def accounts(self) -> Path:
        """The file of people and tokens, which need not exist."""
        return self.accounts_file or self.state_dir / "accounts"

    @cached_property
    def place(self) -> Place:
        """The address of Redis."""
        return parse(self.redis_url)

    def check_broker(self) -> None:
        """Refuse a broker that is neither Redis nor RabbitMQ: no other confirms messages."""
        scheme = self.broker.partition("://")[0].partition(":")[0] if ":" in self.broker else ""
        if not self.broker:
            return
        if scheme not in (*AMQP_SCHEMES, *SCHEMES):
            known = ", ".join(f"{known}://" for known in (*AMQP_SCHEMES, *SCHEMES))
            start = repr(scheme) if scheme else "nothing"
            raise ConfigurationError(f"SCHEDULER_BROKER_URL starts with {start}: use one of {known}")
        try:
            amqp_url(self.broker) if self.speaks_amqp else parse(self.broker)
        except ConfigurationError as error:
            raise ConfigurationError(str(error).replace("SCHEDULER_REDIS_URL", "SCHEDULER_BROKER_URL")) from None

    @property
    def is_trial(self) -> bool:
        """Whether Redis is the one that ``up`` starts itself, and the broker too."""
        return not self.broker and self.redis_url == socket_url(private_socket(self.state_dir))

    @property
    def speaks_amqp(self) -> bool:
        """Whether the broker is RabbitMQ."""
        return self.broker.partition("://")[0] in AMQP_SCHEMES

    @property
    def has_outbox(self) -> bool:
        """Whether the broker is not the scheduler's Redis: one atomic step cannot reach both, so there is an outbox."""
        return bool(self.broker) and not self.place.is_also(self.broker)

    def is_broker(self, url: str) -> bool:
        """Whether this URL from another setting is the broker too."""
        if self.speaks_amqp:
            return url == self.broker
        return parse(self.broker or self.redis_url).is_also(url)

    @property
    def shown_redis_url(self) -> str:
        """The Redis URL without its user and password, for pages and logs."""
        return self.place.shown


def private_socket(state_dir: Path) -> Path:
    """The socket of the Redis that ``up`` starts with this state directory."""
    return state_dir.absolute() / "run" / "redis.sock"


def private_redis(state_dir: Path) -> str:
    """URL of the Redis that ``up`` runs in this checkout, so that a second terminal finds it; empty without one."""
    return socket_url(path) if (path := private_socket(state_dir)).exists() else ""


def socket_url(path: Path) -> str:
    """The URL of a socket of Redis for redis-py and kombu."""
    return f"unix://{quote(str(path))}"
