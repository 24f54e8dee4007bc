import time

from flask import current_app

from app import celery


@celery.task
def send_message(text, to):
    return f"{text}, {to}: {current_app.config['SIGNATURE']}"


@celery.task(bind=True)
def send_many(self, count):
    for number in range(count):
        self.update_state(state="PROGRESS", meta={"sent": number, "of": count})
        until_seen(f"{self.request.id}:{number}")
    return {"sent": count, "of": count}


def until_seen(step):
    """Take a minute at most for a step: who looks at the progress leaves a key."""
    for _ in range(3000):
        if celery.backend.client.exists(step):
            return
        time.sleep(0.02)
