"""A running agent, its CPU, memory and lateness; and the same of its rivals."""

import datetime
import http.client
import json
import math
import os
import socket
import time

TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        return f.read().rsplit(")", 1)[1].split()


def _children():
    parents = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            parents.setdefault(int(_stat(pid)[1]), []).append(int(pid))
        except OSError:
            continue
    return parents


def cpu_seconds(pid, family=False):
    """CPU so far: of all its threads to the ns, of children it waited for to the tick; with `family`
    also of those that live."""
    total = 0.0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="utf-8") as f:
                total += int(f.read().split()[0]) / 1e9
        except OSError:
            continue
    fields = _stat(pid)
    total += (int(fields[13]) + int(fields[14])) / TICK
    if family:
        parents = _children()
        for child in parents.get(pid, []):
            try:
                total += cpu_seconds(child)
            except OSError:
                continue
    return total


def memory(pid):
    """(RSS, anonymous part) in KiB, exactly."""
    rss = own = 0
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as f:
        for line in f:
            word, _, rest = line.partition(":")
            if word == "Rss":
                rss = int(rest.split()[0])
            elif word == "Anonymous":
                own = int(rest.split()[0])
    return rss, own


def voluntary_switches(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("voluntary_ctxt"))


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("agent", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


def addresses(n):
    """`n` addresses of 127/8."""
    return [f"127.{1 + i // 62500}.{1 + i // 250 % 250}.{1 + i % 250}" for i in range(n)]


class Agent:
    """`probes`: {name: lines}. Ready once its API answers."""

    count = 0

    def __init__(self, ctx, probes, defaults="interval = 1s", agent="", cpu=None, env=None, listen="off"):
        Agent.count += 1
        self.ctx, self.defaults, self.extra, self.listen = ctx, defaults, agent, listen
        self.socket = ctx.path(f"agent{Agent.count}.sock")
        self.conf = ctx.path(f"agent{Agent.count}.ini")
        self.configure(probes)
        self.process = ctx.start([ctx.probe, "-c", self.conf, "run"], cpu=cpu, env={**os.environ, **(env or {})})
        self.pid = self.process.pid
        ctx.wait(self.answers, 60, "an agent whose API answers")

    def configure(self, probes):
        text = [f"[agent]\nsocket = {self.socket}\nlisten = {self.listen}\nlog_level = error\n{self.extra}\n",
                f"[defaults]\n{self.defaults}\n"]
        text += [f"[probe {name}]\n{lines}\n" for name, lines in probes.items()]
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write("".join(text))

    def answers(self):
        self.ctx.alive(self.process)
        try:
            self.get("/live")
        except OSError:
            return False
        return True

    def request(self, path, method="GET"):
        c = UnixConnection(self.socket)
        try:
            c.request(method, path)
            r = c.getresponse()
            return r.status, r.read()
        finally:
            c.close()

    def get(self, path):
        return self.request(path)[1]

    def status(self):
        return json.loads(self.get("/status"))

    def histories(self, prefix=""):
        """Of every probe whose name begins so: [(start, duration) of its last checks], in ms."""
        return [_history(p) for p in self.status()["probes"] if p["name"].startswith(prefix)]

    def stop(self):
        self.ctx.stop(self.process)


def _history(p):
    seen = {}
    for r in [*p["history"], p["last"]]:
        if r:
            started = datetime.datetime.fromisoformat(r["started"].replace("Z", "+00:00")).timestamp() * 1000
            seen[started] = r["duration_ms"]
    return sorted(seen.items())


def spread_starts(probes, interval_ms):
    """The same probes with first checks spread evenly over the interval."""
    return {name: f"{lines}\ninitial_delay = {1 + i * interval_ms // len(probes)}ms"
            for i, (name, lines) in enumerate(probes.items())}


def lateness(histories, interval_ms, since_ms=0, until_ms=math.inf):
    """Of the checks that started in that time: ms by which each started later than the end of the one
    before plus the interval. From the agent's own time stamps, which have a resolution of 1 ms.
    Without jitter only."""
    late = []
    for history in histories:
        for (a, duration), (b, _) in zip(history, history[1:]):
            gap = b - a - duration - interval_ms
            # A longer gap: a check in between is not in the history any more.
            if since_ms <= b < until_ms and gap < interval_ms / 2:
                late.append(max(0.0, gap))
    return late


class Window:
    """CPU of some processes between begin and end."""

    def __init__(self, *pids, family=False):
        self.pids, self.family = pids, family
        self.begin, self.at = self._cpu(), time.monotonic()

    def _cpu(self):
        return sum(cpu_seconds(p, self.family) for p in self.pids)

    def end(self):
        """(CPU seconds, wall seconds)"""
        return self._cpu() - self.begin, time.monotonic() - self.at
