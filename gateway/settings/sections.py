"""The settings themselves, by section: type, bounds, default and description of each.

Every description below is also the documentation (`docs/settings.md` is written from it, and a test compares
them).
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from gateway.settings.engine import Section
from telemetry.context_buckets import DEFAULT_EDGES
from telemetry.energy.rapl import DEFAULT_PATH as RAPL_PATH

MAX_BODY_BYTES = 63 * 2**20
"""What surely fits into a message to an engine (64 MiB), which is never longer than the body it was made from
by more than its fixed fields.
"""

MAX_DAYS = 36_500
"""A hundred years of keeping something; for ever is 0. Times further back are out of the calendar."""


class ServerSettings(Section, frozen=True):
    """The HTTP server."""

    host: Annotated[
        str,
        Meta(description="Address to listen on. Anything but loopback is a decision: there is no TLS here."),
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 takes a free one.")] = 8080
    max_body_bytes: Annotated[
        int,
        Meta(
            ge=1024,
            le=MAX_BODY_BYTES,
            description=(
                "Largest request body, compressed or not; a larger one is answered 413. At most 63 MiB, which"
                " an engine can take at once."
            ),
        ),
    ] = 8 * 2**20
    body_timeout_s: Annotated[
        float,
        Meta(
            gt=0,
            description=(
                "How long a request's body may take to arrive; then it is answered 408 `body_timeout`."
            ),
        ),
    ] = 60.0
    max_bodies: Annotated[
        int,
        Meta(
            ge=1,
            description=(
                "Request bodies that may be arriving at the same time; one more is answered 429"
                " `too_many_bodies`."
            ),
        ),
    ] = 256
    max_bodies_bytes: Annotated[
        int,
        Meta(
            ge=1024,
            description=(
                "What bodies that are arriving may hold together; above it the one that grows is answered 429"
                " `too_many_bodies`."
            ),
        ),
    ] = 256 * 2**20
    max_queue: Annotated[
        int, Meta(ge=0, description="Requests that may wait for a slot per model; one more is answered 429.")
    ] = 64
    load_wait_s: Annotated[
        float,
        Meta(
            ge=0,
            description=(
                "How long a request waits for a model that is loading or restarting; then it is answered 503."
            ),
        ),
    ] = 60.0
    request_timeout_s: Annotated[
        float, Meta(gt=0, description="Longest life of a request; then it is cancelled with `timeout`.")
    ] = 600.0
    shutdown_s: Annotated[
        float, Meta(ge=0, description="How long running requests may finish after a stop signal.")
    ] = 10.0
    allowed_hosts: Annotated[
        tuple[str, ...],
        Meta(
            description=(
                "Host names answered to besides loopback ones and the one in `host` (without port); `*` is"
                " any. Listening on 0.0.0.0 allows none."
            )
        ),
    ] = ()
    allowed_origins: Annotated[
        tuple[str, ...],
        Meta(description="Origins that may change state from a browser, e.g. `https://chat.example`."),
    ] = ()


class TelemetrySettings(Section, frozen=True):
    """Measurement. OTLP itself is configured by the standard `OTEL_*` variables."""

    enabled: Annotated[
        bool,
        Meta(
            description=(
                "Off: no spans, metrics or rows, only the live view. For measuring what telemetry costs."
            )
        ),
    ] = True
    context_buckets: Annotated[
        tuple[int, ...], Meta(description="Upper edges, in prompt tokens, of the context-size buckets.")
    ] = DEFAULT_EDGES
    log_level: Annotated[
        str,
        Meta(
            pattern="^(debug|info|warning|error)$",
            description="Least severe log line written: debug, info, warning or error.",
        ),
    ] = "info"
    baggage: Annotated[
        tuple[str, ...],
        Meta(
            description=(
                "Members of W3C baggage (header `baggage`) that are kept, as attributes of the request's"
                " span; empty: all of it is ignored."
            )
        ),
    ] = ()
    energy_sources: Annotated[
        tuple[Literal["rapl", "nvml"], ...],
        Meta(
            description=(
                "Where energy is read from, as far as it is there: `rapl` (CPU packages), `nvml` (NVIDIA"
                " GPUs); empty: not at all."
            )
        ),
    ] = ("rapl", "nvml")
    rapl_path: Annotated[
        str, Meta(min_length=1, description="Folder that holds the RAPL domains (`intel-rapl:N`).")
    ] = RAPL_PATH


class StoreSettings(Section, frozen=True):
    """The database of requests and statistics."""

    url: Annotated[
        str,
        Meta(description="SQLAlchemy URL; empty is `sqlite+aiosqlite:///$FIRSTTOKEN_HOME/firsttoken.db`."),
    ] = ""
    queue_size: Annotated[
        int, Meta(ge=100, description="Most events waiting to be written; more are dropped and counted.")
    ] = 20_000
    retention_days: Annotated[
        float, Meta(ge=0, le=MAX_DAYS, description="Days that requests are kept; 0 is for ever.")
    ] = 90.0
    rollup_retention_days: Annotated[
        float,
        Meta(
            ge=0,
            le=MAX_DAYS,
            description="Days that statistics (roll-ups per minute) are kept; 0 is for ever.",
        ),
    ] = 730.0
    max_bytes: Annotated[
        int,
        Meta(
            ge=0,
            description=(
                "Size of the database from which the oldest requests go (SQLite only); 0 is no limit."
            ),
        ),
    ] = 2 * 1024**3
    shutdown_s: Annotated[
        float, Meta(gt=0, description="Longest time to write what is waiting at shutdown.")
    ] = 5.0


class SloSettings(Section, frozen=True):
    """Objectives: what share of requests must be how good. The bundled alert rules have their own
    (`grafana/sources/objectives.py`).
    """

    availability: Annotated[
        float,
        Meta(
            gt=0,
            lt=1,
            description="Share of requests answered, of those that the client neither got wrong nor left.",
        ),
    ] = 0.99
    ttft_ms: Annotated[float, Meta(gt=0, description="Time to first token that is good enough.")] = 2500.0
    ttft_share: Annotated[
        float, Meta(gt=0, lt=1, description="Share of first tokens that must come within `ttft_ms`.")
    ] = 0.95
    inter_token_ms: Annotated[
        float, Meta(gt=0, description="Time between two tokens of an answer that is good enough.")
    ] = 250.0
    inter_token_share: Annotated[
        float,
        Meta(gt=0, lt=1, description="Share of gaps between tokens that must be within `inter_token_ms`."),
    ] = 0.99
    window_days: Annotated[float, Meta(gt=0, le=365, description="Days that a budget is for.")] = 30.0
    check_every_s: Annotated[
        float, Meta(ge=0.5, description="How often the objectives' figures are read, all of one moment.")
    ] = 30.0
    webhook_url: Annotated[
        str,
        Meta(
            pattern="^(|https?://.+)$",
            description="Where a change of state is posted as JSON; empty is nowhere.",
        ),
    ] = ""


Price = Annotated[float, Meta(ge=0)]


class CostSettings(Section, frozen=True):
    """Prices, all in one currency. What has none is free; where nothing has one, no cost is shown."""

    currency: Annotated[
        str, Meta(max_length=8, description="Shown behind amounts, e.g. `EUR`; nothing is converted.")
    ] = ""
    price_per_kwh: Annotated[
        Price | None,
        Meta(
            description=(
                "Price of a kilowatt-hour; with it, a request whose energy was not measured has no cost."
            )
        ),
    ] = None
    price_per_input_token: Annotated[Price | None, Meta(description="Price of a prompt token.")] = None
    price_per_cached_input_token: Annotated[
        Price | None,
        Meta(
            description=(
                "Price of a prompt token that the prefix cache supplied; unset: as other prompt tokens."
            )
        ),
    ] = None
    price_per_output_token: Annotated[Price | None, Meta(description="Price of a sampled token.")] = None


class CaptureSettings(Section, frozen=True):
    """What of the content of chats is kept: beside the figures, redacted and compressed, with a retention
    of its own.
    """

    content: Annotated[
        bool,
        Meta(
            description=(
                "Keep prompts and answers of chats, redacted, in the database; they are shown on the"
                " request's page."
            )
        ),
    ] = False
    retention_days: Annotated[
        float, Meta(ge=0, le=MAX_DAYS, description="Days that content is kept; 0 is as long as its request.")
    ] = 7.0
    max_bytes: Annotated[
        int, Meta(ge=0, description="Compressed content from which the oldest goes; 0 is no limit.")
    ] = 1024**3
    max_text_chars: Annotated[
        int,
        Meta(
            ge=100,
            le=10 * 2**20,
            description=(
                "Most characters kept of each message and of the answer; the rest is left out and counted."
            ),
        ),
    ] = 65_536
    redact_patterns: Annotated[
        tuple[str, ...],
        Meta(
            description=(
                "Regular expressions of what is taken out besides API keys, tokens, passwords, private keys"
                " and e-mail addresses. One with a comma in it belongs into the settings file."
            )
        ),
    ] = ()
