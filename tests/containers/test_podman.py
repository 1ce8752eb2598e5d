"""The image layouts of a release under Podman: rootful, with a storage of the test's own. Its timers are systemd's, which
is not here: a check is asked for by `podman healthcheck run`, as a timer would."""

import configparser
import json
import os
import shutil

import pytest
from conftest import ROOT, sh

STATIC = ROOT / "build-static"
HEALTH = '["/probe", "check", "--timeout", "2s", "http://127.0.0.1:9797/healthz"]'


@pytest.fixture(scope="module")
def podman(tmp_path_factory):
    """podman(WORD...): of this module alone, with both images of a release in it."""
    if not shutil.which("podman") or not STATIC.exists():
        assert os.environ.get("CI") != "true", "podman and build-static must be there in CI"
        pytest.skip("no podman, or no build-static")
    own = tmp_path_factory.mktemp("podman")
    # What an engine of a plain machine has and a container's kernel may lack: systemd's cgroups, higher limits.
    where = ["--root", own / "root", "--runroot", own / "run", "--storage-driver", "vfs", "--runtime", "runc",
             "--cgroup-manager", "cgroupfs", "--tmpdir", own / "tmp"]

    # It would read the Docker client's file of registries, where one is named.
    env = {name: value for name, value in os.environ.items() if name != "DOCKER_CONFIG"}

    def run(*words, **kw):
        return sh("podman", *where, *words, env=env, **kw)

    for target in ("binary", "sidecar"):
        layout = own / f"layout-{target}"
        sh(ROOT / "packaging/oci", "--target", target, "--version", "1.2.3", "--revision", "c0ffee", "--epoch", "1700000000",
           "--out", layout, f"amd64={STATIC}")
        run("pull", "--quiet", f"oci:{layout}:1.2.3")
        # It is known by the layout's path.
        ident = run("images", "--quiet", "--no-trunc").stdout.split()[0]
        run("tag", ident, f"localhost/{target}:1.2.3")
    yield run
    run("rm", "--all", "--force", "--time", "1", check=False)
    sh("umount", own / "root/overlay", check=False)


LIMITS = ["--ulimit", "nofile=1024:4096", "--ulimit", "nproc=1000:1000"]


def test_the_binary_runs(podman):
    done = podman("run", "--rm", *LIMITS, "--network", "none", "localhost/binary:1.2.3", "version")
    assert done.stdout.startswith("probe ")


@pytest.fixture
def agent(podman):
    started = []

    def start(*options):
        started.append(podman("run", "--detach", *LIMITS, "--network", "none", "--read-only", "--cap-drop", "all",
                              "--health-cmd", HEALTH, "--health-interval", "disable", *options, "localhost/sidecar:1.2.3",
                              "run", "self=tcp://127.0.0.1:9797").stdout.strip())
        podman("exec", started[-1], "/probe", "wait", "--timeout", "30s", "http://127.0.0.1:9797/healthz")
        return started[-1]

    yield start
    for ident in started:
        podman("rm", "--force", "--time", "1", ident)


def health(podman, ident):
    return json.loads(podman("inspect", ident, "--format", "{{json .State.Health}}").stdout)


def test_its_health_check(podman, agent):
    """An image in OCI format brings no HEALTHCHECK: the one who runs it says it."""
    ident = agent()
    assert podman("inspect", "localhost/sidecar:1.2.3", "--format", "{{json .HealthCheck}}").stdout.strip() in ("null", "{}")
    podman("healthcheck", "run", ident)
    found = health(podman, ident)
    assert found["Status"] == "healthy" and "HTTP 200" in found["Log"][-1]["Output"], found
    podman("kill", "--signal", "STOP", ident)
    failed = podman("healthcheck", "run", ident, check=False)
    podman("kill", "--signal", "CONT", ident)
    assert failed.returncode == 1, failed
    assert "timeout" in health(podman, ident)["Log"][-1]["Output"]


def test_it_stops_at_once(podman, agent):
    ident = agent()
    podman("stop", "--time", "20", ident)
    assert podman("inspect", ident, "--format", "{{.State.ExitCode}}").stdout.strip() == "0"


def test_quadlet():
    """The units: each key once or by the names that podman-systemd.unit(5) has, each health check shorter than its limit."""
    known = {"Image", "ContainerName", "Network", "Volume", "ReadOnly", "Tmpfs", "DropCapability", "NoNewPrivileges", "HealthCmd",
             "HealthInterval", "HealthTimeout", "HealthStartPeriod", "HealthRetries", "HealthOnFailure", "PublishPort",
             "Entrypoint", "Exec"}
    units = sorted((ROOT / "packaging/podman").glob("*.container"))
    assert len(units) == 3
    for unit in units:
        parser = configparser.ConfigParser(interpolation=None)
        parser.optionxform = str
        parser.read(unit)
        container = parser["Container"]
        assert set(container) <= known, unit
        command = json.loads(container["HealthCmd"])
        own = command[command.index("--timeout") + 1]
        assert int(own[:-1]) < int(container["HealthTimeout"][:-1]), unit
        assert (ROOT / "packaging/podman" / container["Network"]).exists()
