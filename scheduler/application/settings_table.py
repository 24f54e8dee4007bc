"""What becomes of each of Celery's settings that an application brings along: one table, also for ``docs/tasks.md``.

``python -m scheduler.application.settings_table docs/tasks.md`` writes the table of the page again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from celery.app.defaults import DEFAULTS


def names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


JSON_ONLY = "what can write to the broker could run code with any other serializer"
OWN_PLACE = "it follows SCHEDULER_REDIS_URL and SCHEDULER_BROKER_URL"
OUTAGES = "beat and worker wait for Redis however long it is away"
ONCE = "a run is acknowledged when it has ended, so that none is lost with its worker"
#: Settings that are always the service's, and why.
CHANGED = {
    "accept_content": JSON_ONLY,
    "beat_max_loop_interval": "SCHEDULER_MAX_INTERVAL sets it",
    "beat_scheduler": "another scheduler would send every run a second time",
    "broker_channel_error_retry": OUTAGES,
    "broker_connection_max_retries": OUTAGES,
    "broker_connection_retry_on_startup": OUTAGES,
    "broker_read_url": OWN_PLACE,
    "broker_transport_options": OWN_PLACE,
    "broker_url": OWN_PLACE,
    "broker_use_ssl": OWN_PLACE,
    "broker_write_url": OWN_PLACE,
    "enable_utc": "messages carry their instants in UTC",
    "redbeat_key_expiry_check": "beat looks at Redis's memory policy itself",
    "redbeat_key_prefix": "SCHEDULER_KEY_PREFIX sets it",
    "redbeat_lock_timeout": "SCHEDULER_LEASE sets it",
    "redbeat_redis_options": OWN_PLACE,
    "redbeat_redis_url": OWN_PLACE,
    "redbeat_redis_use_ssl": OWN_PLACE,
    "redis_socket_connect_timeout": "no wait for Redis is without an end",
    "redis_socket_timeout": "no wait for Redis is without an end",
    "result_accept_content": JSON_ONLY,
    "result_serializer": JSON_ONLY,
    "task_acks_late": ONCE,
    "task_always_eager": "beat itself would run the tasks",
    "task_protocol": "a run's identity is in a header, which protocol 1 lacks",
    "task_reject_on_worker_lost": ONCE,
    "task_serializer": JSON_ONLY,
    "worker_consumer": "it survives what Celery's own does not",
    "worker_enable_prefetch_count_reduction": "the worker keeps its messages through an outage of Redis",
    "worker_prefetch_multiplier": "a run that waits behind a long one could run on another worker",
}
#: Settings that the application keeps if it sets them; the service's own values otherwise, and why.
FILLED = {
    "redis_backend_use_ssl": OWN_PLACE,
    "result_backend": "results are in the Redis of the schedules",
    "result_backend_transport_options": OUTAGES,
    "result_expires": "a result of a plain call is kept for a day, that of a run as long as keep_result says",
    "result_extended": "the page shows a result with its task and arguments",
    "task_queue_max_priority": "with RabbitMQ, for the priority of schedules",
    "timezone": "UTC unless the application has a zone",
    "worker_redirect_stdouts": "it would split a traceback into a log line for each word",
}
#: Settings that have no effect here, and why.
UNUSED = {
    "beat_cron_starting_deadline": "catch_up_window says which missed runs still run",
    "beat_schedule_filename": "schedules are in Redis",
    "beat_sync_every": "schedules are in Redis",
}
#: Settings that the application keeps, and which have no value of the service's.
YOURS = names(
    """
    arangodb_backend_settings azureblockblob_base_path azureblockblob_connection_timeout azureblockblob_container_name
    azureblockblob_read_timeout azureblockblob_retry_increment_base azureblockblob_retry_initial_backoff_sec
    azureblockblob_retry_max_attempts beat_enable_remote_control beat_remote_control_max_tick_age beat_schedule
    broker_connection_retry broker_connection_timeout broker_failover_strategy broker_heartbeat
    broker_heartbeat_checkrate broker_host broker_login_method broker_native_delayed_delivery_queue_type broker_password
    broker_pool_acquire_timeout broker_pool_limit broker_port broker_transport broker_user broker_vhost cache_backend
    cache_backend_options cassandra_auth_kwargs cassandra_auth_provider cassandra_bundle_path cassandra_entry_ttl
    cassandra_keyspace cassandra_options cassandra_port cassandra_read_consistency cassandra_servers cassandra_table
    cassandra_write_consistency control_exchange control_queue_durable control_queue_exclusive control_queue_expires
    control_queue_ttl cosmosdbsql_collection_name cosmosdbsql_consistency_level cosmosdbsql_database_name
    cosmosdbsql_max_retry_attempts cosmosdbsql_max_retry_wait_time couchbase_backend_settings
    database_create_tables_at_setup database_engine_callback database_engine_options database_short_lived_sessions
    database_table_names database_table_schemas database_url elasticsearch_max_retries elasticsearch_retry_on_timeout
    elasticsearch_save_meta_as_text elasticsearch_timeout event_exchange event_queue_durable event_queue_exclusive
    event_queue_expires event_queue_prefix event_queue_ttl event_serializer gcs_base_path gcs_bucket gcs_project gcs_ttl
    imports include mongodb_backend_settings redis_db redis_host redis_max_connections redis_password redis_port
    redis_retry_on_timeout redis_socket_keepalive redis_username result_backend_always_retry
    result_backend_base_sleep_between_retries_ms result_backend_max_retries result_backend_max_sleep_between_retries_ms
    result_cache_max result_chord_expires result_chord_join_timeout result_chord_retry_interval result_compression
    result_exchange result_exchange_type result_failure_expires result_persistent s3_access_key_id s3_base_path
    s3_bucket s3_endpoint_url s3_region s3_secret_access_key security_cert_store security_certificate security_digest
    security_key security_key_password task_acks_on_failure task_acks_on_failure_or_timeout task_acks_on_timeout
    task_allow_error_cb_on_chord_header task_annotations task_compression task_create_missing_queue_exchange_type
    task_create_missing_queue_type task_create_missing_queues task_default_delivery_mode task_default_exchange
    task_default_exchange_type task_default_priority task_default_queue task_default_queue_type task_default_rate_limit
    task_default_routing_key task_eager_propagates task_ignore_result task_inherit_parent_priority task_publish_retry
    task_publish_retry_policy task_queues task_remote_tracebacks task_repr_maxlevels task_retry_on_worker_lost
    task_routes task_send_sent_event task_soft_time_limit task_store_eager_result task_store_errors_even_if_ignored
    task_time_limit task_track_started worker_agent worker_autoscaler
    worker_cancel_long_running_tasks_on_connection_loss worker_concurrency worker_deduplicate_successful_tasks
    worker_detect_quorum_queues worker_direct
    worker_disable_prefetch worker_disable_rate_limits worker_enable_remote_control worker_enable_soft_shutdown_on_idle
    worker_eta_task_limit worker_hijack_root_logger worker_log_color worker_log_datefmt worker_log_format
    worker_lost_wait worker_max_memory_per_child worker_max_tasks_per_child worker_pool worker_pool_putlocks
    worker_pool_restarts worker_pool_start_method worker_proc_alive_timeout worker_redirect_stdouts_level
    worker_send_task_events worker_soft_shutdown_timeout worker_state_db worker_task_log_datefmt worker_task_log_format
    worker_timer worker_timer_precision
    """
)
PLAIN = (bool, int, float, str, list, tuple, type(None))  #: values of these types have no password in them
SECRET = ("broker_", "redbeat_redis_")  #: settings that may
RESULTS = ("redis_backend_use_ssl", "result_backend_transport_options")  #: those of the service's own result backend


def is_set(conf: Any, name: str) -> bool:
    """Whether the application sets this; ``conf`` is its ``app.conf``, before the service's settings are in it."""
    if name == "result_backend":
        return bool(conf.result_backend)  # it may also come from a variable
    return bool(conf.value_set_for(name)) or conf.get(name) != DEFAULTS.get(name)


def chosen(conf: Any, ours: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the service's settings that the application does not keep its own of."""
    kept = {name for name in FILLED if is_set(conf, name)}
    kept |= {*RESULTS} if "result_backend" in kept else set()
    return {name: value for name, value in ours.items() if name not in kept}


def differences(conf: Any, ours: Mapping[str, Any]) -> Iterator[str]:
    """A line for each setting of the application that the service changes: name, values and reason."""
    for name, reason in CHANGED.items():
        if name == "broker_url":
            continue  # another one is refused, or said by itself
        if name in ours and is_set(conf, name) and not is_same(theirs := conf.get(name), value := ours[name]):
            values = f" is {value!r} here, not {theirs!r}" if is_harmless(name, theirs, value) else " is set here"
            yield f"The application's {name}{values}: {reason}"


def unused(conf: Any) -> Iterator[str]:
    """A line for each setting that has a value and no effect."""
    for name, reason in UNUSED.items():
        if conf.get(name) != DEFAULTS[name]:
            yield f"Celery's {name} is not used: {reason}"


def is_same(theirs: Any, ours: Any) -> bool:
    """Whether two values mean the same to Celery."""
    if isinstance(theirs, (list, tuple, set, frozenset)) and isinstance(ours, (list, tuple)):
        return sorted(map(str, theirs)) == sorted(map(str, ours))
    return bool(theirs == ours)


def is_harmless(name: str, *values: Any) -> bool:
    """Whether these values can be logged."""
    return not name.startswith(SECRET) and all(isinstance(value, PLAIN) for value in values)


def table() -> str:
    """The table of ``docs/tasks.md``."""
    rows = {
        "the service's, always": CHANGED,
        "yours if you set it, else the service's": FILLED,
        "without effect": UNUSED,
    }
    lines = ["| Celery's setting | is | because |", "|---|---|---|"]
    for word, settings in rows.items():
        reasons: dict[str, list[str]] = {}
        for name, reason in settings.items():
            reasons.setdefault(reason, []).append(f"`{name}`")
        lines += [f"| {', '.join(same)} | {word} | {reason} |" for reason, same in reasons.items()]
    return "\n".join([*lines, f"| the other {len(YOURS)} | yours | |", ""])


BEGIN, END = "<!-- settings -->\n", "<!-- end of settings -->\n"


def renewed(page: str) -> str:
    """The page with its table as it is now."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(renewed(target.read_text(encoding="utf-8")), encoding="utf-8")
