from celery import shared_task
from flask import current_app


@shared_task(ignore_result=False)
def sum_up(prices):
    return f"{sum(prices)} {current_app.config['CURRENCY']}"
