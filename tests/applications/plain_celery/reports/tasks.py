from pathlib import Path

from celery import Task
from pydantic import BaseModel

from reports.celery import app


class Report(Task):
    """A class-based task, whose attributes live as long as the process."""

    name = "reports.build"
    built = 0

    def run(self, kind):
        self.built += 1
        return f"{kind} report"

    def on_success(self, retval, task_id, args, kwargs):
        write("on_success", retval)


build = app.register_task(Report())


class Order(BaseModel):
    amount: int
    unit: float


class Price(BaseModel):
    total: float


@app.task(name="reports.price", pydantic=True)
def price(order: Order) -> Price:
    return Price(total=order.amount * order.unit)


@app.task(
    bind=True,
    name="reports.fetch",
    autoretry_for=(ConnectionError,),
    retry_backoff=False,
    max_retries=3,
    default_retry_delay=0,
)
def fetch(self):
    if self.request.retries < 1:
        raise ConnectionError("not yet")
    return f"attempt {self.request.retries + 1}"


@app.task(name="reports.add")
def add(a, b):
    return a + b


@app.task(name="reports.note")
def note(value, word):
    write(word, value)


def write(word, value):
    with Path(__file__).with_name("notes").open("a") as file:
        file.write(f"{word} {value}\n")
