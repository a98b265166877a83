"""The limit of open files, seen from a process of its own, since it cannot be put back."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import resource
from cluster import open_files
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
assert open_files.allowed() == 300
assert open_files.raised() == 300
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (300, 300)
assert open_files.raised() == 300
"""


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=60)
