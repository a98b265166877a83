"""Every setting is read in one place, and a wrong one says which variable to mend."""

from __future__ import annotations

import os
import pickle
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import SetupError
from cluster.settings import (
    Settings,
    TelemetrySettings,
    environment,
    secret,
    uv_program,
    worker_environment,
)


def read(home: Path, **variables: str) -> Settings:
    return Settings.from_env({"STELLARATOR_HOME": str(home), **variables})


def test_an_empty_environment_gives_loopback_and_a_journal_in_the_state_folder(tmp_path: Path) -> None:
    settings = read(tmp_path / "state")
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.database_url == f"sqlite:///{tmp_path}/state/journal.db"
    assert settings.capture_content == "full"
    assert settings.api_key is None
    assert settings.ray_address is None


def test_the_state_folder_is_created_for_its_owner_only(tmp_path: Path) -> None:
    settings = read(tmp_path / "a" / "state")
    assert stat.S_IMODE(settings.home.stat().st_mode) == 0o700
    assert stat.S_IMODE(settings.folder("logs").stat().st_mode) == 0o700


def test_a_state_folder_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    read(shared)
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755


def test_without_a_word_the_state_is_in_the_users_data_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings.from_env({}).home.is_relative_to(tmp_path)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("STELLARATOR_PORT", "http"),
        ("STELLARATOR_PORT", "0"),
        ("STELLARATOR_PORT", "70000"),
        ("STELLARATOR_CAPTURE_CONTENT", "some"),
        ("STELLARATOR_MAX_BODY_BYTES", "-1"),
        ("STELLARATOR_LOG_LEVEL", "loud"),
        ("STELLARATOR_RAY_ADDRESS", "ray://head:10001"),
        ("STELLARATOR_EMBEDDED_WEIGHTS", "/nowhere/weights.gguf"),
    ],
)
def test_a_wrong_value_names_its_variable_and_the_way_out(tmp_path: Path, variable: str, value: str) -> None:
    with pytest.raises(SetupError) as caught:
        read(tmp_path, **{variable: value})
    assert variable in str(caught.value)
    assert value in str(caught.value)
    assert "et it to" in str(caught.value)


def test_a_state_folder_that_cannot_be_made_names_its_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="STELLARATOR_HOME"):
        read(tmp_path / "file" / "state")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("sqlite:///runs.db", "sqlite:///{cwd}/runs.db"),
        ("sqlite+pysqlite:///a/runs.db", "sqlite+pysqlite:///{cwd}/a/runs.db"),
        ("sqlite:////var/runs.db", "sqlite:////var/runs.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("postgresql+psycopg://u@db/journal", "postgresql+psycopg://u@db/journal"),
    ],
)
def test_a_relative_database_file_is_meant_from_here(tmp_path: Path, given: str, meant: str) -> None:
    assert read(tmp_path, STELLARATOR_DATABASE_URL=given).database_url == meant.format(cwd=Path.cwd())


def test_errors_and_settings_survive_pickle(tmp_path: Path) -> None:
    error = pickle.loads(pickle.dumps(SetupError("Set X.")))
    assert str(error) == "Set X."
    settings = read(tmp_path)
    assert pickle.loads(pickle.dumps(settings)) == settings


@given(key=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=12))
def test_no_secret_is_in_the_repr(key: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = read(
        tmp_path_factory.getbasetemp(),
        STELLARATOR_API_KEY=key,
        STELLARATOR_DATABASE_URL=f"postgresql://me:{key}@db/journal",
    )
    assert settings.api_key == key
    assert key not in repr(settings)


def test_a_secret_is_looked_up_by_the_name_that_a_workflow_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_KEY", "k")
    monkeypatch.setenv("EMPTY_KEY", "")
    assert secret("UPSTREAM_KEY") == "k"
    assert secret("EMPTY_KEY") is None
    assert secret("NO_SUCH_KEY") is None


def test_ray_processes_get_authentication_quiet_and_the_same_settings(tmp_path: Path) -> None:
    settings = read(tmp_path, STELLARATOR_API_KEY="key", STELLARATOR_PORT="9001")
    wanted = worker_environment(
        settings, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTHER": "x"}
    )
    assert wanted["RAY_AUTH_MODE"] == "token"
    assert wanted["RAY_AUTH_TOKEN_PATH"].startswith(str(tmp_path))
    assert wanted["RAY_USAGE_STATS_ENABLED"] == "0"
    assert wanted["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:4317"
    assert "OTHER" not in wanted
    assert Settings.from_env(wanted) == settings


def test_the_environment_is_put_back_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STELLARATOR_TEST_A", "old")
    with environment({"STELLARATOR_TEST_A": "new", "STELLARATOR_TEST_B": "new"}):
        assert (os.environ["STELLARATOR_TEST_A"], os.environ["STELLARATOR_TEST_B"]) == ("new", "new")
    assert os.environ["STELLARATOR_TEST_A"] == "old"
    assert "STELLARATOR_TEST_B" not in os.environ


def test_telemetry_is_off_until_an_endpoint_is_set() -> None:
    assert not TelemetrySettings.from_env({}).enabled
    assert TelemetrySettings.from_env({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318"}).enabled
    off = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}
    assert not TelemetrySettings.from_env(off).enabled


@pytest.mark.parametrize(
    ("endpoint", "protocol", "expected"),
    [
        ("http://c:4317", "", "grpc"),
        ("http://c:4318", "", "http/protobuf"),
        ("https://collector.example/otlp", "", "http/protobuf"),
        ("http://c:4317", "http/protobuf", "http/protobuf"),
        ("http://c:9", "grpc", "grpc"),
    ],
)
def test_the_protocol_follows_the_port_unless_it_is_named(
    endpoint: str, protocol: str, expected: str
) -> None:
    read = TelemetrySettings.from_env(
        {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    )
    assert read.protocol == expected


def test_a_protocol_that_nobody_speaks_is_refused() -> None:
    with pytest.raises(SetupError, match="OTEL_EXPORTER_OTLP_PROTOCOL"):
        TelemetrySettings.from_env({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"})


def test_spans_carry_content_only_when_asked_by_name() -> None:
    assert not TelemetrySettings.from_env({}).content
    asked = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"}
    assert TelemetrySettings.from_env(asked).content


def test_the_uv_that_runs_us_comes_before_the_one_on_the_path(tmp_path: Path) -> None:
    on_path = tmp_path / "uv"
    on_path.write_text("")
    on_path.chmod(0o755)
    assert uv_program({"UV": "/opt/uv", "PATH": str(tmp_path)}) == "/opt/uv"
    assert uv_program({"PATH": str(tmp_path)}) == str(on_path)
    assert uv_program({"PATH": ""}) is None
