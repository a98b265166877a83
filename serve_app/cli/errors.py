"""Errors as people meet them: one readable paragraph on stderr, and an exit code.

0   it went well
1   a run or a check failed, or something broke
2   the command, a file or the machine must be put right first (`UsageError`, a wrong option)
130 Ctrl-C
"""

from __future__ import annotations

import traceback
from collections.abc import Callable

import typer

from cluster.errors import SetupError
from serve_app.cli.console import stderr
from workflows.errors import StellaratorError, UsageError

FAILED, MISUSED, INTERRUPTED = 1, 2, 130


def exit_code(command: Callable[[], object], *, debug: bool) -> int:
    """Run the command; tell its error, with the traceback when `debug`; return the exit code."""
    try:
        ended = command()
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command_path = context.command_path if context else "stellarator"
        _tell(f"{error.format_message().rstrip('.')}. See `{command_path} --help`.")
        return error.exit_code
    except typer.Abort:
        return INTERRUPTED
    except (StellaratorError, SetupError) as error:
        _tell(str(error))
        _trace(debug)
        return MISUSED if isinstance(error, UsageError | SetupError) else FAILED
    except Exception as error:  # noqa: BLE001  # the last place where an error can be told to a person
        hint = "" if debug else " Add --debug for the traceback."
        _tell(f"Unexpected {type(error).__name__}: {str(error).rstrip('.') or 'no message'}.{hint}")
        _trace(debug)
        return FAILED
    return ended if isinstance(ended, int) else 0


def _tell(text: str) -> None:
    stderr().print("[bold red]Error:[/] ", end="")
    stderr().print(text, markup=False, soft_wrap=True)


def _trace(wanted: bool) -> None:
    if wanted:
        stderr().print(traceback.format_exc(), markup=False, style="dim", soft_wrap=True)
