"""Where a run's trace is to be seen: its id, and its page in Jaeger when we know where that is."""

from __future__ import annotations

TRACE_ID_HEADER = "x-stellarator-trace-id"
TRACE_URL_HEADER = "x-stellarator-trace-url"


def trace_url(jaeger_url: str, trace_id: str) -> str:
    """The address of a trace's page in Jaeger; empty when either is not known."""
    return f"{jaeger_url}/trace/{trace_id}" if jaeger_url and trace_id else ""


def trace_headers(trace_id: str, jaeger_url: str) -> dict[str, str]:
    """What a response says about its trace; nothing when there is none."""
    headers = {TRACE_ID_HEADER: trace_id, TRACE_URL_HEADER: trace_url(jaeger_url, trace_id)}
    return {name: value for name, value in headers.items() if value}
