"""Log lines of our own loggers, as JSON or for a terminal, each saying whose run it is about.

    setup("lane")                                      # once per process
    about(run_id=..., step_id=..., traceparent=...)    # in the task that carries out a run or a step
    logging.getLogger(__name__).warning("...")         # as everywhere in Python

A line goes to stderr, which Ray keeps in a file for each process. It never has prompts, answers or keys: we log codes
and figures, and of an exception its types and places, because messages of foreign errors may quote anything.
structlog formats; the loggers are Python's own, so that every library's configuration keeps working.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import structlog
from structlog.contextvars import bind_contextvars, merge_contextvars

from cluster.settings import LogSettings

PACKAGES: Final = ("cluster", "actors", "serve_app", "workflows")
"""Whose loggers are ours."""
PLACES: Final = 6
"""Of an exception, how many of the innermost calls are named."""

_FIRST: Final = ("time", "level", "message", "role", "pid", "run_id", "step_id", "trace_id", "span_id")

Line = MutableMapping[str, Any]


class _Handler(logging.StreamHandler[Any]):
    """Ours, to be recognised."""


def setup(role: str, settings: LogSettings | None = None) -> None:
    """Have our loggers write lines to stderr, marked with `role` and the process' id. Harmless to repeat.

    Raises:
        SetupError: the environment asks for a level or a format that does not exist.
    """
    wanted = settings or LogSettings.from_env()
    if any(isinstance(each, _Handler) for each in logging.getLogger(PACKAGES[0]).handlers):
        return
    handler = _Handler(_stream())
    handler.setFormatter(formatter(role, pretty=_is_pretty(wanted)))
    for package in PACKAGES:
        logger = logging.getLogger(package)
        logger.addHandler(handler)
        logger.setLevel(wanted.level)
        logger.propagate = False


def reset() -> None:
    """Take it all back, for whoever lives on in this process."""
    for package in PACKAGES:
        logger = logging.getLogger(package)
        logger.handlers = [each for each in logger.handlers if not isinstance(each, _Handler)]
        logger.setLevel(logging.NOTSET)
        logger.propagate = True


def about(*, run_id: str, step_id: str = "", traceparent: str = "") -> None:
    """Put these on every line that this task, and what it starts, writes from now on."""
    fields = traceparent.partition(" ")[0].split("-")  # a tracestate may follow
    trace_id, span_id = fields[1:3] if len(fields) == 4 else ("", "")  # noqa: PLR2004  # W3C's four fields
    bind_contextvars(run_id=run_id, step_id=step_id, trace_id=trace_id, span_id=span_id)


def formatter(role: str, *, pretty: bool) -> logging.Formatter:
    """What makes a record a line."""

    def whose(_logger: object, _method: str, line: Line) -> Line:
        line["role"], line["pid"] = role, os.getpid()
        return line

    to_people = structlog.dev.ConsoleRenderer(colors=_stream().isatty(), timestamp_key="time")
    renderer = to_people if pretty else structlog.processors.JSONRenderer()
    naming = () if pretty else (structlog.processors.EventRenamer("message"),)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            whose,
            _places_of_exception,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *naming,
            _in_order,
            renderer,
        ],
        keep_exc_info=False,
    )


def _places_of_exception(_logger: object, _method: str, line: Line) -> Line:
    """An exception and its causes: types, and the innermost calls; no messages, no values."""
    told = line.pop("exc_info", None)
    error = told[1] if isinstance(told, tuple) else told
    if not isinstance(error, BaseException):
        return line
    types: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(types) < PLACES:
        types.append(type(cause).__qualname__)
        cause = cause.__cause__ or cause.__context__
    frames = traceback.extract_tb(error.__traceback__)[-PLACES:]
    line["error"] = " from ".join(types)
    line["at"] = [f"{frame.filename}:{frame.lineno} ({frame.name})" for frame in reversed(frames)]
    return line


def _in_order(_logger: object, _method: str, line: Line) -> Line:
    """What every line has comes first; nothing that is empty, and nothing that Ray adds to each record for itself."""
    first = {name: line[name] for name in _FIRST if name in line}
    told = {**first, **line}
    return {name: value for name, value in told.items() if value not in ("", None) and name[0] != "_"}


def _is_pretty(settings: LogSettings) -> bool:
    return settings.format == "pretty" or (settings.format == "auto" and _stream().isatty())


def _stream() -> TextIO:
    # The process' own: Serve puts a logger of its own in place of sys.stderr, which wraps lines in another format.
    return sys.__stderr__ or sys.stderr
