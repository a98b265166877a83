import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from cluster.errors import SetupError
from serve_app.cli.errors import exit_code
from serve_app.cli.main import COMMANDS, run
from tests.serve_app.cli import stories
from tests.serve_app.cli.conftest import remember
from workflows.errors import LaneLost, RunError, SetupInvalid, UsageError

HEAVY = ("ray", "litellm", "fastapi", "openai", "xllamacpp")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


def test_nothing_at_all_asks_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    assert "Usage: stellarator" in capsys.readouterr().out


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"stellarator {version('stellarator')}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_of_its_own(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    assert f"Usage: stellarator {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "line", ["demoo", "runs show", "runs sho", "up --port x", "up --port 0", "lint", "--nope", "preview file"]
)
def test_a_command_that_was_not_used_right_is_told_in_one_line(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(line.split()) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("Error: ")
    assert shown.err.count("\n") == 1
    assert "--help`" in shown.err


def test_the_nearest_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    run(["templats"])
    assert "Did you mean 'templates'?" in capsys.readouterr().err


def failing(error: Exception) -> Callable[[], object]:
    def command() -> object:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RunError("It broke."), 1),
        (LaneLost(), 1),
        (UsageError("Mend it."), 2),
        (SetupInvalid("Mend it."), 2),
        (SetupError("Mend it."), 2),
        (KeyError("gone"), 1),
    ],
)
def test_errors_are_one_paragraph_and_an_exit_code(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(failing(error), debug=False) == code
    shown = capsys.readouterr().err
    assert shown.startswith("Error: ")
    assert str(error).rstrip(".") in shown
    assert "Traceback" not in shown


def test_debug_adds_the_traceback_wherever_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", "no-such-file.yaml", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err
    assert run(["--debug", "lint", "no-such-file.yaml"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_message_with_brackets_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    exit_code(failing(UsageError("branches[0] is [red]wrong[/red]")), debug=False)
    assert "branches[0] is [red]wrong[/red]" in capsys.readouterr().err


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    "line",
    [
        "--help",
        "lint {template}",
        "schema",
        "templates list",
        "runs list",
        "status",
        "down",
        "up --help",
        "demo --x",
    ],
)
def test_what_starts_no_server_imports_nothing_heavy(line: str) -> None:
    template = Path(__file__).parents[3] / "workflows/templates/fusion-review-demo.yaml"
    script = (
        "import sys; from serve_app.cli.main import run; run(sys.argv[1:]);"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    arguments = line.format(template=template).split()
    ended = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    assert ended.stdout.splitlines()[-1] == "[]", ended.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_poor_screen_shows_question_marks(encoding: str, home: Path) -> None:
    remember(home, stories.well())
    ended = subprocess.run(
        [sys.executable, "-c", "from serve_app.cli.main import main; main()", "runs"],
        env={"PYTHONIOENCODING": encoding, "STELLARATOR_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "? ok" in ended.stdout


def test_the_shell_can_complete_commands_and_their_options() -> None:
    def completed(typed: str) -> str:
        environment = {"_STELLARATOR_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": "1"}
        environment |= {"COMP_CWORD": str(len(typed.split(" ")) - 1), "PATH": "/usr/bin:/bin"}
        script = "from serve_app.cli.main import main; main()"
        return subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
        ).stdout

    assert completed("stellarator ru").split() == ["runs"]
    assert completed("stellarator runs s").split() == ["show"]
    assert "fusion-review-demo" in completed("stellarator templates show fus").split()
