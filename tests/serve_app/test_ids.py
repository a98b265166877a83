import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.ids import new_request_id, new_run_id, uuid7_hex


def test_ids_are_uuids_of_version_7_with_a_prefix() -> None:
    prefix, _, digits = new_run_id().partition("_")
    assert prefix == "run"
    assert uuid.UUID(digits).version == 7
    assert uuid.UUID(digits).variant == uuid.RFC_4122
    assert new_request_id().startswith("req_")


def test_ids_differ_within_one_millisecond() -> None:
    assert len({new_run_id() for _ in range(1000)}) == 1000


@given(st.integers(0, 2**47), st.integers(1, 2**40))
def test_a_later_id_sorts_after_an_earlier_one(milliseconds: int, gap: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: milliseconds * 1_000_000)
        earlier = uuid7_hex()
        patch.setattr(time, "time_ns", lambda: (milliseconds + gap) * 1_000_000)
        assert earlier < uuid7_hex()
