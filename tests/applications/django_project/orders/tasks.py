from celery import shared_task
from django.db import connection

from orders.models import Order


@shared_task
def count():
    """Django closes old connections before each run, so each run begins without one."""
    was_open = connection.connection is not None
    return {"orders": Order.objects.count(), "connection left open": was_open}
