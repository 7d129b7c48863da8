"""The Dockerfile and the Compose file, as far as they can be checked without an engine.

Not checked here: that the images exist under these tags, that the build runs through, and that the services
reach each other. Where the Compose plugin is there, it reads the file as well.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from jsonschema_rs import Draft202012Validator

from core.settings import Settings
from core.settings_loading import load
from tests.e2e.tapeline import Tapeline
from tests.test_architecture import PRODUCT

PROJECT = Path(__file__).parents[2]
OPS = PROJECT / "ops"
SECRETS = {
    "TICKS_PASSWORD": "letters",
    "GRAFANA_PASSWORD": "letters",
    "TAPELINE_TOKEN": "sixteen letters or more",
}
LOOPBACK = r"^127\.0\.0\.1:\d+:\d+$"
PINNED = r"^[a-z0-9./-]+:v?\d[\w.-]*$"
TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
SERVICE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["image", "restart"],
    "properties": {
        "image": {"type": "string", "pattern": PINNED},
        "build": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"context": {"type": "string"}, "dockerfile": {"type": "string"}},
        },
        "command": TEXTS,
        "init": {"type": "boolean"},
        "restart": {"enum": ["on-failure", "unless-stopped"]},
        "stop_grace_period": {"type": "string", "pattern": r"^\d+[sm]$"},
        "shm_size": {"type": "string", "pattern": r"^\d+mb$"},
        "cap_drop": {"const": ["ALL"]},
        "security_opt": {"const": ["no-new-privileges:true"]},
        "environment": {"type": "object", "additionalProperties": {"type": "string"}},
        "ports": {"type": "array", "items": {"type": "string", "pattern": LOOPBACK}},
        "volumes": TEXTS,
        "secrets": TEXTS,
        "configs": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["source", "target"],
                "properties": {"source": {"type": "string"}, "target": {"type": "string", "pattern": "^/"}},
            },
        },
        "depends_on": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "properties": {"condition": {"enum": ["service_healthy", "service_started"]}},
            },
        },
        "healthcheck": {
            "type": "object",
            "additionalProperties": False,
            "required": ["test", "interval", "timeout", "retries"],
            "properties": {"test": TEXTS, "interval": {}, "timeout": {}, "retries": {"type": "integer"}},
        },
    },
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "services", "secrets", "volumes", "configs"],
    "properties": {
        "name": {"type": "string"},
        "services": {"type": "object", "additionalProperties": SERVICE},
        "volumes": {"type": "object", "additionalProperties": {"type": "null"}},
        "secrets": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["environment"],
                "properties": {"environment": {"enum": list(SECRETS)}},
            },
        },
        "configs": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["content"],
                "properties": {"content": {"type": "string"}},
            },
        },
    },
}
"""The part of Compose's format that the file uses, and what we ask of it: loopback ports, pinned images."""


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((OPS / "compose.yml").read_text(encoding="utf-8"))
    return document


def instructions() -> list[tuple[str, str]]:
    """Give the Dockerfile's instructions, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (OPS / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines) if name]


def of_kind(name: str) -> list[str]:
    return [rest for kind, rest in instructions() if kind == name]


# Compose


def test_the_file_has_the_form_that_compose_reads(compose: dict[str, Any]) -> None:
    assert [error.message for error in Draft202012Validator(SCHEMA).iter_errors(compose)] == []


def test_the_schema_finds_a_port_for_everybody_and_an_image_of_any_version(compose: dict[str, Any]) -> None:
    for fault in ({"ports": ["9090:9090"]}, {"image": "prom/prometheus:latest"}, {"privileged": True}):
        changed = {**compose, "services": {"x": {**compose["services"]["prometheus"], **fault}}}
        assert not Draft202012Validator(SCHEMA).is_valid(changed)


def test_whatever_is_named_is_there(compose: dict[str, Any]) -> None:
    """Services, volumes, secrets, configurations and files; and each of them is used."""
    services = compose["services"]
    assert all(one.get("depends_on", {}).keys() <= services.keys() for one in services.values())
    used = {config["source"] for one in services.values() for config in one.get("configs", [])}
    assert used == compose["configs"].keys()
    told = {name for one in services.values() for name in one.get("secrets", [])}
    assert told == compose["secrets"].keys()
    sources = [volume.partition(":")[0] for one in services.values() for volume in one.get("volumes", [])]
    assert {source for source in sources if "/" not in source} == compose["volumes"].keys()
    assert [source for source in sources if "/" in source and not (OPS / source).is_file()] == []


def test_no_secret_is_written_down(compose: dict[str, Any]) -> None:
    """Each comes from the environment, and without it nothing starts."""
    text = (OPS / "compose.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{(\w+):\?[^}]+\}", text)) == SECRETS.keys()
    assert text.count("${") == len(re.findall(r"\$\{\w+:\?", text))


def test_the_configurations_inside_can_be_read(compose: dict[str, Any], tmp_path: Path) -> None:
    """Ours with the settings' own checks; dollars would be Compose's."""
    contents = {name: one["content"] for name, one in compose["configs"].items()}
    assert not [name for name, text in contents.items() if "$" in text]
    config = tmp_path / "config.toml"
    config.write_text(contents.pop("tapeline"), encoding="utf-8")
    database = compose["services"]["tapeline"]["environment"]["TICKS_DATABASE"]
    url = re.sub(r"\$\{TICKS_PASSWORD:[^}]*\}", "letters", database)
    settings: Settings = load(config, (), {**SECRETS, "TICKS_DATABASE": url})
    assert [store.kind for store in settings.stores] == ["lake", "postgres"]
    assert settings.monitor.port == 8321
    assert str(settings.data_dir) in {
        volume.partition(":")[2] for volume in compose["services"]["tapeline"]["volumes"]
    }
    for text in contents.values():
        assert isinstance(yaml.safe_load(text), dict)


def test_prometheus_asks_under_a_name_that_the_page_answers_to(compose: dict[str, Any]) -> None:
    """And says the token, from the secret that it is given."""
    job = next(
        one
        for one in yaml.safe_load(compose["configs"]["prometheus"]["content"])["scrape_configs"]
        if one["job_name"] == "tapeline"
    )
    assert job["static_configs"] == [{"targets": ["tapeline:8321"]}]
    [secret] = compose["services"]["prometheus"]["secrets"]
    assert job["authorization"] == {"credentials_file": f"/run/secrets/{secret}"}
    text = compose["configs"]["tapeline"]["content"]
    assert tomllib.loads(text)["monitor"]["hosts"] == ["tapeline"]


@pytest.mark.slow
def test_the_compose_plugin_agrees() -> None:
    docker = shutil.which("docker")
    if (
        docker is None
        or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs the client's Compose plugin: apt-get install docker-compose-plugin")
    done = subprocess.run(
        [docker, "compose", "-f", OPS / "compose.yml", "config", "--quiet"],
        capture_output=True, text=True, check=False, env={**os.environ, **SECRETS},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


# The Dockerfile


def test_both_stages_stand_on_the_same_pinned_base() -> None:
    assert re.match(r"BASE=python:3\.1[123]-slim-\w+$", of_kind("ARG")[0])
    assert of_kind("FROM") == ["${BASE} AS build", "${BASE}"]


def test_the_image_holds_the_whole_program_and_nothing_else() -> None:
    copied = {word for rest in of_kind("COPY") if "--from" not in rest for word in rest.split()[:-1]}
    assert copied == {"requirements.lock", "config.toml", "supervisor.py", *PRODUCT}
    patterns = (OPS / "Dockerfile.dockerignore").read_text(encoding="utf-8").split("\n")
    sent = {pattern.removeprefix("!") for pattern in patterns if pattern.startswith("!")}
    assert sent == copied
    assert any(fnmatch("core/__pycache__", pattern) for pattern in patterns if "pycache" in pattern)


def test_packages_come_from_the_lock_with_their_hashes() -> None:
    """pip refuses what is not in it; every requirement has one."""
    [install] = [rest for rest in of_kind("RUN") if "pip install" in rest]
    assert "--require-hashes" in install
    assert "-r requirements.lock" in install
    lock = re.sub(r"\\\n\s*", "", (PROJECT / "requirements.lock").read_text(encoding="utf-8"))
    requirements = [line for line in lock.splitlines() if line and not line.startswith("#")]
    assert requirements
    assert [line for line in requirements if "--hash=sha256:" not in line] == []


def test_the_kernels_are_compiled_where_they_are_looked_for() -> None:
    """And numba uses only a cache that it may write to."""
    runs = of_kind("RUN")
    assert any("-m core.kernel_cache" in run for run in runs)
    assert any(run.startswith("chown") and run.endswith("/opt/tapeline/kernels") for run in runs)
    caches = [re.search(r"NUMBA_CACHE_DIR=(\S+)", rest) for rest in of_kind("ENV")]
    assert [found[1] for found in caches if found] == ["/opt/tapeline/kernels"] * 2


def test_it_does_not_run_as_root_and_ends_by_sigterm() -> None:
    kinds = [name for name, _ in instructions()]
    assert kinds.index("USER") < kinds.index("ENTRYPOINT")
    assert of_kind("USER") == ["tapeline"]
    assert of_kind("STOPSIGNAL") == ["SIGTERM"]
    assert of_kind("VOLUME") == ["/var/lib/tapeline"]


def test_its_command_is_one_that_there_is() -> None:
    from cli.arguments import parse

    assert json.loads(of_kind("ENTRYPOINT")[0])[-1] == "/opt/tapeline/supervisor.py"
    assert parse(json.loads(of_kind("CMD")[0])).command == "run"


@pytest.fixture
def tapeline(tmp_path: Path) -> Iterator[Tapeline]:
    with ExitStack() as stack:
        yield Tapeline(tmp_path, stack)


@pytest.mark.slow
def test_its_health_check_tells_a_pipeline_from_none(tapeline: Tapeline) -> None:
    """The very command, at the port of a real run, with a proxy in the environment that leads nowhere."""
    [health] = of_kind("HEALTHCHECK")
    python, option, code = json.loads(health.partition("CMD ")[2])
    assert (python, option) == ("python", "-c")
    with tapeline.start("run") as program:
        port = program.wait_for_line("status on 127.0.0.1, port ").rsplit(" ", 1)[1].strip()
        environment = {**os.environ, "http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"}

        def check() -> int:
            command = [sys.executable, "-c", code.replace("8321", port)]
            return subprocess.run(command, capture_output=True, check=False, env=environment).returncode

        program.wait_for_line("every actor has started")
        assert check() == 0
    assert check() != 0
