"""docker-stack.yml on a swarm of this one engine: replicas, an update that rolls back, secrets."""

import json
import os
import subprocess
import time

import pytest
from conftest import COMPOSE_DIR, LABEL, RUN, docker, made_images, sh, until

SECRET = "swarm-" + RUN + "-password"


def swarm_state():
    return docker("info", "--format", "{{.Swarm.LocalNodeState}}").stdout.strip()


@pytest.fixture(scope="module")
def swarm():
    if swarm_state() != "inactive":
        pytest.skip("this engine is in a swarm already, which is left alone")
    had_bridge = docker("network", "inspect", "docker_gwbridge", check=False).returncode == 0
    docker("swarm", "init", "--advertise-addr", "127.0.0.1", "--listen-addr", "127.0.0.1:2377")
    yield
    docker("swarm", "leave", "--force")
    if not had_bridge:
        until(lambda: docker("network", "rm", "docker_gwbridge", check=False).returncode == 0
              or docker("network", "inspect", "docker_gwbridge", check=False).returncode != 0, 30, "docker_gwbridge gone", 0.5)


class Service:
    def __init__(self, stack):
        self.stack = stack

    def containers(self, service):
        return docker("ps", "--quiet", "--no-trunc", "--filter",
                      f"label=com.docker.swarm.service.name={self.stack}_{service}").stdout.split()

    def healthy(self, service):
        return [c for c in self.containers(service)
                if docker("inspect", "--format", "{{.State.Health.Status}}", c, check=False).stdout.strip() == "healthy"]

    def update_state(self, service):
        return docker("service", "inspect", "--format", "{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}",
                      f"{self.stack}_{service}").stdout.strip()


@pytest.fixture(scope="module")
def deployed(swarm, mongo_folder):
    images = made_images(mongo_folder)
    name, secret = RUN + "s", RUN + "password"
    subprocess.run(["docker", "secret", "create", "--label", LABEL, secret, "-"], input=SECRET, text=True, check=True,
                   capture_output=True)
    env = dict(os.environ, MONGO_SERVICE_IMAGE=images["mongodb"], APP_IMAGE=images["example-app"], PROBE_IMAGE=images["sidecar"],
               MONGODB_SECRET=secret, ENDPOINT_MODE="dnsrr", HEALTH_INTERVAL="1s", PROBE_INTERVAL="1s", UPDATE_MONITOR="8s",
               APP_START_PERIOD="1s")
    # An overlay network needs modules that not every kernel has.
    sh("docker", "stack", "deploy", "--detach=true", "--resolve-image", "never", "--compose-file", "docker-stack.yml", name,
       cwd=COMPOSE_DIR, env=env)
    yield Service(name)
    docker("stack", "rm", name)
    until(lambda: not docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.stack.namespace={name}").stdout.split(), 60,
          "the stack's containers gone", 0.5)
    until(lambda: not docker("network", "ls", "--quiet", "--filter", f"label=com.docker.stack.namespace={name}").stdout.split(), 60,
          "the stack's network gone", 0.5)
    until(lambda: docker("volume", "rm", f"{name}_mongodb-data", check=False).returncode == 0
          or "no such" in docker("volume", "rm", f"{name}_mongodb-data", check=False).stderr.lower(), 30, "its volume gone", 0.5)
    docker("secret", "rm", secret)


def test_three_replicas_become_healthy(deployed):
    until(lambda: len(deployed.healthy("app")) == 3, 120, "3 replicas healthy", 0.5)
    until(lambda: len(deployed.healthy("mongodb")) == 1, 60, "mongodb healthy", 0.5)
    agent = until(lambda: deployed.healthy("probe"), 60, "the agent healthy", 0.5)[0]
    until(lambda: docker("exec", agent, "/probe", "status", "--agent", "http://127.0.0.1:9797", check=False).returncode == 0, 60,
          "readiness", 0.5)
    login = json.loads(docker("exec", agent, "/probe", "status", "--json", "--agent", "http://127.0.0.1:9797", "mongodb-login",
                              check=False).stdout)
    assert login["probes"][0]["status"] == "healthy", login


def test_secret_appears_nowhere(deployed):
    until(lambda: deployed.healthy("probe"), 60, "the agent", 0.5)
    agent = deployed.containers("probe")[0]
    pid = docker("inspect", "--format", "{{.State.Pid}}", agent).stdout.strip()
    seen = ""
    for service in ("mongodb", "app", "probe"):
        for c in deployed.containers(service):
            seen += docker("inspect", c).stdout + docker("logs", c).stdout + docker("logs", c).stderr
        seen += docker("service", "inspect", f"{deployed.stack}_{service}").stdout
    for path in ("status", "metrics", "live", "ready"):
        seen += docker("exec", agent, "/probe", "check", "-v", f"http://127.0.0.1:9797/{path}", check=False).stdout
    seen += docker("exec", agent, "/probe", "status", "--json", "--agent", "http://127.0.0.1:9797", check=False).stdout
    seen += docker("exec", agent, "/probe", "explain", check=False).stdout
    # The driver's child lives for milliseconds: it is asked for until it was seen, then read.
    child = ""
    end = time.monotonic() + 20
    ask = subprocess.Popen(["docker", "exec", agent, "/probe", "check", "mongodb-login", "mongodb-login"], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
    while time.monotonic() < end and not child:
        if ask.poll() is not None:
            ask = subprocess.Popen(["docker", "exec", agent, "/probe", "check", "mongodb-login"], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        child = environ_of_children(pid)
    ask.wait(timeout=20)
    assert child, "no process of probe was seen"
    seen += child
    assert SECRET not in seen


def environ_of_children(pid):
    """environ and command line of every process in the container but PID 1."""
    text, namespace = "", os.readlink(f"/proc/{pid}/ns/pid")
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or entry == pid:
            continue
        try:
            if os.readlink(f"/proc/{entry}/ns/pid") == namespace:
                for name in ("environ", "cmdline"):
                    with open(f"/proc/{entry}/{name}", "rb") as f:
                        text += f.read().decode(errors="replace")
        except OSError:
            pass
    return text


def test_a_bad_update_rolls_back_by_itself(deployed):
    until(lambda: len(deployed.healthy("app")) == 3, 120, "3 replicas healthy", 0.5)
    before = set(deployed.healthy("app"))
    docker("service", "update", "--detach", "--health-cmd", "probe check --timeout 1s tcp://127.0.0.1:9", "--health-retries", "1",
           "--health-interval", "1s", "--health-start-period", "1ms", "--no-resolve-image", f"{deployed.stack}_app")
    until(lambda: deployed.update_state("app") == "rollback_completed", 120, "rolled back", 0.5)
    until(lambda: len(deployed.healthy("app")) == 3, 60, "3 replicas healthy again", 0.5)
    assert before & set(deployed.healthy("app")), "start-first: the old ones served on"
