"""What the wire types of every protocol share: they are lenient towards what comes in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict


class Lenient(BaseModel):
    """Fields that we do not know are kept, not refused. Python's JSON reads NaN, which no provider takes."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)


def by_type(*known: str) -> Callable[[Any], str]:
    """A discriminator by ``type`` that sends types which we do not know to the tag ``other``."""

    def tag_of(value: Any) -> str:
        kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
        return kind if kind in known else "other"

    return tag_of
