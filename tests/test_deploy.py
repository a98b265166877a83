"""The deployment files say what Ray and the application understand. Docker and Kubernetes are not run here."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.serve import Application
from ray.serve._private.api import call_user_app_builder_with_args_if_necessary
from ray.serve.schema import ServeDeploySchema
from ruamel.yaml import YAML

from cluster.settings import Settings, worker_environment
from serve_app.app import AppArgs, build, workflow

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"


def read(name: str) -> Any:
    return YAML(typ="safe").load((DEPLOY / name).read_text(encoding="utf-8"))


def serve_configs() -> dict[str, Any]:
    service = read("rayservice.yaml")
    inner = YAML(typ="safe").load(service["spec"]["serveConfigV2"])
    return {"serve.yaml": read("serve.yaml"), "rayservice.yaml": inner}


@pytest.mark.parametrize("name", ["serve.yaml", "rayservice.yaml"])
def test_serve_accepts_the_config_and_the_application_its_arguments(name: str) -> None:
    config = serve_configs()[name]
    schema = ServeDeploySchema.model_validate(config)
    (application,) = schema.applications
    assert application.import_path == "serve_app.app:build"
    arguments = AppArgs.model_validate(application.args)
    assert [workflow(source).name for source in arguments.workflows] == ["fusion-review"]


def test_serve_builds_the_application_from_the_config() -> None:
    """By Serve's own code: it reads the type of `build`'s argument, which must be the class and not its name."""
    arguments = read("serve.yaml")["applications"][0]["args"]
    builder: Any = build
    assert isinstance(call_user_app_builder_with_args_if_necessary(builder, arguments), Application)


def test_the_plain_config_binds_loopback() -> None:
    assert read("serve.yaml")["http_options"]["host"] == "127.0.0.1"


def test_kubernetes_gets_the_ray_that_is_pinned_and_its_token() -> None:
    cluster = read("rayservice.yaml")["spec"]["rayClusterConfig"]
    assert cluster["rayVersion"] == version("ray")
    assert cluster["authOptions"] == {"mode": "token"}


def test_ray_up_accepts_the_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))  # where Ray notes the machines of a local cluster
    (tmp_path / "ray").mkdir()
    config = read("cluster.yaml")
    validate_config(prepare_config(config))
    commands = " ".join(config["head_start_ray_commands"] + config["worker_start_ray_commands"])
    assert commands.count("RAY_AUTH_MODE=token") == 2
    assert "--dashboard-host=127.0.0.1" in commands


def test_compose_opens_ports_on_loopback_only() -> None:
    services = read("compose.yaml")["services"]
    ports = [port for service in services.values() for port in service["ports"]]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_compose_starts_jaeger_2_and_postgresql_and_a_collector_only_when_asked() -> None:
    services = read("compose.yaml")["services"]
    assert services["jaeger"]["image"].startswith("jaegertracing/jaeger:2.")
    assert {"16686", "4317", "4318"} <= {port.split(":")[-1] for port in services["jaeger"]["ports"]}
    assert services["postgres"]["image"].startswith("postgres:")
    assert {name for name, service in services.items() if "profiles" not in service} == {"jaeger", "postgres"}
    mounted = services["collector"]["volumes"][0].split(":")[0]
    assert (DEPLOY / mounted).is_file()


def test_the_collector_keeps_failed_and_slow_runs_and_every_part_that_it_names_is_there() -> None:
    config = read("otel-collector.yaml")
    policies = {policy["type"] for policy in config["processors"]["tail_sampling"]["policies"]}
    assert {"status_code", "latency"} <= policies
    for pipeline in config["service"]["pipelines"].values():
        for kind, names in pipeline.items():
            assert set(names) <= set(config[kind])


def test_the_image_has_what_ray_processes_need_and_the_code_first_on_its_path(tmp_path: Path) -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert "PYTHONPATH=/app" in dockerfile
    wanted = worker_environment(Settings.from_env({"STELLARATOR_HOME": str(tmp_path)}))
    for name, value in wanted.items():
        if name.startswith("LITELLM_"):
            assert f"{name}={value}" in dockerfile


def test_the_image_copies_only_what_is_there() -> None:
    copied = re.findall(r"^COPY --chown=ray (.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert names
    for name in names:
        assert (DEPLOY.parent / name).exists()
        assert f"!{name}" in allowed
