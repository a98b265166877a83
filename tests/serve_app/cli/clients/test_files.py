import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.cli.clients.files import ConfigFile, Format, write
from workflows.errors import UsageError

OURS: dict[str, Any] = {"provider": {"stellarator": {"url": "http://127.0.0.1:8000", "args": ["a"]}}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("form", ["json", "yaml", "toml"])
def test_a_missing_file_is_made_with_its_folders(form: Format, tmp_path: Path) -> None:
    file = ConfigFile(tmp_path / "new" / "config", form, OURS)
    outcome = write(file)
    assert (outcome.changed, outcome.backup) == (True, None)
    assert file.path.read_text() == file.text


@pytest.mark.parametrize("form", ["json", "yaml", "toml"])
def test_writing_twice_changes_nothing(form: Format, tmp_path: Path) -> None:
    file = ConfigFile(tmp_path / "config", form, OURS)
    write(file)
    before = file.path.stat()
    assert not write(file).changed
    assert file.path.stat().st_mtime_ns == before.st_mtime_ns
    assert [path.name for path in tmp_path.iterdir()] == ["config"]


@given(theirs=st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_other_settings_stay_as_they_are(
    theirs: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("merge") / "settings.json"
    path.write_text(json.dumps(theirs))
    write(ConfigFile(path, "json", OURS))
    merged = json.loads(path.read_text())
    assert merged["provider"]["stellarator"] == OURS["provider"]["stellarator"]
    assert {name: value for name, value in merged.items() if name != "provider"} == {
        name: value for name, value in theirs.items() if name != "provider"
    }


def test_what_was_there_is_kept_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "opencode.json"
    path.write_text('{"theme": "dark"}')
    path.chmod(0o640)
    outcome = write(ConfigFile(path, "json", OURS))
    assert outcome.backup is not None
    assert outcome.backup.read_text() == '{"theme": "dark"}'
    assert json.loads(path.read_text()) == {"theme": "dark", **OURS}
    assert mode(path) == 0o640


@pytest.mark.parametrize(
    ("form", "theirs"),
    [
        ("toml", '# mine\nmodel = "gpt" # best\n\n[provider.other]\nurl = "x"\n'),
        ("yaml", "# mine\nmodel: gpt # best\nprovider:\n  other:\n    url: x\n"),
    ],
)
def test_comments_and_neighbours_stay(form: Format, theirs: str, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(theirs)
    file = ConfigFile(path, form, OURS)
    write(file)
    merged = path.read_text()
    assert "# mine" in merged
    assert "# best" in merged
    assert "http://127.0.0.1:8000" in merged
    assert "other" in merged
    assert not write(file).changed


def test_a_named_thing_takes_the_place_of_its_namesake(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "models:\n  - name: mine\n    model: a\n  - name: ours\n    model: old\n    roles: [chat]\n"
    )
    write(ConfigFile(path, "yaml", {"models": [{"name": "ours", "model": "new"}, {"name": "more"}]}))
    assert path.read_text() == (
        "models:\n  - name: mine\n    model: a\n  - name: ours\n    model: new\n    roles: [chat]\n  - name: more\n"
    )


@pytest.mark.parametrize(
    ("form", "theirs"), [("json", '{"a": 1} // mine'), ("yaml", "a: ["), ("toml", "a ="), ("json", "[1]")]
)
def test_what_is_not_understood_is_left_as_it_is(form: Format, theirs: str, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(theirs)
    with pytest.raises(UsageError, match="left as it is"):
        write(ConfigFile(path, form, OURS))
    assert path.read_text() == theirs


def test_a_file_with_the_key_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(OURS))
    path.chmod(0o644)
    assert not write(ConfigFile(path, "json", OURS, holds_key=True)).changed
    assert mode(path) == 0o600
    write(ConfigFile(path, "json", {"key": "sk"}, holds_key=True))
    assert mode(path) == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.json"
    real.write_text("{}")
    link = tmp_path / "config.json"
    link.symlink_to(real)
    write(ConfigFile(link, "json", OURS))
    assert link.is_symlink()
    assert json.loads(real.read_text()) == OURS


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write(ConfigFile(tmp_path / "file" / "config.json", "json", OURS))
