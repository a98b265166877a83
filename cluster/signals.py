"""Signals that end a program end it in order, and the clean-up is not cut short."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ending_in_order() -> Iterator[Callable[[], None]]:
    """SIGTERM and SIGHUP raise `SystemExit` (128 + number) inside the block, as Ctrl-C raises KeyboardInterrupt.

    Yields a function that puts the handlers back after a library has put its own. A signal that is ignored
    (nohup) stays ignored. Outside the main thread, where Python handles no signals, nothing is changed.
    """
    if not _in_main_thread():
        yield _nothing
        return
    before = {number: signal.getsignal(number) for number in ENDING}
    wanted = [number for number, handler in before.items() if handler is not signal.SIG_IGN]

    def arm() -> None:
        for number in wanted:
            signal.signal(number, _end)

    arm()
    try:
        yield arm
    finally:
        for number in wanted:
            signal.signal(number, before[number])


@contextmanager
def uninterrupted() -> Iterator[None]:
    """A block, short and sure to end, during which Ctrl-C and the signals above are ignored."""
    if not _in_main_thread():
        yield
        return
    numbers = (signal.SIGINT, *ENDING)
    before = [(number, signal.signal(number, signal.SIG_IGN)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _nothing() -> None:
    pass


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
