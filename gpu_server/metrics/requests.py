"""HTTP requests: how many, how long, and which streams are open."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER, UNMATCHED = "other", "unmatched"
EVENT_STREAM, WEBSOCKET = "events", "websocket"
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 100.0)
BUG, HUNG_UP, SWITCHED, REFUSED = 500, 499, 101, 403

Labels = tuple[str, str, str]


class RequestMetrics:
    """By method, route template and status: as many series as there are routes, whatever comes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        names = ("method", "route", "status")
        self._requests = Counter(
            "gateway_http_requests",
            "Requests answered; streams count when they begin.",
            names,
            registry=registry,
        )
        self._seconds = Histogram(
            "gateway_http_request_duration_seconds",
            "From a request's head to the end of its answer; without streams, and without waits "
            "that the client has asked for.",
            names,
            registry=registry,
            buckets=BUCKETS,
        )
        self._streams = Gauge(
            "gateway_http_streams_open",
            "Streams of events that are open.",
            ("route", "kind"),
            registry=registry,
        )
        # To find a series by its labels costs more than to count.
        self._counting: dict[Labels, Callable[[], None]] = {}
        self._observing: dict[Labels, Callable[[float], None]] = {}

    def answered(self, labels: Labels) -> None:
        """One more request."""
        count = self._counting.get(labels)
        if count is None:
            count = self._counting[labels] = self._requests.labels(*labels).inc
        count()

    def took(self, labels: Labels, seconds: float) -> None:
        """It was an answer of this length."""
        observe = self._observing.get(labels)
        if observe is None:
            observe = self._observing[labels] = self._seconds.labels(*labels).observe
        observe(seconds)

    def streams(self, route: str, kind: str, more: int) -> None:
        """So many more are open, or fewer."""
        self._streams.labels(route, kind).inc(more)


@dataclass
class _Answer:
    """What was seen of one."""

    status: int = 0
    stream: str | None = None
    waited: bool = False


class RequestMeter:
    """Pure ASGI: counts every request that the application answers."""

    def __init__(
        self, app: ASGIApp, metrics: RequestMetrics, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Its route is known once it has been answered."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        began, answer = self._clock(), _Answer()

        async def noting(message: Message) -> None:
            if not answer.status:
                _note(answer, message)
                if answer.stream is not None:
                    self._metrics.answered(_labels(scope, answer))
                    self._metrics.streams(_route(scope), answer.stream, 1)
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            answer.status = answer.status or BUG
            raise
        finally:
            self._ended(scope, answer, began)

    def _ended(self, scope: Scope, answer: _Answer, began: float) -> None:
        if answer.stream is not None:
            self._metrics.streams(_route(scope), answer.stream, -1)
            return
        answer.status = answer.status or HUNG_UP
        labels = _labels(scope, answer)
        self._metrics.answered(labels)
        if not answer.waited:
            self._metrics.took(labels, self._clock() - began)


def _note(answer: _Answer, message: Message) -> None:
    kind = message["type"]
    if kind == "http.response.start":
        answer.status = message["status"]
        for name, value in message["headers"]:
            if name == b"content-type" and value.startswith(b"text/event-stream"):
                answer.stream = EVENT_STREAM
            elif name == b"preference-applied":
                answer.waited = True
    elif kind == "websocket.accept":
        answer.status, answer.stream = SWITCHED, WEBSOCKET
    elif kind == "websocket.close":
        answer.status = REFUSED
    elif kind == "websocket.http.response.start":
        answer.status = message["status"]


def _labels(scope: Scope, answer: _Answer) -> Labels:
    method = scope.get("method", "GET")
    return method if method in METHODS else OTHER, _route(scope), str(answer.status)


def _route(scope: Scope) -> str:
    """The template, never the path: that is anybody's to choose."""
    return getattr(scope.get("route"), "path", None) or UNMATCHED
