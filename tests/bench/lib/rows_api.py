"""The agent's API under load, while checks go on, beside nginx serving a file of the same size."""

import os
import socket
import subprocess
import threading
import time

from . import figures, servers
from .agent import Agent, addresses, lateness, spread_starts
from .context import Server, Tick

P99_US, LATE_MS = 10000, 10
METRICS_P99_US = 25000  # of 10,000 probes: some 8 MB


def ask(ctx, where, path, requests, pause_us=2000):
    """Latencies in us."""
    done = subprocess.run([ctx.tool("load"), "-n", str(requests), "-p", str(pause_us), str(where), path],
                          capture_output=True, text=True, timeout=300)
    lines = [[int(x) for x in line.split("\t")] for line in done.stdout.splitlines()]
    if done.returncode != 0 or not lines or any(line[2] not in (200, 503) for line in lines):
        raise RuntimeError(f"GET {path}: {done.stderr.strip() or lines[-1:]}")
    return [line[0] for line in lines]


def idle_lateness(agent, interval_ms, seconds):
    """How late checks are when nobody asks."""
    since = time.time() * 1000
    time.sleep(seconds)
    return lateness(agent.histories(), interval_ms, since)


class Contest:
    """GET `path` of the agent and a file of the same size of nginx, in turn."""

    def __init__(self, ctx, agent, path):
        self.ctx, self.path, self.port = ctx, path, int(agent.listen.rpartition(":")[2])
        body = agent.get(path)
        self.size = len(body)
        name = f"body{len(os.listdir(ctx.dir))}"
        with open(ctx.path(name), "wb") as f:
            f.write(body)
        self.name = name
        self.nginx = servers.nginx(ctx, location=f"location / {{ root {ctx.dir}; }}")

    def run(self, rounds, requests):
        """What both took, and since when."""
        ours, theirs, tick = [], [], Tick(self.ctx)
        since = time.time() * 1000
        for _ in range(rounds):
            ours += ask(self.ctx, self.port, self.path, requests)
            theirs += ask(self.ctx, self.nginx, f"/{self.name}", requests)
        return {"agent": figures.spread(ours), "nginx": figures.spread(theirs), "since": since,
                "until": time.time() * 1000, "bare_ms": tick.end()}


COLUMNS = ["", "size", "median", "p10 to p90", "p99", "max", "requests"]


def line(who, size, s):
    return [who, figures.size(size / 1024), figures.duration(s["median"]),
            figures.between(s), figures.duration(s["p99"]),
            figures.duration(s["max"]), str(s["n"])]


def report(row, what, caption, contest, seen, late, calm, p99_us=P99_US):
    row.table(caption, COLUMNS, [line(f"probe {contest.path}", contest.size, seen["agent"]),
                                 line("nginx, a file", contest.size, seen["nginx"])])
    row.data(what, {**seen, "late_ms": figures.spread(late), "late_ms_unasked": figures.spread(calm)})
    row.target(f"{what}: p99", seen["agent"]["p99"], p99_us, figures.duration)
    excuse = max(seen["bare_ms"]["max"], max(calm))
    row.target(f"{what}: latest check, beyond the latest when nobody asks or of a bare timer",
               max(0.0, max(late) - excuse), LATE_MS, lambda x: f"{x:.1f} ms")
    row.note(f"{what}: checks late at p99 {figures.percentile(late, 99):.1f} ms, at most {max(late):.1f} ms, of"
             f" {len(late)}; when nobody asks p99 {figures.percentile(calm, 99):.1f} ms, at most {max(calm):.1f} ms;"
             f" a bare timer meanwhile at most {seen['bare_ms']['max']:.1f} ms.")


def tcp_probes(n, port):
    return {f"p{i}": f"address = {a}:{port}" for i, a in enumerate(addresses(n))}


def status(ctx, row):
    """/status with 1,000 probes; then with 100 listeners of events, then with 1,000 idle connections."""
    n = ctx.pick(1000, 20)
    server = Server(ctx, "tcp")
    flaky = Flaky()
    probes = spread_starts(tcp_probes(n, server.ports["tcp"]), 1000)
    probes |= {f"flaky{i}": f"address = 127.0.0.1:{flaky.port}\nretries = 1\nrequired = no" for i in range(5)}
    agent = Agent(ctx, probes, listen=f"127.0.0.1:{ctx.port()}")
    try:
        calm = idle_lateness(agent, 1000, ctx.pick(5, 2.5))
        contest = Contest(ctx, agent, "/status")
        rounds, requests = ctx.pick((6, 60), (1, 10))
        seen = contest.run(rounds, requests)
        late = lateness(agent.histories("p"), 1000, seen["since"], seen["until"])
        report(row, "/status", f"/status of {n:,} probes", contest, seen, late or calm, calm)
        listeners(ctx, row, agent, contest, calm)
        idle(ctx, row, agent, contest, calm)
    finally:
        flaky.close()


class Flaky:
    """A port that is open and closed in turn, so that there are events."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        s = self.socket
        while not self.done.is_set():
            s.listen()
            self.done.wait(1.2)
            s.close()
            self.done.wait(1.2)
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", self.port))
        s.close()

    def close(self):
        self.done.set()
        self.thread.join()


def connected(port, n, say=b""):
    out = []
    for _ in range(n):
        s = socket.create_connection(("127.0.0.1", port), 10)
        if say:
            s.sendall(say)
        out.append(s)
    return out


def listeners(ctx, row, agent, contest, calm):
    n = ctx.pick(100, 5)
    open_ones = connected(contest.port, n, b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    rounds, requests = ctx.pick((4, 50), (1, 10))
    seen = contest.run(rounds, requests)
    late = lateness(agent.histories("p"), 1000, seen["since"], seen["until"])
    told = sum(1 for s in open_ones if len(s.recv(1 << 16)) > 0)
    if told < n:
        raise RuntimeError(f"only {told} of {n} listeners were told anything")
    report(row, f"/status with {n} listeners of events", f"/status while {n} listen to events", contest, seen,
           late or calm, calm)
    for s in open_ones:
        s.close()


def idle(ctx, row, agent, contest, calm):
    n = ctx.pick(1000, 20)
    open_ones = connected(contest.port, n)
    rounds, requests = ctx.pick((4, 50), (1, 10))
    seen = contest.run(rounds, requests)
    late = lateness(agent.histories("p"), 1000, seen["since"], seen["until"])
    alive = 0
    for s in open_ones:
        s.setblocking(False)
        try:
            s.recv(1)
        except BlockingIOError:
            alive += 1
        except OSError:
            pass
        s.close()
    report(row, f"/status with {n} idle connections", f"/status while {n:,} connections idle", contest, seen,
           late or calm, calm)
    row.note(f"Of {n:,} idle connections {alive:,} were still open at the end; the agent has room for 256 on"
             " TCP, and cuts those that idle the longest when it is full.")


def metrics(ctx, row):
    """/metrics with 10,000 probes."""
    n = ctx.pick(10000, 50)
    interval = ctx.pick(10, 1) * 1000
    server = Server(ctx, "tcp")
    agent = Agent(ctx, spread_starts(tcp_probes(n, server.ports["tcp"]), interval), f"interval = {interval}ms",
                  listen=f"127.0.0.1:{ctx.port()}")
    time.sleep(interval / 1000)
    calm = idle_lateness(agent, interval, interval / 1000 + 1)
    contest = Contest(ctx, agent, "/metrics")
    rounds, requests = ctx.pick((5, 12), (1, 5))
    seen = contest.run(rounds, requests)
    time.sleep(0.5)
    late = lateness(agent.histories("p"), interval, seen["since"], seen["until"])
    report(row, "/metrics", f"/metrics of {n:,} probes", contest, seen, late or calm, calm, METRICS_P99_US)


ROWS = {"api": (status, "The API with 1,000 probes"), "metrics": (metrics, "The metrics of 10,000 probes")}
