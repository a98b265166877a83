"""SDKs: the variables that each reads by itself, and the shortest program that uses them."""

from __future__ import annotations

from serve_app.cli.clients.recipe import Code, Recipe, Target
from serve_app.cli.render.connection import QUESTION


def openai_sdk(target: Target) -> Recipe:
    """OpenAI's SDK for Python; the one for JavaScript reads the same variables."""
    code = f"""\
from openai import OpenAI

client = OpenAI()
answer = client.responses.create(model="{target.model}", input="{QUESTION}")
print(answer.output_text)
"""
    return Recipe(
        environment={"OPENAI_BASE_URL": target.base_url, "OPENAI_API_KEY": target.key.in_shell},
        code=Code("python", code),
    )


def anthropic_sdk(target: Target) -> Recipe:
    """Anthropic's SDK for Python; the one for JavaScript reads the same variables."""
    code = f"""\
from anthropic import Anthropic

client = Anthropic()
answer = client.messages.create(
    model="{target.model}",
    max_tokens=4096,
    messages=[{{"role": "user", "content": "{QUESTION}"}}],
)
print("".join(block.text for block in answer.content if block.type == "text"))
"""
    return Recipe(
        environment={"ANTHROPIC_BASE_URL": target.root, "ANTHROPIC_AUTH_TOKEN": target.key.in_shell},
        code=Code("python", code),
    )


def ai_sdk(target: Target) -> Recipe:
    """Vercel's AI SDK with the provider for servers that speak OpenAI's APIs."""
    code = f"""\
import {{ createOpenAICompatible }} from "@ai-sdk/openai-compatible";
import {{ generateText }} from "ai";

const stellarator = createOpenAICompatible({{
  name: "stellarator",
  baseURL: "{target.base_url}",
  apiKey: process.env.STELLARATOR_API_KEY,
}});
const {{ text }} = await generateText({{
  model: stellarator("{target.model}"),
  prompt: "{QUESTION}",
}});
console.log(text);
"""
    return Recipe(
        environment={"STELLARATOR_API_KEY": target.key.in_shell},
        code=Code("javascript", code),
        notes=("It needs `npm install ai @ai-sdk/openai-compatible`.",),
    )
