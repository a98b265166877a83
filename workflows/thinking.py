"""What a model wrote for itself, taken out of what it wrote for others.

Providers should keep a model's thinking apart from its answer; many servers do not, and then it arrives in the
text between marks that differ by model family. `visible` knows these:

- tags: ``<think>``, ``<thinking>``, ``<thought>``, ``<scratchpad>``, ``<reasoning>``, ``<reflection>`` and relatives,
  with any prefix, suffix, case or attributes (``<seed:think>``, ``<REASONING_SCRATCHPAD>``);
- tokens: ``[THINK]`` (Magistral), ``<|START_THINKING|>`` (Cohere), ``<|begin_of_thought|>`` (OpenThinker),
  ``◁think▷`` (Kimi), ``<|open|>think<|sep|>`` (Kimi K3), ``<|channel>thought`` (Gemma 4);
- the harmony format of gpt-oss: only the ``final`` channel is for others; also when the server dropped the special
  tokens and left ``analysis...assistantfinal...``.

Marks in closed code (a fenced block, or backticks) are text about marks and stay, unless they are inside thinking.
Outside code everything between an opening mark and its closing mark goes; after an opening mark that is never closed,
everything; before a closing mark that was never opened (chat templates open the thinking for the model), everything
back to the mark before. So plain prose that writes ``<think>`` without backticks loses text: leaking is worse.
"""

from __future__ import annotations

import re

NAMES = r"\w*(?:think(?:ing)?|thoughts?|scratch_?pad|reasoning|reflection|inner_monologue)"
OPEN = (
    r"<(?:[\w-]+:)?think(?:ing)?(?:\s[^<>]*)?>"
    rf"|(?<!\w)<(?:[\w-]+:)?{NAMES}(?:\s[^<>]*)?>"  # not the type in List<Thought>
    r"|\[think\]|◁think▷|<\|start_thinking\|>|<\|begin_of_thought\|>|<\|open\|>think<\|sep\|>"
    r"|<\|channel>\s*(?:thought|analysis)\b"
)
CLOSE = (
    rf"</(?:[\w-]+:)?{NAMES}\s*>"
    r"|\[/think\]|◁/think▷|<\|end_thinking\|>|<\|end_of_thought\|>|<\|close\|>think<\|sep\|>"
    r"|<channel\|>"
)
_CODE = (
    r"^(?P<fence>```++|~~~++)[^\n]*\n.*?^(?P=fence)"  # a closed block
    r"|(?<!`)(?P<tick>`++)[^\n]*?(?<!`)(?P=tick)(?!`)"
)
FLAGS = re.MULTILINE | re.DOTALL | re.IGNORECASE
_LANDMARK = re.compile(rf"(?P<code>{_CODE})|(?P<open>{OPEN})|(?P<close>{CLOSE})", FLAGS)
_CLOSING = re.compile(CLOSE, FLAGS)
_CODE_ONLY = re.compile(_CODE, FLAGS)
_WRAPPING = re.compile(r"<\|(?:begin|end)_of_solution\|>|<\|(?:START|END)_RESPONSE\|>")
_HARMONY = re.compile(
    r"<\|channel\|>\s*(?P<channel>\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>"
    r"(?P<body>.*?)(?=<\|(?:end|return|call|start|channel)\|>|\Z)",
    re.DOTALL,
)
# Every mark begins with one of these; most texts have none, and are asked often.
_MAY_THINK = re.compile(r"[<\[◁]|assistantfinal")
_HARMONY_BARE = re.compile(r"\A\s*analysis(?=[A-Z\s]).*?assistantfinal(?P<body>.*)\Z", re.DOTALL)


def visible(text: str) -> str:
    """Return the part of a model's text that is meant for others, without surrounding blank space.

    Applying it again changes nothing. Empty when there is only thinking.
    """
    if not _MAY_THINK.search(text):
        return text.strip()
    shown = _without_thinking(_final_channel(text)).strip()
    while shown != (again := _without_thinking(_final_channel(shown)).strip()):
        shown = again  # taking thinking out can join the halves of another mark
    return shown


def _final_channel(text: str) -> str:
    """The ``final`` messages of a harmony text; any other text as it is."""
    if "<|channel|>" in _CODE_ONLY.sub("", text):
        finals = [m["body"] for m in _HARMONY.finditer(text) if m["channel"] == "final"]
        return "\n\n".join(finals)
    bare = _HARMONY_BARE.match(text)
    return bare["body"] if bare else text


def _without_thinking(text: str) -> str:
    """Walk from mark to mark, keeping what stands outside thinking."""
    kept: list[str] = []
    start = scan = 0  # what is kept next begins at `start`; code was skipped up to `scan`
    while mark := _LANDMARK.search(text, scan):
        if mark.lastgroup == "code":
            scan = mark.end()
        elif mark.lastgroup == "close":
            start = scan = mark.end()  # never opened: what came before it was thinking
        else:
            kept.append(text[start : mark.start()])
            closing = _CLOSING.search(text, mark.end())
            start = scan = closing.end() if closing else len(text)
    return _WRAPPING.sub("", "".join((*kept, text[start:])))
