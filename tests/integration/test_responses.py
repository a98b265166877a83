"""Responses through the whole product: what is stored comes back from the journal as it was given."""

import time
from typing import Any

import openai
import pytest

from tests.conftest import Product
from tests.integration.panels import ANSWER
from tests.integration.test_panels import eventually

REVIEW = "Review this plan"
UPGRADE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "sec-websocket-version": "13",
}


def test_a_response_with_a_panel_is_stored_continued_and_forgotten(product: Product) -> None:
    with product.openai() as client:
        given = client.responses.create(model="one-broken", input=REVIEW, metadata={"a": "b"})
        again = client.responses.retrieve(given.id)
        further = client.responses.create(model="plain", input="And now?", previous_response_id=given.id)
        items = client.responses.input_items.list(further.id, order="asc").data
        client.responses.delete(given.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(given.id)
    assert given.output_text == ANSWER
    assert again.model_dump(exclude={"completed_at"}) == given.model_dump(exclude={"completed_at"})
    assert [item.type for item in items] == ["message", "message", "message"]


def test_a_streamed_response_ends_in_what_is_stored(product: Product) -> None:
    with product.openai() as client:
        with client.responses.stream(model="dedicated-three", input=REVIEW) as stream:
            final = stream.get_final_response()
        again = client.responses.retrieve(final.id)
    assert final.output_text == ANSWER
    assert again.output_text == ANSWER
    told: Any = final.to_dict()["output"]
    kept: Any = again.to_dict()["output"]
    assert [item["type"] for item in told] == ["reasoning", "message"]
    assert [item["id"] for item in kept] == [told[1]["id"]]


# How the SDK of 2.54 connects is deprecated by websockets 17.
@pytest.mark.filterwarnings("ignore:connect.. must be used:DeprecationWarning")
def test_a_connection_carries_a_panel_and_ends_what_is_under_way_when_its_client_leaves(
    product: Product,
) -> None:
    with product.openai() as client, client.responses.connect() as connection:
        connection.response.create(model="dedicated-three", input=REVIEW, store=False)
        final = next(event for event in connection if event.type == "response.completed")
        assert final.response.output_text == ANSWER
        connection.response.create(
            model="endless", input="Go on", store=False, previous_response_id=final.response.id
        )
        assert any(event.type == "response.output_text.delta" for event in connection)
    left = time.time()
    call = next(seen for seen in reversed(product.upstream.seen) if seen.model == "endless")
    eventually(lambda: bool(call.ended))
    assert call.outcome == "aborted"
    assert call.ended - left < 1


def test_a_connection_without_the_key_is_refused_with_401(product: Product) -> None:
    with product.http() as client:
        refused = client.get("/v1/responses", headers=UPGRADE | {"authorization": "Bearer sk-wrong"})
    assert refused.status_code == 401
    assert refused.json()["error"]["code"] == "invalid_api_key"
    assert refused.headers["x-request-id"]
