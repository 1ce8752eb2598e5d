"""One-shot commands: what a health check costs that starts a process each time."""

import os
import shlex
import shutil
import socket
import subprocess
import threading

from . import figures, measure, servers
from .context import Server

PYTHON = "/usr/bin/python3"
PYMONGO = "import pymongo,sys; pymongo.MongoClient(sys.argv[1]).admin.command('ping')"
MONGOSH_PING = "db.adminCommand('ping').ok"


def mongosh():
    """The command of a mongosh that can be had, or None."""
    found = os.environ.get("MONGOSH") or shutil.which("mongosh")
    return shlex.split(found) if found else None


def recorded(argv, port_word, answer, greeting=b""):
    """What `argv` sends to a server that says `answer` once it was asked (a list: one each time), and `greeting` before;
    the port in it made plain."""
    got = []
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        s.settimeout(10)
        port = str(s.getsockname()[1])

        def serve():
            c, _ = s.accept()
            with c:
                c.settimeout(2)
                answers = answer if isinstance(answer, list) else [answer] if answer else []
                try:
                    c.sendall(greeting)
                    while chunk := c.recv(65536):
                        got.append(chunk)
                        if len(got) <= len(answers):
                            c.sendall(answers[len(got) - 1])
                        if len(got) == len(answers):
                            c.shutdown(socket.SHUT_WR)
                except OSError:
                    pass

        t = threading.Thread(target=serve)
        t.start()
        subprocess.run([str(a).replace(port_word, port) for a in argv], capture_output=True, timeout=20)
        t.join()
    return b"".join(got).replace(port.encode(), b"PORT")


def compare_bytes(ctx, row):
    """The floor is only one if it sends what probe sends."""
    http = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    floor = ctx.tool("floor")
    pairs = {"HTTP": (["check", "http://127.0.0.1:PORT/health"], ["http", "PORT", "/health"], http),
             "Mongo": (["check", "--timeout", "300ms", "mongodb://127.0.0.1:PORT/"], ["mongo", "PORT"], b"")}
    for what, (ours, bare, answer) in pairs.items():
        a, b = recorded([ctx.probe, *ours], "PORT", answer), recorded([floor, *bare], "PORT", answer)
        row.note(f"{what}: the floor sends the same {len(a)} bytes as probe." if a == b else
                 f"{what}: **the floor sends other bytes than probe**: {b!r} instead of {a!r}.")


# What a server of each kind says until it is known to be up.
GREETING = (b"\x4a\0\0\0\x0a8.0.36\0\1\0\0\0" + b"12345678\0" + b"\xff\xf7\x2d\2\0\xff\xff\x15" + b"\0" * 10 +
            b"123456789012\0mysql_native_password\0")
DENIED = b"\x16\0\0\2\xff\x15\4#28000Access denied"
DIALOGUES = {
    "redis": ([b"+PONG\r\n"], b""),
    "postgres": ([b"N", b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"], b""),
    "mysql": ([DENIED], GREETING),
}


def once_stack(ctx, row):
    """Redis, PostgreSQL and MySQL, real servers, without a login; beside what their own clients cost."""
    floor, bars = ctx.tool("floor"), []
    ports = {"redis": servers.redis(ctx), "postgres": servers.postgres(ctx), "mysql": servers.mariadb(ctx)}
    rivals = {
        "redis": ("redis-cli ping", [shutil.which("redis-cli"), "-p", ports["redis"], "ping"], 1),
        "postgres": ("pg_isready", [servers.postgres_tool("pg_isready"), "-q", "-h", "127.0.0.1", "-p",
                                    ports["postgres"]], 4),
        "mysql": ("mysqladmin ping", [shutil.which("mysqladmin"), "--no-defaults", "-h127.0.0.1", f"-P{ports['mysql']}",
                                      "-uhealth", "-ppencil", "ping"], 4),
    }
    wait4x = {"redis": "redis://127.0.0.1:{}", "postgres": "postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable",
              "mysql": "health:pencil@tcp(127.0.0.1:{})/mysql"}
    for what, port in ports.items():
        answers, greeting = DIALOGUES[what]
        a, b = (recorded(argv, "PORT", answers, greeting)
                for argv in ([ctx.probe, "check", f"{what}://127.0.0.1:PORT"], [floor, what, "PORT"]))
        row.note(f"{what}: the floor sends the same {len(a)} bytes as probe." if a == b else
                 f"{what}: **the floor sends other bytes than probe**: {b!r} instead of {a!r}.")
        name, argv, every = rivals[what]
        commands = [measure.Command("probe check", [ctx.probe, "check", f"{what}://127.0.0.1:{port}"]),
                    measure.Command("floor", [floor, what, port]),
                    measure.Command(name, argv, ctx.pick(every, 1), count_instructions=False)]
        if shutil.which("wait4x"):
            kind = "postgresql" if what == "postgres" else what
            commands.append(measure.Command("wait4x", [shutil.which("wait4x"), kind, wait4x[what].format(port)],
                                            ctx.pick(10, 1), count_instructions=False))
        results = measure.interleaved(ctx, commands, ctx.pick(400, 4), ctx.pick(12, 2))
        row.table(f"{what}, from exec to exit", measure.COLUMNS, measure.lines(results, "floor"))
        row.target(f"{what}: wall time over the floor's",
                   measure.of(results, "probe check") / measure.of(results, "floor"), 2.5, figures.ratio)
        row.data(what, results)
        bars += [(f"{what}: {r['who']}", r["wall_us"]["median"]) for r in results]
    row.chart("bars", "once-stack", "One check of a server, from exec to exit", bars=bars, form="duration")
    if not shutil.which("wait4x"):
        row.note("No wait4x was found on PATH.")


def once(ctx, row):
    """TCP, HTTP and Mongo, against the floor and what people use."""
    server = Server(ctx, "tcp", "http", "mongo")
    floor, port = ctx.tool("floor"), server.ports
    uri = f"mongodb://127.0.0.1:{port['mongo']}/"
    url = f"http://127.0.0.1:{port['http']}/health"
    slow = ctx.pick(20, 2)
    wait_for_it = measure.Command("wait-for-it", [shutil.which("wait-for-it"), f"127.0.0.1:{port['tcp']}"],
                                  slow, count_instructions=False)
    contests = {
        "TCP": [measure.Command("probe check", [ctx.probe, "check", f"tcp://127.0.0.1:{port['tcp']}"]),
                measure.Command("floor", [floor, "tcp", port["tcp"]]),
                measure.Command("nc -z", [shutil.which("nc"), "-z", "127.0.0.1", port["tcp"]]), wait_for_it],
        "HTTP": [measure.Command("probe check", [ctx.probe, "check", url]),
                 measure.Command("floor", [floor, "http", port["http"], "/health"]),
                 measure.Command("curl -f", [shutil.which("curl"), "-fsS", "-o", "/dev/null", url], ctx.pick(4, 1))],
        "Mongo": [measure.Command("probe check", [ctx.probe, "check", uri]),
                  measure.Command("floor", [floor, "mongo", port["mongo"]]),
                  measure.Command("pymongo", [PYTHON, "-c", PYMONGO, uri], ctx.pick(60, 3),
                                  count_instructions=False)],
    }
    shell = mongosh()
    if shell:
        contests["Mongo"].append(measure.Command("mongosh", [*shell, "--quiet", uri, "--eval", MONGOSH_PING],
                                                 ctx.pick(120, 3), count_instructions=False))
    limits = {"TCP": 1.5, "HTTP": 2, "Mongo": 1.5}
    compare_bytes(ctx, row)
    bars = []
    for what, commands in contests.items():
        results = measure.interleaved(ctx, commands, ctx.pick(400, 4), ctx.pick(15, 2))
        row.table(f"{what}, from exec to exit", measure.COLUMNS, measure.lines(results, "floor"))
        row.target(f"{what}: wall time over the floor's",
                   measure.of(results, "probe check") / measure.of(results, "floor"), limits[what], figures.ratio)
        row.target(f"{what}: peak RSS", measure.of(results, "probe check", "rss_kib"), 1.2 * 1024, figures.size)
        row.data(what, results)
        bars += [(f"{what}: {r['who']}", r["wall_us"]["median"]) for r in results]
    row.chart("bars", "once", "One check, from exec to exit", bars=bars, form="duration")
    if not shell:
        row.note("No mongosh was found on PATH or by $MONGOSH: pymongo's ping stands in for it.")


def once_tls(ctx, row):
    """HTTPS, and Mongo with SCRAM and TLS."""
    certs = servers.certificates(ctx)
    nginx = servers.nginx(ctx, tls=certs)
    mongo = servers.ferretdb(ctx, certs)
    url = f"https://127.0.0.1:{nginx}/"
    uri = f"mongodb://u:p@127.0.0.1:{mongo}/?tls=true&tlsCAFile={certs['ca']}"
    https = measure.interleaved(ctx, [
        measure.Command("probe check", [ctx.probe, "-c", ctx.write("tls.ini", f"[defaults]\ntls_ca = {certs['ca']}\n"
                                                                            f"[probe https]\nurl = {url}\n"),
                                        "check", "https"]),
        measure.Command("curl -f", [shutil.which("curl"), "-fsS", "-o", "/dev/null", "--cacert", certs["ca"], url]),
        measure.Command("Python", [PYTHON, "-c", "import ssl,sys,urllib.request as u; u.urlopen(sys.argv[2],"
                                   "context=ssl.create_default_context(cafile=sys.argv[1])).read()", certs["ca"], url],
                        ctx.pick(10, 2), count_instructions=False),
    ], ctx.pick(150, 3), ctx.pick(8, 2))
    row.table("HTTPS: handshake verified by a CA of one's own, TLS 1.3, ECDSA P-256", measure.COLUMNS,
              measure.lines(https))
    row.data("https", https)
    row.target("HTTPS: wall time over curl's", measure.of(https, "probe check") / measure.of(https, "curl -f"), 0.5,
               figures.ratio)
    ini = ctx.write("scram.ini", f"[probe mongo]\nuri = {uri}\n")
    scram = measure.interleaved(ctx, [
        measure.Command("probe check", [ctx.probe, "-c", ini, "check", "mongo"]),
        measure.Command("driver in C", [ctx.tool("driver"), "once", uri]),
        measure.Command("pymongo", [PYTHON, "-c", PYMONGO, uri], ctx.pick(6, 2), count_instructions=False),
    ], ctx.pick(100, 3), ctx.pick(10, 2))
    row.table("Mongo with SCRAM-SHA-256 and TLS, against FerretDB", measure.COLUMNS, measure.lines(scram))
    row.data("scram", scram)
    row.target("Mongo with SCRAM and TLS: wall time over the Python client's",
               measure.of(scram, "probe check") / measure.of(scram, "pymongo"), 0.5, figures.ratio)
    row.note("The C driver's program (Debian's libmongoc, shared) does the same ping; it is no client that people have"
             " at hand, and stands here as the bound.")


def status(ctx, row):
    """`probe status` against an agent."""
    server = Server(ctx, "tcp")
    socket_path = ctx.path("s.sock")
    ini = ctx.write("status.ini", f"[agent]\nsocket = {socket_path}\nlisten = off\n[defaults]\ninterval = 1s\n" +
                    "".join(f"[probe p{i}]\naddress = 127.0.0.1:{server.ports['tcp']}\n" for i in range(3)))
    ctx.start([ctx.probe, "-c", ini, "run"])
    ctx.wait(lambda: subprocess.run([ctx.probe, "--agent", socket_path, "status"], capture_output=True)
             .returncode == 0, 15, "an agent that is ready")
    results = measure.interleaved(ctx, [
        measure.Command("probe status", [ctx.probe, "--agent", socket_path, "status"]),
        measure.Command("floor", [ctx.tool("floor"), "status", socket_path]),
        measure.Command("curl", [shutil.which("curl"), "-fsS", "-o", "/dev/null", "--unix-socket", socket_path,
                                 "http://probe/status"], 4),
    ], ctx.pick(500, 4), ctx.pick(8, 2))
    row.table("`probe status` of 3 probes by the Unix socket", measure.COLUMNS, measure.lines(results, "floor"))
    row.data("status", results)
    row.target("wall time over the floor's", measure.of(results, "probe status") / measure.of(results, "floor"), 1.5,
               figures.ratio)
    row.target("peak RSS", measure.of(results, "probe status", "rss_kib"), 1.2 * 1024, figures.size)
    row.note("curl here asks the same by the same socket; it says nothing of an agent whose verdict is stale.")


def loop(ctx, row):
    """1,000 checks one after the other from a shell loop."""
    server = Server(ctx, "tcp", "http", "mongo")
    floor, port = ctx.tool("floor"), server.ports
    n, some, few = ctx.pick((100, 20, 5), (10, 3, 3))  # in one go, of the slower ones fewer
    commands = {
        "TCP": {"probe check": (f"{ctx.probe} check tcp://127.0.0.1:{port['tcp']}", n),
                "floor": (f"{floor} tcp {port['tcp']}", n),
                "nc -z": (f"nc -z 127.0.0.1 {port['tcp']}", some),
                "wait-for-it": (f"wait-for-it 127.0.0.1:{port['tcp']}", few)},
        "HTTP": {"probe check": (f"{ctx.probe} check http://127.0.0.1:{port['http']}/health", n),
                 "floor": (f"{floor} http {port['http']} /health", n),
                 "curl -f": (f"curl -fsS -o /dev/null http://127.0.0.1:{port['http']}/health", some)},
        "Mongo": {"probe check": (f"{ctx.probe} check mongodb://127.0.0.1:{port['mongo']}/", n),
                  "floor": (f"{floor} mongo {port['mongo']}", n)},
    }
    limits = {"TCP": 1.5, "HTTP": 2, "Mongo": 1.5}
    for what, contest in commands.items():
        per = {}
        for _ in range(ctx.pick(10, 1)):
            for who, (command, times) in contest.items():
                script = f"i=0; while [ $i -lt {times} ]; do {command} >/dev/null 2>&1 || exit 9; i=$((i+1)); done"
                c = measure.Command(who, ["/bin/sh", "-c", script])
                per.setdefault(who, {"wall": [], "cpu": []})
                for _i, wall, user, system, _rss, code in measure.spawn(ctx, ["-n", "1"], [c]):
                    if code != 0:
                        raise RuntimeError(f"{who}: a check in the loop failed")
                    per[who]["wall"].append(wall / 1000 / times)
                    per[who]["cpu"].append((user + system) / times)
        lines = []
        base = figures.spread(per["floor"]["wall"])["median"]
        for who, v in per.items():
            wall, cpu = figures.spread(v["wall"]), figures.spread(v["cpu"])
            lines.append([who, figures.duration(wall["median"] * 1000), figures.ratio(wall["median"] / base),
                          figures.duration(cpu["median"] * 1000), f"{contest[who][1]} x {wall['n']}"])
        row.table(f"{what}, of 1,000 checks (in ten parts, in turn; of the slow ones fewer were run)",
                  ["", "wall", "x floor", "CPU with children", "checks run"], lines)
        row.data(what, per)
        row.target(f"{what}: wall time over the floor's",
                   figures.spread(per["probe check"]["wall"])["median"] / base, limits[what], figures.ratio)


ROWS = {"once": (once, "One-shot checks"), "once-stack": (once_stack, "One-shot checks of Redis, PostgreSQL and MySQL"),
        "once-tls": (once_tls, "One-shot checks with TLS and login"),
        "status": (status, "Asking an agent"), "loop": (loop, "A shell loop of 1,000 checks")}
