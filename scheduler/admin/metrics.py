"""Metrics of the service for Prometheus, behind the login or SCHEDULER_METRICS_TOKEN."""

from __future__ import annotations

from flask import Blueprint, Response, request
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from scheduler.admin.service import service
from scheduler.status.metrics import Metrics

pages = Blueprint("metrics", __name__)


@pages.get("/metrics")
def show() -> Response:
    """Every series, in the format that the scraper prefers. With Redis away, there is only ``scheduler_up 0``."""
    registry = CollectorRegistry()
    registry.register(Metrics(service().store, service().settings))
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(registry), content_type=content_type)
