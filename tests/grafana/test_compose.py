"""The containers: pinned, on loopback, limited, checked; and everything that they mount exists and loads.

No container is started here: the files are read as Docker Compose reads them, and what they name is looked up.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.settings import describe, load
from tests.contracts.sources import ROOT
from tests.grafana.bundle import FOLDER

TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", TEXT))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
BUILDER_IGNORES = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

SERVICE_KEYS = {
    "build", "image", "profiles", "ports", "environment", "volumes", "depends_on", "healthcheck", "command", "read_only", "tmpfs",
    "cap_drop", "security_opt", "stop_grace_period", "restart", "deploy",
}  # fmt: skip
"""Of the Compose specification, those that we use: a misspelt key is an error of Docker's only."""

each = pytest.mark.parametrize("name", SERVICES)


def test_services_and_profiles() -> None:
    """Gateway and Grafana always; PostgreSQL and the scraping Prometheus on demand."""
    assert {name: service.get("profiles", []) for name, service in SERVICES.items()} == {
        "gateway": [],
        "grafana": [],
        "postgres": ["postgres"],
        "prometheus": ["prometheus"],
    }
    assert set(COMPOSE) == {"name", "services", "volumes"}


@each
def test_service_is_pinned_limited_and_checked(name: str) -> None:
    """An exact version, limits of CPU, memory and processes, a health check with times, a restart policy."""
    service = SERVICES[name]
    assert set(service) <= SERVICE_KEYS
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+[\w.-]*", service["image"])
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert set(service["healthcheck"]) == {"test", "interval", "timeout", "start_period", "retries"}
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["restart"] == "unless-stopped"


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
    assert all(condition["required"] is False for name, condition in waited.items() if "profiles" in SERVICES[name])


def test_gateway_accepts_its_environment(tmp_path: Path) -> None:
    """The variables of compose.yaml and of the image are settings that the gateway takes."""
    image = dict(re.findall(r"(FIRSTTOKEN_\w+)=(\S+)", DOCKERFILE))
    given = image | {key: value or "" for key, value in SERVICES["gateway"]["environment"].items()}
    assert {key for key in given if key.startswith("FIRSTTOKEN_")} <= {info.variable for info in describe()} | {"FIRSTTOKEN_HOME"}
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
    assert url == f"postgresql+asyncpg://{database['POSTGRES_USER']}:{database['POSTGRES_PASSWORD']}@postgres/{database['POSTGRES_DB']}"
    assert "postgres]" in DOCKERFILE


def test_image_is_small_and_not_root() -> None:
    """Two stages, the compiler only in the first; a numeric user; a health check; an exec-form entry point."""
    build, final = DOCKERFILE.split("\nFROM ${PYTHON}\n")
    assert "build-essential" in build
    assert "build-essential" not in final
    assert re.search(r"^USER [1-9]\d*$", final, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK ", final, re.MULTILINE)
    assert 'ENTRYPOINT ["firsttoken"]' in final
    assert re.search(r"^ARG PYTHON=python:3\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)


def test_builder_is_sent_what_is_copied() -> None:
    """Every file that the Dockerfile copies exists and is not ignored."""
    lines = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if line.startswith("COPY ") and "--from" not in line]
    copied = {name for line in lines for name in line}
    assert all((ROOT / name).exists() for name in copied)
    assert {f"!{name}" for name in copied} == {line for line in BUILDER_IGNORES if line.startswith("!")}


def test_grafana_finds_what_is_mounted() -> None:
    """The dashboards' folder is the provider's; the alert rules' data source is one of those provisioned, at 10 s."""
    mounts = dict(volume.split(":")[:2] for volume in SERVICES["grafana"]["volumes"])
    (provider,) = yaml.safe_load((FOLDER / "provisioning" / "dashboards.yaml").read_text(encoding="utf-8"))["providers"]
    assert provider["options"]["path"] == mounts["./grafana/dashboards"]
    sources = yaml.safe_load((FOLDER / "provisioning" / "datasources.yaml").read_text(encoding="utf-8"))["datasources"]
    by_uid = {source["uid"]: source for source in sources}
    rules = yaml.safe_load((FOLDER / "alerting" / "grafana-rules.yaml").read_text(encoding="utf-8"))
    assert {rule["data"][0]["datasourceUid"] for group in rules["groups"] for rule in group["rules"]} <= set(by_uid)
    metrics = [source for source in sources if source["type"] == "prometheus"]
    assert len(metrics) == 2
    assert all(source["jsonData"]["timeInterval"] == "10s" for source in metrics)
    linked = {place["datasourceUid"] for source in metrics for place in source["jsonData"]["exemplarTraceIdDestinations"]}
    assert {by_uid[uid]["type"] for uid in linked} == {"tempo"}


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    """`promtool check config` accepts it with the rules beside it, and it scrapes the gateway every 10 s."""
    text = (FOLDER / "provisioning" / "prometheus.yaml").read_text(encoding="utf-8")
    mounts = dict(volume.split(":")[:2] for volume in SERVICES["prometheus"]["volumes"])
    (rule_file,) = yaml.safe_load(text)["rule_files"]
    assert rule_file == mounts["./grafana/alerting/prometheus-rules.yaml"]
    config = tmp_path / "prometheus.yml"
    config.write_text(text.replace(rule_file, str(FOLDER / "alerting" / "prometheus-rules.yaml")))
    done = subprocess.run(["promtool", "check", "config", str(config)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert yaml.safe_load(text)["global"]["scrape_interval"] == "10s"
