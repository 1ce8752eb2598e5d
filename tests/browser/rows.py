"""What the tests of the page share: agents to look at, and what is said of a row."""

import json
import socket
import threading

HOST = socket.gethostname()
FAST = "[defaults]\ninterval = 200ms\ntimeout = 2s\nretries = 2\n"


def tcp(name, port, more=""):
    return f"[probe {name}]\ntype = tcp\naddress = 127.0.0.1:{port}\n{more}\n"


def row(name, selector=""):
    """The JavaScript expression of a probe's row, or of what is in it."""
    at = f"[...document.querySelectorAll('#list > li')].find((li) => li.dataset.name === {json.dumps(name)})"
    return f"{at}?.querySelector({json.dumps(selector)})" if selector else at


def words(page, name, selector):
    return page.eval(f"{row(name, selector)}?.innerText ?? null")


def state(page, name):
    return page.eval(f"{row(name)}?.classList[0]")


def wait_state(page, name, wanted, **kw):
    page.wait(f"{row(name)}?.classList[0] === {json.dumps(wanted)}", what=f"{name} is shown {wanted}", **kw)


def slow_reply(sock):
    """Takes longer than the least warn_after."""
    while sock.recv(65536):
        threading.Event().wait(0.02)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def names(page):
    return page.eval("[...document.querySelectorAll('#list > li:not([hidden])')].map((li) => li.dataset.name)")
