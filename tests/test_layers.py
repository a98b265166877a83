"""The shape of the code base, held by tests: layers, what may lie where, and how large a thing may grow."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("cluster", "actors", "serve_app", "workflows")
ALLOWED_IN_THE_ROOT = {*PACKAGES, "deploy", "tests", "pyproject.toml", "README.md", "LICENSE"}
LONGEST_FILE = 400
LONGEST_FUNCTION = 40
LONGEST_FUNCTION_WITH_A_REASON = 60
REASON = "# long: "

# Joined here so that this file does not hold them either.
REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("proxy", "golang", "org"),
        ("static", "crates", "io"),
    )
)
LOCK_FILES = {
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "Pipfile.lock",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
}

FunctionDef = ast.FunctionDef | ast.AsyncFunctionDef


def committed() -> tuple[Path, ...]:
    """Every file that git tracks and that is there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607  # the git of whoever runs the tests
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return tuple(ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())


def sources(*folders: str) -> tuple[Path, ...]:
    """The Python files in these folders of the root."""
    return tuple(sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py")))


def refuse(problems: Iterable[str], rule: str) -> None:
    """Fail with every problem on a line of its own, and the rule that they break."""
    lines = sorted(set(problems))
    if lines:
        pytest.fail("\n  ".join([f"{rule}:", *lines]), pytrace=False)


def place(path: Path, line: int = 0) -> str:
    return f"{path.relative_to(ROOT)}:{line}" if line else str(path.relative_to(ROOT))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def functions(tree: ast.AST) -> Iterator[FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, FunctionDef))


def code_lines(function: FunctionDef) -> int:
    """Its own lines from `def` to the end, without its docstring and without functions inside it."""
    documented = ast.get_docstring(function, clean=False) is not None
    docstring = extent(function.body[0]) if documented else 0
    inner = sum(extent(node) for node in function.body if isinstance(node, FunctionDef))
    return extent(function) - docstring - inner


def extent(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_import_contracts_hold() -> None:
    """The contracts are in pyproject.toml, [tool.importlinter]."""
    program = Path(sys.executable).with_name("lint-imports")
    checked = subprocess.run(
        [program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_root_holds_nothing_but_the_agreed_entries() -> None:
    entries = {path.relative_to(ROOT).parts[0] for path in committed()}
    strangers = sorted(entry for entry in entries - ALLOWED_IN_THE_ROOT if not entry.startswith("."))
    refuse(strangers, "move these out of the root, into one of the agreed folders")


def test_no_registry_host_is_committed() -> None:
    found = [
        f"{place(path)} holds {host}"
        for path in committed()
        for host in REGISTRY_HOSTS
        if host.encode() in path.read_bytes()
    ]
    refuse(found, "addresses of package registries stay out of the repository")


def test_no_lock_file_is_committed() -> None:
    locks = [place(path) for path in committed() if path.name in LOCK_FILES]
    assert locks == [], (
        "lock files hold download addresses; deploy/constraints.txt pins versions without them"
    )


def test_the_constraints_pin_every_direct_dependency_within_its_bounds() -> None:
    pins = dict(constraints())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    bad = []
    for text in wanted:
        requirement = Requirement(text)
        pinned = pins.get(canonicalize_name(requirement.name))
        if pinned is None or not requirement.specifier.contains(pinned, prereleases=True):
            bad.append(f"{text}: pinned {pinned}")
    refuse(bad, "regenerate deploy/constraints.txt as its header says")


def constraints() -> Iterator[tuple[str, Version]]:
    """The pins of deploy/constraints.txt; fails on anything that is not exactly one."""
    for line in (ROOT / "deploy" / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            (only,) = requirement.specifier
            assert only.operator == "==", f"not an exact version: {line}"
            assert requirement.url is None, f"an address: {line}"
            yield canonicalize_name(requirement.name), Version(only.version)


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    lengths = {
        path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources(*PACKAGES, "tests")
    }
    long = [f"{place(path)}: {lines} lines" for path, lines in lengths.items() if lines > LONGEST_FILE]
    refuse(long, f"split these; a file has at most {LONGEST_FILE} lines")


def test_no_function_is_longer_than_a_screen() -> None:
    long = []
    for path in sources(*PACKAGES, "tests"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for function in functions(parsed(path)):
            reasoned = REASON in "".join(lines[function.lineno - 1 : function.body[0].lineno])
            bound = LONGEST_FUNCTION_WITH_A_REASON if reasoned else LONGEST_FUNCTION
            if code_lines(function) > bound:
                long.append(f"{place(path, function.lineno)} {function.name}: {code_lines(function)} lines")
    refuse(
        long,
        f"split these; a function has at most {LONGEST_FUNCTION} lines without its docstring "
        f"({LONGEST_FUNCTION_WITH_A_REASON} with a `{REASON}reason` on its def line)",
    )


def test_our_own_imports_are_at_the_top() -> None:
    """An import inside a function hides a cycle; the layers are there so that none is needed."""
    inner = [
        f"{place(path, node.lineno)} imports {name}"
        for path in sources(*PACKAGES)
        for function in functions(parsed(path))
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in imported(node)
        if name.partition(".")[0] in PACKAGES
    ]
    refuse(inner, "move these to the top of their files")


def imported(node: ast.Import | ast.ImportFrom) -> tuple[str, ...]:
    """The modules that a statement imports; a relative import is always of ours."""
    if isinstance(node, ast.Import):
        return tuple(alias.name for alias in node.names)
    return (node.module or "",) if node.level == 0 else (f"{PACKAGES[0]}.relative",)


def test_every_folder_says_what_it_owns() -> None:
    """The four packages and deploy/ have a one-page README."""
    folders = (*PACKAGES, "deploy")
    refuse(
        (folder for folder in folders if not (ROOT / folder / "README.md").is_file()),
        "these folders have no README.md",
    )
