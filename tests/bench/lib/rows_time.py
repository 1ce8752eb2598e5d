"""How soon: gates, verdicts, start-up, reload; and how often an idle agent wakes up."""

import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

sys.path.append(str(Path(__file__).resolve().parents[2] / "servers"))

import mongo_talk  # noqa: E402

from . import figures, rivals
from .agent import Agent, UnixConnection, Window, addresses, lateness, memory, spread_starts, voluntary_switches
from .context import Server, Tick

# ---- The gate ----


def gate(ctx, row):
    """From the server's listen() to COMMAND's first instruction."""
    starts, at_once = ctx.pick(200, 40), ctx.pick(10, 10)
    random.seed(6)
    stamp = ctx.tool("stamp")
    ways = {
        "probe wait": lambda port: [ctx.probe, "wait", "-q", f"tcp://127.0.0.1:{port}", "--", stamp],
        "wait-for-it": lambda port: [shutil.which("wait-for-it"), "-q", "-t", "30", f"127.0.0.1:{port}", "--", stamp],
        "nc -z; sleep 1": lambda port: ["/bin/sh", "-c",
                                        f"until nc -z 127.0.0.1 {port}; do sleep 1; done; exec {stamp}"],
    }
    rivals_every = 2
    seen = {who: [] for who in ways}
    for batch in range(starts // at_once):
        threads = []
        for who, argv in ways.items():
            if who != "probe wait" and batch % rivals_every:
                continue
            for _ in range(at_once):
                t = threading.Thread(target=one_gate, args=(argv, random.uniform(0.2, 1.2), seen[who]))
                t.start()
                threads.append(t)
        for t in threads:
            t.join()
    for who, values in seen.items():
        if not values:
            raise RuntimeError(f"{who}: no start was measured")
    every = {who: figures.spread([took for took, _ in v]) for who, v in seen.items()}
    cpu = {who: figures.spread([used for _, used in v]) for who, v in seen.items()}
    row.table("From listen to the command's first instruction",
              ["", "p50", "p90", "p99", "max", "CPU of the whole wait", "starts"],
              [[who, *(figures.duration(s[k]) for k in ("median", "p90", "p99", "max")),
                figures.duration(cpu[who]["median"]), str(s["n"])] for who, s in every.items()])
    row.data("gate", {"us": every, "cpu_us": cpu})
    row.target("probe wait: p50", every["probe wait"]["median"], 10000, figures.duration)
    row.target("probe wait: p99", every["probe wait"]["p99"], 30000, figures.duration)
    if every["probe wait"]["n"] < starts:
        row.note(f"{starts - every['probe wait']['n']} of {starts} starts gave no figure.")
    row.chart("bars", "gate", "From the server's listen to the command's start, p50",
              bars=[(who, s["median"]) for who, s in every.items()], form="duration")
    row.note(f"The server listens 0.2 to 1.2 s after the gate was started, at random; {at_once} starts of each kind are"
             " under way at a time. `probe wait` pauses for a fiftieth of the time that it has waited.")
    set_gate(ctx, row)


class Member:
    """A scripted member of a set of three, from tests/servers; `.state` is what it is from now on."""

    def __init__(self, listener, hosts):
        self.options = SimpleNamespace(port=listener.getsockname()[1], set="rs0", hosts=hosts)
        self.state, self.listener = "no-primary", listener
        listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                s, _ = self.listener.accept()
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self.talk, args=(s,), daemon=True).start()

    def talk(self, s):
        with contextlib.suppress(mongo_talk.Closed, OSError), s:
            c = mongo_talk.Connection(s, self.options, 0)
            while True:
                request, command, query = c.request()
                doc = mongo_talk.answer(self.options, command, self.state)
                c.send(mongo_talk.query_reply(request, doc) if query else mongo_talk.message(request, doc))


def set_gate(ctx, row):
    """From the moment at which a set has a primary to COMMAND's first instruction; then with a member
    that accepts and says nothing."""
    starts = ctx.pick(100, 20)
    every = {}
    for who, hangs in (("a set of three", False), ("one of the three hangs", True)):
        seen = []
        for _ in range(starts // 5):
            threads = [threading.Thread(target=one_set_gate, args=(ctx, hangs, seen)) for _ in range(5)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
        if not seen:
            raise RuntimeError(f"{who}: no start was measured")
        every[who] = figures.spread(seen)
    row.table("From a set's new primary to the command's first instruction", ["", "p50", "p90", "p99", "max", "starts"],
              [[who, *(figures.duration(s[k]) for k in ("median", "p90", "p99", "max")), str(s["n"])]
               for who, s in every.items()])
    row.data("gate_set_us", every)
    row.target("probe wait, a set: p50", every["a set of three"]["median"], 10000, figures.duration)


def one_set_gate(ctx, hangs, out):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        hosts = ["127.0.0.1:%d" % s.getsockname()[1] for s in sockets]
        members = [Member(s, hosts) for s in (sockets[:2] if hangs else sockets)]
        sockets[2].listen(64)
        p = subprocess.Popen([ctx.probe, "wait", "-q", "--set", "require=writable",
                              f"mongodb://{','.join(hosts)}/?replicaSet=rs0", "--", ctx.tool("stamp")],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0.2, 1.2))
        begin = time.monotonic_ns()
        members[0].state = "primary"
        told, _ = p.communicate()
        for s in sockets:
            s.shutdown(socket.SHUT_RDWR)
        if p.returncode == 0 and told.strip():
            out.append((int(told) - begin) / 1000)


def one_gate(argv, delay, out):
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        p = subprocess.Popen(argv(s.getsockname()[1]), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        begin = time.monotonic_ns()
        s.listen()
        s.settimeout(10)
        with p.stdout, s.accept()[0] as peer:  # as a server does, and ends when its peer has
            with contextlib.suppress(ConnectionError):
                peer.recv(1)
            peer.close()
            told = p.stdout.read()
        _, code, used = os.wait4(p.pid, 0)
        p.returncode = code
        if code == 0 and told.strip():
            out.append(((int(told) - begin) / 1000, (used.ru_utime + used.ru_stime) * 1e6))


# ---- Detection ----


class Events:
    """Transitions of an agent, with the time each arrived at."""

    def __init__(self, agent):
        self.seen = {}
        self.connection = UnixConnection(agent.socket)
        self.connection.request("GET", "/events")
        self.response = self.connection.getresponse()
        self.ready = threading.Event()
        threading.Thread(target=self.read, daemon=True).start()
        self.ready.wait(10)

    def read(self):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            for raw in self.response:
                now, line = time.monotonic_ns(), raw.decode().strip()
                self.ready.set()
                if line.startswith("data: ") and '"unhealthy"' in line:
                    event = json.loads(line[6:])
                    if event.get("to") == "unhealthy":
                        self.seen.setdefault(event["name"], now)


def detect(ctx, row):
    """From a server's death to the verdict."""
    died = processes(ctx, row)
    ports(ctx, row)
    row.data("processes_us", died)


def processes(ctx, row):
    n = ctx.pick(100, 10)
    victims = [ctx.start(["/bin/sleep", "600"]) for _ in range(n)]
    agent = Agent(ctx, {f"v{i}": f"pid = {p.pid}\ninterval = 30s\nretries = 1" for i, p in enumerate(victims)})
    ctx.wait(lambda: all(p["status"] == "healthy" for p in agent.status()["probes"]), 20, "healthy processes")
    events, took = Events(agent), []
    for i, p in enumerate(victims):
        begin = time.monotonic_ns()
        p.kill()
        ctx.wait(lambda: f"v{i}" in events.seen, 40, f"a verdict on process {i}")
        took.append((events.seen[f"v{i}"] - begin) / 1000)
    s = figures.spread(took)
    row.table("A process that ends, watched by pidfd, with an interval of 30 s and retries = 1",
              ["", "p50", "p90", "p99", "max", "deaths"],
              [["probe", *(figures.duration(s[k]) for k in ("median", "p90", "p99", "max")), str(n)]])
    row.target("a process: from kill to the event that tells", s["p99"], 5000, figures.duration)
    for p in victims:
        ctx.stop(p)
    agent.stop()
    return s


def ports(ctx, row):
    n, interval, retries = ctx.pick(40, 8), 1, 3
    listening = []
    for _ in range(n):
        s = socket.socket()
        s.bind(("127.0.0.1", 0))
        s.listen(64)
        listening.append(s)
    names = [s.getsockname()[1] for s in listening]
    probes = {f"t{i}": f"address = 127.0.0.1:{p}\nretries = {retries}" for i, p in enumerate(names)}
    agent = Agent(ctx, spread_starts(probes, 1000))
    proxy = rivals.haproxy(ctx, "tcp", [f"127.0.0.1:{p}" for p in names], extra=" log stdout format raw local0",
                           server_extra="observe layer4 error-limit 3 on-error fail-check",
                           stdout=subprocess.PIPE, text=True)
    down = {}

    def follow():
        for text in proxy.stdout:
            if " is DOWN" in text:
                down.setdefault(int(text.split("b/s", 1)[1].split(" ")[0]), time.monotonic_ns())

    threading.Thread(target=follow, daemon=True).start()
    ctx.wait(lambda: all(p["status"] == "healthy" for p in agent.status()["probes"]), 20, "healthy ports")
    time.sleep(2.5)
    events, ends = Events(agent), {}
    for i in random.sample(range(n), n):
        listening[i].close()
        ends[i] = time.monotonic_ns()
        time.sleep(1 / n)
    limit = interval * retries
    ctx.wait(lambda: len(events.seen) == n, limit + 15, "probe's verdicts on all ports")
    ctx.wait(lambda: len(down) == n, limit + 15, "HAProxy's verdicts on all ports")
    ours = figures.spread([(events.seen[f"t{i}"] - t) / 1000 for i, t in ends.items()])
    theirs = figures.spread([(down[i] - t) / 1000 for i, t in ends.items()])
    row.table(f"A port that closes; interval {interval} s, {retries} failures in a row",
              ["", "p10", "p50", "p90", "max", "deaths"],
              [[who, *(figures.duration(s[k]) for k in ("p10", "median", "p90", "max")), str(n)]
               for who, s in (("probe", ours), ("HAProxy with observe", theirs))])
    row.data("ports_us", {"probe": ours, "HAProxy": theirs})
    row.target("a port: latest verdict, beyond interval x retries", max(0, ours["max"] - limit * 1e6), 20000,
               figures.duration)
    row.note("HAProxy's observe looks at traffic, and there is none: its checks tell, at the same interval and fall.")
    row.note("The event is stamped by a client of /events, so the loop, the socket and Python are in the figure.")


# ---- Start-up and reload ----


def first_ready(ctx, conf):
    """us from exec to READY=1, and of CPU until then."""
    path = ctx.path(f"notify{len(os.listdir(ctx.dir))}")
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as s:
        s.bind(path)
        s.settimeout(60)
        env = {**os.environ, "NOTIFY_SOCKET": path}
        null = os.open(os.devnull, os.O_RDWR)
        begin = time.monotonic_ns()
        pid = os.posix_spawn(ctx.probe, [ctx.probe, "-c", conf, "run"], env,
                             file_actions=[(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1, 2)])
        try:
            while b"READY=1" not in s.recv(4096):
                pass
            took = (time.monotonic_ns() - begin) / 1000
        finally:
            os.close(null)
            os.kill(pid, 9)
            used = os.wait4(pid, 0)[2]
    return took, (used.ru_utime + used.ru_stime) * 1e6


def start(ctx, row):
    """Start-up with 1, 1,000 and 50,000 probes, and a reload of 50,000 with one changed."""
    server = Server(ctx, "tcp")
    port = server.ports["tcp"]
    limits = ctx.pick({1: 5000, 1000: 50000, 50000: 1000000}, {1: 5000, 40: 50000})
    seen = {}
    confs = {}
    for n in limits:
        text = f"[agent]\nsocket = {ctx.path('start.sock')}\nlisten = off\nlog_level = error\n[defaults]\n"
        text += "interval = 60s\njitter = 100%\n" + "".join(
            f"[probe p{i}]\naddress = {a}:{port}\n" for i, a in enumerate(addresses(n)))
        confs[n] = ctx.write(f"start{n}.ini", text)
    for i in range(ctx.pick(20, 3)):
        for n in limits:
            if n < 50000 or i % 4 == 0:
                seen.setdefault(n, []).append(first_ready(ctx, confs[n]))
    every = {n: figures.spread([took for took, _ in v]) for n, v in seen.items()}
    cpu = {n: figures.spread([used for _, used in v]) for n, v in seen.items()}
    row.table("From exec until the agent is up (READY=1 to its service manager)",
              ["probes", "median", "p10 to p90", "max", "CPU", "starts"],
              [[f"{n:,}", figures.duration(s["median"]), figures.between(s),
                figures.duration(s["max"]), figures.duration(cpu[n]["median"]), str(s["n"])] for n, s in every.items()])
    row.data("start_us", {"wall": every, "cpu": cpu})
    for n, limit in limits.items():
        row.target(f"start-up with {n:,}", every[n]["median"], limit, figures.duration)
    reload(ctx, row, port)


def reload(ctx, row, port):
    n = ctx.pick(50000, 40)
    interval = ctx.pick(10, 1) * 1000
    probes = spread_starts({f"p{i}": f"address = {a}:{port}" for i, a in enumerate(addresses(n))}, interval)
    agent = Agent(ctx, probes, f"interval = {interval}ms")
    time.sleep(interval / 1000 + 1.5)
    probes["p7"] += "\nretries = 5"
    agent.configure(probes)
    tick, before, window = Tick(ctx), time.time() * 1000, Window(agent.pid)
    begin = time.monotonic()
    code, body = agent.request("/reload", "POST")
    took, cpu = time.monotonic() - begin, window.end()[0]
    if code != 200:
        raise RuntimeError(f"reload: {code} {body[:200]}")
    time.sleep(interval / 1000 + 1)
    until, bare = time.time() * 1000, tick.end()
    late = lateness(agent.histories(), interval, before, until)
    if not ctx.quick and len(late) < n / 2:
        raise RuntimeError(f"only {len(late)} checks were seen after the reload")
    s = figures.spread(late)
    row.table(f"Reload of {n:,} probes with 1 changed",
              ["answered after", "CPU", "checks late after it, p50", "p99", "max", "bare timer, max"],
              [[figures.duration(took * 1e6), figures.duration(cpu * 1e6),
                *(f"{ms:.1f} ms" for ms in (s["median"], s["p99"], s["max"], bare["max"]))]])
    row.data("reload", {"took_s": took, "cpu_s": cpu, "late_ms": s, "bare_ms": bare})
    row.target(f"reload of {n:,} with 1 changed: latest check, beyond a bare timer",
               max(0.0, s["max"] - bare["max"]), 50, lambda x: f"{x:.0f} ms")


# ---- Idle ----


def idle(ctx, row):
    """Wake-ups of an agent with 10 probes at 30 s."""
    server = Server(ctx, "tcp", "http", "mongo")
    kinds = ["address = {}:%d" % server.ports["tcp"], "url = http://{}:%d/" % server.ports["http"],
             "uri = mongodb://{}:%d/" % server.ports["mongo"]]
    agent = Agent(ctx, {f"p{i}": kinds[i % 3].format(a) for i, a in enumerate(addresses(10))}, "interval = 30s")
    time.sleep(ctx.pick(3, 1))
    before, window = voluntary_switches(agent.pid), Window(agent.pid)
    time.sleep(ctx.pick(30, 3))
    cpu, wall = window.end()
    wakes = (voluntary_switches(agent.pid) - before) / wall
    row.table("An agent with 10 probes at 30 s that nobody asks", ["wake-ups per second", "CPU per hour", "RSS"],
              [[f"{wakes:.2f}", figures.duration(cpu / wall * 3600 * 1e6), rss_of(agent)]])
    row.data("idle", {"wakeups_per_s": wakes, "cpu_s_per_hour": cpu / wall * 3600})
    row.target("wake-ups per second", wakes, 1, lambda x: f"{x:.2f}")
    row.note("Voluntary context switches of the process, over one interval.")


def rss_of(agent):
    rss, own = memory(agent.pid)
    return f"{figures.size(rss)}, {figures.size(own)} of it anonymous"


ROWS = {"gate": (gate, "The gate"), "detect": (detect, "How soon a death is told"),
        "start": (start, "Start-up and reload"), "idle": (idle, "An idle agent")}
