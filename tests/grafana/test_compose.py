"""The containers: pinned, on loopback, limited, checked; and everything that they mount exists and loads.

No container is started here: the files are read as Docker Compose reads them, and what they name is looked
up.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.settings.load import describe, load
from tests.contracts.sources import ROOT
from tests.grafana.bundle import FOLDER
from tests.grafana.rule_forms import of_grafana

TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", TEXT))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
BUILDER_IGNORES = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

SERVICE_KEYS = {
    "build", "image", "profiles", "ports", "environment", "volumes", "depends_on", "healthcheck", "command",
    "read_only", "tmpfs", "cap_drop", "security_opt", "stop_grace_period", "restart", "deploy",
}  # fmt: skip
"""Of the Compose specification, those that we use: a misspelt key is an error of Docker's only."""

each = pytest.mark.parametrize("name", SERVICES)


def test_services_and_profiles() -> None:
    """Gateway and Grafana always; PostgreSQL, and the scraping Prometheus with its Alertmanager, on
    demand.
    """
    assert {name: service.get("profiles", []) for name, service in SERVICES.items()} == {
        "gateway": [],
        "grafana": [],
        "postgres": ["postgres"],
        "prometheus": ["prometheus"],
        "alertmanager": ["prometheus"],
    }
    assert set(COMPOSE) == {"name", "services", "volumes"}


@each
def test_service_is_pinned_limited_and_checked(name: str) -> None:
    """An exact version, limits of memory and processes, a health check with times, a restart policy; no
    share of CPU that a host may lack.
    """
    service = SERVICES[name]
    assert set(service) <= SERVICE_KEYS
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+[\w.-]*", service["image"])
    limits = service["deploy"]["resources"]["limits"]
    assert set(limits) - {"cpus"} == {"memory", "pids"}
    assert float(limits.get("cpus", 0)) == 0
    assert set(service["healthcheck"]) == {"test", "interval", "timeout", "start_period", "retries"}
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert service["restart"] == "unless-stopped"


@each
def test_health_is_of_now(name: str) -> None:
    """A health check asks the running program: a file that was written once outlives a restart."""
    asked = " ".join(SERVICES[name]["healthcheck"]["test"][1:])
    assert "http://127.0.0.1:" in asked or asked.startswith("pg_isready")


@each
def test_ports_are_on_loopback(name: str) -> None:
    """Nothing is published to the network."""
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in SERVICES[name].get("ports", []))


@each
def test_mounts_exist(name: str) -> None:
    """A file mounted from here exists and is read-only; a named volume is declared."""
    for volume in SERVICES[name]["volumes"]:
        source, _, rest = volume.partition(":")
        if source.startswith("./"):
            assert (ROOT / source).exists()
            assert rest.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]


def test_services_that_are_waited_for_exist() -> None:
    """What the gateway depends on is there, and optional where its profile may be off."""
    waited = SERVICES["gateway"]["depends_on"]
    assert set(waited) <= set(SERVICES)
    assert all(
        condition["required"] is False for name, condition in waited.items() if "profiles" in SERVICES[name]
    )


def test_gateway_accepts_its_environment(tmp_path: Path) -> None:
    """The variables of compose.yaml and of the image are settings that the gateway takes."""
    image = dict(re.findall(r"(FIRSTTOKEN_\w+)=(\S+)", DOCKERFILE))
    given = image | {key: value or "" for key, value in SERVICES["gateway"]["environment"].items()}
    assert {key for key in given if key.startswith("FIRSTTOKEN_")} <= {
        info.variable for info in describe()
    } | {"FIRSTTOKEN_HOME"}
    settings = load(given | {"FIRSTTOKEN_HOME": str(tmp_path)})
    assert settings.server.host == "0.0.0.0"
    assert settings.server.allowed_hosts == ("gateway",)
    assert settings.engine.models == ()
    assert settings.store_url.startswith("sqlite")
    assert given["OTEL_METRIC_EXPORT_INTERVAL"] == "10000"


def test_documented_store_url_fits_the_database() -> None:
    """The URL in the comment is that of the service `postgres`, with the driver that the image installs."""
    (url,) = re.findall(r"FIRSTTOKEN_STORE_URL=(postgresql\S+)", TEXT)
    database = SERVICES["postgres"]["environment"]
    assert (
        url
        == f"postgresql+asyncpg://{database['POSTGRES_USER']}:{database['POSTGRES_PASSWORD']}@postgres/{database['POSTGRES_DB']}"
    )
    assert "postgres]" in DOCKERFILE


def test_image_is_small_and_not_root() -> None:
    """Two stages, the compiler only in the first; a numeric user; a health check; an exec-form entry
    point.
    """
    build, final = DOCKERFILE.split("\nFROM ${PYTHON}\n")
    assert "build-essential" in build
    assert "build-essential" not in final
    assert re.search(r"^USER [1-9]\d*$", final, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK ", final, re.MULTILINE)
    assert 'ENTRYPOINT ["firsttoken"]' in final
    assert re.search(r"^ARG PYTHON=python:3\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)


def test_builder_is_sent_what_is_copied() -> None:
    """Every file that the Dockerfile copies exists and is not ignored."""
    lines = [
        line.split()[1:-1]
        for line in DOCKERFILE.splitlines()
        if line.startswith("COPY ") and "--from" not in line
    ]
    copied = {name for line in lines for name in line}
    assert all((ROOT / name).exists() for name in copied)
    assert {f"!{name}" for name in copied} == {line for line in BUILDER_IGNORES if line.startswith("!")}


def _provisioned(name: str) -> list[dict[str, Any]]:
    sources: list[dict[str, Any]] = yaml.safe_load(
        (FOLDER / "provisioning" / name).read_text(encoding="utf-8")
    ).get("datasources", [])
    return sources


def test_grafana_finds_what_is_mounted() -> None:
    """The dashboards' folder is the provider's; the alert rules' data source is one of those provisioned,
    at 10 s.
    """
    mounts = dict(volume.split(":")[:2] for volume in SERVICES["grafana"]["volumes"])
    (provider,) = yaml.safe_load((FOLDER / "provisioning" / "dashboards.yaml").read_text(encoding="utf-8"))[
        "providers"
    ]
    assert provider["options"]["path"] == mounts["./grafana/dashboards"]
    sources = _provisioned("datasources.yaml") + _provisioned("datasources-scrape.yaml")
    by_uid = {source["uid"]: source for source in sources}
    assert {rule["data"][0]["datasourceUid"] for rule in of_grafana().values()} <= {
        s["uid"] for s in _provisioned("datasources.yaml")
    }
    metrics = [source for source in sources if source["type"] == "prometheus"]
    assert len(metrics) == 2
    assert all(source["jsonData"]["timeInterval"] == "10s" for source in metrics)
    linked = {
        place["datasourceUid"]
        for source in metrics
        for place in source["jsonData"]["exemplarTraceIdDestinations"]
    }
    assert {by_uid[uid]["type"] for uid in linked} == {"tempo"}


def test_scrape_source_comes_with_its_profile_only() -> None:
    """Nothing that Grafana reads by itself names the Prometheus of a profile that may be off; the setting
    adds it, and its lack removes it.
    """
    assert all("prometheus:9090" not in source["url"] for source in _provisioned("datasources.yaml"))
    (scrape,) = _provisioned("datasources-scrape.yaml")
    assert scrape["url"] == "http://prometheus:9090"
    assert _provisioned("datasources-none.yaml") == []
    removed = yaml.safe_load((FOLDER / "provisioning" / "datasources-none.yaml").read_text(encoding="utf-8"))[
        "deleteDatasources"
    ]
    assert [source["name"] for source in removed] == [scrape["name"]]
    assert "./grafana/provisioning/datasources-${SCRAPE_DATASOURCE:-none}.yaml:" in TEXT


def test_both_prometheuses_record() -> None:
    """The one that scrapes and the one that takes OTLP evaluate the recording rules; only the first evaluates
    the alerts, which are Grafana's otherwise, and it hands them to the Alertmanager.
    """
    scraping = yaml.safe_load((FOLDER / "provisioning" / "prometheus.yaml").read_text(encoding="utf-8"))
    taking = yaml.safe_load((FOLDER / "provisioning" / "otlp-prometheus.yaml").read_text(encoding="utf-8"))
    mounts = {
        name: dict(volume.split(":")[:2] for volume in SERVICES[name]["volumes"])
        for name in ("prometheus", "grafana")
    }
    rules, recording = (f"./grafana/alerting/prometheus-{name}.yaml" for name in ("rules", "recording"))
    assert scraping["rule_files"] == [mounts["prometheus"][rules], mounts["prometheus"][recording]]
    assert taking["rule_files"] == [mounts["grafana"][recording]]
    assert mounts["grafana"]["./grafana/provisioning/otlp-prometheus.yaml"] == "/otel-lgtm/prometheus.yaml"
    assert scraping["alerting"]["alertmanagers"] == [{"static_configs": [{"targets": ["alertmanager:9093"]}]}]
    assert scraping["global"]["scrape_interval"] == "10s"


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    """`promtool check config` accepts it with the rules beside it."""
    text = (FOLDER / "provisioning" / "prometheus.yaml").read_text(encoding="utf-8")
    config = tmp_path / "prometheus.yml"
    config.write_text(re.sub(r"/etc/prometheus/firsttoken-", f"{FOLDER}/alerting/prometheus-", text))
    done = subprocess.run(
        ["promtool", "check", "config", str(config)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 rule files found" in done.stdout
