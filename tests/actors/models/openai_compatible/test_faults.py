from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from actors.models.openai_compatible.faults import detail_of, from_event, from_status, retry_after, safe
from workflows.errors import (
    ContextExceeded,
    UpstreamBusy,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnavailable,
)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (307, UpstreamRefused),
        (400, UpstreamRefused),
        (401, UpstreamRefused),
        (402, UpstreamRefused),
        (403, UpstreamRefused),
        (404, UpstreamRefused),
        (408, UpstreamTimeout),
        (409, UpstreamUnavailable),
        (413, UpstreamRefused),
        (422, UpstreamRefused),
        (429, UpstreamBusy),
        (500, UpstreamUnavailable),
        (502, UpstreamUnavailable),
        (503, UpstreamUnavailable),
        (504, UpstreamTimeout),
        (529, UpstreamBusy),
        (599, UpstreamUnavailable),
    ],
)
def test_each_status_has_its_error(status: int, expected: type[UpstreamError]) -> None:
    error = from_status("m", status, {}, b"")
    assert type(error) is expected
    assert error.status == status
    assert error.detail


def test_a_server_that_says_when_to_come_back_is_busy_rather_than_broken() -> None:
    error = from_status("m", 503, {"retry-after": "4"}, b"")
    assert isinstance(error, UpstreamBusy)
    assert error.retry_after == 4


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (
            400,
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
        ),
        (400, "prompt is too long: 210000 tokens > 200000 maximum"),
        (400, "the request exceeds the available context size, try increasing it"),
        (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
        (
            400,
            "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
        ),
        (413, "Input is too long for requested model."),
    ],
)
def test_a_conversation_that_is_too_long_is_told_from_other_refusals(status: int, message: str) -> None:
    error = from_status("m", status, {}, json.dumps({"error": {"message": message}}).encode())
    assert type(error) is ContextExceeded
    assert "prompt is too long" in str(error)
    assert error.failure().code == "context_length_exceeded"
    assert type(from_event("m", {"message": message, "code": str(status)})) is ContextExceeded


def test_a_context_length_that_is_only_a_code_is_found() -> None:
    body = {"error": {"message": "Too many tokens.", "code": "context_length_exceeded"}}
    assert type(from_status("m", 400, {}, json.dumps(body).encode())) is ContextExceeded


def test_a_spent_quota_is_a_refusal_because_waiting_does_not_help() -> None:
    body = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}
    assert type(from_status("m", 429, {}, json.dumps(body).encode())) is UpstreamRefused


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"error": {"message": "no such model", "type": "x"}}, "no such model"),
        ({"error": "model not found"}, "model not found"),
        ({"detail": "Not Found"}, "Not Found"),
        ({"object": "error", "message": "too long", "code": 400}, "too long"),
        ([{"error": {"message": "first"}}], "first"),
        ({"error": {"type": "server_error"}}, "server_error"),
    ],
)
def test_the_message_is_found_in_every_servers_error_body(body: object, detail: str) -> None:
    assert detail_of(json.dumps(body).encode()) == detail


def test_what_a_validator_repeats_of_the_request_is_not_shown() -> None:
    body = {
        "detail": [{"loc": ["body", "messages", 0], "msg": "Field required", "input": "my private prompt"}]
    }
    assert detail_of(json.dumps(body).encode()) == "body.messages.0: Field required"


def test_a_web_page_in_place_of_an_error_is_not_shown() -> None:
    error = from_status("m", 502, {}, b"<html><body>nginx</body></html>")
    assert error.detail == "Bad Gateway"


@pytest.mark.parametrize(
    "leak",
    [
        "sk-proj-abcdef123456",
        "sk-abc***xyz",
        "AIzaSyA1234567890abcdefg",
        "gsk_abcdefgh12345678",
        "Bearer abc.def.ghi",
        "a-key-without-any-pattern",
    ],
)
def test_no_key_survives_in_a_detail(leak: str) -> None:
    shown = safe(f"Incorrect API key provided: {leak}. See the docs.", "a-key-without-any-pattern")
    assert leak not in shown
    assert "See the docs." in shown


def test_a_long_message_becomes_one_short_line() -> None:
    shown = safe("line\n" * 1000)
    assert "\n" not in shown
    assert len(shown) < 320


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("", None), ("soon", None), ("nan", None), ("inf", None)],
)
def test_retry_after_in_seconds(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}) == seconds


@pytest.mark.parametrize("zone", [UTC, None])
def test_retry_after_as_a_date(zone: object) -> None:
    when = datetime.now(UTC) + timedelta(seconds=90)
    text = format_datetime(when if zone else when.replace(tzinfo=None), usegmt=bool(zone))
    seconds = retry_after({"retry-after": text})
    assert seconds is not None
    assert 60 < seconds <= 90


def test_a_date_in_the_past_means_now() -> None:
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0


def test_milliseconds_are_more_precise_than_seconds() -> None:
    assert retry_after({"retry-after-ms": "1500", "retry-after": "2"}) == 1.5


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"code": 502, "message": "provider down"}, UpstreamUnavailable),
        ({"code": "429", "message": "slow down"}, UpstreamBusy),
        ({"type": "rate_limit_error", "message": "slow down"}, UpstreamBusy),
        ({"type": "overloaded_error", "message": "Overloaded"}, UpstreamBusy),
        ({"code": "context_length_exceeded", "message": "too long"}, ContextExceeded),
        ({"message": "The request timed out"}, UpstreamTimeout),
        ({"message": "boom"}, UpstreamUnavailable),
        ("plain words", UpstreamUnavailable),
    ],
)
def test_an_error_inside_a_stream_is_told_by_number_or_by_word(
    event: object, expected: type[UpstreamError]
) -> None:
    assert type(from_event("m", event)) is expected
