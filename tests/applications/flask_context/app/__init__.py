"""A Flask application with the older pattern: one Celery object beside the factory, bound by a ContextTask."""

from celery import Celery
from flask import Flask

from app.config import Config

celery = Celery(__name__, broker=Config.CELERY_BROKER_URL, backend=Config.CELERY_RESULT_BACKEND)


def create_app(config=Config):
    app = Flask(__name__)
    app.config.from_object(config)
    init_celery(app)

    from app.views import messages

    app.register_blueprint(messages)
    return app


def init_celery(app):
    celery.conf.update(app.config)

    class ContextTask(celery.Task):
        abstract = True

        def __call__(self, *args, **kwargs):
            with app.app_context():
                return super().__call__(*args, **kwargs)

    celery.Task = ContextTask
    return celery
