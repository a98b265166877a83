"""Clients that have one tool of their own, `read_file`, in the three protocols: stateless, by the official SDKs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from anthropic import Anthropic
from typing_extensions import override

from tests.conftest import Product

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"path": {"type": "string"}}}


class Client(ABC):
    """A conversation of which the client itself keeps everything."""

    def __init__(self, product: Product, model: str, *, stream: bool) -> None:
        self.product = product
        self.model = model
        self.stream = stream
        self.said: list[Any] = []
        self.text = ""
        self.calls: dict[str, str] = {}
        """The calls of the last answer: id to name."""

    def ask(self, prompt: str) -> None:
        """Say something; `text` and `calls` are what comes back."""
        self.said.append({"role": "user", "content": prompt})
        self.send()

    @abstractmethod
    def bring(self, **results: str) -> None:
        """Bring results, by call id."""

    @abstractmethod
    def send(self) -> None:
        """Send the conversation and keep the answer in it."""


class ChatClient(Client):
    """Chat Completions."""

    @override
    def bring(self, **results: str) -> None:
        self.said += [{"role": "tool", "tool_call_id": i, "content": text} for i, text in results.items()]
        self.send()

    @override
    def send(self) -> None:
        tool = {"type": "function", "function": {"name": "read_file", "parameters": SCHEMA}}
        asked: dict[str, Any] = {"model": self.model, "messages": self.said, "tools": [tool]}
        chat = self.product.openai().chat.completions
        if self.stream:
            with chat.stream(**asked) as stream:
                message: Any = stream.get_final_completion().choices[0].message
        else:
            message = chat.create(**asked).choices[0].message
        self.text = message.content or ""
        self.calls = {call.id: call.function.name for call in message.tool_calls or ()}
        self.said.append({"role": "assistant", "content": message.content})
        if message.tool_calls:
            self.said[-1]["tool_calls"] = [
                {
                    "id": c.id,
                    "type": "function",
                    "function": {"name": c.function.name, "arguments": c.function.arguments},
                }
                for c in message.tool_calls
            ]


class ResponsesClient(Client):
    """Responses, without anything stored."""

    @override
    def bring(self, **results: str) -> None:
        self.said += [
            {"type": "function_call_output", "call_id": i, "output": text} for i, text in results.items()
        ]
        self.send()

    @override
    def send(self) -> None:
        tool = {"type": "function", "name": "read_file", "parameters": SCHEMA, "strict": False}
        asked: dict[str, Any] = {"model": self.model, "input": self.said, "tools": [tool], "store": False}
        responses: Any = self.product.openai().responses
        if self.stream:
            with responses.stream(**asked) as stream:
                response = stream.get_final_response()
        else:
            response = responses.create(**asked)
        self.text = response.output_text
        self.calls = {item.call_id: item.name for item in response.output if item.type == "function_call"}
        self.said += [item.to_dict() for item in response.output]


class MessagesClient(Client):
    """Anthropic Messages."""

    @override
    def bring(self, **results: str) -> None:
        blocks = [{"type": "tool_result", "tool_use_id": i, "content": text} for i, text in results.items()]
        self.said.append({"role": "user", "content": blocks})
        self.send()

    @override
    def send(self) -> None:
        tool = {"name": "read_file", "input_schema": SCHEMA}
        asked: dict[str, Any] = {
            "model": self.model,
            "messages": self.said,
            "tools": [tool],
            "max_tokens": 500,
        }
        server = self.product.server
        with Anthropic(base_url=self.product.root, api_key=server.api_key, max_retries=0) as client:
            if self.stream:
                with client.messages.stream(**asked) as stream:
                    message: Any = stream.get_final_message()
            else:
                message = client.messages.create(**asked)
        self.text = "".join(block.text for block in message.content if block.type == "text")
        self.calls = {block.id: block.name for block in message.content if block.type == "tool_use"}
        self.said.append({"role": "assistant", "content": [block.to_dict() for block in message.content]})


CLIENTS: dict[str, type[Client]] = {
    "chat": ChatClient,
    "responses": ResponsesClient,
    "messages": MessagesClient,
}
