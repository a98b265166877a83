"""Configuration files of other programs: our part is merged in, and everything else in them stays.

JSON, YAML and TOML. Comments and order are kept in YAML and TOML; JSON has no comments, and a file that has some all the
same is refused rather than rewritten without them. In a list of named things (Continue's models) ours takes the place of
the one with its name, or comes last.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tomlkit
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from tomlkit.exceptions import TOMLKitError

from workflows.errors import UsageError

PRIVATE = 0o600
Format = Literal["json", "yaml", "toml"]


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What a client's configuration file must hold.

    Attributes:
        path: the file, which need not be there yet.
        format: how it is written.
        content: our part of it.
        holds_key: whether the key itself is in `content`.
    """

    path: Path
    format: Format
    content: Mapping[str, Any]
    holds_key: bool = False

    @property
    def text(self) -> str:
        """Our part alone, as a file."""
        return _written(self.format, self.content)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file: `changed`, and the copy of what was there before, if anything was."""

    changed: bool
    backup: Path | None = None


def write(file: ConfigFile) -> Outcome:
    """Merge our part into the file; nothing is touched when it is there already.

    The file is replaced in one step. With the key in it only its owner can read it.

    Raises:
        UsageError: the file cannot be understood, read or written; it is left as it was.
    """
    path = file.path.resolve()  # dotfiles are often links
    try:
        before = path.read_text("utf-8") if path.exists() else ""
        whole = _parsed(file, before)
        if not _merge(whole, file.content):
            if file.holds_key:
                path.chmod(PRIVATE)
            return Outcome(changed=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        backup = _copy(path) if before else None
        _replace(path, _written(file.format, whole), private=file.holds_key)
    except OSError as error:
        raise UsageError(f"{file.path} cannot be written: {error.strerror}.") from error
    return Outcome(changed=True, backup=backup)


def _parsed(file: ConfigFile, text: str) -> MutableMapping[str, Any]:
    try:
        whole = _read(file.format, text)
    except (ValueError, YAMLError, TOMLKitError) as error:
        raise UsageError(
            f"{file.path} is not plain {file.format.upper()}, so it is left as it is. "
            "Without --write the lines are shown, for you to add."
        ) from error
    if not isinstance(whole, MutableMapping):
        raise UsageError(f"{file.path} does not hold settings by name, so it is left as it is.")
    return whole


def _read(form: Format, text: str) -> Any:
    match form:
        case "json":
            return json.loads(text) if text.strip() else {}
        case "yaml":
            return _yaml().load(text) or {}
        case "toml":
            return tomlkit.parse(text)


def _written(form: Format, content: Mapping[str, Any]) -> str:
    match form:
        case "json":
            return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        case "yaml":
            stream = io.StringIO()
            _yaml().dump(content, stream)
            return stream.getvalue()
        case "toml":
            return tomlkit.dumps(content)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.width = 4096  # addresses stay in one piece
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _merge(into: MutableMapping[str, Any], ours: Mapping[str, Any]) -> bool:
    """Put `ours` into it, in place; whether that changed anything."""
    changed = False
    for name, value in ours.items():
        there = into.get(name)
        if isinstance(value, Mapping) and isinstance(there, MutableMapping):
            changed |= _merge(there, value)
        elif isinstance(there, list) and _are_named(there) and _are_named(value):
            changed |= _merge_named(there, value)
        elif there != value:
            into[name] = value
            changed = True
    return changed


def _are_named(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, Mapping) and "name" in each for each in value)


def _merge_named(into: list[Any], ours: list[Any]) -> bool:
    changed = False
    for one in ours:
        same = next((each for each in into if each["name"] == one["name"]), None)
        if same is None:
            into.append(one)
        changed |= same is None or _merge(same, one)
    return changed


def _copy(path: Path) -> Path:
    """Keep the file as it is under another name; the copy of the last change is the one that is kept."""
    backup = path.with_name(f"{path.name}.before-stellarator")
    shutil.copy2(path, backup)
    return backup


def _replace(path: Path, text: str, *, private: bool) -> None:
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(draft).chmod(PRIVATE if private else mode)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
