"""Ray's actor handles have no useful types; this package gives what they return its types, method by method."""

from __future__ import annotations

from typing import Any, TypeAlias

Handle: TypeAlias = Any
"""A handle of a Ray actor. Outside this package nobody holds one by its type."""
