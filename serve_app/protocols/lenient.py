"""What the wire types of every protocol share: they are lenient towards what comes in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Lenient(BaseModel):
    """Fields that we do not know are kept, not refused. Python's JSON reads NaN, which no provider takes."""

    is_opaque: ClassVar[bool] = False
    """Whether a translation takes the value whole, or leaves it out whole, without a look at its fields."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)


def by_type(*known: str, untyped: str = "other") -> Callable[[Any], str]:
    """A discriminator by ``type``: types that we do not know get the tag ``other``, none at all gets `untyped`."""

    def tag_of(value: Any) -> str:
        kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
        if kind is None:
            return untyped
        return kind if kind in known else "other"

    return tag_of
