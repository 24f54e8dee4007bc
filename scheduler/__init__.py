"""Scheduled jobs on Celery Beat: declared in YAML, kept in RedBeat, accounted for in a ledger.

Importing this package imports nothing else, so that ``python3 -m scheduler`` can
set itself up before any dependency is installed.
"""

__version__ = "0.1.0"
