"""A collector that does not answer is worth one warning, not one with every batch."""

from __future__ import annotations

import logging
import threading

_EXPORTERS = ("opentelemetry.exporter.otlp", "opentelemetry.sdk._shared_internal")


class OneWarning:
    """Says `message` once, whichever thread comes first; what the SDK's exporters say themselves is silenced."""

    def __init__(self, log: logging.Logger, message: str) -> None:
        self._log = log
        self._message = message
        self._unsaid = threading.Lock()  # who gets it says it; a flush exports beside the batch's own thread
        for name in _EXPORTERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)

    def say(self) -> None:
        """Warn, unless that was done."""
        if self._unsaid.acquire(blocking=False):
            self._log.warning(self._message)
