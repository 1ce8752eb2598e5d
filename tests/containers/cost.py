#!/usr/bin/python3
"""What a container's health check costs: CPU of the engine (dockerd, containerd, shim, runc), CPU in the
container's cgroup (the end of runc's start, and the check), and wall time, for `docker exec` as the engine does it for a health check.

    tests/containers/cost.py IMAGE [RUNS]      IMAGE has probe in it (target example-app)

mongosh is measured where $MONGOSH names one that runs in that image ("node .../bin/mongosh"; its
folders are mounted by $MONGOSH_MOUNTS, "/path:/path ..."). Prints a Markdown table, per 100 checks.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
LABEL = "probe.test=cost"


def docker(*args, check=True):
    return subprocess.run(["docker", *args], check=check, capture_output=True, text=True)


def processes(names):
    """pid -> CPU seconds, its own and of the children that it has waited for."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                comm = (entry / "comm").read_text().strip()
                if any(comm.startswith(n) for n in names):
                    fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                    found[entry.name] = sum(int(f) for f in fields[11:15]) / TICK
            except OSError:
                pass
    return found


def engine_cpu():
    return sum(processes(("dockerd", "containerd")).values())


def container_cpu(ident):
    for path in (f"/sys/fs/cgroup/cpuacct/docker/{ident}/cpuacct.usage",):
        if Path(path).exists():
            return int(Path(path).read_text()) / 1e9
    stat = Path(f"/sys/fs/cgroup/system.slice/docker-{ident}.scope/cpu.stat")
    return int(stat.read_text().split()[1]) / 1e6


def measure(ident, runs, *command):
    if docker("exec", ident, *command, check=False).returncode != 0:
        return None
    idle0, t0 = engine_cpu(), time.monotonic()
    time.sleep(1)
    idle = (engine_cpu() - idle0) / (time.monotonic() - t0)
    engine, own, start = engine_cpu(), container_cpu(ident), time.monotonic()
    for _ in range(runs):
        docker("exec", ident, *command)
    wall = time.monotonic() - start
    own = container_cpu(ident) - own
    engine = engine_cpu() - engine - idle * wall - own
    return [100 * x / runs for x in (engine, own, wall)]


def main():
    image, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 50
    mounts = [o for m in os.environ.get("MONGOSH_MOUNTS", "").split() for o in ("--volume", m + ":ro")]
    mongo = os.environ.get("MONGO_TARGET", "mongodb://127.0.0.1:27017/")
    ident = docker("run", "--detach", "--label", LABEL, "--network", os.environ.get("NETWORK", "bridge"), "--no-healthcheck",
                   *mounts, "--entrypoint", "probe", image, "run", "self=http://127.0.0.1:9797/metrics").stdout.strip()
    rows = [("`true`: what starting any check costs", ["true"]),
            ("`probe check` tcp", ["probe", "check", "tcp://127.0.0.1:9797"]),
            ("`probe check` http", ["probe", "check", "http://127.0.0.1:9797/metrics"]),
            ("`probe check` mongodb", ["probe", "check", mongo]),
            ("`probe status`, of an agent", ["probe", "status", "--agent", "http://127.0.0.1:9797"])]
    if os.environ.get("MONGOSH"):
        rows.append(("`mongosh --eval db.adminCommand('ping')`",
                     [*os.environ["MONGOSH"].split(), mongo, "--quiet", "--eval", "db.adminCommand('ping')"]))
    try:
        time.sleep(2)
        print("| per 100 checks | CPU of the engine, s | CPU in the container (runc's start and the check), s | wall time, s |\n|---|---|---|---|")
        for name, command in rows:
            result = measure(ident, runs if "mongosh" not in name else min(runs, 10), *command)
            print(f"| {name} | " + (" | ".join(f"{x:.2f}" for x in result) if result else "not here | | ") + " |", flush=True)
    finally:
        docker("rm", "--force", ident)


main()
