"""Replica sets of three beside single servers: one-shot, in an agent, and with members that hang."""

import os
import time

from . import figures, measure
from .agent import Agent, Window, addresses, lateness
from .context import Server, Tick


def set_of(address, server):
    hosts = ",".join(f"{address}:{port}" for port in server.member_ports)
    return f"mongodb://{hosts}/?replicaSet=rs0"


def members(ctx, *modes, cpu=None):
    """One process that is all of a set, on every address."""
    ports = [ctx.port() for _ in modes]
    server = Server(ctx, *(f"{m}:{p}" for m, p in zip(modes, ports)), cpu=cpu)
    server.member_ports = ports
    return server


def children(pid):
    n = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as f:
            n += len(f.read().split())
    return n


def agent_of(ctx, uris, seconds):
    """CPU, children and lateness of an agent with these targets, once each was checked."""
    agent = Agent(ctx, {f"p{i}": f"uri = {uri}" for i, uri in enumerate(uris)}, cpu=0)
    time.sleep(ctx.pick(3, 1.5))
    tick, window, since, most = Tick(ctx), Window(agent.pid, family=True), time.time() * 1000, 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        most = max(most, children(agent.pid))
        time.sleep(0.05)
    cpu, wall = window.end()
    until, bare = time.time() * 1000, tick.end()
    wrong = [p["name"] for p in agent.status()["probes"] if p["status"] != "healthy"]
    late = lateness(agent.histories(), 1000, since, until)
    agent.stop()
    if wrong:
        raise RuntimeError(f"not healthy: {wrong[:3]}")
    return {"cpu_percent": cpu / wall * 100, "late_ms": figures.spread(late), "bare_ms": bare, "children": most}


def in_turn(ctx, contestants, rounds, seconds):
    """{who: median of cpu_percent, and the worst of the rest}, measured A B A B."""
    seen = {who: [] for who in contestants}
    for _ in range(rounds):
        for who, uris in contestants.items():
            seen[who].append(agent_of(ctx, uris, seconds))
    return {who: {"cpu_percent": figures.spread([r["cpu_percent"] for r in runs])["median"],
                  "children": max(r["children"] for r in runs),
                  "late_ms": max(r["late_ms"]["max"] for r in runs),
                  "bare_ms": max(r["bare_ms"]["max"] for r in runs)} for who, runs in seen.items()}


def lines(seen, base):
    return [[who, f"{s['cpu_percent']:.2f} %", figures.ratio(s["cpu_percent"] / seen[base]["cpu_percent"]),
             f"{s['late_ms']:.1f} ms", f"{s['bare_ms']:.1f} ms", str(s["children"])] for who, s in seen.items()]


COLUMNS = ["", "CPU of a core", "x the first", "latest check", "bare timer, latest", "children at most"]


def sets(ctx, row):
    """Sets of three, every second."""
    server, single = members(ctx, "primary", "secondary", "secondary", cpu=1), Server(ctx, "mongo", cpu=1)
    hung = members(ctx, "primary", "secondary", "hung", cpu=1)
    direct = f"mongodb://127.0.0.1:{single.ports['mongo']}/"
    once = measure.interleaved(ctx, [
        measure.Command("a set of three", [ctx.probe, "check", set_of("127.0.0.1", server)]),
        measure.Command("one server", [ctx.probe, "check", direct]),
    ], ctx.pick(400, 4), ctx.pick(10, 2))
    row.table("One-shot, from exec to exit", measure.COLUMNS, measure.lines(once, "one server"))
    row.target("One-shot: wall time over one server's",
               measure.of(once, "a set of three") / measure.of(once, "one server"), 2.2, figures.ratio)
    row.data("once", once)

    n, rounds, seconds = ctx.pick(300, 5), ctx.pick(3, 1), ctx.pick(5, 2)
    one, three = f"{n} servers", f"{n} sets of three"
    many = in_turn(ctx, {one: [f"mongodb://{a}:{single.ports['mongo']}/" for a in addresses(n)],
                         three: [set_of(a, server) for a in addresses(n)]}, rounds, seconds)
    row.table("In an agent, every second", COLUMNS, lines(many, one))
    row.target("Sets of three: CPU over that of one server each",
               many[three]["cpu_percent"] / many[one]["cpu_percent"], 3.3, figures.ratio)
    row.target("Sets of three: children at most", many[three]["children"], 0, str)
    row.data("agent", many)

    n = ctx.pick(100, 5)
    calm, bad = f"{n} sets of three", f"{n} with a member that hangs"
    some = in_turn(ctx, {calm: [set_of(a, server) for a in addresses(n)], bad: [set_of(a, hung) for a in addresses(n)]},
                   rounds, seconds)
    row.table("A member that accepts and never answers, in each", COLUMNS, lines(some, calm))
    row.target("With a member that hangs: CPU over that without",
               some[bad]["cpu_percent"] / some[calm]["cpu_percent"], 1.2, figures.ratio)
    excuse = max(some[calm]["late_ms"], some[bad]["bare_ms"])
    row.target("With a member that hangs: latest check, beyond the latest without or of a bare timer",
               max(0.0, some[bad]["late_ms"] - excuse), 10, lambda x: f"{x:.1f} ms")
    row.data("hang", some)


ROWS = {"set": (sets, "Replica sets")}
