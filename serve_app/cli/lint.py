"""`stellarator lint`: what is wrong in workflow files, as ``file:line``, the way compilers say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from serve_app.cli.console import emit_json, stderr, stdout
from serve_app.cli.errors import FAILED
from serve_app.cli.options import Json
from workflows.errors import Problem
from workflows.lint import check
from workflows.loading import read_text

app = typer.Typer(add_completion=False)

_STYLES = {"error": "failed", "warning": "degraded"}


@app.command()
def lint(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Workflow files.")],
    *,
    as_json: Json = False,
) -> None:
    """Check workflow files; exit with 1 when one has errors (warnings are only told)."""
    problems = [problem for file in files for problem in check(read_text(file), file)]
    if as_json:
        emit_json([asdict(problem) for problem in problems])
    else:
        for problem in problems:
            stdout().print(Text(str(problem), style=_STYLES[problem.severity]), soft_wrap=True)
        stderr().print(verdict(problems, len(files)))
    if any(problem.severity == "error" for problem in problems):
        raise typer.Exit(FAILED)


def verdict(problems: Sequence[Problem], files: int) -> str:
    """The result in one line."""
    where = "1 file" if files == 1 else f"{files} files"
    if not problems:
        return f"No problems in {where}."
    errors = sum(problem.severity == "error" for problem in problems)
    return f"{_many(errors, 'error')} and {_many(len(problems) - errors, 'warning')} in {where}."


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
