"""Ctrl-C and SIGTERM alike end a command in good order: context managers run, and only once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM)


def arm() -> None:
    """Let the next of the two signals raise `KeyboardInterrupt` in the main thread, and ignore those after it.

    Stopping takes seconds, in which impatient hands press Ctrl-C again; a second interruption would leave
    processes behind.
    """
    for number in _ENDING:
        signal.signal(number, _interrupt)


@contextmanager
def interruptible() -> Iterator[None]:
    """Be armed within; put the handlers back as they were afterwards."""
    before = {number: signal.getsignal(number) for number in _ENDING}
    arm()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def wait_to_be_interrupted() -> None:
    """Sleep until one of the two signals comes.

    Arms again first: starting Ray in this process puts a handler of its own in place of ours.
    """
    arm()
    Event().wait()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    for each in _ENDING:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
