import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_of_ours.settings")
app = Celery("site_of_ours")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
