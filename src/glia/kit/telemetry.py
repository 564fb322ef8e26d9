"""Structured logs and Prometheus metrics."""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LogFormat = Literal["auto", "console", "json"]

registry = CollectorRegistry()

runs_ended = Counter("glia_runs_ended", "Runs that ended, by status.", ["status"], registry=registry)
run_seconds = Histogram(
    "glia_run_seconds",
    "Seconds from a run's acceptance to its end.",
    registry=registry,
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000),
)
queue_seconds = Histogram(
    "glia_queue_seconds",
    "Seconds a run waited before it was begun.",
    registry=registry,
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100),
)
runs_held = Gauge("glia_runs_held", "Runs this process is executing.", registry=registry)
watchers = Gauge("glia_stream_readers", "Open event streams of this process.", registry=registry)
requests = Counter(
    "glia_http_requests", "HTTP requests, by surface and status.", ["surface", "status"], registry=registry
)
requests_open = Gauge("glia_http_requests_open", "HTTP requests in flight.", registry=registry)
loop_lag = Histogram(
    "glia_event_loop_lag_seconds",
    "How late the event loop woke up, asked twice a second.",
    registry=registry,
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3),
)
database_connections = Gauge(
    "glia_database_connections", "Connections of this process's pool, by state.", ["state"], registry=registry
)
database_waiting = Gauge("glia_database_waiting", "Tasks that wait for a connection right now.", registry=registry)
database_waits = Counter("glia_database_waits", "How often a task had to wait for a connection.", registry=registry)
database_wait_seconds = Counter(
    "glia_database_wait_seconds", "Seconds that tasks have waited for connections.", registry=registry
)
model_calls = Counter(
    "glia_model_calls", "Calls of models, by what became of them.", ["provider", "model", "outcome"], registry=registry
)
model_seconds = Histogram(
    "glia_model_seconds",
    "Seconds from asking a model to the end of its answer.",
    ["provider", "model"],
    registry=registry,
    buckets=(0.1, 0.3, 1, 3, 10, 30, 100, 300),
)
model_tokens = Counter(
    "glia_model_tokens", "Tokens sent to models and written by them.", ["provider", "model", "kind"], registry=registry
)
model_cost_micros = Counter(
    "glia_model_cost_micros", "Micro-dollars of calls whose price is known.", ["provider", "model"], registry=registry
)
tool_calls = Counter(
    "glia_tool_calls",
    "Tool calls by what became of them; a workspace's own tools are counted together, as `custom`.",
    ["tool", "outcome"],
    registry=registry,
)
tool_seconds = Histogram(
    "glia_tool_seconds",
    "Seconds a tool took.",
    ["tool"],
    registry=registry,
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100),
)

webhooks_pending = Gauge(
    "glia_webhooks_pending", "Webhook deliveries that wait, of all workspaces; counted to 100,000.", registry=registry
)
webhook_attempts = Counter(
    "glia_webhook_attempts", "Attempts to deliver an event to a webhook.", ["outcome"], registry=registry
)
webhook_seconds = Histogram(
    "glia_webhook_seconds",
    "Seconds a webhook endpoint took to answer.",
    registry=registry,
    buckets=(0.03, 0.1, 0.3, 1, 3, 10, 30),
)

traces = Counter("glia_traces", "Traces of ended runs, by what became of them.", ["outcome"], registry=registry)


def configure_logs(*, level: str = "info", format: LogFormat = "auto") -> None:
    """One structured line per event on standard error: readable in a terminal, JSON elsewhere."""
    as_text = format == "console" or (format == "auto" and sys.stderr.isatty())
    renderer = structlog.dev.ConsoleRenderer() if as_text else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
