"""A Flask application with the factory of Flask's documentation on Celery."""

from celery import Celery, Task
from flask import Flask


def create_app():
    app = Flask(__name__)
    app.config.from_mapping(
        CURRENCY="EUR",
        CELERY={
            "broker_url": "redis://localhost",
            "result_backend": "redis://localhost",
            "task_ignore_result": True,
            "timezone": "Europe/Berlin",
            "include": ["shop.tasks"],
            "beat_schedule": {
                "sum up the day": {"task": "shop.tasks.sum_up", "schedule": 1.0, "args": ([250, 50],)},
            },
        },
    )
    app.config.from_prefixed_env()
    celery_init_app(app)
    return app


def celery_init_app(app):
    class FlaskTask(Task):
        def __call__(self, *args, **kwargs):
            with app.app_context():
                return self.run(*args, **kwargs)

    celery_app = Celery(app.name, task_cls=FlaskTask)
    celery_app.config_from_object(app.config["CELERY"])
    celery_app.set_default()
    app.extensions["celery"] = celery_app
    return celery_app
