from celery import Celery

app = Celery("reports", include=["reports.tasks", "reports.schedules"])
app.conf.update(timezone="America/New_York", result_extended=True, task_default_queue="reports")


@app.on_after_configure.connect
def declare(sender, **_):
    sender.add_periodic_task(1.0, sender.signature("reports.fetch"), name="fetch")
