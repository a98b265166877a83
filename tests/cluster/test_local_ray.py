"""What is replaced inside Ray is still there to be replaced, and is put back."""

from __future__ import annotations

import importlib
import stat
from pathlib import Path
from typing import Any

import pytest

from cluster import local_ray
from cluster.settings import Settings

PATHS = sorted({*local_ray._REPLACED, *local_ray._NO_AGENT, *local_ray._JOINED})


def look_up(path: str) -> Any:
    module, _, dotted = path.partition(":")
    value: Any = importlib.import_module(module)
    for name in dotted.split("."):
        value = getattr(value, name)
    return value


@pytest.mark.parametrize("path", PATHS)
def test_this_release_of_ray_has_what_is_replaced(path: str) -> None:
    before = look_up(path)
    replacement = {**local_ray._REPLACED, **local_ray._NO_AGENT, **local_ray._JOINED}[path]
    assert callable(before) == callable(replacement)
    with local_ray._replaced({path: replacement}):
        assert look_up(path) is replacement
    assert look_up(path) is before


def test_this_release_of_serve_polls_by_the_constant_that_is_changed() -> None:
    client = importlib.import_module("ray.serve._private.client")
    local_ray.hasten_serve()
    assert client.CLIENT_POLLING_INTERVAL_S == 0.1


def test_the_token_is_made_once_and_is_for_its_owner_only(tmp_path: Path) -> None:
    settings = Settings.from_env({"STELLARATOR_HOME": str(tmp_path)})
    local_ray.write_token(settings)
    token = settings.ray_token_file.read_text()
    assert len(token) == 64
    assert stat.S_IMODE(settings.ray_token_file.stat().st_mode) == 0o600
    local_ray.write_token(settings)
    assert settings.ray_token_file.read_text() == token


def test_a_folder_within_the_bound_gives_sockets_that_the_kernel_takes() -> None:
    folder = "/" + "x" * (local_ray.LONGEST_FOLDER - 1)
    longest = (
        f"{folder}/{local_ray.RAY_FOLDER}/session_2026-11-22_20-00-00_123456_4194304/sockets/plasma_store"
    )
    assert len(longest) in {103, 107}
