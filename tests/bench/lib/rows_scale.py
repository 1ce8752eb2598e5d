"""How an agent grows: many probes, hanging ones, Mongo pings by kept and fresh connections."""

import json
import subprocess
import time

from . import figures, measure
from .agent import Agent, Window, addresses, lateness, memory, spread_starts
from .context import Server, Tick

BARE = ("Bare timer: a process that only wakes up every 2 ms, meanwhile: by how much the machine itself is late.")

# (probes, interval in s): 10,000 and more at an interval that people would choose for so many.
SIZES = [(10, 1), (100, 1), (1000, 1), (10000, 10), (50000, 10)]
SIZES_QUICK = [(10, 1), (40, 1)]


def grown(ctx, n, interval, server, spread, seconds):
    """An agent of `n` TCP probes, watched for `seconds` once all were checked."""
    probes = {f"p{i}": f"address = {a}:{server.ports['tcp']}" for i, a in enumerate(addresses(n))}
    if spread:
        probes = spread_starts(probes, interval * 1000)
    agent = Agent(ctx, probes, f"interval = {interval}s")
    time.sleep(interval + 1.5)
    tick, window, since, before = Tick(ctx), Window(agent.pid), time.time() * 1000, total_checks(server)
    time.sleep(seconds)
    cpu, wall = window.end()
    until, bare, checks = time.time() * 1000, tick.end(), total_checks(server) - before
    rss, own = memory(agent.pid)
    late = lateness(agent.histories(), interval * 1000, since, until)
    agent.stop()
    return {"probes": n, "interval_s": interval, "checks": checks, "checks_per_s": checks / wall,
            "cpu_us_per_check": cpu / checks * 1e6, "cpu_percent": cpu / wall * 100, "rss_kib": rss,
            "anonymous_kib": own, "late_ms": figures.spread(late), "bare_ms": bare}


def total_checks(server):
    """By the server, which costs the agent nothing."""
    return server.ask("stats")["accepted"]


def scale(ctx, row):
    """10 to 50,000 probes."""
    server = Server(ctx, "tcp")
    seen = []
    for n, interval in ctx.pick(SIZES, SIZES_QUICK):
        seconds = interval + 1 if interval > 1 else ctx.pick(5, 2)
        seen.append({**grown(ctx, n, interval, server, True, seconds), "how": "spread"})
    n, interval = ctx.pick((10000, 10), (40, 1))
    seen.append({**grown(ctx, n, interval, server, False, interval + 1), "how": "all at once"})
    empty = seen[0]
    lines = []
    for s in seen:
        per = (s["anonymous_kib"] - empty["anonymous_kib"]) / max(1, s["probes"] - empty["probes"])
        s["kib_per_probe"] = per if s is not empty else None
        late = s["late_ms"]
        lines.append([f"{s['probes']:,} at {s['interval_s']} s, {s['how']}", f"{s['checks_per_s']:.0f}",
                      f"{s['cpu_us_per_check']:.1f} us", f"{s['cpu_percent']:.1f} %", figures.size(s["rss_kib"]),
                      f"{per:.2f} KiB" if s is not empty else "", f"{late['median']:.1f} ms", f"{late['p99']:.1f} ms",
                      f"{late['max']:.1f} ms", f"{s['bare_ms']['p99']:.1f}, {s['bare_ms']['max']:.1f} ms"])
    row.table("TCP probes of an agent", ["probes", "checks/s", "CPU per check", "of a core", "RSS", "a probe more",
                                         "late, p50", "p99", "max", "bare timer, p99, max"], lines)
    row.data("scale", seen)
    spread = [s for s in seen if s["how"] == "spread"]
    base = spread[min(2, len(spread) - 1)]
    row.target(f"CPU per check with {spread[-1]['probes']:,} probes over that with {base['probes']:,}",
               spread[-1]["cpu_us_per_check"] / base["cpu_us_per_check"], 1.2, figures.ratio)
    row.target(f"memory a probe with {spread[-1]['probes']:,}", spread[-1]["kib_per_probe"], 2,
               lambda x: f"{x:.2f} KiB")
    tens = next((s for s in spread if s["probes"] == 10000), spread[-1])
    row.target(f"late at p99 with {tens['probes']:,}, beyond a bare timer",
               max(0.0, tens["late_ms"]["p99"] - tens["bare_ms"]["p99"]), 10, lambda x: f"{x:.1f} ms")
    row.chart("lines", "scale", "CPU per check by number of probes",
              points=[(s["probes"], s["cpu_us_per_check"]) for s in spread], unit="us")
    row.note("`spread`: first checks lie evenly over the interval (initial_delay), as they do in an agent that has run"
             " for a while with jitter. `all at once`: every probe falls due at the same moment, again and again.")
    row.note("Late: real start against the end of the check before plus the interval, from the agent's own time stamps,"
             " which have a resolution of 1 ms; its timers count whole ms as well, so below 2 ms means in time.")
    row.note(BARE)
    row.note("Memory is of probes that are idle at the moment, with a history of up to five results each.")


# ---- Mongo ----


def ping(ctx, row):
    """A ping's CPU: in the agent by a kept connection, by fresh ones, and the driver's."""
    server = Server(ctx, "mongo")
    port = server.ports["mongo"]
    uri = f"mongodb://127.0.0.1:{port}/"
    n = ctx.pick(1000, 20)
    agent = Agent(ctx, {f"m{i}": f"uri = mongodb://{a}:{port}/" for i, a in enumerate(addresses(n))})
    time.sleep(ctx.pick(3, 1.2))
    seen = {f"{who}, {how}": [] for how in ("kept", "fresh") for who in ("system calls alone", "probe", "driver")}
    for _ in range(ctx.pick(5, 1)):
        window, before = Window(agent.pid), server.ask("stats")["pings"]
        time.sleep(ctx.pick(2, 1))
        cpu = window.end()[0]
        seen["probe, kept"].append(cpu / (server.ask("stats")["pings"] - before) * 1e6)
        agent.process.send_signal(19)  # SIGSTOP: out of the way of the others
        seen["system calls alone, kept"].append(driver(ctx, "bare-kept", port, ctx.pick(20000, 200)))
        seen["driver, kept"].append(driver(ctx, "kept", uri, ctx.pick(10000, 200)))
        seen["system calls alone, fresh"].append(driver(ctx, "bare-fresh", port, ctx.pick(800, 20)))
        seen["probe, fresh"].append(fresh(ctx, uri, ctx.pick(800, 20)))
        seen["driver, fresh"].append(driver(ctx, "fresh", uri, ctx.pick(2000, 50)))
        agent.process.send_signal(18)
        time.sleep(1.2)  # what fell due meanwhile
    agent.stop()
    every = {who: figures.spread(v) for who, v in seen.items()}
    counts = {}
    if not ctx.quick:
        counts["probe, fresh"] = measure.instructions_each(measure.checks_of_engine(ctx, uri), 200)
        for how in ("kept", "fresh"):
            counts[f"driver, {how}"] = measure.instructions_each(
                lambda k: [ctx.tool("driver"), how, uri, str(k)], 200)
    row.table("CPU of one ping", ["", "median", "p10 to p90", "x system calls alone", "instructions", "windows"],
              [[who, figures.duration(s["median"]), figures.between(s),
                figures.ratio(s["median"] / every["system calls alone, " + who.split(", ")[1]]["median"]),
                figures.count(counts.get(who)), str(s["n"])] for who, s in every.items()])
    row.data("ping", {"cpu_us": every, "instructions": counts})
    for how, limit in (("kept", 10), ("fresh", 80)):
        ours, theirs = every[f"probe, {how}"]["median"], every[f"driver, {how}"]["median"]
        row.target(f"{how} connection: CPU of a ping", ours, limit, figures.duration)
        row.target(f"{how} connection: over the driver's", ours / theirs, 0.2, figures.ratio)
    row.note(f"Kept: an agent with {n:,} targets at 1 s, without jitter, all that it does counted; the"
             " driver pings one server in a loop, as fast as it can, and so never waits or wakes up.")
    row.note("Fresh: `probe wait` with many successes, an engine without kept connections, a ping after the other.")
    row.note("System calls alone: a loop of C that writes probe's bytes and reads the answer, and nothing else, on 32"
             " connections in turn; fresh, with a connect, a reset and a sleep of 1 ms. What the kernel does for a packet"
             " on the loopback device counts for who sent it: no checker can be below this.")


def driver(ctx, how, uri, n):
    done = subprocess.run([ctx.tool("driver"), how, str(uri), str(n)], capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"the driver: {done.stderr.strip()}")
    told = json.loads(done.stdout)
    return told["cpu_us"] / told["pings"]


def fresh(ctx, uri, n):
    argv = [ctx.probe, "wait", "-q", "--timeout", "60s", "--interval", "1ms", "--successes", str(n), uri]
    (_i, _wall, user, system, _rss, code), = measure.spawn(ctx, ["-n", 1], [measure.Command("probe wait", argv)])
    if code != 0:
        raise RuntimeError(f"probe wait ended with {code}")
    return (user + system) / n


# ---- Hanging targets ----


def hang(ctx, row):
    """100 targets that hang among 1,000 that answer."""
    n, bad, interval = ctx.pick((1000, 100, 1), (20, 5, 1))
    server = Server(ctx, "tcp", "silent", "dns")
    good = spread_starts({f"ok{i}": f"address = {a}:{server.ports['tcp']}" for i, a in enumerate(addresses(n))}, 1000)
    silent = server.ports["silent"]
    kinds = {
        "TCP, silent": "address = {a}:%d\nexpect = x" % silent,
        "HTTP, silent": "url = http://{a}:%d/" % silent,
        "Mongo, silent": "uri = mongodb://{a}:%d/" % silent,
        "Mongo by a child, silent": "uri = mongodb://{a}:%d/?replicaSet=rs0" % silent,
        "DNS, silent": "address = host{i}.bench.test:%d" % silent,
    }
    if ctx.quick:
        kinds = {k: kinds[k] for k in ("TCP, silent", "Mongo by a child, silent")}
    seconds = ctx.pick(6, 2)
    env = {"PROBE_DNS_SERVERS": f"127.0.0.1:{server.ports['dns']}"}

    def one(what):
        more = {f"hang{i}": kinds[what].format(a=a, i=i) + "\ntimeout = 3s\nrequired = no"
                for i, a in enumerate(addresses(bad))} if what else {}
        agent = Agent(ctx, {**good, **more}, env=env)
        time.sleep(ctx.pick(3, 1.5))
        tick, window, since = Tick(ctx), Window(agent.pid, family=True), time.time() * 1000
        time.sleep(seconds)
        cpu, wall = window.end()
        until, bare = time.time() * 1000, tick.end()
        states = {p["name"]: p for p in agent.status()["probes"]}
        wrong = [k for k, p in states.items() if k.startswith("ok") and p["status"] != "healthy"]
        right = [k for k, p in states.items() if k.startswith("hang") and p["last"] and p["last"]["ok"]]
        if wrong or right:
            raise RuntimeError(f"{what}: wrong verdicts on {(wrong + right)[:3]}")
        late = lateness(agent.histories("ok"), interval * 1000, since, until)
        agent.stop()
        return {"cpu_percent": cpu / wall * 100, "late_ms": figures.spread(late), "bare_ms": bare}

    seen, lines = {}, []
    base = [one(None)]
    for what in kinds:
        seen[what] = one(what)
        base.append(one(None))
    calm = figures.spread([b["cpu_percent"] for b in base])
    lines.append([f"none, {len(base)} windows", f"{calm['median']:.2f} %", "",
                  *("%.1f ms" % max(b[k][p] for b in base)
                    for k, p in (("late_ms", "p99"), ("late_ms", "max"), ("bare_ms", "max")))])
    for i, what in enumerate(kinds):
        s = seen[what]
        beside = (base[i]["cpu_percent"] + base[i + 1]["cpu_percent"]) / 2
        s["ratio"] = s["cpu_percent"] / beside
        # What was late without them too, or on the machine itself, is not their doing.
        s["excuse"] = max(base[i]["late_ms"]["max"], base[i + 1]["late_ms"]["max"], s["bare_ms"]["max"])
        lines.append([what, f"{s['cpu_percent']:.2f} %", figures.ratio(s["ratio"]), f"{s['late_ms']['p99']:.1f} ms",
                      f"{s['late_ms']['max']:.1f} ms", f"{s['bare_ms']['max']:.1f} ms"])
    row.table(f"{n:,} TCP targets that answer, every second, and {bad} that hang, with a timeout of 3 s",
              ["that hang", "CPU of a core", "x none", "others late, p99", "max", "bare timer, max"], lines)
    row.data("hang", {"with": seen, "without": base})
    for what in kinds:
        row.target(f"{what}: CPU over that without", seen[what]["ratio"], 1.2, figures.ratio)
        row.target(f"{what}: latest other check, beyond the latest without or of a bare timer",
                   max(0.0, seen[what]["late_ms"]["max"] - seen[what]["excuse"]), 10, lambda x: f"{x:.1f} ms")
    row.note("CPU with that of children, living and ended. Each window is compared with the ones without hanging"
             " targets before and after it.")
    row.note(BARE)


ROWS = {"scale": (scale, "10 to 50,000 probes"), "ping": (ping, "A Mongo ping in the agent"),
        "hang": (hang, "100 targets that hang")}
