"""The lower bound of a fusion run: plain asyncio and httpx doing the same calls, in a process of its own.

Nothing is published, recorded or traced: two turns of a main LLM around three branches at once and a synthesis, the
requests as the product sends them.

    python -m tests.bench.lower_bound --upstream URL --count 100 --at-once 16
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
from time import perf_counter
from typing import Any

import httpx
from httpx_aiohttp import AiohttpTransport

from tests.bench.load import PROMPT
from tests.bench.scenes import BRANCHES

_TOOL = {
    "type": "function",
    "function": {"name": "review", "description": "Convenes the review panel.", "parameters": {}},
}


async def run(http: httpx.AsyncClient) -> float:
    """One fusion run; returns its seconds."""
    began = perf_counter()
    said: list[dict[str, Any]] = [{"role": "user", "content": PROMPT}]
    asked = await call(http, "main", said, tools=[_TOOL])
    made = asked["tool_calls"][0]
    task = json.loads(made["function"]["arguments"])["task"]
    prompt = [{"role": "user", "content": task}]
    drafts = await asyncio.gather(*(call(http, "draft", prompt) for _ in BRANCHES))
    evidence = "\n\n".join(draft["content"] for draft in drafts)
    merged = await call(http, "judge", [{"role": "user", "content": f"{task}\n\n{evidence}"}])
    result = {"role": "tool", "tool_call_id": made["id"], "content": merged["content"]}
    await call(http, "main", [*said, asked, result])
    return perf_counter() - began


async def call(http: httpx.AsyncClient, model: str, messages: list[Any], **more: Any) -> dict[str, Any]:
    """One streamed model call, joined to its message."""
    body = {"model": model, "messages": messages, "stream": True, **more}
    text, calls = [], []
    async with http.stream("POST", "/chat/completions", json=body) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if not line.startswith("data: {"):
                continue
            for choice in json.loads(line[6:])["choices"]:
                text.append(choice["delta"].get("content") or "")
                calls += choice["delta"].get("tool_calls", ())
    return {"role": "assistant", "content": "".join(text), **({"tool_calls": calls} if calls else {})}


async def measure(upstream: str, count: int, at_once: int) -> dict[str, Any]:
    """Seconds of each run, and CPU seconds of all."""
    left, seconds = iter(range(count)), list[float]()
    transport = AiohttpTransport(limits=httpx.Limits(max_connections=None))
    async with httpx.AsyncClient(base_url=upstream, transport=transport, timeout=60) as http:
        await asyncio.gather(*(run(http) for _ in range(at_once)))
        before = _cpu()

        async def worker() -> None:
            for _ in left:
                seconds.append(await run(http))

        await asyncio.gather(*(worker() for _ in range(at_once)))
    return {"seconds": seconds, "cpu_s": _cpu() - before}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--at-once", type=int, required=True)
    given = parser.parse_args()
    json.dump(asyncio.run(measure(given.upstream, given.count, given.at_once)), sys.stdout)


if __name__ == "__main__":
    main()
