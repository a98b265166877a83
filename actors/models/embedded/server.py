"""The embedded model's server: llama.cpp inside this process, behind an OpenAI endpoint on a free loopback port.

One for each node, in an actor of its own (`actors.runs.embedded`), so that weights are in memory once and the calls
of all lanes are batched together.
"""

from __future__ import annotations

import asyncio
import importlib
import os
from pathlib import Path
from typing import Any

from actors.models.embedded.weights import SMOLLM2, ensure_weights
from cluster.settings import Settings, environment
from workflows.errors import SetupInvalid

SLOTS = 4
"""Calls that are computed at once: a panel of three and one more. Others wait in the server's queue."""

SLOT_TOKENS = 2048
"""Prompt and answer of one call. llama.cpp divides its context among the slots."""

_MODULE = "xllamacpp"
_QUIET_THREADS = {
    # OpenMP's threads spin at barriers; on cores that are busy otherwise that costs a factor of ten.
    "OMP_WAIT_POLICY": "passive",
    "GOMP_SPINCOUNT": "0",
}
_SILENT = -1
_NO_PROMPT_CACHE = 0  # by default it may grow to 8 GB


class EmbeddedServer:
    """Serves the model from its first use on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._starting: asyncio.Task[Any] | None = None

    async def base_url(self) -> str:
        """The endpoint's address, up to and including ``/v1``; waits until the weights are loaded.

        Raises:
            SetupInvalid: the weights cannot be had, or this platform has no llama.cpp. The next call tries again.
        """
        if self._starting is None:
            self._starting = asyncio.create_task(asyncio.to_thread(_start, self._settings))
        starting = self._starting
        try:
            # Shielded: a caller who goes away must not stop the start that others wait for.
            server = await asyncio.shield(starting)
        except Exception:
            if self._starting is starting:
                self._starting = None
            raise
        return f"{server.listening_address}/v1"

    async def close(self) -> None:
        """Stop serving and free the weights."""
        starting, self._starting = self._starting, None
        if starting is None:
            return
        await asyncio.wait([starting])


def _start(settings: Settings) -> Any:
    """Load the weights and start the server; takes about a second, and the download's time before."""
    library = _library()
    weights = ensure_weights(settings.home, settings.embedded_weights)
    try:
        return library.Server(_parameters(library, weights))
    except (RuntimeError, ValueError) as error:
        raise SetupInvalid(
            f"llama.cpp cannot load the embedded model's weights {weights}. If STELLARATOR_EMBEDDED_WEIGHTS is "
            "set, it must be a GGUF file of a chat model; otherwise remove the file, so that it is fetched anew."
        ) from error


def _library() -> Any:
    # Late: only this actor needs its 106 MB, and OpenMP reads the environment while it is loaded.
    try:
        with environment(_QUIET_THREADS):
            return importlib.import_module(_MODULE)
    except ImportError as error:
        raise SetupInvalid(
            "The embedded model's runtime (xllamacpp) is not installed; it exists for Linux and macOS. Let a "
            "provider's models answer instead (`--provider`)."
        ) from error


def _parameters(library: Any, weights: Path) -> Any:
    told = library.CommonParams()
    told.model.path = str(weights)
    told.model_alias = {_alias(weights)}
    told.hostnames, told.port = ["127.0.0.1"], 0
    told.n_parallel, told.n_ctx = SLOTS, SLOTS * SLOT_TOKENS
    told.cache_ram_mib = _NO_PROMPT_CACHE
    told.verbosity = _SILENT
    told.ui = told.endpoint_slots = False
    cores = os.cpu_count() or 1
    told.cpuparams.n_threads = max(1, cores // 2)
    told.cpuparams_batch.n_threads = cores
    told.cpuparams.poll = told.cpuparams_batch.poll = 0
    return told


def _alias(weights: Path) -> str:
    """The model's name in answers; weights that the user gave are called by their file's name."""
    return weights.stem if weights.name != SMOLLM2.name else "smollm2-135m-instruct"
