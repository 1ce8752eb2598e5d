"""People are told of each change of a state: by a command, or by a webhook."""

import datetime
import fcntl
import http.server
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
from lib import hostile
from lib.net import free_port, wait_until

FAST = "[defaults]\ninterval = 50ms\ntimeout = 1s\nretries = 1\n"


def tcp(name, port, extra=""):
    return f"[probe {name}]\naddress = 127.0.0.1:{port}\n{extra}\n"


# ---- A command at each transition


def script(probe, name, text):
    return probe.write(name, "#!/bin/sh\n" + text, 0o700)


def events(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def told(agent):
    """The counter of events by result."""
    text = agent.get("/metrics").text
    return {
        m.group(1): int(m.group(2))
        for m in re.finditer(r'^probe_on_transition_total{result="(\w+)"} (\d+)$', text, re.M)
    }


def state_of(pid):
    """The letter of /proc; Z also for one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return "Z"


def test_on_transition(probe, serve):
    server = serve(hostile.silent)
    out = probe.path("events")
    tell = script(
        probe, "tell me", f"cat >>{out}\necho noise; echo noise >&2\nenv >{probe.path('env')}\n"
        f'printf "%s|" "$@" >{probe.path("args")}\n'
    )
    agent = probe.agent(
        FAST + tcp("a", server.port),
        f"on_transition = '{tell}' --to \"the people\" $$HOME ; a\\ b",
        env={"MONGODB_PASSWORD": "secret", "TZ": "UTC"},
    )
    agent.wait_status("a", "healthy")
    server.down()
    agent.wait_status("a", "unhealthy")
    wait_until(lambda: len(events(out)) == 2, 10, "two events are told")
    up, down = events(out)
    assert (up["name"], up["from"], up["to"], up["reason"]) == ("a", "starting", "healthy", None)
    assert up["type"] == "tcp" and up["target"] == f"127.0.0.1:{server.port}"
    assert (up["live"], up["ready"], up["dropped"], up["required"]) == (True, up["ready"], 0, True)
    assert (down["from"], down["to"], down["reason"]) == ("healthy", "unhealthy", "refused")
    assert f"127.0.0.1:{server.port}" in down["detail"] and down["failing_streak"] == 1
    assert down["ready"] is False and down["agent"]["pid"] == agent.pid
    assert down["agent"]["host"] == socket.gethostname()
    datetime.datetime.strptime(down["at"], "%Y-%m-%dT%H:%M:%S.%fZ")
    wait_until(lambda: told(agent)["ok"] == 2, 10, "both are counted")
    assert probe.path("args").read_text() == "--to|the people|$HOME|;|a b|"
    env = probe.path("env").read_text()
    assert "secret" not in env and "PROBE_TEST_MARK" not in env and "TZ=UTC" in env
    assert "noise" not in agent.log() and "noise" not in agent.process.out_path.read_text()
    agent.stop()


def test_inherited_descriptors_are_kept_from_commands(probe, serve):
    """What the starter of the agent left open, a lock or a secret, is none of the command's."""
    server, seen = serve(hostile.silent), probe.path("seen")
    tell = script(probe, "tell", f"ls -l /proc/$$/fd >{seen}.new; mv {seen}.new {seen}")
    agent = probe.agent(FAST + tcp("a", server.port), f"on_transition = {tell}", start=False)
    with open(probe.write("left-open", "x")) as left:
        high = fcntl.fcntl(left, fcntl.F_DUPFD, 77)
        agent.process = probe.spawn("run", "-c", agent.config, pass_fds=[left.fileno(), high])
        os.close(high)
    wait_until(seen.exists, 10, "the command was started")
    assert "left-open" not in seen.read_text()
    agent.stop()


def test_on_transition_failures_are_said(probe, serve):
    server = serve(hostile.silent)
    agent = probe.agent(
        FAST + tcp("a", server.port), f"on_transition = {script(probe, 'bad', 'exit 3')}"
    )
    wait_until(lambda: told(agent)["failed"] == 1, 10, "the failure is counted")
    assert re.search(r'level=warn .*"on_transition: \S+/bad ended with exit code 3"', agent.log())
    text = agent.config.read_text()
    for command, words in (
        ("/no/such/command", "cannot be started: no such file or directory"),
        (probe.path("a0.ini"), "cannot be started: permission denied"),
        (script(probe, "dies", "kill -9 $$"), "ended by signal 9 (Killed)"),
    ):
        agent.config.write_text(re.sub("on_transition = .*", f"on_transition = {command}", text))
        assert agent.post("/reload").code == 200
        server.down()
        agent.wait_status("a", "unhealthy")
        wait_until(lambda: words in agent.log(), 10, words)
        server.up()
        agent.wait_status("a", "healthy")
    agent.stop()


def test_on_transition_is_killed_with_its_group(probe, serve):
    server = serve(hostile.silent)
    pids = probe.path("pids")
    hang = script(probe, "hang", f"sleep 1000 &\necho $! $$ >>{pids}\nsleep 1000\n")
    agent = probe.agent(
        FAST + tcp("a", server.port),
        f"on_transition = {hang}\non_transition_timeout = 300ms",
    )
    wait_until(lambda: told(agent)["timeout"] == 1, 10, "the command is killed")
    assert "was killed: not done within 300 ms" in agent.log()
    first, second = pids.read_text().split()
    wait_until(lambda: not os.path.exists(f"/proc/{first}"), 10, "what it started is gone as well")
    assert not os.path.exists(f"/proc/{second}")
    assert agent.probe("a")["checks_total"] >= 2, "checks went on"
    agent.stop()


# As a program that is set-user-ID: what it becomes is not the agent's to kill.
BECOME_ANOTHER = "exec setpriv --reuid 65534 --clear-groups sleep 1000"
NOT_TO_KILL = ("setpriv", "--bounding-set=-kill", "--inh-caps=-kill")


@pytest.fixture
def pids(probe):
    """A file to which commands write their numbers: whatever becomes of the test, they are ended."""
    path = probe.write("pids", "")
    yield path
    for pid in path.read_text().split():
        if state_of(pid) != "Z":
            os.kill(int(pid), signal.SIGKILL)


def test_on_transition_that_cannot_be_killed(probe, serve, pids):
    """It does not hold up the others, up to a number of them; and the agent ends without them."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a process of another user")
    server = serve(hostile.silent)
    become = script(probe, "become", f"echo $$ >>{pids}\n{BECOME_ANOTHER}\n")
    agent = probe.agent(
        "[defaults]\ninterval = 1h\n" + "".join(tcp(f"p{i}", server.port) for i in range(7)),
        f"on_transition = {become}\non_transition_timeout = 1s",
        prefix=NOT_TO_KILL,
    )
    started = lambda: [int(pid) for pid in pids.read_text().split()]  # noqa: E731
    wait_until(lambda: told(agent)["timeout"] == 4, 20, "four are given up")
    words = "is left to itself: not done within 1 s, and cannot be killed (Operation not perm"
    assert agent.log().count(words) == 4
    assert agent.log().count("no other is started before one of those that were left ends") == 1
    first = started()
    assert len(first) == 4
    os.kill(first[0], signal.SIGKILL)
    wait_until(lambda: len(started()) == 5, 20, "one that ended makes room for the next")
    children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
    assert str(first[0]) not in children, "it was reaped"
    wait_until(lambda: told(agent)["timeout"] == 5, 20, "which is given up in its turn")
    os.kill(first[1], signal.SIGKILL)
    wait_until(lambda: len(started()) == 6, 20, "and the next one")
    assert told(agent)["failed"] == 0, "the end of one that was given up is not told again"
    agent.stop()


def test_on_transition_that_a_kill_does_not_end(probe, serve, pids):
    """The kill reaches only what it started."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a process of another user")
    server = serve(hostile.silent)
    become = script(probe, "become", f"sleep 1000 &\necho $! $$ >>{pids}\n{BECOME_ANOTHER}\n")
    agent = probe.agent(
        FAST + tcp("a", server.port), f"on_transition = {become}\non_transition_timeout = 1s",
        prefix=NOT_TO_KILL,
    )
    words = "is left to itself: not done within 1 s, and a kill did not end it"
    wait_until(lambda: words in agent.log(), 20, "it is given up")
    ours, others = map(int, pids.read_text().split())
    assert (state_of(ours), state_of(others)) == ("Z", "S")
    server.down()
    wait_until(lambda: len(pids.read_text().split()) == 4, 20, "the next one runs")
    agent.stop()


def test_on_transition_ends_with_the_agent(probe, serve):
    pids = probe.path("pids")
    hang = script(probe, "hang", f"sleep 1000 &\necho $! $$ >>{pids}\nsleep 1000\n")
    agent = probe.agent(
        FAST + tcp("a", serve(hostile.silent).port), f"on_transition = {hang}"
    )
    wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2, 10, "it runs")
    agent.stop()  # within a second
    for pid in pids.read_text().split():
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 10, "nothing is left")


def test_on_transition_queue_is_bounded(probe, serve):
    """Three times as many transitions as fit wait behind a command that hangs: the newest are told,
    in their order, and the rest is counted."""
    server = serve(hostile.silent)
    go, out = probe.path("go"), probe.path("events")
    slow = script(probe, "slow", f"while [ ! -e {go} ]; do sleep 0.05; done\ncat >>{out}\n")
    names = [f"p{i}" for i in range(200)]
    agent = probe.agent(
        "[defaults]\ninterval = 1h\n" + "".join(tcp(name, server.port) for name in names),
        f"on_transition = {slow}\non_transition_timeout = 1h",
    )
    wait_until(lambda: agent.get("/ready").code == 200, 20, "all are healthy")
    # One runs, unless all came in one turn; 64 wait.
    wait_until(lambda: told(agent)["dropped"] >= 135, 10, f"the rest is dropped: {told(agent)}")
    dropped = told(agent)["dropped"]
    assert dropped <= 136
    go.write_text("")
    wait_until(lambda: told(agent)["ok"] == 200 - dropped, 30, "the others are told")
    got = events(out)
    assert len({e["name"] for e in got}) == len(got) == 200 - dropped
    assert [e["at"] for e in got] == sorted(e["at"] for e in got)
    assert got[-1]["dropped"] == dropped and got[-1]["ready"] is True
    assert agent.log().count("the oldest are dropped") == 1
    agent.stop()


def test_on_transition_as_process_1(probe, serve):
    """The agent reaps as process 1 what its command leaves, and hears of the command all the same."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a name space of processes")
    server = serve(hostile.silent)
    pids = probe.path("pids")
    leave = script(probe, "leave", f"(sleep 0.1 & echo $! >{pids}) ; exit 0")
    agent = probe.agent(
        FAST + tcp("a", server.port), f"on_transition = {leave}",
        prefix=("unshare", "--pid", "--fork", "--kill-child", "--mount-proc"),
    )
    wait_until(lambda: told(agent)["ok"] == 1, 10, "told")
    assert "on_transition" not in agent.log()
    children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
    assert len(children) == 1, "unshare waits for the agent"
    inner = Path(f"/proc/{children[0]}/task/{children[0]}/children")
    wait_until(lambda: not inner.read_text().split(), 10, "no zombie is left")
    os.kill(int(children[0]), signal.SIGTERM)
    assert agent.wait() == 0


def test_on_transition_errors(probe):
    for value, words in (
        ("sh -c 'never closed", "a quote is not closed"),
        ("sh \\", "a quote is not closed, or a \\ ends it"),
        ("''", "no command is in it"),
    ):
        config = probe.write("bad.ini", f"[agent]\non_transition = {value}\n" + tcp("a", 1))
        result = probe.run("validate", "-c", config)
        assert result.code == 78 and words in result.out + result.err, result
        assert f"{config}:2: agent.on_transition: " in result.out + result.err
    config = probe.write("warn.ini", "[agent]\non_transition = /no/such/x a\n" + tcp("a", 1))
    result = probe.run("validate", "-c", config)
    assert result.code == 0, result
    assert "on_transition: /no/such/x cannot be run: No such file" in result.out + result.err
    for value in ("ftp://x1/", "http://", "https:///x1", "x1/path", "http://x1/a b"):
        config = probe.write("url.ini", f"[agent]\non_transition_url = {value}\n" + tcp("a", 1))
        result = probe.run("validate", "-c", config)
        assert result.code == 78 and "cannot be posted to, expected http" in result.out + result.err
        assert "x1" not in result.out + result.err, "such URLs are secrets"


# ---- A webhook at each transition


class Hook:
    """An HTTP server that keeps what is posted to it, and answers with `status`."""

    def __init__(self, status=204):
        hook = self
        self.posts, self.status, self.hang = [], status, threading.Event()
        self.hang.set()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.posts.append((self.path, self.headers, json.loads(body)))
                hook.hang.wait(60)
                self.send_response(hook.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.hang.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def hook():
    made = Hook()
    yield made
    made.close()


def test_webhook(probe, serve, hook):
    server = serve(hostile.silent)
    url = f"http://127.0.0.1:{hook.port}/services/T0KEN"
    agent = probe.agent(
        FAST + tcp("a", server.port),
        f"on_transition_url_file = {probe.write('url', url)}",
        env={"http_proxy": "http://127.0.0.1:1", "all_proxy": "http://127.0.0.1:1"},
    )
    wait_until(lambda: told(agent)["ok"] == 1, 10, "told")
    path, headers, event = hook.posts[0]
    assert path == "/services/T0KEN" and event["to"] == "healthy" and event["name"] == "a"
    assert headers["Content-Type"].startswith("application/json")
    hook.status = 302
    server.down()
    wait_until(lambda: told(agent)["failed"] == 1, 10, "a redirect is no success")
    hook.status = 404
    server.up()
    wait_until(lambda: told(agent)["failed"] == 2, 10, "nor is a 404")
    assert "on_transition_url: the webhook failed: the reply has status 404" in agent.log()
    assert len(hook.posts) == 3
    # The URL is a secret: it is in no argument, and shown nowhere.
    hook.hang.clear()
    server.down()
    wait_until(lambda: len(hook.posts) == 4, 10, "the request is made")
    children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children]
    assert commands == [b"probe\0__webhook\0"]
    assert "T0KEN" not in probe.run("explain", "-c", agent.config).out + agent.log()
    agent.stop()  # at once, whatever hangs
    assert not os.path.exists(f"/proc/{children[0]}")


def test_webhook_that_cannot_be_reached(probe, serve, hook):
    server = serve(hostile.silent)
    agent = probe.agent(
        FAST + tcp("a", server.port),
        f"on_transition_url = http://127.0.0.1:{free_port()}/x\non_transition_timeout = 30s",
    )
    wait_until(lambda: told(agent)["failed"] == 1, 10, "refused")
    assert "on_transition_url: the webhook failed: refused or unreachable: " in agent.log()
    hook.hang.clear()
    text = agent.config.read_text().replace("on_transition_timeout = 30s", "on_transition_timeout = 300ms")
    agent.config.write_text(re.sub(r"(?m)^on_transition_url = .*", f"on_transition_url = http://127.0.0.1:{hook.port}/", text))
    assert agent.post("/reload").code == 200
    server.down()
    wait_until(lambda: told(agent)["timeout"] == 1, 10, "one that hangs is ended")
    agent.stop()


def test_webhook_whose_agent_was_gone_before_it_began(probe, hook):
    """Nothing would end its request: it makes none. Here a shell stands for the agent, and the
    process is held up before it can ask to be ended with its parent."""
    begin = f"printf '%s\\n%s\\n{{}}\\n' $$ http://127.0.0.1:{hook.port}/ >input\n"
    own = f"{probe.binary} __webhook <input"
    done = subprocess.run(
        ["sh", "-c", f"{begin}{own}\necho $?"], cwd=probe.dir, env=probe.environ(),
        capture_output=True, text=True,
    )
    assert (done.stdout, len(hook.posts)) == ("0\n", 1), done
    held = "setsid sh -c 'kill -STOP $$; exec \"$@\"' sh"
    orphan = subprocess.run(
        ["sh", "-c", f"{begin}{held} {own} >/dev/null 2>&1 &\necho $!"], cwd=probe.dir,
        env=probe.environ(), capture_output=True, text=True,
    ).stdout.strip()
    wait_until(lambda: state_of(orphan) == "T", 10, "it is held, and has no parent any more")
    os.kill(int(orphan), signal.SIGCONT)
    wait_until(lambda: state_of(orphan) == "Z", 10, "it ends")
    assert len(hook.posts) == 1


def test_webhook_over_tls(probe, serve, certs):
    """Verified against the system's certificates, or those of SSL_CERT_FILE."""
    cert, key = certs.pair("server")
    made = Hook()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    made.server.socket = context.wrap_socket(made.server.socket, server_side=True)
    try:
        for trusted in (True, False):
            agent = probe.agent(
                FAST + tcp("a", serve(hostile.silent).port),
                f"on_transition_url = https://localhost:{made.port}/",
                env={"SSL_CERT_FILE": certs.ca} if trusted else {},
            )
            result = "ok" if trusted else "failed"
            wait_until(lambda: told(agent)[result] == 1, 10, f"{result}; {agent.log()}")
            assert ("tls: the certificate could not be verified" in agent.log()) != trusted
            agent.stop()
        assert len(made.posts) == 1
    finally:
        made.close()
