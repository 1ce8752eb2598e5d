"""packaging/compose on both generations of Compose: order, outages, partitions, the shared socket."""

import json
import secrets
import time

import pytest
from conftest import COMPOSE_DIR, RUN, docker, make_service, seconds, sh, until

INTERVAL = 1  # of the engine's checks and the agent's, set by conftest


def test_order_and_outage(stack):
    """The app starts after mongodb is healthy, also after a slow init; a lost database costs it its
    readiness, not its liveness; all comes back."""
    stack.override("services:\n  mongodb:\n    environment: {MONGO_INIT_SECONDS: '4'}\n")
    up = stack.compose("up", "--detach", "--no-build", popen=True)
    early, checks = [], {}  # the engine keeps the last five checks

    def finished():
        app, mongo = stack.get("app"), stack.get("mongodb")
        checks.update({entry["Start"]: entry for entry in (mongo.health_log() if mongo else ())})
        if app and app.state["Running"] and mongo.health != "healthy":
            early.append(mongo.health)
        return up.poll() is not None

    until(finished, 120, "up")
    assert up.returncode == 0, up.stdout.read()
    assert early == []
    mongo, app, agent = stack.get("mongodb"), stack.get("app"), stack.get("probe")
    log = list(checks.values())
    first_good = next(seconds(entry["End"]) for entry in log if entry["ExitCode"] == 0)
    assert seconds(app.state["StartedAt"]) >= first_good
    # The temporary server of the init phase answered, and was not taken for the real one.
    assert any("init-phase" in entry["Output"] for entry in log), log
    until(lambda: stack.app("/") == (200, "visit 1\n"), 20, "the first visit")
    until(lambda: stack.agent("/ready")[0] == 200, 20, "readiness")
    app.until_health("healthy")
    agent.until_health("healthy")

    mongo_id = mongo.id
    docker("kill", mongo_id)
    start = time.monotonic()
    until(lambda: stack.agent("/ready")[0] == 503, 20, "readiness gone", 0.05)
    took = time.monotonic() - start
    assert took < 3 * (INTERVAL + 3) + 1, took
    assert stack.agent("/live")[0] == 200
    assert stack.app("/healthz")[0] == 200
    status = json.loads(stack.agent("/status/app")[1])
    assert status["status"] == "blocked", status  # not blamed
    docker("start", mongo_id)
    until(lambda: stack.agent("/ready")[0] == 200, 60, "readiness back")
    mongo.until_health("healthy")

    docker("kill", "--signal", "STOP", mongo_id)
    start = time.monotonic()
    mongo.until_health("unhealthy", 40)
    took = time.monotonic() - start
    assert took < 3 * (INTERVAL + 5) + 5, took
    assert "timeout" in mongo.health_log()[-1]["Output"]
    assert app.state["Running"]
    assert app.health == "healthy"
    docker("kill", "--signal", "CONT", mongo_id)
    mongo.until_health("healthy")
    until(lambda: stack.agent("/ready")[0] == 200, 30, "readiness back")
    assert stack.app("/")[0] == 200


def test_unhealthy_dependency(stack):
    stack.override("services:\n  mongodb:\n    environment: {MONGO_DELAY_SECONDS: '600'}\n"
                   "    healthcheck: {start_period: 0s}\n")
    done = stack.up("app", check=False)
    assert done.returncode == 1
    text = done.stdout + done.stderr
    assert "is unhealthy" in text, text
    app = stack.get("app")
    assert app is None or app.state["Status"] == "created"
    log = stack.get("mongodb").health_log()
    assert log[-1]["ExitCode"] == 1
    assert "refused: connect to 127.0.0.1:27017" in log[-1]["Output"], log[-1]


def test_hardened(stack):
    """What the file asks for is what the containers have, and they work so."""
    stack.up()
    for service in ("mongodb", "app", "probe"):
        c = stack.get(service)
        c.until_health("healthy")
        host, config = c.inspect()["HostConfig"], c.inspect()["Config"]
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert host["Memory"] and host["NanoCpus"] and host["PidsLimit"] and host["MemoryReservation"]
        assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}
        for path, options in (host.get("Tmpfs") or {}).items():
            assert {"noexec", "nosuid"} <= set(options.split(",")) and "size=" in options, path
        top = docker("top", c.id, "-o", "pid,uid,args").stdout.splitlines()[1:]
        assert top and not [line for line in top if line.split()[1] == "0"]
        assert not [e for e in config["Env"] if (stack.secrets / "mongodb_password").read_text() in e]


def test_shared_socket(stack):
    """`probe status` is the app's health check, over a socket in a volume; both sides plain users."""
    stack.files.append(COMPOSE_DIR / "docker-compose.socket.yml")
    stack.up()
    app = stack.get("app")
    app.until_health("healthy")
    assert "app-alive  healthy" in app.health_log()[-1]["Output"]
    answer = app.exec("probe", "status")
    assert answer.returncode == 0, answer.stdout
    # The reader may ask; it must not be able to put a socket of its own there.
    assert app.exec("sh", "-c", ": >/run/probe/other").returncode != 0
    docker("stop", "--time", "5", stack.get("probe").id)
    assert app.exec("probe", "status").returncode == 69


def test_partition_and_moved_address(stack):
    """The app's network is cut and joined; a recreated container has another address."""
    # An address can be asked for only where the subnet is named; the engine gives out none of these.
    subnet = f"10.{20 + secrets.randbelow(200)}.{secrets.randbelow(256)}.0/24"
    stack.override(f"networks: {{backend: {{ipam: {{config: [{{subnet: {subnet}}}]}}}}}}\n")
    stack.up()
    until(lambda: stack.agent("/ready")[0] == 200, 60, "readiness")
    app, network = stack.get("app"), f"{stack.project}_backend"
    docker("network", "disconnect", network, app.id)
    until(lambda: stack.agent("/live")[0] == 503, 3 * (INTERVAL + 3) + 2, "the cut seen")
    docker("network", "connect", "--alias", "app", network, app.id)
    until(lambda: stack.agent("/live")[0] == 200, INTERVAL + 4, "the join seen within an interval")

    before = app.ip(network)
    docker("rm", "--force", app.id)
    # Takes the old address, so that the new container must get another.
    other = docker("run", "--detach", "--label", f"probe.test={RUN}", "--network", network, "--ip", before,
                   "--entrypoint", "probe", stack.env["APP_IMAGE"], "wait", "tcp://127.0.0.1:9").stdout.strip()
    try:
        stack.up("app")
        app = stack.get("app")
        assert app.ip(network) != before
        app.until_health("healthy", 30)
        until(lambda: stack.agent("/ready")[0] == 200, INTERVAL + 4, "the new address followed")
        checked = json.loads(stack.agent("/status/app-alive")[1])
        assert app.ip(network) in json.dumps(checked), checked
    finally:
        docker("rm", "--force", other)


def test_production_overlay_is_valid(stack):
    stack.files.append("docker-compose.prod.yml")
    text = stack.compose("config").stdout
    assert "restart: always" in text and "external" in text


def test_profiles_are_off(stack):
    assert set(stack.compose("config", "--services").stdout.split()) >= {"mongodb", "app", "probe"}
    stack.compose("up", "--no-start", "--no-build")
    assert stack.get("prometheus") is None and stack.get("ui") is None


@pytest.mark.parametrize("profile, service", [("cache", "redis"), ("sql", "postgres")])
def test_profile(stack, tmp_path, profile, service):
    """Healthy once it can be logged in to, unhealthy when its password is another; hardened as the rest."""
    stack.env |= {f"{service.upper()}_SERVICE_IMAGE": make_service(service, tmp_path), "COMPOSE_PROFILES": profile}
    stack.compose("up", "--detach", "--no-build", service)
    container = stack.get(service)
    container.until_health("healthy", 90)
    host = container.inspect()["HostConfig"]
    assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and "no-new-privileges:true" in host["SecurityOpt"], host
    password = (stack.secrets / f"{service}_password").read_text()
    assert password not in container.logs() + str(container.inspect()) + container.exec("cat", "/proc/1/cmdline").stdout
    if service == "postgres":
        container.exec("psql", "-h", "/var/run/postgresql", "-U", "app", "-c", "ALTER USER app PASSWORD 'another'", "postgres",
                       check=True)
    else:
        container.exec("sh", "-c", 'redis-cli -a "$(cat /run/secrets/redis_password)" config set requirepass another', check=True)
    container.until_health("unhealthy", 60)
    assert "auth" in container.health_log()[-1]["Output"], container.health_log()[-1]
