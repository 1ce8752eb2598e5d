"""The file that is there while the agent is ready."""

import os
import signal
import socket
import stat
import time

import pytest
from lib import hostile
from lib.net import wait_until

FAST = "[defaults]\ninterval = 50ms\ntimeout = 1s\nretries = 1\n"


def tcp(name, port, extra=""):
    return f"[probe {name}]\naddress = 127.0.0.1:{port}\n{extra}\n"


def test_ready_file(probe, serve):
    server = serve(hostile.silent)
    path = probe.path("ready")
    path.write_text("ready since an earlier agent")
    agent = probe.agent(FAST + tcp("a", server.port, "initial_delay = 1h"), f"ready_file = {path}")
    assert not path.exists(), "what was left is taken away before the first verdict"
    assert agent.post("/check/a").code == 200
    wait_until(path.exists, 10, "the file is there once the agent is ready")
    assert f"pid {agent.pid}" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert sorted(p.name for p in path.parent.glob("ready*")) == ["ready"]
    # Renewed without an event, so that its age tells of an agent that hangs.
    first = path.stat()
    wait_until(lambda: path.stat().st_mtime_ns > first.st_mtime_ns, 10, "its time is renewed")
    assert path.stat().st_ino == first.st_ino
    server.down()
    agent.post("/check/a")
    wait_until(lambda: not path.exists(), 10, "the file goes when the agent is not ready")
    server.up()
    assert agent.post("/check/a").code == 200
    wait_until(path.exists, 10, "the file is there again")
    path.unlink()
    wait_until(path.exists, 10, "one that somebody removed is made again")
    agent.stop()
    assert not path.exists(), "the file goes with the agent"


def test_ready_file_after_a_kill(probe, serve):
    path = probe.path("ready")
    agent = probe.agent(FAST + tcp("a", serve(hostile.silent).port), f"ready_file = {path}")
    wait_until(path.exists, 10, "ready")
    agent.kill(signal.SIGKILL)
    agent.wait()
    assert path.exists()
    agent.start()
    mine = f"pid {agent.pid}\n"
    wait_until(lambda: path.exists() and mine in path.read_text(), 10, "a file of the new agent")
    agent.stop()


def test_ready_file_grows_old_when_the_agent_hangs(probe, serve):
    server = serve(hostile.silent)
    path = probe.path("ready")
    agent = probe.agent(
        "[defaults]\ninterval = 50ms\ntimeout = 50ms\n" + tcp("a", server.port),
        f"ready_file = {path}",
    )
    wait_until(path.exists, 10, "ready")
    agent.kill(signal.SIGSTOP)
    age = path.stat().st_mtime
    wait_until(lambda: time.time() - age > 5, 20, "the file grows old while the agent hangs")
    agent.kill(signal.SIGCONT)
    wait_until(lambda: path.exists() and path.stat().st_mtime > age, 10, "fresh again")
    agent.stop()


@pytest.mark.parametrize(
    "kind, words",
    [("symlink", "a symbolic link"), ("fifo", "a FIFO or pipe"), ("folder", "a directory"),
     ("socket", "a socket")],
)
def test_ready_file_touches_nothing_else(probe, serve, kind, words):
    path, victim = probe.path("ready"), probe.write("victim", "precious")
    made = None
    if kind == "symlink":
        path.symlink_to(victim)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        made = socket.socket(socket.AF_UNIX)
        made.bind(str(path))
    before = os.lstat(path)
    config = probe.write(
        "x.ini",
        f"[agent]\nsocket = {probe.path('x.sock')}\nlisten = off\nready_file = {path}\n"
        + tcp("a", 1),
    )
    problem = (
        f"{config}:4: agent.ready_file: {path} is {words}, expected a regular file or nothing there"
    )
    result = probe.run("run", "-c", config)
    assert result.code == 78 and problem in result.err, result
    result = probe.run("validate", "-c", config)
    assert result.code == 78 and problem in result.out, result
    # What is no agent is not kept from its verdict.
    result = probe.run("check", "-c", config, "a")
    assert result.code == 1 and "refused" in result.out, result
    assert os.lstat(path).st_ino == before.st_ino and victim.read_text() == "precious"
    if made:
        made.close()


@pytest.mark.parametrize("suffix", ["", ".new"])
@pytest.mark.parametrize("text", ["ready to serve\n", "", "ready", "ready since 2026-01-02, pid 7\n"])
def test_ready_file_leaves_what_is_somebody_elses(probe, suffix, text):
    own = probe.write(f"ready{suffix}", text)
    setting = f"ready_file = {probe.path('ready')}"
    if text != "ready to serve\n":
        probe.agent(FAST + tcp("a", 1), setting).stop()
        assert not own.exists()
        return
    config = probe.write("x.ini", f"[agent]\nsocket = off\nlisten = off\n{setting}\n" + tcp("a", 1))
    result = probe.run("run", "-c", config)
    words = f"{own} holds something else already, and is left alone"
    assert result.code == 78 and own.read_text() == text, result
    assert f"{config}:4: agent.ready_file: {words}" in result.err, result


def test_ready_file_meets_a_link_later(probe, serve):
    path, victim = probe.path("ready"), probe.write("victim", "precious")
    agent = probe.agent(FAST + tcp("a", serve(hostile.silent).port), f"ready_file = {path}")
    wait_until(path.exists, 10, "ready")
    path.unlink()
    path.symlink_to(victim)
    wait_until(lambda: "ready_file" in agent.log(), 10, "the agent complains")
    path.unlink()
    wait_until(path.exists, 10, "the file is made again")
    assert victim.read_text() == "precious" and agent.log().count("ready_file") == 1
    agent.stop()


def test_ready_file_errors_and_reload(probe, serve):
    for value, words in (
        (probe.path("no/such/folder"), "No such file or directory"),
        (f"{probe.dir}/", "cannot be the path of a file"),
    ):
        config = probe.write(
            "bad.ini", f"[agent]\nsocket = off\nlisten = off\nready_file = {value}\n" + tcp("a", 1)
        )
        result = probe.run("run", "-c", config)
        assert result.code == 78 and f"{config}:4: agent.ready_file: " in result.err, result
        assert words in result.err
        # A folder may well be made before the agent starts, and by whom it is validated.
        assert probe.run("validate", "-c", config).code == (0 if "No such" in words else 78)
    first, second = probe.path("first"), probe.path("second")
    agent = probe.agent(FAST + tcp("a", serve(hostile.silent).port), f"ready_file = {first}")
    wait_until(first.exists, 10, "ready")
    text = agent.config.read_text()
    agent.config.write_text(text.replace(str(first), str(probe.path("no/x"))))
    answer = agent.post("/reload")
    assert answer.code == 422 and "ready_file" in answer.text and first.exists()
    agent.config.write_text(text.replace(str(first), str(second)))
    assert agent.post("/reload").code == 200
    wait_until(second.exists, 10, "the new file")
    assert not first.exists()
    agent.config.write_text(text.replace(f"ready_file = {first}", ""))
    assert agent.post("/reload").code == 200
    wait_until(lambda: not second.exists(), 10, "no file is wanted any more")
    agent.stop()
