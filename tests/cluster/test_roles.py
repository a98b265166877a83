"""The table of roles says what Ray is told, and Ray takes it."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import ray
from ray import serve

from cluster import roles
from cluster.roles import (
    BRANCH,
    COORDINATOR,
    DEPLOYMENTS,
    GATEWAY,
    LANE,
    LITELLM_LANE,
    NAMESPACE,
    ROLES,
    DeploymentRole,
    Role,
)


def test_one_of_several_is_named_by_what_tells_it_apart() -> None:
    assert COORDINATOR.called(3) == "coordinator-3"
    assert LANE.options("node1", 0)["name"] == "lane-node1-0"


def test_names_tell_roles_apart() -> None:
    for role in ROLES:
        assert [other for other in ROLES if other.owns(role.called("x", 1))] == [role]


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_ray_takes_every_actors_options(role: Role) -> None:
    actor: Any = ray.remote(type("Actor", (), {}))
    options = role.options("x")
    assert options["namespace"] == NAMESPACE
    actor.options(**options)


def test_ray_takes_the_tasks_options() -> None:
    @ray.remote
    def task() -> None:
        pass

    task.options(**BRANCH.options(resources={"accelerator": 1}))


@pytest.mark.parametrize("role", DEPLOYMENTS, ids=lambda role: role.name)
def test_serve_takes_every_deployments_options(role: DeploymentRole) -> None:
    deployment = serve.deployment(**role.options())(type("Door", (), {}))
    assert deployment.name == role.name
    assert deployment.max_ongoing_requests == role.max_ongoing_requests


def test_more_options_are_added_and_win() -> None:
    options = LANE.options("n", 1, max_concurrency=5, runtime_env={})
    assert options["max_concurrency"] == 5
    assert options["runtime_env"] == {}
    assert GATEWAY.options(num_replicas=2)["num_replicas"] == 2


@pytest.mark.parametrize("role", [LANE, LITELLM_LANE])
def test_a_paid_call_is_never_repeated_by_ray(role: Role) -> None:
    assert role.options()["max_task_retries"] == 0
    assert BRANCH.options()["max_retries"] == 0


def test_the_table_does_not_import_ray() -> None:
    assert "import ray" not in inspect.getsource(roles)
