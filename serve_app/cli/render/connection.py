"""How to call a running server: ready to paste. Plain text, never wrapped."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

_QUESTION = "Review my plan: ship on Friday, test on Monday."


@dataclass(frozen=True, slots=True)
class Key:
    """Where the server's key is, and the key itself when nobody has seen it yet.

    Attributes:
        file: the file that holds it; None when it was given by STELLARATOR_API_KEY.
        new: the key, when it was made just now; empty otherwise.
    """

    file: Path | None
    new: str = ""

    @property
    def in_words(self) -> str:
        """The key, or where it is."""
        if self.file is None:
            return "as given by STELLARATOR_API_KEY"
        return f"{self.new}  (shown this once; kept in {self.file})" if self.new else f"in {self.file}"

    @property
    def in_shell(self) -> str:
        """What a shell reads the key with, so that it is neither in the command nor in the history."""
        return f"$(cat {shlex.quote(str(self.file))})" if self.file else "$STELLARATOR_API_KEY"

    @property
    def in_python(self) -> str:
        """The same for Python."""
        return (
            f"Path({str(self.file)!r}).read_text().strip()" if self.file else 'environ["STELLARATOR_API_KEY"]'
        )


def how_to_call(base_url: str, key: Key, models: tuple[str, ...]) -> str:
    """Base URL, key and models; a curl command; four lines for OpenAI's SDK."""
    reader = "from pathlib import Path" if key.file else "from os import environ"
    return f"""\
base URL  {base_url}
API key   {key.in_words}
models    {", ".join(models)}

curl {base_url}/chat/completions -H "Authorization: Bearer {key.in_shell}" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "{models[0]}", "messages": [{{"role": "user", "content": "{_QUESTION}"}}]}}'

{reader}
from openai import OpenAI
client = OpenAI(base_url="{base_url}", api_key={key.in_python})
answer = client.chat.completions.create(model="{models[0]}", messages=[{{"role": "user", "content": "{_QUESTION}"}}])
print(answer.choices[0].message.content)
"""
