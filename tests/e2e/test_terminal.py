"""What a person sees: tables, colours, drawing in place, in a pseudo-terminal."""

import json
import os
import pty
import signal
import subprocess

import pytest
from lib import hostile
from lib.net import SLACK, wait_until

REFUSED = """
[probe gone]
type = tcp
address = 127.0.0.1:{port}
interval = 200ms
timeout = 200ms
retries = 2
[probe self]
type = process
pid = 1
interval = 1h
[probe behind-it]
type = process
pid = 1
after = gone
interval = 1h
"""


def settled(agent):
    agent.wait_status("gone", "unhealthy")
    agent.wait_status("self", "healthy")
    agent.wait_status("behind-it", "blocked")
    return agent


# ---- status


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 132])
def test_status_is_a_table_at_any_width(probe, terminal, port, columns):
    agent = settled(probe.agent(REFUSED.format(port=port)))
    t = terminal("status", "--agent", agent.socket, columns=columns, rows=40)
    assert t.end() == 1
    t.check_widths()
    assert t.lines[0].split()[:2] == ["NAME", "STATE"], t.text
    at = t.column(0, "STATE")
    rows = {line.split()[0]: y for y, line in enumerate(t.lines) if line and line[0] != " "}
    states = {"gone": "unhealthy", "self": "healthy", "behind-it": "blocked"}
    for name, state in states.items():
        # At 20 columns a name may be cut.
        row = next(y for shown, y in rows.items() if name.startswith(shown.rstrip("…")[:4]))
        assert t.column(row, state) == at, t.text
    assert f"refused: connect to 127.0.0.1:{port}: connection refused" in t.joined, t.text
    assert "not ready: 3 probes, 1 healthy, 1 unhealthy, 1 blocked" in t.joined, t.text
    if columns >= 60:
        assert "SINCE" in t.lines[0] and "NEXT" in t.lines[0] and "TOOK" in t.lines[0], t.text


def test_colour_only_on_a_terminal_that_wants_it(probe, terminal, port):
    agent = settled(probe.agent(REFUSED.format(port=port)))
    args = ("status", "--agent", agent.socket)
    t = terminal(*args)
    assert t.end() == 1
    colours = [t.colour(y, t.column(0, "STATE")) for y, x in enumerate(t.lines) if x[0] != " "]
    assert colours[:4] == ["default", "red", "green", "cyan"], t.raw
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": None}):
        t = terminal(*args, env=env)
        assert t.end() == 1 and b"\x1b" not in t.raw and "unhealthy" in t.text, t.raw
    t = terminal(*args, env={"NO_COLOR": ""})
    assert t.end() == 1 and t.colour(1, t.column(0, "STATE")) == "red", "an empty NO_COLOR is none"
    assert "\x1b" not in probe.run(*args).out


def test_the_width_where_the_terminal_has_none(probe, terminal, port):
    agent = settled(probe.agent(REFUSED.format(port=port)))
    t = terminal("status", "--agent", agent.socket, columns=0, rows=0, env={"COLUMNS": "50"})
    assert t.process.wait(10 * SLACK) == 1
    t.columns = 50
    while t.read(0.05):
        pass
    t.check_widths()
    assert max(map(len, t.plain.splitlines())) > 40


def test_off_a_terminal_one_line_a_probe_in_columns(probe, port):
    agent = settled(probe.agent(REFUSED.format(port=port)))
    r = probe.run("status", "--agent", agent.socket, env={"COLUMNS": "20"})
    assert [line.split()[:2] for line in r.lines[:-1]] == [
        ["NAME", "STATE"], ["gone", "unhealthy"], ["self", "healthy"], ["behind-it", "blocked"],
    ], str(r)
    assert len({line.index(line.split()[1]) for line in r.lines[:-1]}) == 1, str(r)
    assert f"refused: connect to 127.0.0.1:{port}: connection refused" in r.lines[1], str(r)
    assert r.lines[-1] == "not ready: 3 probes, 1 healthy, 1 unhealthy, 1 blocked", str(r)


def test_off_a_terminal_failures_are_in_the_first_4096_bytes(probe, port):
    many = "".join(f"[probe process-number-{i}]\ntype = process\npid = 1\n" for i in range(300))
    bad = "".join(
        f"[probe bad-{i}]\ntype = tcp\naddress = 127.0.0.1:{port}\nretries = 1\n" for i in range(20)
    )
    agent = probe.agent(many + bad)
    agent.wait_status("bad-19", "unhealthy")
    r = probe.run("status", "--agent", agent.socket)
    assert r.code == 1 and len(r.lines) == 322, str(r)
    assert r.out.encode()[:4096].count(b"refused:") == 20, str(r)
    r = probe.run("check", "-c", agent.config, *(f"process-number-{i}" for i in range(90)), "bad-7")
    assert r.code == 1 and len(r.out.encode()) <= 4096 and "bad-7 " in r.out, str(r)


# ---- status --watch


def test_watch_is_drawn_in_place_and_follows(probe, terminal, serve):
    server = serve(hostile.silent)
    agent = probe.agent(REFUSED.format(port=server.port))
    agent.wait_status("gone", "healthy")
    t = terminal("status", "--watch", "--agent", agent.socket)
    t.wait_for("NAME STATE", "ready: 3 probes, 3 healthy")
    assert t.screen.cursor.hidden
    server.down()
    t.wait_for("not ready: 3 probes, 1 healthy, 1 unhealthy, 1 blocked", "refused: connect to")
    assert t.lines[0].startswith("NAME") and t.text.count("NAME") == 1, t.text
    server.up()
    t.wait_for("ready: 3 probes, 3 healthy")
    assert len(t.lines) <= 8 and "refused" not in t.text, t.text
    t.type(b"\x03")
    assert t.end() == 130
    assert "3 healthy" in t.text, "the last state stands"


def test_watch_follows_the_terminals_size(probe, terminal, port):
    agent = settled(probe.agent(REFUSED.format(port=port)))
    t = terminal("status", "--watch", "--agent", agent.socket, columns=100)
    t.wait(lambda t: "DETAIL" in t.text and "blocked" in t.text)
    t.resize(40)
    t.wait(lambda t: "NAME" in t.text and "DETAIL" not in t.text)
    assert t.text.count("NAME") == 1 and t.lines[0].startswith("NAME"), t.text
    t.resize(100)
    t.wait(lambda t: "DETAIL" in t.text)
    assert t.text.count("NAME") == 1, t.text
    t.resize(80, 4)
    t.wait(lambda t: "more" in t.text)
    t.type(b"\x1c")
    assert t.end() == 128 + signal.SIGQUIT


def test_watch_shows_the_worst_first_where_not_all_fit(probe, terminal, port):
    many = "".join(f"[probe p{i}]\ntype = process\npid = 1\ninterval = 1h\n" for i in range(50))
    agent = settled(probe.agent(many + REFUSED.format(port=port)))
    t = terminal("status", "--watch", "--agent", agent.socket, rows=10)
    t.wait_for("not ready: 53 probes", "1 unhealthy", "1 blocked")
    assert len(t.lines) <= 10 and t.lines[0].startswith("NAME"), t.text
    assert t.lines[1].split()[:2] == ["gone", "unhealthy"], t.text
    assert t.lines[2].split()[:2] == ["behind-it", "blocked"], t.text
    shown = sum(line.split()[1] in ("unhealthy", "blocked", "healthy") for line in t.lines[1:-2])
    assert f"and {53 - shown} more" in t.lines, t.text
    t.process.send_signal(signal.SIGTERM)
    assert t.end() == 143


def test_watch_survives_the_agents_restart(probe, terminal, serve):
    server = serve(hostile.silent)
    agent = probe.agent(REFUSED.format(port=server.port))
    agent.wait_status("self", "healthy")
    t = terminal("status", "--watch", "--agent", agent.socket)
    t.wait_for("ready: 3 probes, 3 healthy")
    agent.stop()
    t.wait_for("no agent answers", "trying again since", "unknown", "was healthy")
    states = [line.split()[1] for line in t.lines if line.split()[0] in ("gone", "self")]
    assert states == ["unknown", "unknown"], "what nobody vouches for is not shown as healthy"
    agent.start()
    t.wait_for("ready: 3 probes, 3 healthy")
    assert "no agent" not in t.text and "unknown" not in t.text, t.text
    t.type(b"\x03")
    assert t.end() == 130


def test_watch_waits_for_an_agent_that_is_not_there_yet(probe, terminal):
    agent = probe.agent("[probe self]\ntype = process\npid = 1\n", start=False)
    t = terminal("status", "--watch", "--agent", agent.socket, columns=60)
    t.wait_for("no agent answers", "trying again since")
    t.check_widths()
    agent.start()
    t.wait_for("ready: 1 probe, 1 healthy")
    t.type(b"\x03")
    assert t.end() == 130


def test_watch_over_http_and_of_names(probe, terminal, port):
    agent = settled(probe.agent(REFUSED.format(port=port)))
    address = f"http://127.0.0.1:{agent.port}"
    t = terminal("status", "--watch", "--agent", address, "self")
    t.wait_for("self healthy", "1 probe, 1 healthy")
    assert "gone" not in t.text, t.text
    t.type(b"\x03")
    assert t.end() == 130
    r = probe.run("status", "--watch", "--agent", address, "sefl")
    assert r.code == 64 and "'self'" in r.err, str(r)


def test_watch_stops_and_goes_on_as_a_job(probe, terminal, port):
    agent = settled(probe.agent(REFUSED.format(port=port)))
    t = terminal("status", "--watch", "--agent", agent.socket)
    t.wait_for("not ready")
    t.process.send_signal(signal.SIGTSTP)
    t.wait(lambda t: not t.screen.cursor.hidden, what="the cursor is back while it is stopped")
    t.process.send_signal(signal.SIGCONT)
    t.wait(lambda t: t.screen.cursor.hidden and "not ready" in t.text)
    t.type(b"\x03")
    assert t.end() == 130


def read_lines(path, n):
    return wait_until(
        lambda: (lines := path.read_text().splitlines()) and len(lines) >= n and lines,
        10, f"{n} lines in {path.read_text()}",
    )


def test_watch_off_a_terminal_is_a_line_a_change(probe, serve):
    server = serve(hostile.silent)
    agent = probe.agent(REFUSED.format(port=server.port))
    agent.wait_status("gone", "healthy")
    watch = probe.spawn("status", "--watch", "--agent", agent.socket, env={"TERM": "xterm"})
    lines = read_lines(watch.out_path, 3)
    assert [line.split()[1:3] for line in lines] == [
        ["gone", "healthy"], ["self", "healthy"], ["behind-it", "healthy"],
    ], lines
    server.down()
    lines = read_lines(watch.out_path, 5)[3:]
    assert "  gone  healthy -> unhealthy  refused: connect to 127.0.0.1:" in lines[0], lines
    assert lines[1].endswith("  behind-it  healthy -> blocked"), lines
    agent.stop()
    wait_until(lambda: "trying again" in watch.err_path.read_text(), 10, "the loss is told")
    agent.start()
    wait_until(lambda: "answers again" in watch.err_path.read_text(), 10, "the return is told")
    agent.wait_status("gone", "unhealthy")
    last = {}
    wait_until(
        lambda: last.update((x.split()[1], x.split(" -> ")[-1].split()[0])
                            for x in watch.out_path.read_text().splitlines()[3:])
        or (last.get("gone"), last.get("behind-it")) == ("unhealthy", "blocked"),
        10, "the lines end with the state that is",
    )
    text = watch.out_path.read_text()
    assert "\x1b" not in text and text.count("  self  ") == 1, "what did not change is not told again"
    watch.send_signal(signal.SIGINT)
    assert watch.wait(10 * SLACK) == 130


def test_watch_as_json_is_a_document_a_line(probe, port):
    agent = settled(probe.agent(REFUSED.format(port=port)))
    watch = probe.spawn("status", "--watch", "--json", "--agent", agent.socket)
    events = [json.loads(line) for line in read_lines(watch.out_path, 3)]
    assert {e["name"]: e["to"] for e in events} == {
        "gone": "unhealthy", "self": "healthy", "behind-it": "blocked",
    }


@pytest.mark.parametrize("enough", [1, 2])
def test_watch_ends_with_its_reader(probe, port, enough):
    """`probe status --watch | head -2`: nothing more happens, and yet it ends."""
    agent = settled(probe.agent(REFUSED.format(port=port)))
    watch = probe.spawn("status", "--watch", "--agent", agent.socket, stdout=subprocess.PIPE)
    for _ in range(enough):
        assert watch.stdout.readline()
    watch.stdout.close()
    assert watch.wait(10 * SLACK) == 128 + signal.SIGPIPE
    assert watch.err_path.read_text() == ""


def test_status_into_a_closed_pipe_is_quiet(probe, port):
    agent = settled(probe.agent(REFUSED.format(port=port)))
    status = probe.spawn("status", "--agent", agent.socket, stdout=subprocess.PIPE)
    status.stdout.close()
    assert status.wait(10 * SLACK) == 1
    assert status.err_path.read_text() == ""


def test_a_watch_that_would_show_nothing_is_refused(probe):
    assert probe.run("status", "--watch", "-q").code == 64
    assert probe.run("check", "--watch", "tcp://127.0.0.1:1").code == 64
    r = probe.run("status", "--watch", "--agent", "ftp://x")
    assert r.code == 69 and "ftp://x" in r.err, str(r)


# ---- check


def test_check_shows_targets_as_they_finish_and_a_total(terminal, serve, port):
    slow = serve(hostile.silent)
    targets = (f"slow=http://127.0.0.1:{slow.port}/", f"fast=tcp://127.0.0.1:{port}", "self=pid:1")
    t = terminal("check", "--timeout", "20s", *targets, columns=150)
    t.wait_for("fast unhealthy", "self healthy")
    assert "slow" not in t.text, t.text
    slow.down()
    assert t.end() == 1
    assert t.lines[2].startswith("slow  unhealthy"), t.text
    assert t.lines[3].startswith("3 targets, 1 healthy, 2 unhealthy, in "), t.text
    colours = [t.colour(y, t.column(0, "unhealthy")) for y in range(3)]
    assert colours == ["red", "green", "red"], t.raw
    assert len({t.column(y, line.split()[1]) for y, line in enumerate(t.lines[:3])}) == 1, t.text


def test_check_keeps_the_order_of_its_arguments_elsewhere(probe, serve, port):
    slow = serve(hostile.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0.005))
    targets = (f"slow=http://127.0.0.1:{slow.port}/", f"fast=tcp://127.0.0.1:{port}", "self=pid:1")
    r = probe.run("check", *targets)
    assert [line.split()[:2] for line in r.lines] == [
        ["slow", "healthy"], ["fast", "unhealthy"], ["self", "healthy"],
    ], str(r)
    assert len({line.index(line.split()[1]) for line in r.lines}) == 1, str(r)


@pytest.mark.parametrize("columns", [40, 80])
def test_check_fits_the_terminal(terminal, port, columns):
    t = terminal("check", f"tcp://127.0.0.1:{port}", "self=pid:1", columns=columns)
    assert t.end() == 1
    t.check_widths()
    assert "connection refused" in t.joined, t.text


# ---- wait


def test_wait_is_drawn_in_place_and_leaves_a_clean_terminal(terminal, serve, port):
    args = ("wait", f"cache=tcp://127.0.0.1:{port}", "self=pid:1", "--timeout", "5m", "--")
    t = terminal(*args, "sh", "-c", "echo command runs on $(tty)")
    t.wait_for("cache missing for", "refused: connect to", "self ok after", "waiting for 1 of 2",
               "left")
    t.wait_for("2s so far")
    assert t.text.count("cache") == 1 and len(t.lines) <= 4, t.text
    serve(hostile.silent, port=port)
    assert t.end() == 0
    assert "waiting for" not in t.text and "missing" not in t.text, t.text
    assert t.lines[-1].startswith("command runs on /dev/pts/"), t.text
    assert "cache ok after" in t.joined, t.text


@pytest.mark.parametrize("columns", [40, 80])
def test_wait_that_gives_up_says_only_that(terminal, port, columns):
    t = terminal("wait", f"cache=tcp://127.0.0.1:{port}", "--timeout", "700ms", columns=columns)
    t.wait_for("waiting for 1 of 1")
    assert t.end() == 124
    assert t.joined.startswith("probe: gave up on cache after "), t.text
    assert "waiting for" not in t.text and "missing" not in t.text, t.text


def test_wait_interrupted_gives_the_cursor_back(terminal, port):
    t = terminal("wait", f"cache=tcp://127.0.0.1:{port}", "--", "echo", "never")
    t.wait_for("cache missing")
    assert t.screen.cursor.hidden
    t.resize(40)
    t.wait(lambda t: t.joined.count("waiting for 1 of 1") == 1 and t.lines[0].startswith("cache"))
    t.type(b"\x03")
    assert t.end() == 130
    assert "never" not in t.text, t.text


def test_wait_stops_and_goes_on_as_a_job(terminal, serve, port):
    t = terminal("wait", f"cache=tcp://127.0.0.1:{port}", "--", "echo", "went on")
    t.wait_for("cache missing")
    t.type(b"\x1a")
    t.wait(lambda t: not t.screen.cursor.hidden, what="the cursor is back while it is stopped")
    wait_until(lambda: state_of(t.process.pid) == "T", 10, "it is stopped")
    t.process.send_signal(signal.SIGCONT)
    t.wait(lambda t: t.screen.cursor.hidden and "cache missing" in t.joined)
    serve(hostile.silent, port=port)
    assert t.end() == 0 and t.lines[-1] == "went on", t.text


def state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0]


@pytest.mark.parametrize("shell", [["sh", "-mc"], ["sh", "-c"]], ids=["job", "script"])
def test_in_the_background_of_a_terminal_it_writes_lines(terminal, probe, port, shell):
    """Another program has the terminal: nothing of it may be drawn over."""
    wait = f"{probe.binary} wait cache=tcp://127.0.0.1:{port} --timeout 700ms"
    t = terminal(columns=120, command=[*shell, f"{wait} & wait $!; echo ended with $?"])
    t.wait_for("ended with 124")
    assert b"\x1b" not in t.raw and t.lines[0].startswith("probe: waiting for cache"), t.raw
    assert t.end() == 0


def test_wait_draws_nothing_when_all_is_there_at_once(terminal):
    t = terminal("wait", "self=pid:1", "--", "echo", "done")
    assert t.end() == 0 and t.lines[0].startswith("probe: self ready after ") and t.lines[1:] == ["done"] and b"\x1b" not in t.raw, t.raw


@pytest.mark.parametrize("env, args", [({"TERM": "dumb"}, ()), ({}, ("-v",))], ids=["dumb", "-v"])
def test_wait_says_lines_where_it_cannot_draw(terminal, port, env, args):
    target = f"cache=tcp://127.0.0.1:{port}"
    t = terminal("wait", *args, target, "--timeout", "600ms", env=env, columns=120)
    assert t.end() == 124 and b"\x1b" not in t.raw, t.raw
    assert t.lines[0].startswith("probe: waiting for cache: refused: connect to"), t.text


# ---- nobody reads


def unread_terminal():
    ours, theirs = pty.openpty()
    return ours, theirs, os.open(os.ttyname(theirs), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)


def unread_pipe():
    ours, theirs = os.pipe()
    return ours, theirs, os.open(f"/proc/self/fd/{theirs}", os.O_WRONLY | os.O_NONBLOCK)


@pytest.fixture(params=[unread_terminal, unread_pipe], ids=["terminal", "pipe"])
def unread(request):
    """A stream that is full, and whose reader reads nothing; its flags are as they were."""
    fds = ours, theirs, filler = request.param()
    try:
        while True:
            os.write(filler, b"x" * 4096)
    except BlockingIOError:
        pass
    yield theirs
    assert os.get_blocking(theirs)
    for fd in fds:
        os.close(fd)


@pytest.mark.parametrize("args,code", [
    (("check", "--timeout", "300ms"), 1),
    (("check", "--json", "--timeout", "300ms"), 1),
    (("wait", "--timeout", "300ms"), 124),
    (("wait", "--json", "--timeout", "300ms"), 124),
], ids=lambda v: "-".join(v) if isinstance(v, tuple) else str(v))
def test_a_deadline_holds_whoever_reads(probe, unread, port, args, code):
    targets = [f"tcp://127.0.0.1:{port}", "tcp://127.0.0.1:1"]
    process = probe.spawn(*args, *targets, stdout=unread, stderr=unread)
    assert process.wait(10 * SLACK) == code


def test_the_gate_opens_whoever_reads(probe, unread, serve):
    server = serve(hostile.silent)
    made = probe.path("made")
    process = probe.spawn("wait", "--timeout", "60s", f"tcp://127.0.0.1:{server.port}", "--", "touch",
                          made, stdout=unread, stderr=unread)
    assert process.wait(10 * SLACK) == 0 and made.exists()


def test_an_agent_and_its_watcher_go_on_whoever_reads(probe, unread, serve):
    server = serve(hostile.silent)
    path = probe.path("a.sock")
    config = probe.write("a.ini", f"[agent]\nsocket = {path}\nlisten = off\nlog_level = debug\n"
                         f"[probe x]\naddress = 127.0.0.1:{server.port}\ninterval = 5ms\n")
    agent = probe.spawn("run", "-c", config, stdout=unread, stderr=unread)

    def checks():
        r = probe.run("status", "--json", "--agent", path)
        return r.json["probes"][0]["checks_total"] if r.code == 0 else 0

    wait_until(lambda: checks() > 0, 10, "the agent answers")
    watcher = probe.spawn("status", "--watch", "--agent", path, stdout=unread, stderr=unread)
    first = checks()
    wait_until(lambda: checks() > first + 200, 10, "checks go on")
    watcher.send_signal(signal.SIGTERM)
    agent.send_signal(signal.SIGTERM)
    assert watcher.wait(2 * SLACK) == 128 + signal.SIGTERM
    assert agent.wait(2 * SLACK) == 0
