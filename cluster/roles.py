"""Every actor, task and deployment: its name, its share of the machine, and what happens when it dies.

One table, so that a number is found and changed in one place. Splat a row where the thing is made:

    Coordinator.options(**COORDINATOR.options(shard), get_if_exists=True).remote()
    branch_task.options(**BRANCH.options(resources={"gpu": 1})).remote(...)
    serve.deployment(**GATEWAY.options())(Gateway)

No row imports Ray. What waits for the network needs a turn on a core, not a core, and thousands of calls share one
process: lanes, which are pinned to their nodes, ask for nothing, and the others for `A_TURN`, so that Ray puts them on
a node that offers cores, and never on a head started with `--num-cpus=0`. `max_task_retries` repeats a method after its
process died, so it is more than 0 only where a repeated call is harmless: a model call would be paid twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NAMESPACE = "stellarator"
"""The one Ray namespace that all our named actors live in."""

A_TURN = 0.01
"""The least that keeps an actor off a node without cores: Ray puts an actor that asks for nothing anywhere."""

FOREVER = -1
"""For `max_restarts`: however often it dies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A named, detached actor; several of one role differ in what follows the name.

    Attributes:
        name: its name, or what all their names begin with.
        doc: what it is for, one line, shown by `status`.
        num_cpus: reserved cores.
        max_concurrency: calls at once; the rest wait in the actor's queue.
        max_restarts: how often Ray starts it again after its process died.
        max_task_retries: how often Ray repeats a call that died with the process.
        enable_task_events: whether Ray records each call; off saves CPU where calls are many.
    """

    name: str
    doc: str
    num_cpus: float = A_TURN
    max_concurrency: int = 1000
    max_restarts: int = FOREVER
    max_task_retries: int = 0
    enable_task_events: bool = True

    def called(self, *parts: str | int) -> str:
        """The name of one of them: ``COORDINATOR.called(3)`` is ``coordinator-3``."""
        return "-".join([self.name, *map(str, parts)])

    def owns(self, actor_name: str) -> bool:
        """Whether an actor of that name plays this role."""
        return actor_name == self.name or actor_name.startswith(f"{self.name}-")

    def options(self, *parts: str | int, **more: Any) -> dict[str, Any]:
        """What to give to ``Actor.options``; `more` is added and wins."""
        return {
            "name": self.called(*parts),
            "namespace": NAMESPACE,
            "lifetime": "detached",
            "num_cpus": self.num_cpus,
            "max_concurrency": self.max_concurrency,
            "max_restarts": self.max_restarts,
            "max_task_retries": self.max_task_retries,
            "enable_task_events": self.enable_task_events,
            **more,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRole:
    """A remote function: one process per running call."""

    name: str
    doc: str
    num_cpus: float
    max_retries: int = 0

    def options(self, **more: Any) -> dict[str, Any]:
        """What to give to ``function.options``; `more` is added and wins."""
        return {"name": self.name, "num_cpus": self.num_cpus, "max_retries": self.max_retries, **more}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentRole:
    """A Serve deployment.

    Attributes:
        name: the deployment's name.
        doc: what it is for, one line.
        num_cpus: reserved cores per replica; small, because a replica waits for models most of the time.
        max_ongoing_requests: requests at once per replica (Serve's own default of 5 would throttle streams).
        max_queued_requests: requests that may wait for a replica; beyond it Serve refuses (503).
        graceful_shutdown_timeout_s: seconds that requests under way get when a replica is stopped.
        graceful_shutdown_wait_loop_s: seconds between two looks whether they are done.
    """

    name: str
    doc: str
    num_cpus: float
    max_ongoing_requests: int
    max_queued_requests: int
    graceful_shutdown_timeout_s: float = 10.0
    graceful_shutdown_wait_loop_s: float = 0.1

    def options(self, **more: Any) -> dict[str, Any]:
        """What to give to ``serve.deployment`` or ``Deployment.options``; `more` is added and wins."""
        return {
            "name": self.name,
            "max_ongoing_requests": self.max_ongoing_requests,
            "max_queued_requests": self.max_queued_requests,
            "graceful_shutdown_timeout_s": self.graceful_shutdown_timeout_s,
            "graceful_shutdown_wait_loop_s": self.graceful_shutdown_wait_loop_s,
            "ray_actor_options": {"num_cpus": self.num_cpus},
            **more,
        }


JOURNAL = Role(
    name="journal",
    doc="writes the journal, in batches",
    max_concurrency=10_000,
    max_task_retries=3,  # events have ids: one that arrives twice is stored once
    enable_task_events=False,
)
COORDINATOR = Role(
    name="coordinator",
    doc="runs panels: dispatches branches, collects them to the quorum (coordinator-{shard})",
    max_concurrency=10_000,
    max_task_retries=3,  # it reads the journal first, so that no finished step is paid again
    enable_task_events=False,
)
KEEPER = Role(
    name="keeper",
    doc="drives runs that outlive their request; started when there is one (keeper-{shard})",
    max_concurrency=10_000,
    max_task_retries=3,  # a run has an id: one that arrives twice is driven once
)
SUPERVISOR = Role(
    name="supervisor",
    doc="keeps enough lanes on every node that is alive, and replaces lost ones",
    max_concurrency=100,
    max_task_retries=3,
)
LANE = Role(
    name="lane",
    doc="makes model calls, thousands at once (lane-{node}-{number})",
    num_cpus=0,
    max_concurrency=20_000,
    max_restarts=0,  # a dead lane is known at once, not after a second; the supervisor opens another
    enable_task_events=False,
)
LITELLM_LANE = Role(
    name="litellm",
    doc="the same for providers that LiteLLM translates; loads it on the first call (litellm-{node}-{number})",
    num_cpus=0,
    max_concurrency=20_000,
    max_restarts=0,
    enable_task_events=False,
)
QUOTA = Role(
    name="quota",
    doc="keeps the limits of providers' accounts for all processes; started with the first workflow that has any",
    max_concurrency=10_000,
    enable_task_events=False,
)
CREDITS = Role(
    name="credits",
    doc="works out, after the answer, what each branch contributed; at the lowest priority",
    enable_task_events=False,
)
PUBLISHER = Role(
    name="publisher",
    doc="publishes: brings versions of virtual models up, switches the gateways, lets old versions drain",
)
EMBEDDED_MODEL = Role(
    name="embedded",
    doc="the embedded demo model (embedded-{model})",
    num_cpus=1,
    max_concurrency=1000,
)
ROLES = (
    JOURNAL,
    COORDINATOR,
    KEEPER,
    SUPERVISOR,
    LANE,
    LITELLM_LANE,
    QUOTA,
    CREDITS,
    PUBLISHER,
    EMBEDDED_MODEL,
)

BRANCH = TaskRole(name="branch", doc="a branch that declares `resources` of its own", num_cpus=1)

GATEWAY = DeploymentRole(
    name="Gateway",
    doc="the HTTP door: authentication, limits, wire formats",
    num_cpus=0.1,
    max_ongoing_requests=2000,
    max_queued_requests=2000,
)
VIRTUAL_MODEL = DeploymentRole(
    name="VirtualModel",
    doc="one published workflow: drives its conversations",
    num_cpus=0.1,
    max_ongoing_requests=1000,
    max_queued_requests=1000,
)
DEPLOYMENTS = (GATEWAY, VIRTUAL_MODEL)

LOCAL_CPUS = 4
"""The least number of logical cores of a local Ray, so that replicas and the embedded model fit on any laptop."""
