"""A second Ray node on this machine, joined to a local session: `python -m tests.chaos.node ADDRESS`.

`ray start` refuses a second node where Ray is told to stay on loopback, which local sessions do; Ray's own tests start
nodes like this.
"""

from __future__ import annotations

import signal
import sys

from ray._private.node import Node
from ray._private.parameter import RayParams

if __name__ == "__main__":
    parameters = RayParams(
        gcs_address=sys.argv[1],
        node_ip_address="127.0.0.1",
        num_cpus=2,
        object_store_memory=80_000_000,
        include_log_monitor=False,  # type: ignore[arg-type]  # Ray passes a boolean itself
    )
    node = Node(parameters, head=False, shutdown_at_exit=True)
    signal.pause()
