"""The image layouts of a release under Podman, rootful and rootless, with a storage of the test's own. Its timers are
systemd's, which is not here: a check is asked for by `podman healthcheck run`, as a timer would."""

import configparser
import json
import os
import re
import secrets
import shutil
import tempfile
from pathlib import Path

import pytest
from conftest import ROOT, sh, until

STATIC = ROOT / "build-static"
HEALTH = '["/probe", "check", "--timeout", "2s", "http://127.0.0.1:9797/healthz"]'


def make_layout(target, folder):
    sh(ROOT / "packaging/oci", "--target", target, "--version", "1.2.3", "--revision", "c0ffee", "--epoch", "1700000000",
       "--out", folder, f"amd64={STATIC}")
    return folder


@pytest.fixture(scope="module")
def podman():
    """podman(WORD...): of this module alone, with both images of a release in it."""
    if not shutil.which("podman") or not STATIC.exists():
        assert os.environ.get("CI") != "true", "podman and build-static must be there in CI"
        pytest.skip("no podman, or no build-static")
    own = Path(tempfile.mkdtemp(prefix="podman-"))  # it takes no path over 50 characters
    # What an engine of a plain machine has and a container's kernel may lack: systemd's cgroups, higher limits.
    where = ["--root", own / "root", "--runroot", own / "run", "--storage-driver", "vfs", "--runtime", "runc",
             "--cgroup-manager", "cgroupfs", "--tmpdir", own / "tmp"]

    # It would read the Docker client's file of registries, where one is named.
    env = {name: value for name, value in os.environ.items() if name != "DOCKER_CONFIG"}

    def run(*words, **kw):
        return sh("podman", *where, *words, env=env, **kw)

    for target in ("binary", "sidecar"):
        layout = make_layout(target, own / f"layout-{target}")
        run("pull", "--quiet", f"oci:{layout}:1.2.3")
        # It is known by the layout's path.
        ident = run("images", "--quiet", "--no-trunc").stdout.split()[0]
        run("tag", ident, f"localhost/{target}:1.2.3")
    yield run
    run("rm", "--all", "--force", "--time", "1", check=False)
    sh("umount", own / "root/overlay", check=False)
    shutil.rmtree(own, ignore_errors=True)


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


def stopped(podman, ident):
    """Its health check fails once, as that of an agent that hangs."""
    podman("kill", "--signal", "STOP", ident)
    assert podman("healthcheck", "run", ident, check=False).returncode == 1


def test_a_failed_check_may_kill_it(podman, agent):
    ident = agent("--health-retries", "1", "--health-on-failure", "kill")
    podman("healthcheck", "run", ident)
    stopped(podman, ident)
    until(lambda: podman("inspect", ident, "--format", "{{.State.Status}} {{.State.ExitCode}}").stdout.strip() == "exited 137",
          what="it was killed")


def test_a_startup_check_comes_first(podman, agent):
    if "--health-startup-cmd" not in podman("run", "--help").stdout:
        pytest.skip("this Podman has no --health-startup-cmd")
    ident = agent("--health-startup-cmd", HEALTH.replace("9797", "9"), "--health-startup-interval", "disable")
    podman("healthcheck", "run", ident, check=False)
    assert health(podman, ident)["Status"] == "starting"


@pytest.mark.parametrize("form", ["docker", "oci"])
def test_what_a_format_does_to_healthcheck(podman, agent, tmp_path, form):
    """The image format docker keeps the HEALTHCHECK of our Dockerfile, oci drops it with a warning."""
    ours = re.search(r"^HEALTHCHECK .*?\n +CMD .*\n", (ROOT / "packaging/docker/Dockerfile").read_text(), re.M)[0]
    (tmp_path / "Containerfile").write_text(f"FROM localhost/sidecar:1.2.3\n{ours}")
    done = podman("build", "--format", form, "--tag", f"localhost/sidecar:{form}", "--file", tmp_path / "Containerfile", tmp_path)
    found = podman("inspect", f"localhost/sidecar:{form}", "--format", "{{json .HealthCheck}}").stdout.strip()
    if form == "docker":
        assert json.loads(found)["Test"] == ["CMD", *json.loads(HEALTH)]
    else:
        assert found == "null" and "HEALTHCHECK is not supported for OCI" in done.stderr, done.stderr


ROOTLESS = """
set -eu
printf 'probe-test:x:%s:%s::%s:/bin/sh\\n' $ID $ID "$HOME" | cat /etc/passwd - >passwd
printf 'probe-test:x:%s:\\n' $ID | cat /etc/group - >group
echo probe-test:200000:65536 >subuid
for file in passwd group; do mount --bind $file /etc/$file; done
for file in subuid subgid; do [ -e /etc/$file ] && mount --bind subuid /etc/$file; done
[ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --make-rshared /
chown -R $ID:$ID .
exec setpriv --reuid $ID --regid $ID --clear-groups sh -euc "$USER_SCRIPT"
"""
AS_A_USER = """
podman() { command podman --root "$HOME/root" --runroot "$HOME/run" --storage-driver vfs --runtime crun --cgroup-manager cgroupfs \
    --tmpdir "$HOME/tmp" "$@"; }
podman info --format 'rootless {{.Host.Security.Rootless}}'
podman pull --quiet "oci:$HOME/layout:1.2.3" >image
ident=$(podman run --detach --cgroups disabled --network none --read-only --cap-drop all --health-cmd "$HEALTH" \
    --health-interval disable "$(cat image)" run self=tcp://127.0.0.1:9797)
podman exec "$ident" /probe wait --timeout 30s http://127.0.0.1:9797/healthz
podman healthcheck run "$ident"
podman inspect "$ident" --format 'status {{.State.Health.Status}}'
podman kill --signal STOP "$ident" >killed
podman healthcheck run "$ident" || echo "check failed"
podman kill --signal CONT "$ident" >killed
podman stop --time 20 "$ident" >stopped
podman inspect "$ident" --format 'exit {{.State.ExitCode}}'
podman rm "$ident" >removed
"""


def test_rootless():
    """As a user of its own, in name spaces that end with it: mounts, accounts, what Podman leaves running."""
    if not all(shutil.which(name) for name in ("podman", "crun", "newuidmap")) or not STATIC.exists():
        assert os.environ.get("CI") != "true", "podman, crun, newuidmap and build-static must be there in CI"
        pytest.skip("no podman, crun, newuidmap or build-static")
    # Podman names the image after this folder: mkdtemp's `_` at an end would be no name.
    home = Path(tempfile.gettempdir()) / f"probe-rootless-{secrets.token_hex(8)}"
    home.mkdir(mode=0o700)
    try:
        make_layout("sidecar", home / "layout")
        env = {"ID": "54321", "HOME": str(home), "XDG_RUNTIME_DIR": str(home), "HEALTH": HEALTH, "USER_SCRIPT": AS_A_USER,
               "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        done = sh("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc", "--kill-child",
                  "sh", "-c", ROOTLESS, cwd=home, env=env, timeout=240)
    finally:
        shutil.rmtree(home)
    said = [line for line in done.stdout.splitlines() if line.partition(" ")[0] in ("rootless", "status", "check", "exit")]
    assert said == ["rootless true", "status healthy", "check failed", "exit 0"], (done.stdout, done.stderr)


def test_quadlet():
    """The units: each key once or by the names that podman-systemd.unit(5) has, each health check shorter than its limit."""
    known = {"Image", "ContainerName", "Network", "Volume", "ReadOnly", "Tmpfs", "DropCapability", "NoNewPrivileges", "HealthCmd",
             "HealthInterval", "HealthTimeout", "HealthStartPeriod", "HealthRetries", "HealthOnFailure", "HealthStartupCmd",
             "HealthStartupInterval", "HealthStartupTimeout", "HealthStartupRetries", "PublishPort", "PodmanArgs", "Exec"}
    units = sorted((ROOT / "packaging/podman").glob("*.container"))
    assert len(units) == 3
    for unit in units:
        parser = configparser.ConfigParser(interpolation=None)
        parser.optionxform = str
        parser.read(unit)
        container = parser["Container"]
        assert set(container) <= known, unit
        for check in {"Health", "HealthStartup"} & {key.removesuffix("Cmd") for key in container}:
            command = json.loads(container[f"{check}Cmd"])
            own = command[command.index("--timeout") + 1]
            assert int(own[:-1]) < int(container[f"{check}Timeout"][:-1]), unit
        assert (ROOT / "packaging/podman" / container["Network"]).exists()


def test_quadlet_makes_services_of_the_units(tmp_path):
    generator = next((path for path in ("/usr/libexec/podman/quadlet", "/usr/lib/podman/quadlet") if os.path.exists(path)), None)
    if not generator:
        pytest.skip("this Podman has no Quadlet")
    made = sh(generator, "-dryrun", "-no-kmsg-log", env=dict(os.environ, QUADLET_UNIT_DIRS=str(ROOT / "packaging/podman"))).stdout
    started = dict(re.findall(r"^---(\w+)\.service---\n.*?^ExecStart=(.*?)$", made, re.M | re.S))
    assert {"app", "mongodb", "probe"} <= set(started)
    assert started["app"].endswith("probe-example-app:0.1.0 wait --timeout 2m mongodb://mongodb:27017/ -- python3 /app/app.py")
    assert "--entrypoint=probe" in started["app"] and "--health-startup-cmd" in started["mongodb"]
