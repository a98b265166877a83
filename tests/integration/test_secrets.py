"""What must never be in the journal: keys, however they come near it."""

from __future__ import annotations

import pytest

from tests.actors.journal.databases import everything_stored
from tests.conftest import KEY, Product
from tests.integration.test_panels import eventually

pytestmark = pytest.mark.ray

PROVIDERS = "sk-secret-key-123456"
"""What the upstream quotes in its errors."""
BESIDE = "sk-beside-987654"


def test_no_key_enters_the_journal_by_headers_addresses_or_error_texts(product: Product) -> None:
    with product.http() as client:
        answer = client.post(
            f"/v1/chat/completions?api_key={BESIDE}",
            headers={"x-api-key": BESIDE, "cookie": f"session={BESIDE}", "x-stellarator-fusion": "always"},
            json={"model": "all-broken", "messages": [{"role": "user", "content": "the plan of no key"}]},
        )
    assert PROVIDERS not in answer.text
    eventually(lambda: "the plan of no key" in everything_stored(product.settings.database_url))
    kept = everything_stored(product.settings.database_url)
    assert [secret for secret in (KEY, PROVIDERS, BESIDE) if secret in kept] == []
