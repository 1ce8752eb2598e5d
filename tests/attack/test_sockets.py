"""The agent's socket at its start: another agent, and a stranger who owns the folder."""

import os
import socket
import subprocess

import pytest
from lib.net import wait_until

PROBE = "[probe a]\naddress = 127.0.0.1:1\ninterval = 1h\n"


@pytest.mark.parametrize("stale", [False, True], ids=["nothing there", "a dead socket there"])
def test_of_two_starts_at_once_one_keeps_the_socket(probe, stale):
    """A supervisor that restarts twice: in the end one agent runs, and it has the socket."""
    for round_ in range(3):
        path = probe.path(f"r{round_}.sock")
        if stale:
            with socket.socket(socket.AF_UNIX) as s:
                s.bind(str(path))
        config = probe.write("two.ini", f"[agent]\nsocket = {path}\nlisten = off\n{PROBE}")
        both = [probe.spawn("run", "-c", config) for _ in range(2)]
        wait_until(lambda: [p for p in both if p.poll() is not None], 10, "one of both has ended")
        alive = [p for p in both if p.poll() is None]
        assert len(alive) == 1, [p.err_path.read_text() for p in both]
        status = wait_until(
            lambda: (r := probe.run("status", "--agent", path, "--json")).code < 64 and r, 10,
            "the one that runs answers at the socket")
        assert status.json["agent"]["pid"] == alive[0].pid
        alive[0].terminate()
        assert alive[0].wait(10) == 0
        assert not path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a folder of another user")
def test_the_owner_of_the_folder_cannot_lead_the_mode_to_another_file(probe):
    """root's agent, its socket in a folder of somebody else's, who swaps each new name there for a
    link to a file of root's: that file keeps its mode."""
    folder = probe.path("theirs")
    folder.mkdir(0o755)
    os.chmod(probe.dir, 0o755)
    os.chown(folder, 65534, 65534)
    secret = probe.write("secret", "x", 0o600)
    swap = (
        "import os, sys\n"
        "os.chdir(sys.argv[1])\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    for name in os.listdir('.'):\n"
        "        if os.path.islink(name): continue\n"
        "        try:\n"
        "            os.rename(name, 'old'); os.symlink(sys.argv[2], name)\n"
        "        except OSError: pass\n"
    )
    config = probe.write(
        "theirs.ini", f"[agent]\nsocket = {folder}/s\nsocket_mode = 0666\nlisten = off\n{PROBE}")
    for _ in range(5):
        attacker = subprocess.Popen(
            ["python3", "-c", swap, folder, secret], user=65534, group=65534, extra_groups=[],
            stdout=subprocess.PIPE)
        try:
            assert attacker.stdout.readline() == b"ready\n"
            agent = probe.spawn("run", "-c", config)
            wait_until(lambda: agent.poll() is not None or "watches" in agent.err_path.read_text(), 10,
                       "the agent has started, or has refused to")
        finally:
            attacker.kill()
            attacker.wait()
        assert secret.stat().st_mode & 0o777 == 0o600
        agent.terminate()
        agent.wait(10)
        for name in os.listdir(folder):
            os.unlink(folder / name)
