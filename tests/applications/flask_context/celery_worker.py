"""What `celery -A celery_worker.celery worker` starts."""

from app import celery, create_app

__all__ = ["app", "celery"]

app = create_app()
app.app_context().push()
