"""The agent as a container: the strictest settings, namespaces, logs, checks that hang."""

import json
import os
import time
from pathlib import Path

from conftest import LABEL, docker, seconds, sh, until


def config(tmp_path, text):
    path = tmp_path / "probe.ini"
    path.write_text(text)
    path.chmod(0o644)
    tmp_path.chmod(0o755)
    return ["--volume", f"{path}:/etc/probe/probe.ini:ro"]


def mongo(run, images, network, name="mongodb", **kw):
    return run(images["mongodb"], options=["--network", network, "--network-alias", name, "--user", "999:999", "--tmpfs",
                                           "/data/db:uid=999,gid=999", *kw.get("options", [])])


def app(run, images, network, *options):
    return run(images["example-app"], "/app/app.py", options=["--network", network, "--network-alias", "app", "--entrypoint", "python3",
                                                              *options])


def all_healthy(agent):
    done = agent.exec("/probe", "status", "--agent", "http://127.0.0.1:9797")
    return done.returncode == 0 and done.stdout


STRICT = ["--user", "65534:65534", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "16m",
          "--memory-swap", "16m", "--cpus", "0.1", "--pids-limit", "16"]


def test_strictest(run, images, network, tmp_path):
    mongo(run, images, network)
    app(run, images, network)
    targets = [f"[probe t{i}]\ntype = tcp\naddress = app:8080\n" for i in range(40)]
    targets += [f"[probe h{i}]\nurl = http://app:8080/healthz\n" for i in range(40)]
    targets += [f"[probe m{i}]\nuri = mongodb://mongodb:27017/\n" for i in range(20)]
    agent = run(images["sidecar"], options=[*STRICT, "--network", network, *config(
        tmp_path, "[defaults]\ninterval = 2s\ntimeout = 5s\njitter = 20%\nstart_period = 60s\n" + "".join(targets))])
    until(lambda: all_healthy(agent), 60, "100 healthy")
    document = agent.exec("/probe", "status", "--json", "--agent", "http://127.0.0.1:9797").stdout
    assert len(json.loads(document)["probes"]) == 100
    begin = checks_total(agent)
    until(lambda: checks_total(agent) > begin + 300, 60, "300 more checks")
    until(lambda: all_healthy(agent), 30, "healthy all the while, but for a moment of a busy machine")
    state = agent.state
    assert not state["OOMKilled"] and state["Running"]
    peak = Path(f"/sys/fs/cgroup/memory/docker/{agent.id}/memory.max_usage_in_bytes")
    if peak.exists():
        used = int(peak.read_text())
        print(f"memory peak with 100 targets: {used / 2**20:.1f} MiB of 16")
        assert used <= 16 << 20
    start = time.time()
    docker("stop", agent.id)
    took = seconds(agent.state["FinishedAt"]) - start  # the engine's clean-up comes after it
    assert agent.state["ExitCode"] == 0
    assert took < 5, took  # it is not the engine that ends it, after 10 s


def checks_total(agent):
    out = agent.exec("/probe", "status", "--json", "--agent", "http://127.0.0.1:9797").stdout
    try:
        return sum(p["checks_total"] for p in json.loads(out)["probes"])
    except ValueError:
        return 0


def test_network_namespace_of_another(run, images, network, tmp_path):
    service = app(run, images, network)
    agent = run(images["sidecar"], options=["--network", f"container:{service.id}", *config(
        tmp_path, "[defaults]\ninterval = 1s\n[probe web]\nurl = http://127.0.0.1:8080/healthz\n")])
    assert until(lambda: all_healthy(agent), 20, "healthy over the other's loopback")


def test_pid_namespace_of_another(run, images, network):
    """Another user without capabilities sees that processes live; PID 1's death takes it along."""
    service = app(run, images, network)
    agent = run(images["sidecar"], "run", "byname=process:python3", "bypid=pid:1",
                options=["--user", "65534:65534", "--cap-drop", "ALL", "--pid", f"container:{service.id}"])
    assert until(lambda: all_healthy(agent), 20, "the other's processes seen")
    docker("kill", service.id)
    assert agent.wait_exit(10) == 137


def test_sidecars_health_is_the_agents_not_the_targets(run, images, network):
    agent = run(images["sidecar"], "run", "gone=tcp://127.0.0.1:9", options=["--health-interval", "1s"])
    agent.until_health("healthy", 20)
    assert agent.exec("/probe", "status", "--agent", "http://127.0.0.1:9797").returncode == 1


def test_default_configuration(run, images, network):
    """No file from the user: the probe mongodb is there, on a read-only root without any tmpfs too."""
    mongo(run, images, network)
    agent = run(images["sidecar"], options=["--network", network, "--read-only", "--cap-drop", "ALL"])
    assert "mongodb  healthy" in until(lambda: all_healthy(agent), 60, "mongodb healthy")


def test_log_rotation(run, images, tmp_path):
    size, count = 20 * 1024, 3
    targets = "".join(f"[probe t{i}]\ntype = tcp\naddress = 127.0.0.1:9\n" for i in range(20))
    agent = run(images["sidecar"], options=["--log-driver", "json-file", "--log-opt", "max-size=20k", "--log-opt", f"max-file={count}",
                                            *config(tmp_path, "[agent]\nlog_level = debug\n[defaults]\ninterval = 10ms\n" + targets)])
    path = Path(agent.inspect()["LogPath"])

    def settled(look):
        """What `look` finds; None while the engine is renaming the files."""
        try:
            return look()
        except FileNotFoundError:
            return None

    def logs():
        return settled(lambda: [p.stat().st_size for p in path.parent.glob(path.name + "*")])

    def inode():
        return settled(lambda: path.stat().st_ino)

    until(lambda: len(logs() or ()) == count, 30, "all files in use")
    ino = until(inode, 5, "a file in use")
    until(lambda: (inode() or ino) != ino, 30, "one more rotation")
    # A file ends with the line that goes over its size.
    assert sum(until(logs, 5, "their sizes")) <= count * (size + 4096)


def test_hanging_target_ends_by_its_own_deadline(run, images, network):
    """--timeout below the engine's: the health log has probe's own words, and nothing is left over."""
    db = mongo(run, images, network)
    until(lambda: db.exec("probe", "check", "mongodb://127.0.0.1:27017/").returncode == 0, 20, "the server")
    checks = [["mongodb://mongodb:27017/"], ["mongodb://u:p@mongodb:27017/"]]  # on the loop; the driver in a child
    for target in checks:
        c = run(images["example-app"], "wait", "tcp://127.0.0.1:9", options=[
            "--network", network, "--entrypoint", "probe", "--no-healthcheck"])
        ok = c.exec("probe", "check", "--timeout", "1500ms", *target)
        docker("kill", "--signal", "STOP", db.id)
        try:
            checked = run(images["example-app"], "wait", "tcp://127.0.0.1:9", options=[
                "--network", network, "--entrypoint", "probe", "--health-interval", "1s", "--health-timeout", "3s", "--health-retries", "1",
                "--health-start-period", "1ms",
                "--health-cmd", f"probe check --timeout 1500ms {target[0]}"])
            checked.until_health("unhealthy", 30)
            entry = checked.health_log()[-1]
            assert entry["ExitCode"] == 1, (ok, entry)
            assert "timeout" in entry["Output"] and "exceeded timeout" not in entry["Output"], entry
        finally:
            docker("kill", "--signal", "CONT", db.id)


def test_engine_kills_the_check_and_nothing_outlives_it(run, images, network, tmp_path):
    """A check that the engine kills, with the driver's child under way, in the exec form."""
    db = mongo(run, images, network)
    until(lambda: db.exec("probe", "check", "mongodb://127.0.0.1:27017/").returncode == 0, 20, "the server")
    docker("kill", "--signal", "STOP", db.id)
    (tmp_path / "Dockerfile").write_text(
        f"FROM {images['example-app']}\nHEALTHCHECK --interval=1s --timeout=2s --retries=1 --start-period=1ms CMD "
        '["probe", "check", "--timeout", "60s", "mongodb://u:p@mongodb:27017/"]\n')
    tag = images["example-app"] + "-hang"
    sh("docker", "build", "--label", LABEL, "-t", tag, tmp_path, env=dict(os.environ, DOCKER_BUILDKIT="0"))
    c = run(tag, "wait", "tcp://127.0.0.1:9", options=["--network", network, "--entrypoint", "probe"])
    try:
        c.until_health("unhealthy", 30)
        assert "exceeded timeout" in c.health_log()[-1]["Output"]

        def processes():
            return [line.split(None, 1) for line in docker("top", c.id, "-o", "pid,etimes,args").stdout.splitlines()[1:]]

        # One check may be under way at any time: none is older than the engine's timeout allows.
        for _ in range(6):
            old = [p for p in processes() if int(p[1].split()[0]) > 4 and "wait" not in p[1]]
            assert old == []
            time.sleep(0.5)
    finally:
        docker("kill", "--signal", "CONT", db.id)
