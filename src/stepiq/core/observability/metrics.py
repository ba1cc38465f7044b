"""The metrics of the process, exported at `/metrics`.

Labels have few values, and none is a workspace, a user, a pipeline or a run. Counting takes about a microsecond and
does not use the store.
"""

import platform

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from stepiq import __version__

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Otherwise each counter is exported a second time, with the time of its creation.
disable_created_metrics()

REGISTRY = CollectorRegistry()
"""Separate from the default registry, to which libraries can add metrics that stepIQ does not document."""

GEN_AI = CollectorRegistry()
"""Metrics of OpenTelemetry's conventions for generative AI, which are only exported over OTLP."""

_MOST_MODELS = 100
"""Models that are counted separately. Users can write any name."""
_OTHER_MODEL = "_OTHER"
_TOKEN_BUCKETS = tuple(4**power for power in range(14))
_OPERATION_BUCKETS = tuple(0.01 * 2**power for power in range(14))
_REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_RUN_BUCKETS = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_LAG_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)

http_requests = Counter(
    "stepiq_http_requests",
    "HTTP requests, by route template. `unmatched`: no route has the path, or the request was refused before routing. "
    "Status 499: the client disconnected before the response.",
    ["method", "route", "status"],
    registry=REGISTRY,
)
http_request_duration = Histogram(
    "stepiq_http_request_duration_seconds",
    "Time from the request headers to the end of the response. A stream counts until it closes.",
    ["method", "route"],
    buckets=_REQUEST_BUCKETS,
    registry=REGISTRY,
)
connections_open = Gauge(
    "stepiq_connections_open",
    "Open connections of clients, also idle ones.",
    registry=REGISTRY,
)
connections_refused = Counter(
    "stepiq_connections_refused",
    "Connections and requests refused because of a limit: of the client's address (`address_limit`, 429), or of the server "
    "(`server_limit`, 503). Connections closed to make room for others: with an incomplete request (`half_open`), or between two "
    "requests (`idle`).",
    ["reason"],
    registry=REGISTRY,
)
streams_open = Gauge("stepiq_streams_open", "Open streams of runs.", registry=REGISTRY)
slow_readers_cut = Counter(
    "stepiq_slow_readers_cut",
    "Connections closed because the client did not read the response for 15 to 30 seconds.",
    registry=REGISTRY,
)
runs_accepted = Counter(
    "stepiq_runs_accepted",
    "Accepted runs, by trigger: `manual`, `api`, `cron`, `webhook` or `retry`.",
    ["trigger"],
    registry=REGISTRY,
)
runs_ended = Counter(
    "stepiq_runs_ended",
    "Runs that reached `completed`, `failed` or `cancelled`.",
    ["status", "trigger"],
    registry=REGISTRY,
)
run_duration = Histogram(
    "stepiq_run_duration_seconds",
    "Time from the start of a run to its end, including waits.",
    ["status"],
    buckets=_RUN_BUCKETS,
    registry=REGISTRY,
)
tickets_in_hand = Gauge(
    "stepiq_tickets_in_hand",
    "Runs (`run`, at most 1,000) and deliveries (`delivery`) that this process executes.",
    ["work"],
    registry=REGISTRY,
)
worker_ready = Gauge(
    "stepiq_worker_ready",
    "1 if this process executes runs; 0 while it starts or stops, or if it has no worker.",
    registry=REGISTRY,
)
tickets_waiting = Gauge(
    "stepiq_tickets_waiting",
    "Runs (`run`) and deliveries (`delivery`) in the queue, for the whole database. Counted up to 20,000.",
    ["work"],
    registry=REGISTRY,
)
oldest_ticket_age = Gauge(
    "stepiq_oldest_ticket_age_seconds",
    "Age of the oldest run or delivery in the queue, for the whole database; 0 if the queue is empty.",
    ["work"],
    registry=REGISTRY,
)
runs_held = Gauge(
    "stepiq_runs_held",
    "Runs that wait for another run of their workspace, because the plan limits runs at once; for the whole database. "
    "Counted up to 10,000.",
    registry=REGISTRY,
)
tickets_taken_over = Counter(
    "stepiq_tickets_taken_over",
    "Runs and deliveries that this worker requeued because their worker had died.",
    registry=REGISTRY,
)
steps_ended = Counter(
    "stepiq_steps_ended",
    "Finished executions of steps, by type and status.",
    ["type", "status"],
    registry=REGISTRY,
)
model_calls = Counter(
    "stepiq_model_calls",
    "Calls to models: `ok`, `failed`, or `cancelled` during the response.",
    ["provider", "result"],
    registry=REGISTRY,
)
model_tokens = Counter(
    "stepiq_model_tokens",
    "Tokens of models: `input` and `output`.",
    ["provider", "direction"],
    registry=REGISTRY,
)
quota_refusals = Counter(
    "stepiq_quota_refusals",
    "Refusals because a workspace has reached a quota of its plan, by quota.",
    ["quota"],
    registry=REGISTRY,
)
delivery_attempts = Counter(
    "stepiq_delivery_attempts",
    "Attempts of deliveries, by kind of target: `delivered`, `failed`, or `retried` if another attempt follows.",
    ["target", "result"],
    registry=REGISTRY,
)
recipient_confirmations = Counter(
    "stepiq_recipient_confirmations",
    "Requests to recipients of email: `asked`, `not_asked` because of a limit or a refusal, or `unsent` because the mail server "
    "failed; and their answers: `confirmed` or `refused`.",
    ["result"],
    registry=REGISTRY,
)
schedule_ticks = Counter(
    "stepiq_schedule_ticks",
    "Due times of schedules: `started` a run, `skipped` by a rule or the plan, or `missed` because no server ran.",
    ["result"],
    registry=REGISTRY,
)
otlp_exports = Counter(
    "stepiq_otlp_exports",
    "Runs whose traces were exported, and exports of metrics: `sent`, `incomplete` if the collector rejected a part, or dropped "
    "because it `refused` them or they have waited a day (`expired`). `retried` counts failed attempts that are repeated.",
    ["signal", "result"],
    registry=REGISTRY,
)
egress_blocked = Counter(
    "stepiq_egress_blocked",
    "Requests of pipelines to addresses that they may not call.",
    registry=REGISTRY,
)
store_unavailable = Counter(
    "stepiq_store_unavailable",
    "Transactions that failed because the database was unavailable.",
    registry=REGISTRY,
)
store_up = Gauge(
    "stepiq_store_up",
    "1 if the database answered within two seconds of this scrape, else 0.",
    registry=REGISTRY,
)
store_connections = Gauge(
    "stepiq_store_connections",
    "Database connections in use.",
    ["pool"],
    registry=REGISTRY,
)
event_loop_lag = Histogram(
    "stepiq_event_loop_lag_seconds",
    "Longest delay of the event loop in each half second: how long it took until a new callback was called.",
    buckets=_LAG_BUCKETS,
    registry=REGISTRY,
)
build_info = Gauge(
    "stepiq_build_info",
    "Always 1. The labels show the versions.",
    ["version", "python"],
    registry=REGISTRY,
)
# Exported as 0 from the start. Otherwise the first event of a label would not count as an increase in alerts.
for _result in ("started", "skipped", "missed"):
    schedule_ticks.labels(_result)
for _target in ("webhook", "email"):
    for _result in ("delivered", "failed", "retried"):
        delivery_attempts.labels(_target, _result)
for _reason in ("address_limit", "server_limit", "half_open", "idle"):
    connections_refused.labels(_reason)
for _work in ("run", "delivery"):
    tickets_in_hand.labels(_work)
build_info.labels(__version__, platform.python_version()).set(1)
ProcessCollector(registry=REGISTRY)


gen_ai_token_usage = Histogram(
    "gen_ai_client_token_usage",
    "Number of input and output tokens of a call.",
    ["provider", "model", "token_type"],
    buckets=_TOKEN_BUCKETS,
    registry=GEN_AI,
)
gen_ai_duration = Histogram(
    "gen_ai_client_operation_duration",
    "Duration of a call of a model.",
    ["provider", "model", "error_type"],
    buckets=_OPERATION_BUCKETS,
    registry=GEN_AI,
)
_models: set[str] = set()


def export_provider(provider: str) -> None:
    """Export the number of calls of a provider as 0, as for the other metrics of alerts."""
    for result in ("ok", "failed", "cancelled"):
        model_calls.labels(provider, result)


def model_label(model: str) -> str:
    """The label of a model: its name, or `_OTHER` if too many models have been called."""
    if len(_models) < _MOST_MODELS:
        _models.add(model)
    return model if model in _models else _OTHER_MODEL


def render() -> bytes:
    """All metrics in the Prometheus text format."""
    return generate_latest(REGISTRY)
