"""Who speaks: this process, the same in its traces and its metrics."""

from __future__ import annotations

import os
import uuid
from functools import cache
from typing import TYPE_CHECKING

from cluster.settings import TelemetrySettings

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource


def resource(role: str, settings: TelemetrySettings) -> Resource:
    """This process as OpenTelemetry's resource; `role` becomes ``stellarator.role``."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  # 0.1 s that only exporting processes pay

    return Resource.create(
        {
            "service.name": settings.service,
            "service.instance.id": _instance(os.getpid()),
            "process.pid": os.getpid(),
            "stellarator.role": role,
        }
    )


@cache
def _instance(pid: int) -> str:  # noqa: ARG001  # a forked process is another one
    return str(uuid.uuid4())
