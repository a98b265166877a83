"""The one error of this package.

`cluster` imports none of our packages, so it cannot raise from the tree in `workflows.errors`; the doors
translate `SetupError` into `SetupInvalid` there.
"""

from __future__ import annotations


class SetupError(Exception):
    """The machine or the settings must be put right first. One readable paragraph that says how.

    Survives pickle, carries no secret.
    """
