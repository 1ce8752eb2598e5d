"""The service as it ships, under a real systemd: process 1 of a name space of its own, on a private
copy of this machine's root. The sandbox of the unit must leave checks all they need."""

import json
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from conftest import sh


class Booted:
    """systemd, with nothing but the service and what it needs."""

    SCRIPT = """
    set -e
    mount -t tmpfs tmpfs "$1"
    mkdir "$1/upper" "$1/work" "$1/root"
    mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
    cd "$1/root"
    cp "$2" "$1/package.deb"
    for name in run tmp sys dev; do mount -t tmpfs -o mode=755 tmpfs "$name"; done
    chmod 1777 tmp
    mount -t proc proc proc
    mount -t sysfs sysfs sys
    mount -t tmpfs tmpfs sys/fs/cgroup
    if grep -q ' - cgroup2 ' /proc/self/mountinfo && ! grep -q 'name=systemd' /proc/self/mountinfo; then
        mount -t cgroup2 cgroup2 sys/fs/cgroup
    else
        mkdir sys/fs/cgroup/systemd
        mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
    fi
    for name in null zero full random urandom tty; do
        touch "dev/$name"
        mount --bind "/dev/$name" "dev/$name"
    done
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    mkdir dev/pts dev/shm run/old
    cp "$1/package.deb" run/package.deb
    chroot . dpkg -i /run/package.deb
    cp "$3" etc/probe/probe.ini
    chmod 644 etc/probe/probe.ini
    mkdir -p etc/systemd/system/probe.service.d
    printf '[Service]\\nWatchdogSec=2s\\n' >etc/systemd/system/probe.service.d/test.conf
    pivot_root . run/old
    exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . \\
        sh -c 'umount -l /run/old; exec /lib/systemd/systemd --unit=probe.service'
    """

    def __init__(self, package, config):
        self.dir = Path(tempfile.mkdtemp(prefix="probe-boot-"))
        self.log = self.dir.with_suffix(".log")
        with open(self.log, "wb") as log:
            self.holder = subprocess.Popen(
                ["unshare", "--pid", "--mount", "--uts", "--ipc", "--cgroup", "--net", "--fork",
                 "--kill-child", "--propagation", "private", "sh", "-c", self.SCRIPT, "sh",
                 str(self.dir), str(package), str(config)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        self.until(lambda: self.systemd(), 120, "systemd is there")

    def systemd(self):
        """The number of process 1 there, once it is systemd."""
        assert self.holder.poll() is None, self.log.read_text()
        children = Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read_text().split()
        if children and "systemd" in Path(f"/proc/{children[0]}/comm").read_text():
            return children[0]
        return None

    def run(self, *command, **kw):
        return sh("nsenter", "-t", self.systemd(), "-m", "-p", "-r", "-u", "-i", "-C", "-n", *command, **kw)

    def shell(self, line, **kw):
        return self.run("sh", "-c", line, **kw)

    def property(self, name):
        return self.run("systemctl", "show", "-P", name, "probe", check=False).stdout.strip()

    def journal(self):
        return self.run("journalctl", "-u", "probe", "--no-pager", "-o", "cat", check=False).stdout

    def until(self, condition, seconds, what):
        end = time.monotonic() + seconds
        while True:
            last = condition()
            if last:
                return last
            assert time.monotonic() < end, f"{what}: {last}\n{self.log.read_text()}\n" + (
                self.journal() if self.systemd() else "")
            time.sleep(0.1)

    def close(self):
        self.holder.kill()
        self.holder.wait(30)
        self.dir.rmdir()
        self.log.unlink()


CONFIG = """
[agent]
ready_file = /run/probe/ready
on_transition = sh -c 'cat >>/run/probe/events'
[defaults]
interval = 200ms
timeout = 5s
retries = 1
[probe init]
pid = 1
[probe name]
name = systemd
[probe tcp]
address = 127.0.0.1:1
required = no
[probe http]
url = https://127.0.0.1:1/
required = no
[probe ping]
uri = mongodb://127.0.0.1:1/
required = no
[probe driver]
uri = mongodb://127.0.0.1:1,127.0.0.1:2/?replicaSet=rs
interval = 1s
required = no
"""


@pytest.fixture
def booted(package, tmp_path):
    assert os.geteuid() == 0, "needs root: name spaces"
    config = tmp_path / "probe.ini"
    config.write_text(CONFIG)
    made = Booted(package, config)
    yield made
    made.close()


def test_service(booted):
    status = "ready: 2 of 2 probes healthy"
    booted.until(lambda: booted.property("StatusText") == status, 60, "the service is ready")
    assert booted.property("ActiveState") == "active"

    # It has what it was given, and no more.
    main = booted.property("MainPID")
    text = booted.shell(f"cat /proc/{main}/status").stdout
    for line in ("CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
        assert f"\n{line}\n" in text
    assert booted.run("stat", "-c", "%U %a", "/run/probe/probe.sock").stdout == "probe 660\n"
    assert booted.shell(f"nsenter -t {main} -m touch /usr/x", check=False).returncode != 0

    # Checks of every type do their work in the sandbox: none is hindered by it.
    def probes():
        done = booted.shell("curl -sS --unix-socket /run/probe/probe.sock http://x/status")
        found = {p["name"]: p for p in json.loads(done.stdout)["probes"]}
        return found if all(p["last"] for p in found.values()) else None

    found = booted.until(probes, 60, "all are checked")
    reasons = {name: p["last"]["reason"] for name, p in found.items()}
    assert reasons == {"init": None, "name": None, "tcp": "refused", "http": "refused",
                       "ping": "refused", "driver": "refused"}, found
    events = booted.until(
        lambda: (e := booted.shell("cat /run/probe/events", check=False).stdout).count("\n") >= 6 and e,
        60, "the command at each transition runs")
    assert {json.loads(line)["name"] for line in events.splitlines()} == set(reasons)
    assert booted.run("cat", "/run/probe/ready").stdout.startswith("ready since ")

    # A reload, and one of a configuration with an error.
    booted.run("systemctl", "reload", "probe")
    booted.until(lambda: "reloaded, 6 probes" in booted.journal(), 30, "the agent reloads")
    booted.shell("echo junk >>/etc/probe/probe.ini")
    assert booted.run("systemctl", "reload", "probe", check=False).returncode != 0
    assert re.search(r"^/etc/probe/probe.ini:\d+: |probe.ini:\d+: expected", booted.journal(), re.M)
    booted.until(lambda: booted.property("ActiveState") == "active", 30, "it goes on")
    assert booted.property("MainPID") == main
    booted.shell("sed -i '/^junk/d' /etc/probe/probe.ini")

    # An agent that hangs is found by the watchdog, and started anew.
    booted.shell(f"kill -STOP {main}")
    booted.until(
        lambda: booted.property("NRestarts") == "1" and booted.property("StatusText") == status
        and booted.property("MainPID") not in (main, "0"), 60, "the watchdog restarts it")

    booted.run("systemctl", "stop", "probe")
    assert booted.property("Result") == "success"
    assert booted.run("ls", "/run/probe", check=False).stdout == ""
