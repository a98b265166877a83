"""What a model is to the rest of the product: something that streams an answer to a request.

Knows nothing about providers. Errors are only the `UpstreamError` family (and `SetupInvalid`, when the machine
lacks something); cancelling the reader, or closing the iterator, closes the upstream socket at once.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from workflows.messages import ChatRequest, StreamItem


class ChatModel(Protocol):
    """One model of one provider.

    There is no unstreamed call: a stream shows when the first token came, what a cancelled call had written, and
    that a slow answer is still alive; and long unstreamed answers are cut by proxies on the way.
    """

    def stream(self, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        """Yield deltas, then exactly one `Completion` that equals their sum."""
        ...
