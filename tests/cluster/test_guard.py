"""Another package under one of our names is found out at start, with the culprit's name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.guard import PACKAGES, ROOT, check_packages

ASK = """
import sys
import cluster.guard
assert "workflows" not in sys.modules, "the guard must not import what it looks for"
try:
    cluster.guard.check_packages()
except cluster.guard.SetupError as error:
    print(error)
    raise SystemExit(3)
"""


def ask(first_on_path: Path) -> subprocess.CompletedProcess[str]:
    """Run the guard in a fresh process with a folder in front of everything on its path."""
    path = os.pathsep.join([str(first_on_path), str(ROOT)])  # the script's own folder is not involved with -c
    return subprocess.run(
        [sys.executable, "-c", ASK],
        env={**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def impostor(folder: Path, package: str, distribution: str | None = None) -> Path:
    """A package under our name, as another distribution (or a stray folder) would bring it."""
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    if distribution:
        info = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "top_level.txt").write_text(f"{package}\n")
        (info / "RECORD").write_text(f"{package}/__init__.py,,\n")
    return folder


def test_our_own_packages_are_accepted(tmp_path: Path) -> None:
    check_packages()
    assert ask(tmp_path).returncode == 0


def test_a_distribution_that_shadows_us_is_named(tmp_path: Path) -> None:
    answer = ask(impostor(tmp_path, "workflows", "llama-index-workflows"))
    assert answer.returncode == 3, answer.stderr
    assert "`llama-index-workflows`" in answer.stdout
    assert "uninstall" in answer.stdout


@pytest.mark.parametrize("package", [name for name in PACKAGES if name != "cluster"])
def test_a_stray_folder_that_shadows_us_is_named(tmp_path: Path, package: str) -> None:
    answer = ask(impostor(tmp_path, package))
    assert answer.returncode == 3, answer.stderr
    assert f"`{package}`" in answer.stdout
    assert str(tmp_path) in answer.stdout


def test_a_folder_of_workflow_files_is_no_impostor(tmp_path: Path) -> None:
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "mine.yaml").write_text("version: 1\n")
    assert ask(tmp_path).returncode == 0
