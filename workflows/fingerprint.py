"""What a request asks, as a short text that is equal for requests that ask the same: a pure function."""

from __future__ import annotations

import hashlib
import json

from pydantic import TypeAdapter

from workflows.answer import RunRequest
from workflows.messages import ChatRequest

_requests: TypeAdapter[ChatRequest] = TypeAdapter(ChatRequest)


def fingerprint(run: RunRequest) -> str:
    """SHA-256 in hexadecimal of the door, the virtual model, the conversation with all parameters, and the panel's control.

    Whether the answer is streamed does not count: clients fall back from one to the other when they try again.
    """
    asked = [run.protocol, run.virtual_model, run.panel, run.panel_tool, run.depth]
    # Not pydantic's own JSON: it refuses half an emoji.
    told = json.dumps([*asked, _requests.dump_python(run.request)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(told.encode()).hexdigest()
