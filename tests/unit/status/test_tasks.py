"""What is shown of a task's docstring."""

from __future__ import annotations

from celery import Celery, Task

from scheduler.status.tasks import help_of


class Plain(Task):
    name = "shop.plain"

    def run(self) -> None: ...


class Told(Plain):
    name = "shop.told"

    def run(self) -> None:
        """Tell the shop.

        Every day.
        """


def test_a_task_shows_what_its_author_wrote_and_not_celerys_own_docstring() -> None:
    app = Celery(set_as_current=False)
    for task in (Plain, Told):
        app.register_task(task())
    assert help_of(None, app, "shop.plain").doc == ""
    assert help_of(None, app, "shop.told").doc == "Tell the shop.\n\nEvery day."
    assert help_of(None, app, "shop.gone").doc == ""
