"""`labels` of a probe: in metrics, JSON, events and what on_transition is told."""

import json
import socket

from lib import hostile
from lib.net import wait_until


def tcp(name, port, more=""):
    return f"[probe {name}]\ntype = tcp\naddress = 127.0.0.1:{port}\n{more}\n"


def first_event(agent, name):
    """Of the present state, as a listener is told."""
    connection = socket.socket(socket.AF_UNIX)
    with connection:
        connection.settimeout(10)
        connection.connect(str(agent.socket))
        connection.sendall(b"GET /events HTTP/1.0\r\n\r\n")
        seen = b""
        while f'"name":"{name}"'.encode() not in seen or not seen.endswith(b"\n\n"):
            seen += connection.recv(65536)
    return next(json.loads(line[6:]) for line in seen.decode().splitlines()
                if line.startswith("data: ") and f'"name":"{name}"' in line)


def test_labels_are_everywhere(probe, serve):
    server = serve(hostile.silent)
    told = probe.path("told")
    tell = f"on_transition = sh -c 'cat >>{told}; echo >>{told}'"
    agent = probe.agent(
        "[defaults]\ninterval = 100ms\nretries = 1\nlabels = env=prod\n"
        + tcp("plain", server.port) + tcp("own", server.port, 'labels = team=shop, odd="a\\b\n'), tell)
    agent.wait_status("own", "healthy")
    agent.wait_status("plain", "healthy")
    assert agent.probe("plain")["labels"] == {"env": "prod"}
    assert agent.probe("own")["labels"] == {"team": "shop", "odd": '"a\\b'}
    assert first_event(agent, "own")["labels"] == {"team": "shop", "odd": '"a\\b'}
    text = agent.get("/metrics").text
    lines = [line for line in text.splitlines() if 'name="own"' in line]
    assert len(lines) >= 8
    assert all('{name="own",team="shop",odd="\\"a\\\\b"' in line for line in lines), lines
    assert 'probe_healthy{name="plain",env="prod"} 1' in text
    server.down()
    agent.wait_status("own", "unhealthy")
    server.up()
    agent.wait_status("own", "healthy")

    def events():
        found = [json.loads(line) for line in told.read_text().splitlines() if line] if told.exists() else []
        mine = [e for e in found if e["name"] == "own"]
        return mine if [e["to"] for e in mine] == ["healthy", "unhealthy", "healthy"] else None

    mine = wait_until(events, 10, "all three changes are told")
    assert [e["worse"] for e in mine] == [False, True, False]
    assert all(e["labels"] == {"team": "shop", "odd": '"a\\b'} for e in mine)


def test_an_agent_tells_which_it_is(probe, serve):
    server, told = serve(hostile.silent), probe.path("told")
    tell = f"on_transition = sh -c 'cat >>{told}; echo >>{told}'\n"
    text = "[defaults]\ninterval = 100ms\n" + tcp("a", server.port)
    agent = probe.agent(text, tell + 'name = shop "1"\nlabels = site=fra, env=prod')
    agent.wait_status("a", "healthy")
    said = agent.get("/status").json["agent"]
    assert said["name"] == 'shop "1"' and said["labels"] == {"site": "fra", "env": "prod"}
    assert said["host"] == socket.gethostname()
    assert 'probe_agent_info{agent="shop \\"1\\"",site="fra",env="prod"} 1\n' in agent.get("/metrics").text
    assert first_event(agent, "a")["agent"] == 'shop "1"'
    event = wait_until(lambda: told.exists() and json.loads(told.read_text() or "null"), 10, "the change is told")
    assert event["agent"]["name"] == 'shop "1"' and event["agent"]["labels"] == said["labels"]
    agent.agent_lines = ""
    agent.configure(text)
    assert agent.post("/reload").code == 200
    said = agent.get("/status").json["agent"]
    assert said["name"] == socket.gethostname() and said["labels"] == {}, "as its machine"
    assert f'probe_agent_info{{agent="{socket.gethostname()}"}} 1\n' in agent.get("/metrics").text
    r = probe.run("validate", "-c", probe.write("bad.ini", f"[agent]\nname = {'x' * 129}\nlabels = agent=x\n" + text))
    assert r.code == 78 and "agent.name: is too long" in r.err + r.out
    assert '"agent=x" has a name that the metrics have already' in r.err + r.out


def test_what_is_held_back_is_worse(probe, serve):
    first, then = serve(hostile.silent), serve(hostile.silent)
    told = probe.path("told")
    agent = probe.agent(
        "[defaults]\ninterval = 100ms\nretries = 1\n" + tcp("first", first.port)
        + tcp("then", then.port, "after = first"),
        f"on_transition = sh -c 'cat >>{told}; echo >>{told}'")
    agent.wait_status("then", "healthy")
    first.down()
    agent.wait_status("then", "blocked")

    def blocked():
        found = [json.loads(line) for line in told.read_text().splitlines() if line] if told.exists() else []
        return [e for e in found if e["name"] == "then" and e["to"] == "blocked"]

    assert wait_until(blocked, 10, "it is told")[0]["worse"] is True


def test_a_change_of_labels_is_a_change(probe, serve):
    server = serve(hostile.silent)
    agent = probe.agent(tcp("a", server.port, "labels = a=1"))
    agent.wait_status("a", "healthy")
    agent.configure(tcp("a", server.port, "labels = a=2"))
    assert agent.post("/reload").code == 200
    assert agent.probe("a")["labels"] == {"a": "2"}
    assert 'probe_healthy{name="a",a="2"}' in agent.get("/metrics").text
