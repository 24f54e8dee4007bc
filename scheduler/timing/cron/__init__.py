"""Cron expressions: Debian's dialect, and Celery's where an entry brings it."""
