"""Counts and times for Prometheus. Labels are methods, route templates, statuses, devices and kinds of failure:
nothing that a client chooses, so their number is bounded and none tells what was asked."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from ..core.protocol import Done
from ..usecases.serve import ANSWERING, Served
from ..usecases.serve_gate import Gate
from ..usecases.session import SessionState
from . import access_log
from .health import memory_of

REQUEST_BUCKETS = (0.1, 0.3, 0.5, 1, 2, 5, 10, 30, 60)
FIRST_TOKEN_BUCKETS = (0.05, 0.1, 0.3, 0.5, 1, 2, 5, 10, 30, 60, 120)
MOST_TRIES = 256
"""So many tries are remembered, to count none twice."""


class Metrics:
    """One registry: what this service did since it began, and how it stands now. On the loop's thread."""

    def __init__(self, session: Served, gate: Gate) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()
        self._registry = registry
        self._requests = Histogram(
            "autoglm_http_request_duration_seconds", "Time from a request's head to the last byte of its answer.",
            ("method", "route", "status"), buckets=REQUEST_BUCKETS, registry=registry,
        )  # fmt: skip
        self._prompt = Counter("autoglm_prompt_tokens_total", "Tokens of prompts.", registry=registry)
        self._written = Counter("autoglm_completion_tokens_total", "Tokens of answers.", registry=registry)
        self._cached = Counter(
            "autoglm_cached_tokens_total",
            "Tokens of prompts that were not computed again.",
            registry=registry,
        )
        self._first = Histogram(
            "autoglm_first_token_seconds", "Time in the engine until an answer's first token.",
            buckets=FIRST_TOKEN_BUCKETS, registry=registry,
        )  # fmt: skip
        self._speed = Gauge(
            "autoglm_tokens_per_second", "Tokens per second of the last answer.", registry=registry
        )
        self._dropped = Counter(
            "autoglm_requests_dropped_messages_total",
            "Old messages that no longer fitted the context.",
            registry=registry,
        )
        self._falls = Falls(registry)
        registry.register(_Now(session, gate))
        self._falls.look(session.state)
        self.forget = session.listen(self._falls.look)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request has been answered. ``route`` is a template (``/v1/models``), never a path that was asked for, and
        ``method`` one that HTTP has, or other."""
        self._requests.labels(method, route, str(status)).observe(seconds)

    def answered(self, done: Done) -> None:
        """A generation has come to its end. Called within its request, whose line in the log gets its tokens."""
        usage, timings = done.usage, done.timings
        self._prompt.inc(usage.prompt_tokens)
        self._written.inc(usage.completion_tokens)
        self._cached.inc(usage.cached_tokens)
        self._dropped.inc(usage.dropped_messages)
        if timings.first_token_s is not None:
            self._first.observe(timings.first_token_s)
        if timings.tokens_per_s is not None:
            self._speed.set(timings.tokens_per_s)
        access_log.note(usage)

    def page(self) -> tuple[bytes, str]:
        """The page and its content type."""
        return prometheus_client.generate_latest(self._registry), CONTENT_TYPE_LATEST


class Falls:
    """Counts the ways to run the model that failed, by kind; each once, however often the session shows it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counter = Counter(
            "autoglm_ladder_falls_total", "Ways to run the model that failed.", ("kind",), registry=registry
        )
        self._seen: dict[Hashable, None] = {}

    def look(self, state: SessionState) -> None:
        for one in state.tries:
            if one.kind is not None and one not in self._seen:
                self._seen[one] = None
                self._counter.labels(one.kind).inc()
        while len(self._seen) > MOST_TRIES:
            del self._seen[next(iter(self._seen))]


class _Now(Collector):
    """What is read when the page is made."""

    def __init__(self, session: Served, gate: Gate) -> None:
        self._session = session
        self._gate = gate

    def collect(self) -> Iterable[Metric]:
        state = self._session.state
        loaded = float(state.phase in ANSWERING)
        yield GaugeMetricFamily("autoglm_queue_waiting", "Requests that wait.", value=self._gate.waiting)
        yield GaugeMetricFamily(
            "autoglm_queue_answering", "Requests that are answered.", value=self._gate.answering
        )
        yield GaugeMetricFamily("autoglm_model_loaded", "Whether a model is loaded.", value=loaded)
        memory = GaugeMetricFamily(
            "autoglm_engine_memory_bytes", "Bytes that the engine holds.", labels=("device",)
        )
        for device, held in memory_of(state.memory).items():
            memory.add_metric((device,), held)
        yield memory
