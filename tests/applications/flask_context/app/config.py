import os


class Config:
    CELERY_BROKER_URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0")
    CELERY_RESULT_BACKEND = CELERY_BROKER_URL
    CELERY_IMPORTS = ("app.tasks",)
    CELERY_TIMEZONE = "America/New_York"
    CELERYBEAT_SCHEDULE = {
        "remind": {"task": "app.tasks.send_message", "schedule": 1.0, "kwargs": {"text": "good morning", "to": "all"}},
    }
    SIGNATURE = "the team"
