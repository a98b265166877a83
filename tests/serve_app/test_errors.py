import json
import logging
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.shared import ErrorObject
from starlette.exceptions import HTTPException

from serve_app.errors import (
    STATUSES,
    AnswerError,
    client_path,
    fault_of,
    fault_response,
    openai_envelope,
)
from tests.serve_app.sdk_shapes import assert_exact
from workflows.errors import (
    ClusterError,
    CoordinatorLost,
    Failure,
    JournalUnavailable,
    KeeperLost,
    LaneLost,
    ReplicaLost,
    RequestInvalid,
    StellaratorError,
    Unauthorized,
    UnknownVirtualModel,
    UpstreamBusy,
    UpstreamRefused,
)
from workflows.retelling import CANCELLED


def every_error(kind: type[StellaratorError] = StellaratorError) -> Iterator[type[StellaratorError]]:
    for child in kind.__subclasses__():
        yield child
        yield from every_error(child)


def test_every_code_of_the_tree_has_a_status() -> None:
    ours = {kind.code for kind in every_error() if kind.__module__.startswith("workflows.")}
    assert ours | {CANCELLED.code} == set(STATUSES)


CHAT = {"type": "http", "path": "/v1/chat/completions", "headers": []}


def faulty(error: Exception) -> tuple[int, dict[str, Any], dict[str, str]]:
    response = fault_response(fault_of(error, "req_1"), CHAT)
    payload = json.loads(bytes(response.body))
    assert_exact(ErrorObject, payload["error"])
    return response.status_code, payload["error"], dict(response.headers)


@pytest.mark.parametrize(
    "lost", [ClusterError, CoordinatorLost, JournalUnavailable, KeeperLost, LaneLost, ReplicaLost]
)
def test_a_part_that_died_is_told_in_words(lost: type[ClusterError]) -> None:
    status, error, _ = faulty(lost())
    assert status >= 500
    assert error["message"]


def test_a_wrong_key_is_a_401_with_a_challenge() -> None:
    status, error, headers = faulty(Unauthorized())
    assert (status, error["code"], error["type"]) == (401, "invalid_api_key", "invalid_request_error")
    assert headers["www-authenticate"] == "Bearer"


def test_an_unknown_model_is_a_404_that_names_the_known_ones() -> None:
    status, error, _ = faulty(UnknownVirtualModel("gpt", ("fusion-review",)))
    assert (status, error["code"]) == (404, "model_not_found")
    assert "fusion-review" in error["message"]


def test_a_wrong_field_is_a_400_that_names_it() -> None:
    status, error, _ = faulty(RequestInvalid("messages.0.content", "is needed"))
    assert (status, error["param"]) == (400, "messages.0.content")


def test_the_providers_401_is_not_the_clients_and_need_not_be_repeated() -> None:
    status, error, headers = faulty(UpstreamRefused("gpt", "the key was refused", 401))
    assert (status, error["type"]) == (502, "server_error")
    assert headers["x-should-retry"] == "false"


def test_a_busy_provider_is_a_429_with_its_own_retry_after() -> None:
    status, error, headers = faulty(UpstreamBusy("gpt", "slow down", 429, retry_after=6.2))
    assert (status, error["type"], error["code"]) == (429, "rate_limit_error", "rate_limit_exceeded")
    assert headers["retry-after"] == "7"
    assert error["message"] == "gpt: slow down (status 429). Please try again in 7s."
    assert "x-should-retry" not in headers


@pytest.mark.parametrize("error", [UpstreamBusy("gpt", "slow down"), JournalUnavailable("no journal")])
def test_a_client_is_told_when_to_come_back_even_if_nobody_said(error: Exception) -> None:
    assert int(faulty(error)[2]["retry-after"]) > 0


def test_a_reported_failure_has_the_status_of_its_code() -> None:
    failure = Failure("upstream_timeout", "No answer in time.", retryable=True)
    assert faulty(AnswerError(failure))[0] == 504
    assert faulty(AnswerError(Failure("from_the_future", "?")))[0] == 500
    assert pickle.loads(pickle.dumps(AnswerError(failure))).failure() == failure


def test_an_unforeseen_error_is_logged_with_its_place_and_tells_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    try:
        raise ValueError("a prompt with sk-secret")  # noqa: TRY301  # it needs a traceback
    except ValueError as caught:
        status, error, _ = faulty(caught)
    assert (status, error["code"]) == (500, "internal_error")
    assert "req_1" in error["message"]
    [record] = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert "ValueError" in record.getMessage()
    assert "test_errors.py" in record.getMessage()
    assert "secret" not in record.getMessage() + error["message"]
    assert record.exc_info is None


def test_http_errors_keep_status_and_headers() -> None:
    status, error, headers = faulty(HTTPException(405, "Method Not Allowed", {"Allow": "POST"}))
    assert (status, error["code"], headers["allow"]) == (405, "method_not_allowed", "POST")


def test_an_envelope_has_null_for_no_param() -> None:
    assert openai_envelope(fault_of(Unauthorized(), ""))["error"]["param"] is None


# --- paths --------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def places(draw: st.DrawFn) -> tuple[Any, list[str | int]]:
    """A JSON object and a path in it that exists."""
    body = draw(st.dictionaries(st.text(max_size=3), json_values, min_size=1, max_size=3))
    path: list[str | int] = []
    value: Any = body
    while isinstance(value, dict | list) and value and (not path or draw(st.booleans())):
        name = draw(st.sampled_from(list(value) if isinstance(value, dict) else list(range(len(value)))))
        path.append(name)
        value = value[name]
    return body, path


@given(places(), st.data())
def test_names_of_union_members_are_left_out_of_a_path(
    place: tuple[Any, list[str | int]], data: st.DataObject
) -> None:
    body, path = place
    tagged: list[str | int] = []
    for name in path:
        tagged += [name, *data.draw(st.lists(st.sampled_from(["list[tagged]", "UserMessage"]), max_size=1))]
    expected = ".".join(map(str, path))
    assert client_path(tagged, body, missing=False) == expected
    assert client_path([*tagged, "lost field"], body, missing=True) == f"{expected}.lost field"
