"""An agent that is none, or a hostile one: what `probe status` says of it, and does not do."""

import json
import signal

import pytest
from lib import hostile
from lib.net import SLACK, wait_until

HOSTILE_NAMES = ["plain", "日本語", "e\u0301te\u0301", "\x1b[2Jgone", "new\nline", "\u202eltr", "\u009b31m"]


def document(names, **more):
    last = {"ok": False, "reason": "refused", "detail": "a\x1b]0;title\x07b\nplain  healthy",
            "duration_ms": 1.5, "started": "2026-01-02T03:04:05.678Z"}
    probes = [
        {"name": n, "status": "unhealthy", "since": "2026-01-02T03:04:05.678Z", "last": last,
         "next_in_ms": 5000, **more}
        for n in names
    ]
    return json.dumps({"agent": {"version": "0", "stale": False}, "live": True, "ready": False, "probes": probes}).encode()


def test_names_and_details_cannot_act_on_the_terminal(probe, terminal, serve):
    server = serve(hostile.http_reply(document(HOSTILE_NAMES)))
    address = f"http://127.0.0.1:{server.port}"
    t = terminal("status", "--agent", address, env={"NO_COLOR": "1"}, columns=100)
    assert t.end() == 1
    assert not set(t.plain) & {chr(c) for c in (*range(10), *range(11, 32), *range(127, 160), 0x202E)}
    shown = ["plain", "日本語", "été", "\\x1b[2Jgone", "new\\nline", "\\u202eltr", "\\u009b31m"]
    at = t.column(0, "STATE")
    rows = [y for y, line in enumerate(t.lines) if "unhealthy" in line][: len(shown)]
    assert len(rows) == len(shown), t.text
    for y, name in zip(rows, shown):
        assert t.lines[y].startswith(name[:3]) and t.column(y, "unhealthy") == at, t.text
    assert "a\\x1b]0;title\\x07b\\nplain healthy" in t.joined, t.text
    r = probe.run("status", "--agent", address, "new\nlin")
    assert r.code == 64 and "did you mean 'new\\nline'?" in r.err and len(r.err.splitlines()) == 1
    r = probe.run("status", "--agent", address)
    assert r.code == 1 and len(r.lines) == len(shown) + 2 and "\x1b" not in r.out, str(r)


def test_json_of_a_hostile_agent_cannot_act_on_the_terminal(probe, serve):
    server = serve(hostile.http_reply(document(HOSTILE_NAMES).replace(b"\\u009b", b"\xc2\x9b")))
    for args in ((), ("\u009b31m",)):
        r = probe.run("status", "--json", "--agent", f"http://127.0.0.1:{server.port}", *args)
        assert r.code == 1 and not set(r.out) & {chr(c) for c in (*range(10), *range(11, 32), *range(127, 160))}, str(r)
        assert [p["name"] for p in json.loads(r.out)["probes"]] == list(args or HOSTILE_NAMES)


def test_an_answer_that_contradicts_its_status_is_no_agents(probe, serve):
    body = document(["a"]).replace(b'"ready": false', b'"ready": true')
    for status, code in (("503 Busy", 69), ("200 OK", 0)):
        server = serve(hostile.http_reply(body, status=status))
        r = probe.run("status", "--agent", f"http://127.0.0.1:{server.port}")
        assert r.code == code and (code == 0 or "HTTP 503" in r.err), str(r)


def test_a_stale_verdict_is_never_shown_as_the_state_it_was(probe, terminal, serve):
    server = serve(hostile.http_reply(document(["old"], stale=True, status="starting",
                                               required=False)))
    address = f"http://127.0.0.1:{server.port}"
    t = terminal("status", "--agent", address)
    assert t.end() == 1
    assert t.lines[1].split()[:2] == ["old", "stale"] and t.colour(1, t.column(0, "STATE")) == "red"
    assert "overdue, last known: refused" in t.joined and "(not required)" in t.joined, t.text
    assert probe.run("status", "--agent", address, "old").code == 75


def test_what_is_no_document_is_no_crash(probe, terminal, serve):
    for body in (b"{}", b'{"probes":7}', b'{"probes":[7,null,{},{"name":5,"last":[]}]}', b"[]", b""):
        server = serve(hostile.http_reply(body))
        for args in ((), ("-q",), ("a",)):
            r = probe.run("status", "--agent", f"http://127.0.0.1:{server.port}", *args)
            assert r.code in (1, 64, 69), str(r)
        t = terminal("status", "--agent", f"http://127.0.0.1:{server.port}")
        assert t.end() in (1, 69)


HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
EVENT = b'event: status\ndata: {"name":"\\u001b[2J","to":"\\u001b[31m","from":7,"detail":[]}\n\n'


@pytest.mark.parametrize(
    "stream, shown",
    [
        (HEAD + b"x" * (1 << 21), "sends no event stream"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "HTTP 503 for /events"),
        (b"nonsense\r\n\r\n", "is not HTTP"),
        (HEAD + EVENT * 100 + b"event: status\ndata: {{{\n\nevent: status\n\n\n\n\0\n\n", "odd unhealthy"),
    ],
    ids=["endless", "busy", "garbage", "hostile"],
)
def test_watch_survives_whatever_the_stream_says(probe, terminal, serve, stream, shown):
    def behave(sock):
        request = sock.recv(65536)
        if b" /events " in request:
            sock.sendall(stream)
            hostile.silent(sock)
        elif request:
            hostile_document = document(["odd"])
            sock.sendall(b"HTTP/1.1 503 X\r\nContent-Length: %d\r\n\r\n" % len(hostile_document)
                         + hostile_document)

    server = serve(behave)
    address = f"http://127.0.0.1:{server.port}"
    t = terminal("status", "--watch", "--agent", address, columns=100)
    t.wait_for(shown)
    t.type(b"\x03")
    assert t.end() == 130
    watch = probe.spawn("status", "--watch", "--agent", address)
    told = watch.out_path if "unhealthy" in shown else watch.err_path
    wait_until(lambda: told.read_text(), 10, "something is told")
    watch.send_signal(signal.SIGTERM)
    assert watch.wait(10 * SLACK) == 143
    assert "\x1b" not in watch.out_path.read_text() + watch.err_path.read_text()


def test_watch_remembers_no_more_than_an_agent_has(probe, serve):
    names = [f"n{i}" for i in range(1 << 16)]
    event = 'event: status\ndata: {{"name":"{}","to":"healthy"}}\n\n'.format
    again = [names[0], "one-more", "one-more", names[-1], "x" * 600, "x" * 600, "end"]
    stream = HEAD + "".join(map(event, names + again)).encode()

    def behave(sock):
        if b" /events " in sock.recv(65536):
            sock.sendall(stream)
            hostile.silent(sock)
        else:
            body = document([])
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    server = serve(behave)
    watch = probe.spawn("status", "--watch", "--agent", f"http://127.0.0.1:{server.port}")
    wait_until(lambda: "  end  " in watch.out_path.read_text(), 60, "the last event is told")
    told = [line.split()[0] for line in watch.out_path.read_text().splitlines()]
    assert told == names + ["one-more", "one-more", "x" * 600, "x" * 600, "end"]


SECTIONS = [  # of an agent's settings, and what is shown of them
    (b"[probe web]\n# \x1b]0;title\x07\naddress = h:1\nexpect = a\xc2\x9b31m|b\xe2\x80\xae\n", 78, ["\\u009b31m", "\\u202e"]),
    (b"[probe web]\ntype = exec\ncommand = /bin/true \x1b[31m \x07\n", 0, ["\\x1b[31m"]),
    (b"[probe web]\n\x1b[2J no line of a configuration\n", 78, ["\\x1b[2J"]),
    (b"[probe web]\naddress = h:1\nexpect = $${HOME}\n", 0, ["$${HOME}"]),
    (b"[probe web]\nurl = http://h/\nbody = ${HOME}\n", 69, ["does not answer as a probe agent"]),
    (b"[probe web]\nurl = http://h/\nheader = A: $$${file:/etc/hostname}\n", 69, ["does not answer as a probe agent"]),
]


@pytest.mark.parametrize("section, code, shown", SECTIONS, ids=range(len(SECTIONS)))
def test_settings_of_a_hostile_agent_act_on_nothing_here(probe, serve, section, code, shown):
    """They are a text like a configuration's: no file or variable of this machine gets into it, and
    nothing in it acts on the terminal."""
    server = serve(hostile.http_reply(section))
    r = probe.run("explain", "--agent", f"http://127.0.0.1:{server.port}", "web", env={"HOME": "/home/of-mine"})
    said = r.out + r.err
    assert r.code == code, str(r)
    assert all(s in said for s in shown) and "of-mine" not in said, str(r)
    assert not set(said) & {chr(c) for c in (*range(10), *range(11, 32), *range(127, 160), 0x202E)}, str(r)
