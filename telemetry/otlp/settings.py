"""The standard `OTEL_*` variables, read from an environment that is passed in.

Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/
and …/configuration/sdk-environment-variables/ . Certificates are
read by the SDK's exporters themselves, from the process environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from opentelemetry.sdk.trace import sampling
from opentelemetry.util.re import parse_env_headers

DEFAULT_TIMEOUT_S = 3.0
"""Of one export, retries included, unless the standard variable
says otherwise (the SDK's own default is 10).
"""

DEFAULT_METRIC_INTERVAL_MS = 10_000.0
"""The SDK's 60 s are too slow for rates over a minute."""


class Signal(StrEnum):
    """A kind of telemetry that is exported; the value is the last part of the OTLP/HTTP path."""

    TRACES = "traces"
    METRICS = "metrics"
    LOGS = "logs"


@dataclass(frozen=True, slots=True)
class Target:
    """The target of one signal: full URL, `grpc` or
    `http/protobuf`, headers (lower-case names), seconds per export.
    """

    endpoint: str
    protocol: str
    headers: dict[str, str]
    timeout_s: float


def target(signal: Signal, env: Mapping[str, str]) -> Target | None:
    """The signal's target, or None where it is off: no endpoint, `OTEL_SDK_DISABLED`, or exporter `none`.

    Raises:
        ValueError: a protocol that is neither `http/protobuf` nor `grpc`, or a timeout that is no number.
    """
    disabled = env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    exporter = env.get(f"OTEL_{signal.upper()}_EXPORTER", "otlp").strip().lower()
    base, own = (
        env.get("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        env.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", ""),
    )
    if disabled or exporter == "none" or not (base or own):
        return None
    protocol = _specific(signal, "PROTOCOL", env) or "http/protobuf"
    if protocol not in ("http/protobuf", "grpc"):
        raise ValueError(f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}: http/protobuf and grpc are supported")
    endpoint = own or (base if protocol == "grpc" else f"{base.rstrip('/')}/v1/{signal}")
    headers = dict(parse_env_headers(_specific(signal, "HEADERS", env), liberal=True))
    return Target(endpoint, protocol, headers, number(_specific(signal, "TIMEOUT", env), DEFAULT_TIMEOUT_S))


def _specific(signal: Signal, key: str, env: Mapping[str, str]) -> str:
    """The signal's own variable, else the one for all signals, else ''."""
    return env.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{key}") or env.get(f"OTEL_EXPORTER_OTLP_{key}") or ""


def number(text: str | None, default: float) -> float:
    """A number, or the default where there is none."""
    return float(text) if text else default


def resource_attributes(env: Mapping[str, str]) -> dict[str, str]:
    """`OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME`; the
    service is called firsttoken unless they say otherwise.
    """
    pairs = (
        part.partition("=") for part in env.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",") if "=" in part
    )
    attributes = {key.strip(): unquote(value.strip()) for key, _, value in pairs}
    name = env.get("OTEL_SERVICE_NAME") or attributes.get("service.name") or "firsttoken"
    return attributes | {"service.name": name}


def sampler(env: Mapping[str, str]) -> sampling.Sampler:
    """`OTEL_TRACES_SAMPLER` with its argument.

    Raises:
        ValueError: a sampler that is not in the specification's list.
    """
    name = env.get("OTEL_TRACES_SAMPLER", "").strip().lower() or "parentbased_always_on"
    roots: dict[str, sampling.Sampler] = {
        "always_on": sampling.ALWAYS_ON,
        "always_off": sampling.ALWAYS_OFF,
        "traceidratio": sampling.TraceIdRatioBased(number(env.get("OTEL_TRACES_SAMPLER_ARG"), 1.0)),
    }
    root = roots.get(name.removeprefix("parentbased_"))
    if root is None:
        raise ValueError(
            f"OTEL_TRACES_SAMPLER is {name!r}: one of {sorted(roots)} is supported, "
            "alone or after `parentbased_`"
        )
    return sampling.ParentBased(root) if name.startswith("parentbased_") else root


def exponential_histograms(env: Mapping[str, str]) -> bool:
    """True where the standard variable asks for exponential buckets instead of the declared ones."""
    wanted = env.get("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "")
    return wanted.strip().lower() == "base2_exponential_bucket_histogram"
