"""A program that holds a session: run by the tests of `cluster.session`, told by its arguments what to do.

    python holder.py [--serve PORT] [--raise] [--orphan]

Prints one JSON line when it is up, then waits for a line on stdin (or for a signal) and leaves the block.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

from cluster.roles import COORDINATOR, GATEWAY, NAMESPACE
from cluster.session import connect, running
from cluster.settings import Settings


class Worker:
    """An actor that tells where it works, and may leave a process behind."""

    def look(self) -> dict[str, Any]:
        import actors  # noqa: PLC0415  # which one a worker finds is the question

        return {"actors": actors.__file__, "path": sys.path[:3], "python": sys.executable}

    def orphan(self) -> int:
        """Start a process that nobody would stop."""
        return subprocess.Popen(["sleep", "600"], start_new_session=True).pid  # noqa: S607  # any sleep


class Desk:
    """An async actor, as those are that take thousands of calls at once: any other would start as many threads."""

    async def idle(self) -> None:
        """Do nothing."""


class Door:
    """A deployment that answers."""

    async def __call__(self, _request: Any) -> str:
        """Say hello."""
        return "hello"


def main() -> None:
    """Hold a session."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--serve", type=int, default=0)
    arguments.add_argument("--raise", dest="fail", action="store_true")
    arguments.add_argument("--orphan", action="store_true")
    wanted = arguments.parse_args()
    settings = Settings.from_env()
    with connect(settings) as session:
        import ray  # noqa: PLC0415  # after the session's environment is set
        from ray import serve  # noqa: PLC0415  # the same

        worker: Any = ray.remote(Worker).options(
            name="worker", namespace=NAMESPACE, lifetime="detached", num_cpus=0
        )
        worker = worker.remote()
        ray.remote(Desk).options(**COORDINATOR.options(0)).remote()
        ready = {"address": session.address, **ray.get(worker.look.remote())}
        if wanted.serve:
            serve.start(http_options={"host": "127.0.0.1", "port": wanted.serve})
            serve.run(serve.deployment(**GATEWAY.options())(Door).bind())
        if wanted.orphan:
            ready["orphan"] = ray.get(worker.orphan.remote())
        note = running(settings)
        print(json.dumps({**ready, "folder": note.folder if note else None}), flush=True)  # noqa: T201  # how the test is told
        if wanted.fail:
            raise RuntimeError("on purpose")
        sys.stdin.readline()


if __name__ == "__main__":
    main()
