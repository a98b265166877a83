"""How to call a running server: ready to paste. Plain text, never wrapped."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

QUESTION = "Review my plan: ship on Friday, test on Monday."
KEY_VARIABLE = "STELLARATOR_API_KEY"
_IN_QUOTES = re.compile(r"[\\\"$`]")
"""What a shell does not take as it is between double quotes."""


@dataclass(frozen=True, slots=True)
class Key:
    """Where the server's key is, and the key itself when nobody has seen it yet.

    Attributes:
        file: the file that holds it; None when it was given by STELLARATOR_API_KEY.
        new: the key, when it was made just now; empty otherwise.
        shown: the key, when it is to stand in what is pasted; empty otherwise.
    """

    file: Path | None
    new: str = ""
    shown: str = ""

    @property
    def in_words(self) -> str:
        """The key, or where it is."""
        if self.file is None:
            return "as given by STELLARATOR_API_KEY"
        return f"{self.new}  (shown this once; kept in {self.file})" if self.new else f"in {self.file}"

    @property
    def in_shell(self) -> str:
        """For double quotes in a shell: what reads the key, so that it is neither in the command nor in the history."""
        if self.shown:
            return _IN_QUOTES.sub(r"\\\g<0>", self.shown)
        return f"$({shlex.join(self.command)})" if self.file else f"${KEY_VARIABLE}"

    @property
    def command(self) -> tuple[str, ...]:
        """The program that prints the key, for clients that ask one."""
        return ("cat", str(self.file)) if self.file else ("printenv", KEY_VARIABLE)

    @property
    def in_python(self) -> str:
        """The same for Python."""
        if self.shown:
            return repr(self.shown)
        return f"Path({str(self.file)!r}).read_text().strip()" if self.file else f'environ["{KEY_VARIABLE}"]'


def how_to_call(base_url: str, key: Key, models: tuple[str, ...]) -> str:
    """Base URL, key and models; a curl command; four lines for OpenAI's SDK."""
    reader = "from pathlib import Path" if key.file else "from os import environ"
    return f"""\
base URL  {base_url}
API key   {key.in_words}
models    {", ".join(models)}

curl {base_url}/chat/completions -H "Authorization: Bearer {key.in_shell}" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "{models[0]}", "messages": [{{"role": "user", "content": "{QUESTION}"}}]}}'

{reader}
from openai import OpenAI
client = OpenAI(base_url="{base_url}", api_key={key.in_python})
answer = client.chat.completions.create(model="{models[0]}", messages=[{{"role": "user", "content": "{QUESTION}"}}])
print(answer.choices[0].message.content)
"""
