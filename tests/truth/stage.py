"""What a row's situation is built with; all of it is gone when the row is over."""

import contextlib
import ctypes
import os
import subprocess
import threading

from lib import certs, hostile
from lib.net import free_port, wait_until
from lib.program import Program

CLONE_NEWNET = 0x40000000
_certs = None


def shared_certs():
    """The certificates of this process: made once."""
    global _certs
    if _certs is None:
        _certs = certs.Certs()
    return _certs


def drop_certs():
    global _certs
    if _certs is not None:
        _certs.close()
        _certs = None


class Network:
    """A network name space with a loopback of its own, for a target that lies in a broken network.
    `setup`: shell commands run inside, e.g. rules of nft."""

    def __init__(self, setup="true"):
        self.holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", f"set -e; ip link set lo up; {setup}; echo; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        if self.holder.stdout.readline() != b"\n":
            error = self.holder.communicate()[1].decode()
            raise AssertionError(f"no network name space (needs root, ip and nft): {error}")
        self.path = f"/proc/{self.holder.pid}/ns/net"
        self.prefix = ["nsenter", f"--net={self.path}"]

    @property
    def is_up(self):
        return not self.holder.stdin.closed

    def run(self, script):
        done = subprocess.run([*self.prefix, "sh", "-c", script], capture_output=True, text=True)
        assert done.returncode == 0, f"{script}: {done.stderr}"

    def call(self, function):
        """Calls it in a thread that lives in this name space: sockets made there belong to it."""
        result = []

        def inside():
            libc = ctypes.CDLL(None, use_errno=True)
            fd = os.open(self.path, os.O_RDONLY)
            try:
                if libc.setns(fd, CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
                result.append(function())
            finally:
                os.close(fd)

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        assert result, "the function failed inside the name space"
        return result[0]

    def close(self):
        self.holder.stdin.close()
        self.holder.wait()
        self.holder.stdout.close()
        self.holder.stderr.close()


class Stage:
    def __init__(self, binary):
        self.stack = contextlib.ExitStack()
        self.program = Program(binary)
        self.stack.callback(self.program.close)

    def close(self):
        self.stack.close()

    def keep(self, thing):
        """Closes `thing` at the end; returns it."""
        self.stack.callback(thing.close)
        return thing

    @property
    def certs(self):
        return shared_certs()

    def port(self):
        return free_port()

    def serve(self, behave, **kw):
        """A server of lib.hostile; see there."""
        if "port" not in kw and "path" not in kw:
            kw["port"] = free_port()
        return self.keep(hostile.Server(behave, **kw))

    def start(self, kind, *args, **kw):
        """A real server of lib.servers."""
        return self.keep(kind(*args, **kw))

    def network(self, setup="true"):
        return self.keep(Network(setup))

    def networks(self, rules):
        """Two hosts on a wire of their own: the program's, 10.99.0.1, and that of the target,
        10.99.0.2, where packets that come in meet the `rules` of nft."""
        chain = "nft add chain inet t in '{ type filter hook input priority 0; }'"
        add = "".join(f"; nft add rule inet t in '{rule}'" for rule in rules)
        far = self.network(f"nft add table inet t; {chain}{add}")
        near = self.network(
            f"ip link add wire type veth peer name wire netns {far.holder.pid}; "
            "ip addr add 10.99.0.1/24 dev wire; ip link set wire up"
        )
        far.run("ip addr add 10.99.0.2/24 dev wire; ip link set wire up")
        return near, far

    def wait_until(self, *args, **kw):
        return wait_until(*args, **kw)
