"""The process type in an agent, and `probe` itself as a process: the signals it is born with."""

import os
import signal
import subprocess
import sys

import pytest

from lib.net import wait_until

# One check an hour: what is noticed sooner, is noticed because the process ended.
RARELY = "interval = 1h\nretries = 1\n"

BLOCKED = [
    sys.executable, "-c",
    "import os, signal, sys\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))\n"
    "os.execvp(sys.argv[1], sys.argv[1:])",
]


@pytest.fixture
def sleepers(probe):
    """Starts processes of a name that nobody else has: a copy of sleep."""
    name = "sleeper-" + probe.mark[:6]
    program = probe.path(name)
    program.symlink_to("/bin/sleep")
    started = []

    def start():
        started.append(subprocess.Popen([program, "1000"], executable=program))
        comm = f"/proc/{started[-1].pid}/comm"
        wait_until(lambda: open(comm).read().strip() == name, 10, "exec is done")
        return started[-1]

    start.name = name
    yield start
    for process in started:
        process.kill()
        process.wait()


def end(process):
    process.kill()
    process.wait()


def test_pidfile_over_a_life(probe, sleepers):
    first = sleepers()
    path = probe.write("app.pid", f"{first.pid}\n")
    agent = probe.agent(f"[probe app]\npidfile = {path}\n{RARELY}fail_interval = 50ms\n")
    app = agent.wait_status("app", "healthy")
    assert f"pidfile {path}: pid {first.pid} ({sleepers.name})" in app["last"]["detail"]
    end(first)
    app = agent.wait_status("app", "unhealthy")
    assert app["last"]["reason"] == "not-running"
    path.unlink()
    wait_until(lambda: "is not there" in agent.probe("app")["last"]["detail"], 10, "it is told")
    second = sleepers()
    path.write_text("")
    wait_until(lambda: "is empty" in agent.probe("app")["last"]["detail"], 10, "it is told")
    path.write_text(str(second.pid))
    agent.wait_status("app", "healthy")


def test_too_few_of_a_name(probe, sleepers):
    processes = [sleepers() for _ in range(3)]
    agent = probe.agent(f"[probe app]\nname = {sleepers.name}\nmin_count = 2\n{RARELY}")
    app = agent.wait_status("app", "healthy")
    assert app["last"]["detail"].startswith(f"3 processes named {sleepers.name} are running")
    end(processes[0])
    end(processes[1])
    app = agent.wait_status("app", "unhealthy")
    assert app["last"]["reason"] == "mismatch"
    assert app["last"]["detail"] == (
        f"1 process named {sleepers.name} is running, expected at least 2"
    )


def test_a_stopped_process_lives(probe, sleepers):
    process = sleepers()
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: ") T " in open(f"/proc/{process.pid}/stat").read(), 10, "it is stopped")
    r = probe.run("check", f"pid:{process.pid}")
    assert r.code == 0 and "is stopped by a signal" in r.out, str(r)


def test_wait_until_it_has_ended(probe, sleepers):
    process = sleepers()
    waiting = probe.spawn("wait", "--invert", "--timeout", "30s", f"pid:{process.pid}")
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(0.3)
    end(process)
    assert waiting.wait(20) == 0


def test_wait_is_not_done_when_it_cannot_look(probe):
    """A place that is no proc file system has no processes; that says nothing of any."""
    config = probe.write("p.ini", f"[probe app]\nname = x\nproc_root = {probe.dir}\n")
    r = probe.run("wait", "-c", config, "--invert", "--timeout", "500ms", "app")
    assert r.code == 124 and "is no proc file system" in r.err, str(r)


# ---- born with every signal blocked, as careless parents leave it


def test_blocked_signals_stop_the_agent_all_the_same(probe):
    agent = probe.agent(f"[probe me]\npid = {os.getpid()}\n", prefix=BLOCKED)
    agent.wait_status("me", "healthy")
    agent.stop()


def test_blocked_signals_and_a_child(probe):
    """The end of a child process is told by SIGCHLD."""
    config = probe.write("p.ini", "[probe x]\ncommand = /bin/false\n")
    r = probe.run("check", "--timeout", "10s", "-c", config, "x", prefix=BLOCKED)
    assert r.code == 1 and "timeout" not in r.out, str(r)


def test_wait_hands_blocked_signals_on(probe):
    r = probe.run("wait", f"pid:{os.getpid()}", "--", "grep", "SigBlk", "/proc/self/status",
                  prefix=BLOCKED)
    assert r.code == 0, str(r)
    assert int(r.out.split()[-1], 16) & 1 << signal.SIGTERM - 1, str(r)


def in_namespace():
    """The program as process 1 of its own pid namespace, as in a container."""
    return ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


def test_a_pid_file_of_another_container(probe):
    """A volume that two containers share: the number in it is the other's."""
    path = probe.write("app.pid", "1\n")
    for target in f"pidfile:{path}", "pid:1":
        r = probe.run("check", target, prefix=in_namespace())
        assert r.code == 1 and "is probe itself" in r.out, str(r)
        r = probe.run("check", "--invert", target, prefix=in_namespace())
        assert r.code == 1, "that it is not this one does not mean that it is gone"


def test_processes_of_containers(probe, sleepers):
    """Only those of the namespace that /proc shows count, unless all are wanted."""
    program = probe.path(sleepers.name)
    container = subprocess.Popen([*in_namespace(), program, "1000"])
    try:
        wait_until(
            lambda: probe.run("check", "-c", probe.write("all.ini",
                f"[probe all]\nname = {sleepers.name}\nnamespace = all\n"), "all").code == 0,
            10, "it runs",
        )
        assert probe.run("check", f"process:{sleepers.name}").code == 1
        sleepers()
        r = probe.run("check", f"process:{sleepers.name}")
        assert r.code == 0 and "2 processes" not in r.out, str(r)
    finally:
        container.kill()
        container.wait()


def test_a_planted_pid_file_shows_nothing(probe):
    """Who owns the folder of a pid file puts there what only the agent can read."""
    nobody = 65534
    probe.dir.chmod(0o755)
    secret = probe.write("secret", "hunter2-is-secret\n", 0o600)
    folder = probe.path("run")
    folder.mkdir()
    os.chown(folder, nobody, nobody)
    path = folder / "app.pid"
    path.symlink_to(secret)
    os.lchown(path, nobody, nobody)
    r = probe.run("check", f"pidfile:{path}")
    assert r.code == 1 and "symbolic link of user 65534" in r.out and "hunter2" not in r.out + r.err
    path.unlink()
    path.write_text("hunter2-is-secret\n")
    r = probe.run("check", f"pidfile:{path}")
    assert r.code == 1 and "does not hold a process number" in r.out and "hunter2" not in r.out


def test_a_stuck_process_holds_up_nobody(probe, sleepers):
    """The kernel does not answer for the command line of one process: as a FIFO that nobody writes
    to. The probes beside go on, and the one that looks says why it cannot tell."""
    root = probe.path("proc")
    stat = "{0} ({1}) S 1 1 1 0 -1 4194560 90 0 0 0 0 0 0 0 20 0 1 0 100 1 2 3 4\n"
    for pid, name in (1, "init"), (10, "stuck"), *((i, "hay") for i in range(1000, 6000)):
        (root / str(pid)).mkdir(parents=True)
        (root / str(pid) / "stat").write_text(stat.format(pid, name))
        (root / str(pid) / "status").write_text(f"Name:\tx\nTgid:\t{pid}\nUid:\t0\t0\t0\t0\n")
        if name == "stuck":
            os.mkfifo(root / str(pid) / "cmdline")
        else:
            (root / str(pid) / "cmdline").write_bytes(name.encode() + b"\0")
    (root / "self").symlink_to("nowhere")
    process = sleepers()
    agent = probe.agent(
        f"[probe beside]\npid = {process.pid}\ninterval = 50ms\n"
        f"[probe hay]\nname = hay\nmin_count = 5000\nproc_root = {root}\ntimeout = 5s\n"
        "interval = 50ms\n"
        f"[probe told]\ncmdline = straw\nproc_root = {root}\ntimeout = 500ms\ninterval = 50ms\n"
    )
    agent.wait_status("hay", "healthy")
    wait_until(
        lambda: "cannot tell whether process 10 is one" in (agent.probe("told")["last"] or {}).get("detail", ""),
        20, "it says who is stuck",
    )
    total = agent.probe("beside")["checks_total"]
    wait_until(lambda: agent.probe("beside")["checks_total"] >= total + 20, 20, "the checks go on")
    assert agent.probe("beside")["failures_total"] == 0
    agent.stop()
