"""What Prometheus reads at ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series a counter, that nobody asks for

_LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Fine around the usual few milliseconds; the last two stand around the database's time-out of 2 s."""


class Metrics:
    """The counters of one application; two applications in one process do not share them."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self, in_use: Callable[[], int], pool_size: int) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "abacus_requests", "Requests by route and outcome", ["route", "outcome"], registry=registry
        )
        self.latency_s = Histogram(
            "abacus_request_seconds", "Time to answer", ["route"], buckets=_LATENCY_BUCKETS_S, registry=registry
        )
        self.cache = Counter("abacus_cache_reads", "Reads by what the cache did", ["result"], registry=registry)
        self.unknown_commits = Counter(
            "abacus_unknown_commits", "Writes that may or may not have been committed", ["cause"], registry=registry
        )
        for result in ("hit", "miss", "bypass"):
            self.cache.labels(result)
        for cause in ("timeout", "connection", "warning"):
            self.unknown_commits.labels(cause)
        Gauge("abacus_pool_in_use", "Database connections in use", registry=registry).set_function(in_use)
        Gauge("abacus_pool_size", "Database connections, at most", registry=registry).set(pool_size)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)
