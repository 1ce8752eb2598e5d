"""Who collects core dumps would find the agent's secrets in them: it makes none, of any kind."""

import os
import subprocess
from pathlib import Path

import pytest
from lib.net import wait_until

NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
CONFIG = b"[agent]\nsocket = off\nlisten = off\n[probe a]\naddress = 127.0.0.1:9\ninterval = 1h\n"


def core_limit(pid):
    for line in Path(f"/proc/{pid}/limits").read_text().splitlines():
        if line.startswith("Max core file size"):
            return line.split()[4]
    raise AssertionError("no limit of core files")


def is_dumpable(pid):
    """The files of a process that is not belong to root, whoever it runs as."""
    return Path(f"/proc/{pid}/limits").stat().st_uid != 0


@pytest.mark.parametrize("hard", ["unlimited", "0"])
def test_no_core_is_dumped(probe, hard):
    """A soft limit of 1 is what a pipe to a collector heeds too; where the limit is fixed at 0, which
    no pipe heeds, the process is made one that is not dumped."""
    usual = [*NOBODY, "prlimit", f"--core=0:{hard}", "--"]
    if os.geteuid() != 0 or subprocess.run([*usual, "test", "-x", probe.binary]).returncode != 0:
        pytest.skip("needs root, and a program that others may run")
    agent = probe.spawn("run", "-c", "-", prefix=usual, stdin=subprocess.PIPE)
    agent.stdin.write(CONFIG)
    agent.stdin.close()
    wait_until(lambda: b"watches 1 probe" in agent.err_path.read_bytes(), 10, "it runs")
    assert (core_limit(agent.pid), is_dumpable(agent.pid)) == (("1", True) if hard != "0" else ("0", False))
    agent.terminate()
    agent.wait()
