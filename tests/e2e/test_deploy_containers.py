"""deploy/docker and deploy/kubernetes by the tools that read them, and their gateway files by ours.

No image is built and no cluster asked: the schemas are bundled with the tools.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from gateway.metrics_declared import DECLARED
from tests.e2e.deployed import DEPLOY, PROGRAM
from tests.e2e.gateway import COMMAND

DOCKER, KUBERNETES = DEPLOY / "docker", DEPLOY / "kubernetes"
MANIFESTS = sorted(set(KUBERNETES.glob("*.yaml")) - {KUBERNETES / "consentry.yaml"})
VERSIONS = ("1.29", "1.37")
"""The oldest and the newest Kubernetes that the manifests are checked for."""


def run(*command: str | Path) -> str:
    """What a program prints; fails when it is not content."""
    done = subprocess.run(command, check=False, text=True, capture_output=True, cwd=DEPLOY.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def manifests() -> Iterator[dict[str, Any]]:
    """Every object of deploy/kubernetes."""
    for file in MANIFESTS:
        yield from yaml.safe_load_all(file.read_text())


def kinds(kind: str) -> list[dict[str, Any]]:
    """The objects of one kind."""
    return [made for made in manifests() if made["kind"] == kind]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """compose.yaml as docker-compose understands it."""
    return yaml.safe_load(run("docker-compose", "-f", DOCKER / "compose.yaml", "config"))


def test_what_compose_mounts_and_builds_from_is_there(compose):
    """Each path of this repository exists; `keys` and `tenants` are the operator's to make."""
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = Path(volume.partition(":")[0])
            made = source.is_relative_to(DOCKER) and source.relative_to(DOCKER).parts[0]
            assert not source.is_absolute() or made in ("keys", "tenants") or source.exists()
        if "build" in service:
            build = service["build"]
            assert (Path(build["context"]) / build["dockerfile"]).is_file()


def test_gateways_in_compose_have_names_and_state_of_their_own(compose):
    """Two nodes share no name, no state folder and no opt-out log, and have no powers."""
    services = [compose["services"][name] for name in ("gateway1", "gateway2")]
    assert len({service["hostname"] for service in services}) == 2
    written = [
        {volume.split(":")[0] for volume in service["volumes"] if not volume.endswith(":ro")}
        for service in services
    ]
    assert all(len(volumes) == 2 for volumes in written)
    assert not written[0] & written[1]
    for service in services:
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("folder", [DOCKER, DOCKER / "postfix"], ids=["gateway", "postfix"])
def test_hadolint_finds_nothing_in_the_dockerfile(folder):
    """Not even a note on style."""
    assert run(Path(sys.executable).with_name("hadolint"), folder / "Dockerfile") == ""


def test_the_image_runs_the_units_command():
    """Entry point and command are the systemd unit's, without the folder."""
    lines = (DOCKER / "Dockerfile").read_text().splitlines()
    words = [
        word
        for name in ("ENTRYPOINT", "CMD")
        for line in lines
        if line.startswith(f"{name} ")
        for word in json.loads(line.removeprefix(name))
    ]
    (command,) = (
        line.removeprefix("ExecStart=")
        for line in (DEPLOY / "systemd/consentry.service").read_text().splitlines()
        if line.startswith("ExecStart=")
    )
    assert words == command.replace(PROGRAM, Path(PROGRAM).name).split()


@pytest.fixture(scope="module")
def initial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration folder as `consentry init` makes it."""
    folder = tmp_path_factory.mktemp("initial") / "made"
    run(COMMAND, "init", folder, "--hostname", "mail.example.com")
    return folder


@pytest.mark.parametrize("folder", [DOCKER, KUBERNETES], ids=["docker", "kubernetes"])
def test_the_gateway_takes_its_file(folder, initial, tmp_path):
    """`check-config` finds no error in consentry.yaml, with keys where it wants them."""
    made = tmp_path / "made"
    shutil.copytree(initial, made)
    text = (folder / "consentry.yaml").read_text()
    for path in ("/etc/consentry", "/var/lib/consentry-opt-outs", "/var/lib/consentry"):
        text = text.replace(f"{path}/", f"{made}/")
    (made / "consentry.yaml").write_text(text.replace("state_dir: /var/lib/consentry", ""))
    for name in ("redis", "postgresql"):
        (made / f"keys/{name}.password").touch(mode=0o600)
        (made / f"keys/{name}.password").write_text("secret\n")
    run(COMMAND, "check-config", "--config", made / "consentry.yaml")


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_the_manifests(version):
    """Every object is right by that version's schema, unknown fields included."""
    objects = list(manifests())
    assert objects
    for made in objects:
        kubernetes_validate.validate(made, version, strict=True)


def test_what_the_manifests_name_is_there():
    """Ports, metric, paths and file names are those of the gateway and of its file."""
    (workload,) = kinds("StatefulSet")
    pod = workload["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    config = yaml.safe_load((KUBERNETES / "consentry.yaml").read_text())
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    listening = {made["name"]: made["listen"] for made in config["listeners"]}
    listening["web"] = config["web"]["listen"]
    assert {name: f"0.0.0.0:{port}" for name, port in ports.items()} == listening
    for service in kinds("Service"):
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports.keys()
    (scaler,) = kinds("HorizontalPodAutoscaler")
    wanted = {metric["pods"]["metric"]["name"] for metric in scaler["spec"]["metrics"]}
    assert wanted <= {metric.full_name for metric in DECLARED}
    words = (DEPLOY / "docker/Dockerfile").read_text().splitlines()[-1]
    assert json.loads(words.removeprefix("CMD ")) == container["args"]


def test_pods_may_do_nothing_but_their_work():
    """Not root, no capability, nothing writable but the volumes, no token of the cluster."""
    (workload,) = kinds("StatefulSet")
    pod = workload["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not [made for made in manifests() if made["kind"] == "Secret"]
