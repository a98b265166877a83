"""Every setting of this process, read once: the only module that reads or writes the environment.

    settings = Settings.from_env()

Each variable is named, checked and explained here; a wrong value is a `SetupError` that names the variable and
the way out. Nothing here imports Ray: Ray reads its environment while it is imported, so what it must find
there (`worker_environment`) has to be known before.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import platformdirs

from cluster import variables
from cluster.errors import SetupError
from cluster.guard import ROOT
from cluster.ingress import haproxy_environment
from cluster.sizes import Sizes

Content = Literal["full", "metadata"]
LogFormat = Literal["auto", "json", "pretty"]
Protocol = Literal["grpc", "http/protobuf"]
Ingress = Literal["serve", "haproxy"]

DEFAULT_PORT = 8000
DEFAULT_MAX_BODY_BYTES = 32 * 1024 * 1024  # what the vendors' own APIs take
_RELATIVE_SQLITE = re.compile(r"(?P<driver>sqlite(\+\w+)?):///(?P<path>(?!/|:memory:|file:).+)")
_RETENTION = re.compile(r"(\d+[hdw])?\s*(\d+[kmgt]b)?", re.IGNORECASE)
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS: tuple[LogFormat, ...] = ("auto", "json", "pretty")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process. Picklable; its repr has no secret.

    Attributes:
        home: the state folder, absolute: journal, keys, weights, logs, Ray's files.
        api_key: the key that clients send; None leaves it to the one kept in `home`.
        host: the address that the HTTP server binds.
        port: its port.
        ray_address: a cluster to join, ``host:port`` or ``auto``; None starts a local one.
        database_url: of the journal, in SQLAlchemy's form.
        retention: what the journal keeps: an age, a size, or both, as in ``30d 2GB``; empty keeps everything.
        capture_content: ``full`` keeps prompts and answers in the journal, ``metadata`` only figures.
        embedded_weights: the embedded model's weights, when they are already on this machine.
        max_body_bytes: the largest request body that is accepted.
        progress: whether streams tell how a panel is doing, when their request says nothing about it.
        log_level: of our own loggers.
        log_format: ``json``, ``pretty``, or ``auto``: pretty on a terminal.
        ingress: what takes requests in: Serve's own proxy, or HAProxy (see `cluster.ingress`).
        metrics_port: where a local Ray serves its metrics and ours to Prometheus, on loopback; None: nowhere.
        jaeger_url: of Jaeger's page, without a slash at the end, for the addresses of traces; empty: not told.
        sizes: of lanes and coordinators (see `cluster.sizes`).
    """

    home: Path
    database_url: str = field(repr=False)  # may hold a password
    api_key: str | None = field(default=None, repr=False)
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    ray_address: str | None = None
    retention: str = ""
    capture_content: Content = "full"
    embedded_weights: Path | None = None
    max_body_bytes: int = DEFAULT_MAX_BODY_BYTES
    progress: bool = True
    log_level: str = "INFO"
    log_format: LogFormat = "auto"
    ingress: Ingress = "serve"
    metrics_port: int | None = None
    jaeger_url: str = ""
    sizes: Sizes = Sizes()

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings and create the state folder (mode 0700) when it is missing.

        Raises:
            SetupError: a variable has a value that cannot be used, or the folder cannot be created.
        """
        env = os.environ if environ is None else environ
        home = _home(env)
        logs = LogSettings.from_env(env)
        return cls(
            home=home,
            database_url=_database_url(env, home),
            api_key=variables.text(env, "STELLARATOR_API_KEY"),
            host=variables.text(env, "STELLARATOR_HOST") or "127.0.0.1",
            port=variables.number(env, "STELLARATOR_PORT", DEFAULT_PORT, 1, 65535),
            ray_address=_ray_address(env),
            retention=_retention(env),
            capture_content=cast(
                "Content", variables.choice(env, "STELLARATOR_CAPTURE_CONTENT", ("full", "metadata"), "full")
            ),
            embedded_weights=variables.existing_file(env, "STELLARATOR_EMBEDDED_WEIGHTS"),
            max_body_bytes=variables.number(
                env, "STELLARATOR_MAX_BODY_BYTES", DEFAULT_MAX_BODY_BYTES, 1024, 2**40
            ),
            progress=variables.choice(env, "STELLARATOR_PROGRESS", ("on", "off"), "on") == "on",
            log_level=logs.level,
            log_format=logs.format,
            ingress=cast(
                "Ingress", variables.choice(env, "STELLARATOR_INGRESS", ("serve", "haproxy"), "serve")
            ),
            metrics_port=variables.number(env, "STELLARATOR_METRICS_PORT", 0, 0, 65535) or None,
            jaeger_url=variables.web_address(env, "STELLARATOR_JAEGER_URL"),
            sizes=Sizes.from_env(env),
        )

    def folder(self, *parts: str) -> Path:
        """A folder in the state folder, created with mode 0700 when it is missing."""
        return variables.private_folder(self.home.joinpath(*parts), "STELLARATOR_HOME")

    @property
    def ray_token_file(self) -> Path:
        """Where a local Ray's token is kept, mode 0600."""
        return self.home / "ray-token"


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How our own loggers write. `format` is ``json``, ``pretty``, or ``auto``: pretty on a terminal."""

    level: str = "INFO"
    format: LogFormat = "auto"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> LogSettings:
        """Read them.

        Raises:
            SetupError: there is no such level or format.
        """
        env = os.environ if environ is None else environ
        return cls(
            level=variables.choice(env, "STELLARATOR_LOG_LEVEL", LOG_LEVELS, "INFO"),
            format=cast("LogFormat", variables.choice(env, "STELLARATOR_LOG_FORMAT", LOG_FORMATS, "auto")),
        )


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """What the standard ``OTEL_*`` variables ask for. Exporters read addresses, headers and times themselves.

    Attributes:
        enabled: an OTLP endpoint is set and the SDK is not disabled.
        endpoint: where spans are sent; empty when nothing is.
        protocol, metrics_protocol: how they are sent; without a word about it, gRPC on port 4317 and HTTP elsewhere.
        service: the service's name.
        content: whether spans carry prompts and answers; off unless asked for by name.
        timeout_given: whether the exporter's timeout was set by hand.
        metrics: whether metrics are sent over OTLP: an endpoint is set, and OTEL_METRICS_EXPORTER is not ``none``.
    """

    enabled: bool = False
    protocol: Protocol = "http/protobuf"
    service: str = "stellarator"
    content: bool = False
    timeout_given: bool = False
    metrics: bool = False
    metrics_protocol: Protocol = "http/protobuf"
    endpoint: str = field(default="", repr=False)  # may hold a password

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> TelemetrySettings:
        """Read them.

        Raises:
            SetupError: the protocol is one that nobody speaks.
        """
        env = os.environ if environ is None else environ
        enabled = not variables.yes(env, "OTEL_SDK_DISABLED")
        timeout = variables.either(env, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
        traced, protocol = _otlp(env, "TRACES")
        measured, metrics_protocol = _otlp(env, "METRICS")
        return cls(
            enabled=enabled and bool(traced),
            endpoint=traced if enabled else "",
            protocol=protocol,
            metrics=enabled and bool(measured) and variables.text(env, "OTEL_METRICS_EXPORTER") != "none",
            metrics_protocol=metrics_protocol,
            service=variables.text(env, "OTEL_SERVICE_NAME") or "stellarator",
            content=variables.yes(env, "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"),
            timeout_given=bool(timeout),
        )


def _otlp(env: Mapping[str, str], signal: str) -> tuple[str, Protocol]:
    """Where this kind of telemetry goes, empty for nowhere, and how it is sent there."""
    endpoint = variables.either(env, f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    protocol = variables.either(env, f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    usual = "grpc" if endpoint.rstrip("/").endswith(":4317") else "http/protobuf"
    if protocol not in ("", "grpc", "http/protobuf"):
        raise SetupError(
            f"OTEL_EXPORTER_OTLP_PROTOCOL is `{protocol}`; set it to `grpc` or `http/protobuf`, or unset it."
        )
    return endpoint, cast("Protocol", protocol or usual)


def secret(name: str) -> str | None:
    """The value of the variable that a workflow names in `api_key_env`; None when it is unset or empty."""
    return os.environ.get(name) or None


def program_folder(variable: str, usual: Path) -> Path:
    """Where another program keeps its configuration: the folder that its variable names, else the usual one."""
    given = os.environ.get(variable, "").strip()
    return Path(given).expanduser().absolute() if given else usual


def user() -> str:
    """Who runs this process, for records: the login name; empty when the system has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def uv_program(environ: Mapping[str, str] | None = None) -> str | None:
    """The path of uv: the one that runs us (`uv run` leaves it in ``UV``), or one on the path; None without any."""
    env = os.environ if environ is None else environ
    return variables.text(env, "UV") or shutil.which("uv", path=env.get("PATH"))


def worker_environment(settings: Settings, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What every Ray process of a local session must have in its environment.

    Processes inherit their starter's whole environment besides; this is what has to be there in any case, and
    what a `ray start` by hand needs as well.
    """
    env = os.environ if environ is None else environ
    wanted = {
        **_RAY,
        **_LITELLM,
        "RAY_AUTH_TOKEN_PATH": str(settings.ray_token_file),
        "PYTHONPATH": _python_path(env),
        "STELLARATOR_HOME": str(settings.home),
        "STELLARATOR_HOST": settings.host,
        "STELLARATOR_PORT": str(settings.port),
        "STELLARATOR_DATABASE_URL": settings.database_url,
        "STELLARATOR_RETENTION": settings.retention,
        "STELLARATOR_CAPTURE_CONTENT": settings.capture_content,
        "STELLARATOR_MAX_BODY_BYTES": str(settings.max_body_bytes),
        "STELLARATOR_PROGRESS": "on" if settings.progress else "off",
        "STELLARATOR_LOG_LEVEL": settings.log_level,
        "STELLARATOR_JAEGER_URL": settings.jaeger_url,
        **(haproxy_environment(settings.folder("ingress")) if settings.ingress == "haproxy" else {}),
        "STELLARATOR_LOG_FORMAT": settings.log_format,
        **settings.sizes.environment(),
        **{name: value for name, value in env.items() if name.startswith("OTEL_")},
    }
    if settings.api_key:
        wanted["STELLARATOR_API_KEY"] = settings.api_key
    if settings.embedded_weights:
        wanted["STELLARATOR_EMBEDDED_WEIGHTS"] = str(settings.embedded_weights)
    return wanted


_RAY = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Despite its name: off means that the node's address is 127.0.0.1, so Ray's ports bind loopback only.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_ROTATION_MAX_BYTES": str(8 * 1024 * 1024),
    "RAY_ROTATION_BACKUP_COUNT": "2",
    "RAY_SCHEDULER_EVENTS": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # workers are what we are; see cluster.local_ray
    "RAY_SERVE_LOG_TO_STDERR": "0",
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "serve_app.last_word:middlewares",
}
_LITELLM = {
    # Without these its import asks the network for price lists and headers.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "true",
}


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """This process' environment with `values` over it; put back as it was at the end."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _home(env: Mapping[str, str]) -> Path:
    given = variables.text(env, "STELLARATOR_HOME")
    path = Path(given).expanduser() if given else platformdirs.user_data_path("stellarator", appauthor=False)
    return variables.private_folder(path.absolute(), "STELLARATOR_HOME")


def _python_path(env: Mapping[str, str]) -> str:
    # A checkout that is not installed is found by no other way; site-packages must not come before Python's own.
    installed = ROOT in (Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("platlib")))
    return os.pathsep.join(filter(None, ["" if installed else str(ROOT), env.get("PYTHONPATH", "")]))


def _database_url(env: Mapping[str, str], home: Path) -> str:
    url = variables.text(env, "STELLARATOR_DATABASE_URL")
    if url is None:
        return f"sqlite:///{home / 'journal.db'}"
    relative = _RELATIVE_SQLITE.fullmatch(url)
    if relative is None:
        return url
    # Ray's processes work in another folder, which is removed at the end.
    return f"{relative['driver']}:///{Path(relative['path']).absolute()}"


def _retention(env: Mapping[str, str]) -> str:
    text = variables.text(env, "STELLARATOR_RETENTION") or ""
    if not _RETENTION.fullmatch(text):
        raise SetupError(
            f"STELLARATOR_RETENTION is `{text}`; set it to an age, a size, or both, as in `30d 2GB`, or unset it."
        )
    return text


def _ray_address(env: Mapping[str, str]) -> str | None:
    address = variables.text(env, "STELLARATOR_RAY_ADDRESS")
    if address and "://" in address:
        raise SetupError(
            f"STELLARATOR_RAY_ADDRESS is `{address}`; Ray Client addresses are not supported. "
            "Set it to the cluster's own `host:port` (6379 by default), or to `auto` on one of its machines."
        )
    return address
