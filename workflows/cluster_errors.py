"""The errors of a cluster whose parts are gone or do not answer, one branch of the tree in `workflows.errors`."""

from __future__ import annotations

from workflows.failure import StellaratorError


class ClusterError(StellaratorError):
    """A part of the cluster is gone or does not answer."""

    code = "cluster_error"
    retryable = True

    def __str__(self) -> str:
        return super().__str__() or "A part of the cluster is gone or does not answer. Try again in a moment."


class LaneLost(ClusterError):
    """The process that made a call died; whether the provider was reached is unknown."""

    code = "lane_lost"

    def __str__(self) -> str:
        return "The process that made this call died before it answered."


class CoordinatorLost(ClusterError):
    """The process that ran a panel died and did not come back in time."""

    code = "coordinator_lost"

    def __str__(self) -> str:
        return "The coordinator of this run died and did not come back in time."


class KeeperLost(ClusterError):
    """The process that drives a kept run died; the run goes on in its next life."""

    code = "keeper_lost"

    def __str__(self) -> str:
        return "The process that drives this run died. The run goes on; ask for it again."


class RunNotDriven(ClusterError):
    """Nobody drives that run now: it is over, or will be gone on with later."""

    code = "run_not_driven"

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id

    def __str__(self) -> str:
        return f"Nobody drives the run {self.run_id} at the moment. Ask again in a while."


class ReplicaLost(ClusterError):
    """The process that answered died in the middle of its answer."""

    code = "replica_lost"

    def __str__(self) -> str:
        return "The process that answered died before it was done."


class PublishFailed(ClusterError):
    """A virtual model could not be brought up; what was active before it still is."""

    code = "publish_failed"

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(name, detail)
        self.name = name
        self.detail = detail

    def __str__(self) -> str:
        return f"`{self.name}` could not be brought up: {self.detail}"


class Overloaded(ClusterError):
    """More requests are under way than a deployment takes."""

    code = "overloaded"

    def __str__(self) -> str:
        return "Too many requests are under way for this model. Try again in a moment."


class JournalUnavailable(ClusterError):
    """The journal cannot be written or read."""

    code = "journal_unavailable"

    def __str__(self) -> str:
        said = ", ".join(map(str, self.args))
        return said or "The journal cannot be written or read at the moment. Try again in a moment."


class JournalRefused(ClusterError):
    """An event that the journal cannot hold: trying again does not help."""

    code = "journal_refused"
