"""What must hold under any attack, measured from outside of the agent."""

import socket
import time
from pathlib import Path

RESIDENT_MAX = 16 << 20  # bytes, of an agent whose targets may be hostile
API_MEMORY = 6 * 1024 * 1024  # bytes of all connections together, the figure of the manual


def resident(agent):
    """Bytes of the agent's memory that are in RAM."""
    for line in Path(f"/proc/{agent.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def cpu_seconds(agent):
    """CPU time that the agent has used, user and system."""
    fields = Path(f"/proc/{agent.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def descriptors(agent):
    return len(list(Path(f"/proc/{agent.pid}/fd").iterdir()))


def connect(agent, tcp=True):
    if tcp:
        return socket.create_connection(("127.0.0.1", agent.port), 10)
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(str(agent.socket))
    return s


def answer_time(agent, path="/live", tcp=True):
    """Status and seconds of one request on a connection of its own."""
    start = time.monotonic()
    with connect(agent, tcp) as s:
        s.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        head = s.recv(100)
    return int(head.split()[1]), time.monotonic() - start
