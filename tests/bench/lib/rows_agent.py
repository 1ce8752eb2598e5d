"""The agent against other checkers: CPU per 1,000 checks and memory."""

import http.client
import ssl
import time

from . import figures, measure, rivals, servers
from .agent import Agent, Window, addresses, memory
from .context import Server

MS = 1000

# With more, 2 cores do not suffice for it: its own timeouts would be what is measured.
BLACKBOX_TARGETS = 300
RESET = "probe, close = reset"
FULL = "probe, tls_recheck = 0s"  # full handshakes, where HAProxy resumes sessions
KEYS = {"probe": "", RESET: "\nclose = reset", FULL: "\ntls_recheck = 0s"}


class Counter:
    """Checks that a server saw."""

    def __init__(self, ctx, kind, certs):
        self.kind, self.asked = kind, 0
        if kind == "https":
            self.port = servers.nginx(ctx, tls=certs, extra="location /count { stub_status; }",
                                      cpu=1)
        else:
            self.server = Server(ctx, kind, cpu=1)
            self.port = self.server.ports[kind]
        self.certs = certs

    def now(self):
        if self.kind == "https":
            context = ssl.create_default_context(cafile=self.certs["ca"])
            c = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=10)
            c.request("GET", "/count")
            text = c.getresponse().read().decode()
            c.close()
            self.asked += 1
            return int(text.splitlines()[2].split()[2]) - self.asked
        stats = self.server.ask("stats")
        return stats[{"tcp": "accepted", "http": "answered", "mongo": "pings"}[self.kind]]


def probes(kind, targets, certs):
    lines = {"tcp": "address = {}", "http": "url = http://{}/health", "mongo": "uri = mongodb://{}/",
             "https": "url = https://{}/health\ntls_server_name = localhost\ntls_ca = " + str(certs and certs["ca"])}
    return {f"p{i}": lines[kind].format(t) for i, t in enumerate(targets)}


def contestant(ctx, who, kind, targets, certs):
    """Starts it; its processes."""
    if who in KEYS:
        return [Agent(ctx, {name: lines + KEYS[who] for name, lines in probes(kind, targets, certs).items()}, cpu=0).process]
    if who == "HAProxy":
        return [rivals.haproxy(ctx, kind, targets, certs, cpu=0)]
    return list(rivals.blackbox(ctx, kind, targets, certs))


def active_opens():
    """Connections that the system has opened."""
    with open("/proc/net/snmp", encoding="utf-8") as f:
        names, values = [line.split() for line in f if line.startswith("Tcp:")]
    return int(values[names.index("ActiveOpens")])


def measure_one(ctx, who, kind, counter, targets, certs, warm, seconds):
    begin = counter.now()
    processes = contestant(ctx, who, kind, targets, certs)
    if who != "HAProxy" or kind != "tcp":  # some take their time before the first check
        ctx.wait(lambda: counter.now() > begin, 30, f"a first check of {who}")
    time.sleep(warm)
    ctx.alive(*processes)
    window, before = Window(*(p.pid for p in processes)), counter.now()
    opened = active_opens()
    time.sleep(seconds)
    checks, opened = counter.now() - before, active_opens() - opened
    ctx.alive(*processes)
    cpu, wall = window.end()
    each = [memory(p.pid) for p in processes]
    for p in processes:
        ctx.stop(p)
    if who == "HAProxy" and kind == "tcp" and opened >= 0.8 * len(targets) * wall:
        checks = len(targets) * wall
    if checks <= 0:
        raise RuntimeError(f"{who}, {kind}: no check was seen")
    return {"cpu_ms_per_1000": cpu * MS / checks * 1000, "checks_per_s": checks / wall,
            "rss_kib": sum(m[0] for m in each), "anonymous_kib": sum(m[1] for m in each)}


KINDS = {"tcp": "TCP", "http": "HTTP", "https": "HTTPS", "mongo": "Mongo"}


def versus(ctx, row):
    """1,000 targets at 1 s."""
    n = ctx.pick(1000, 20)
    certs = servers.certificates(ctx)
    bars, sizes, counts, failed = [], [], [], 0
    for kind, title in KINDS.items():
        counter = Counter(ctx, kind, certs)
        counter.keep = list(ctx.running)
        targets = [f"{a}:{counter.port}" for a in addresses(n)]
        rounds = [("probe", 2.5, 5), ("HAProxy", 2.5, 5)] * ctx.pick(2, 1)
        if kind in ctx.pick(("tcp", "http", "https"), ("tcp",)):
            rounds.insert(2, ("blackbox + Prometheus", 2.5, 5))
        if kind == "tcp":
            rounds.append((RESET, 2.5, 5))
        if kind == "https":
            rounds.append((FULL, 2.5, 5))
        seen = {}
        for who, warm, seconds in rounds:
            warm, seconds = ctx.pick(warm, 1.2), ctx.pick(seconds, 1)
            some = targets[:BLACKBOX_TARGETS] if who.startswith("blackbox") else targets
            try:
                seen.setdefault(who, []).append(measure_one(ctx, who, kind, counter, some, certs, warm, seconds))
            except RuntimeError as e:  # of one of them; the others may still tell
                row.note(f"{title}, {who}: a window could not be measured: {e}")
                failed += 1
                ctx.stop_all(but=counter.keep)
        best = {who: {key: figures.spread([r[key] for r in runs])["median"] for key in runs[0]}
                for who, runs in seen.items() if runs}
        lines = [[who, f"{b['cpu_ms_per_1000']:.1f} ms",
                  f"{min(r['cpu_ms_per_1000'] for r in seen[who]):.1f} to"
                  f" {max(r['cpu_ms_per_1000'] for r in seen[who]):.1f} ms",
                  over(b, best.get("HAProxy"), "cpu_ms_per_1000", figures.ratio, ""), figures.size(b["rss_kib"]),
                  figures.size(b["anonymous_kib"]), f"{b['checks_per_s']:.0f}", str(len(seen[who]))]
                 for who, b in best.items()]
        row.table(f"{title}, {n:,} targets every second", ["", "CPU per 1,000 checks", "least to most", "x HAProxy",
                                                            "RSS", "of it anonymous", "checks/s", "windows"], lines)
        row.data(kind, seen)
        # A rival that does not keep up spends its CPU on timeouts: to be better than that says nothing.
        for who in [w for w in best if w not in KEYS]:
            planned = min(n, BLACKBOX_TARGETS) if who.startswith("blackbox") else n
            if best[who]["checks_per_s"] < planned / 2:
                row.note(f"{title}: {who} did not keep up, {best[who]['checks_per_s']:.0f} checks a second instead of"
                         f" {planned}; it is not compared with.")
                del best[who]
        targets_of(row, title, best)
        if kind == "tcp" or not ctx.quick:
            counts.append([title, figures.count(engine_instructions(ctx, kind, counter.port, certs))])
        bars += [(f"{title}: {who}", b["cpu_ms_per_1000"] * 1000) for who, b in best.items()]
        sizes += [(f"{title}: {who}", b["rss_kib"]) for who, b in best.items()]
    row.table("Instructions in user space of one more check in the engine, by callgrind", ["", "instructions"], counts)
    row.chart("bars", "memory", "Memory of an agent with 1,000 targets", bars=sizes, form="size")
    row.chart("bars", "agent", "1,000 checks by an agent: CPU", bars=bars, form="duration")
    if failed and ctx.quick:
        raise RuntimeError(row.notes[-1])
    row.note(f"blackbox_exporter with Prometheus has {BLACKBOX_TARGETS} targets at most, which speaks for its RSS.")
    row.note("Every check is a connection of its own, but probe's Mongo pings, which keep theirs as they do in an agent"
             " (the row `ping` has fresh ones). blackbox_exporter cannot ping Mongo: its text form of bytes to send has"
             " no room for a byte above 127. HAProxy's TCP checks are"
             " resets before the handshake's last packet, so no server sees them: they are counted by its schedule,"
             " after a look at the kernel's count of opened connections. HAProxy and the exporter resume TLS"
             " sessions as they are built to.")


def engine_instructions(ctx, kind, port, certs):
    (lines,) = probes(kind, [f"127.0.0.1:{port}"], certs).values()
    ini = ctx.write(f"engine-{kind}.ini", f"[probe p]\n{lines}\n")
    n = ctx.pick(20 if kind == "https" else 200, 5)
    return measure.instructions_each(measure.checks_of_engine(ctx, "p", "-c", ini), n)


def over(a, b, key, form=lambda x: x, other=None):
    """a / b, where both were measured; else `other`."""
    return form(a[key] / b[key]) if a and b else other


def targets_of(row, title, best):
    p, h, b = best.get("probe"), best.get("HAProxy"), best.get("blackbox + Prometheus")
    row.target(f"{title}: CPU over HAProxy's", over(p, h, "cpu_ms_per_1000"), 1, figures.ratio)
    if FULL in best:
        row.target(f"{title}, full handshakes: CPU over HAProxy's", over(best[FULL], h, "cpu_ms_per_1000"), 1.6,
                   figures.ratio)
    row.target(f"{title}: RSS over HAProxy's", over(p, h, "rss_kib"), 0.25, figures.ratio)
    if title != KINDS["mongo"]:
        row.target(f"{title}: CPU over blackbox + Prometheus", over(p, b, "cpu_ms_per_1000"), 0.05, figures.ratio)
        row.target(f"{title}: RSS over blackbox + Prometheus", over(p, b, "rss_kib"), 0.05, figures.ratio)


ROWS = {"agent": (versus, "An agent with 1,000 targets")}
