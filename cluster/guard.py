"""Our flat package names are common words; make sure that it is ours that Python finds.

`llama-index-workflows`, for one, installs a top-level package called `workflows`. Loaded in place of ours it
fails far away from the cause, so every process that starts a session asks first.
"""

from __future__ import annotations

import importlib.util
from importlib.metadata import packages_distributions
from pathlib import Path

from cluster.errors import SetupError

PACKAGES = ("cluster", "actors", "serve_app", "workflows")
ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds our packages: a checkout, an image's `/app`, or site-packages."""


def check_packages() -> None:
    """Find each of our packages, without importing it, and check that it lies beside this one.

    Raises:
        SetupError: another distribution shadows one of ours; names it and the way out.
    """
    for package in PACKAGES:
        found = _folder(package)
        if found != ROOT / package:
            raise SetupError(_explanation(package, found))


def _folder(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:  # missing, or a mere folder without an `__init__.py`
        return None
    return Path(spec.origin).resolve().parent


def _explanation(package: str, found: Path | None) -> str:
    if found is None:
        return (
            f"Stellarator's package `{package}` cannot be found although it belongs to {ROOT}. "
            "Install Stellarator again, into an environment of its own."
        )
    owners = [name for name in packages_distributions().get(package, ()) if name != "stellarator"]
    culprit = f"the distribution `{owners[0]}`" if owners else f"the folder {found}"
    cure = f"uninstall `{owners[0]}`" if owners else f"take {found.parent} off PYTHONPATH"
    return (
        f"Python finds another package called `{package}`, from {culprit}, in place of Stellarator's own "
        f"in {ROOT / package}. Use an environment of its own for Stellarator, or {cure}."
    )
