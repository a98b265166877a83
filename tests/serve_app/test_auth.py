import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.auth import ensure_key, is_authorized
from workflows.errors import SetupInvalid


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "key"
    key, is_new = ensure_key(path, None)
    assert is_new
    assert len(key) > 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ensure_key(path, None) == (key, False)
    assert list(path.parent.iterdir()) == [path]


def test_a_key_file_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("sk-mine\n")
    path.chmod(0o644)
    assert ensure_key(path, None) == ("sk-mine", False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_given_key_wins_and_is_not_stored(tmp_path: Path) -> None:
    assert ensure_key(tmp_path / "key", " sk-given ") == ("sk-given", False)
    assert not (tmp_path / "key").exists()


def test_servers_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: ensure_key(tmp_path / "key", None), range(8)))
    assert len({key for key, _ in outcomes}) == 1
    assert [is_new for _, is_new in outcomes].count(True) == 1


@pytest.mark.parametrize("bad", ["", "two words", "schlüssel", "a\nb"])
def test_a_key_that_no_header_can_carry_is_refused(tmp_path: Path, bad: str) -> None:
    with pytest.raises(SetupInvalid, match="one word"):
        ensure_key(tmp_path / "key", bad)
    (tmp_path / "file").write_text(bad)
    with pytest.raises(SetupInvalid, match="one word"):
        ensure_key(tmp_path / "file", None)


def test_an_unwritable_place_is_a_readable_error(tmp_path: Path) -> None:
    (tmp_path / "not-a-folder").write_text("")
    with pytest.raises(SetupInvalid, match="cannot be read or written"):
        ensure_key(tmp_path / "not-a-folder" / "key", None)


@pytest.mark.parametrize(
    "header",
    [
        (b"authorization", b"Bearer sk-right"),
        (b"authorization", b"bearer  sk-right"),
        (b"x-api-key", b"sk-right"),
    ],
)
def test_the_key_is_taken_from_either_header(header: tuple[bytes, bytes]) -> None:
    assert is_authorized([(b"accept", b"*/*"), header], "sk-right")


@given(st.binary(max_size=40))
def test_no_other_value_opens(value: bytes) -> None:
    headers = [(b"authorization", value), (b"x-api-key", value), (b"cookie", b"sk-right")]
    assert is_authorized(headers, "sk-right") is (value.strip() == b"sk-right")


def test_one_right_key_among_several_is_enough() -> None:
    headers = [(b"authorization", b"Bearer wrong"), (b"x-api-key", b"sk-right")]
    assert is_authorized(headers, "sk-right")
