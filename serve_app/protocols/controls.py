"""What a client may ask of Stellarator itself, the same for every wire format: in headers and by `tool_choice`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import get_args

from serve_app.tracing import client_context
from workflows.answer import PanelMode, RunRequest
from workflows.errors import RequestInvalid
from workflows.messages import ChatRequest, ToolChoice

FUSION_HEADER = "x-stellarator-fusion"
DEPTH_HEADER = "x-stellarator-depth"
PROGRESS_HEADER = "x-stellarator-progress"

_DEPTH = re.compile(r"[0-9]{1,4}")
_SWITCH: Mapping[str, bool] = {"on": True, "off": False}
_MODES: Mapping[str, PanelMode] = {mode: mode for mode in get_args(PanelMode)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """The wishes of one request; see `workflows.answer.RunRequest` for each."""

    panel: PanelMode | None = None
    progress: bool = False
    depth: int = 0
    traceparent: str = ""


def controls_of(headers: Mapping[str, str], *, progress: bool = False) -> Controls:
    """Read them from case-insensitive `headers`; without a word about it, progress is told as `progress` says.

    Raises:
        RequestInvalid: a header of ours has a value that we do not know. A malformed traceparent is no
            error but, as W3C asks, as if it had not been sent.
    """
    fusion = headers.get(FUSION_HEADER)
    if fusion is not None and fusion.lower() not in _MODES:
        raise RequestInvalid(FUSION_HEADER, f"must be one of {', '.join(_MODES)}")
    switch = headers.get(PROGRESS_HEADER, "on" if progress else "off").lower()
    if switch not in _SWITCH:
        raise RequestInvalid(PROGRESS_HEADER, f"must be one of {', '.join(_SWITCH)}")
    depth = headers.get(DEPTH_HEADER, "0")
    if not _DEPTH.fullmatch(depth):
        raise RequestInvalid(DEPTH_HEADER, "must be a small whole number")
    return Controls(
        panel=None if fusion is None else _MODES[fusion.lower()],
        progress=_SWITCH[switch],
        depth=int(depth),
        traceparent=client_context(headers),
    )


def accepted(
    request: ChatRequest,
    controls: Controls,
    *,
    mounted: Collection[str],
    run_id: str,
    virtual_model: str,
    protocol: str,
    stream: bool,
    dropped: tuple[str, ...] = (),
) -> RunRequest:
    """The run that a client asks for, of a virtual model whose mounted tools are `mounted`.

    A `tool_choice` that names a mounted tool is a wish for that panel, unless the client has a tool of that name
    itself; the header's wish goes first.

    Raises:
        RequestInvalid: `tool_choice` names a tool that nobody has.
    """
    panel, panel_tool = controls.panel, ""
    choice = request.tool_choice
    if choice.mode == "named" and choice.name not in {tool.name for tool in request.tools}:
        if choice.name not in mounted:
            raise RequestInvalid("tool_choice", f"`{choice.name}` is not among the tools")
        request = replace(request, tool_choice=ToolChoice())
        panel, panel_tool = panel or "always", choice.name
    return RunRequest(
        run_id=run_id,
        virtual_model=virtual_model,
        protocol=protocol,
        request=request,
        stream=stream,
        progress=stream and controls.progress,
        panel=panel,
        panel_tool=panel_tool,
        dropped=dropped,
        depth=controls.depth,
        traceparent=controls.traceparent,
    )
