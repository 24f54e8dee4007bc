from celery import chain, chord, group

from reports.celery import app
from reports.tasks import add, build, note, price

app.add_periodic_task(1.0, build.s("daily"), name="build", link=note.s("linked"))
app.add_periodic_task(1.0, price.s({"amount": "3", "unit": 2.5}), name="price")
app.add_periodic_task(1.0, chain(add.s(1, 2), note.s("chain")), name="chain")
app.add_periodic_task(1.0, group(note.si(n, "group") for n in (1, 2)), name="group")
app.add_periodic_task(1.0, chord([add.s(n, n) for n in (1, 2)], note.s("chord")), name="chord")
