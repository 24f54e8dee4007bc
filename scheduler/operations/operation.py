"""What people and programs can ask of the service: each question and each act once, for the API and the command line.

The API makes a route of each operation, and the command line calls it, here or through the API of another host.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

if TYPE_CHECKING:  # an operation gets these: it need not import what it does not use
    from scheduler.changes import Tasks
    from scheduler.sending.dispatch import Dispatcher
    from scheduler.settings import Settings
    from scheduler.status.catalogue import Catalogue
    from scheduler.status.pile_ups import PileUp
    from scheduler.status.read_model import Detail, Status
    from scheduler.storage.ledger import Ledger
    from scheduler.storage.store import Store

MAX_NOTE_CHARS = 1000
MAX_QUERY_CHARS = 1000  #: of what is searched for: other programs give schedules long names
FIRST_YEAR, LAST_YEAR = 1970, 9000  #: so that no zone and no sum leaves the calendar
Text = Annotated[str, Field(max_length=MAX_QUERY_CHARS)]


class Parts(Protocol):
    """What an operation works with."""

    @property
    def settings(self) -> Settings: ...
    @property
    def store(self) -> Store: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def status(self) -> Status: ...
    @property
    def catalogue(self) -> Catalogue: ...
    @property
    def dispatcher(self) -> Dispatcher: ...
    @property
    def celery(self) -> Any: ...
    @property
    def tasks(self) -> Tasks: ...

    def pile_up(self, detail: Detail) -> PileUp | None:
        """The busy minute that a schedule shares; None where it is not known, as in a command."""

    @property
    def file_only(self) -> Collection[str]:
        """Tasks whose arguments only the schedule file may set."""

    @property
    def user(self) -> str:
        """Who asks, for the audit log."""

    @property
    def is_host(self) -> bool:
        """Whether who asks is on the service's host, and so may undo what the schedule file did."""


class Model(BaseModel):
    """What a request or an answer has; a key that it lacks is an error."""

    model_config = ConfigDict(extra="forbid", defer_build=True)  # a command uses few of them


@dataclass(frozen=True)
class Operation:
    """One thing to ask or to do."""

    name: str
    method: str
    path: str  #: below the API's root, with its arguments in braces
    role: str  #: that it needs on the page
    asks: type[Model] | None  #: the query of a GET, the body of any other method
    answers: type[BaseModel]
    status: int  #: of HTTP
    is_guarded: bool  #: whether it takes the ``revision`` that its change was made of, None for any
    function: Callable[..., Any]

    def __call__(self, its: Parts, **arguments: Any) -> Any:
        """Do it here: arguments are those of the path, and ``asked``. Raises SchedulerError and what Redis does."""
        return self.function(its, **arguments)

    @property
    def endpoint(self) -> str:
        """Its name among the routes of the API."""
        return self.name.replace(".", "_")

    @property
    def is_act(self) -> bool:
        """Whether it changes something."""
        return self.method != "GET"


def operation(
    method: str,
    path: str,
    role: str,
    answers: type[BaseModel],
    asks: type[Model] | None = None,
    *,
    status: int = 200,
    is_guarded: bool = False,
) -> Callable[[Callable[..., Any]], Operation]:
    """Make an operation of a function; its docstring is what the API's document says of it."""

    def make(function: Callable[..., Any]) -> Operation:
        name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        return Operation(name, method, path, role, asks, answers, status, is_guarded, function)

    return make


def in_utc(instant: AwareDatetime) -> AwareDatetime:
    """The instant in UTC; raises ValueError for one near an end of the calendar."""
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise ValueError(f"the year is not between {FIRST_YEAR} and {LAST_YEAR}")
    return instant.astimezone(UTC)


Instant = Annotated[AwareDatetime, AfterValidator(in_utc)]
Name = Annotated[str, Field(min_length=1)]  #: with a length, pydantic refuses lone surrogates, which Redis cannot take
