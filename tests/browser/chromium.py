"""A headless Chromium, driven by its DevTools protocol: one browser, and a page (a tab) a test."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import websocket

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

from lib.net import SLACK, wait_until  # noqa: E402


class Chromium:
    """The browser, with a profile of its own and no word to any other host."""

    def __init__(self):
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        assert program, "no chromium: install the Debian package `chromium`"
        self.dir = Path(tempfile.mkdtemp(prefix="probe-chromium-"))
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        with open(self.dir / "log", "wb") as log:
            self.process = subprocess.Popen(
                [program, "--headless=new", *sandbox, f"--user-data-dir={self.dir}/profile",
                 "--remote-debugging-port=0", "--no-first-run", "--disable-gpu",
                 "--disable-dev-shm-usage", "--disable-background-networking", "--disable-sync",
                 "--disable-component-update", "--disable-extensions", "--hide-scrollbars",
                 "--force-color-profile=srgb", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "about:blank"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, **dict.fromkeys(("HOME", "TMPDIR", "XDG_RUNTIME_DIR"), str(self.dir))},
            )
        port = self.dir / "profile/DevToolsActivePort"

        def opened():
            assert self.process.poll() is None, (self.dir / "log").read_text(errors="replace")
            lines = port.read_text().splitlines() if port.exists() else []
            return lines[0] if len(lines) >= 2 else None

        try:
            self.port = wait_until(opened, 60, "chromium opens its port")
        except BaseException:
            self.close()
            raise

    def page(self, url="about:blank", **kw):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(request, timeout=30 * SLACK) as answer:
            target = json.load(answer)
        page = Page(self, target)
        page.emulate(**kw)
        if url != "about:blank":
            page.open(url)
        return page

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10 * SLACK)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        try:
            os.killpg(self.process.pid, 9)  # its children, that still write into the profile
        except ProcessLookupError:
            pass
        wait_until(self._removed, 20, f"{self.dir} is removed")

    def _removed(self):
        shutil.rmtree(self.dir, ignore_errors=True)
        return not self.dir.exists()


class Leaving(AssertionError):
    """The page is on its way to another one, of which nothing can be asked yet."""


LEAVING = re.compile("navigated or closed|execution context|context with specified id")


class Page:
    def __init__(self, browser, target):
        self.browser, self.id = browser, target["id"]
        self.socket = websocket.create_connection(
            target["webSocketDebuggerUrl"], timeout=30 * SLACK, suppress_origin=True
        )
        self.number = 0
        self.events = []
        self.forgiven = False  # its complaints: those of a test that takes the agent away
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.number:
                if "error" in message:
                    raise (Leaving if LEAVING.search(str(message["error"])) else AssertionError)(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def emulate(self, width=1280, height=800, dark=False, mobile=False, script=True, scale=1):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=scale, mobile=mobile)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.call("Emulation.setScriptExecutionDisabled", value=not script)

    def open(self, url):
        failed = self.call("Page.navigate", url=url).get("errorText")
        assert not failed, f"{url}: {failed}"
        self.wait("document.readyState === 'complete'", what=f"{url} is loaded")

    def eval(self, expression):
        """The value of an expression; a promise's is waited for."""
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, f"{expression}: {done['exceptionDetails']}"
        return done["result"].get("value")

    def wait(self, expression, timeout=20, what=None):
        def value():
            try:
                return self.eval(expression)
            except Leaving:
                return None

        return wait_until(value, timeout, what or expression, every=0.05)

    def text(self, selector):
        return self.eval(f"document.querySelector({json.dumps(selector)})?.innerText ?? null")

    def key(self, key, text=""):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key,
                      **({"text": text} if text and kind == "keyDown" else {}))

    def complaints(self):
        """Errors and warnings of the console: exceptions, violations of the policy, failed loads."""
        self.eval("1")
        found = []
        for event in self.events:
            params = event.get("params", {})
            if event["method"] == "Runtime.exceptionThrown":
                found.append(json.dumps(params["exceptionDetails"]))
            elif event["method"] == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
                found.append(json.dumps(params["args"]))
            elif event["method"] == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
                found.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        return found

    def requests(self):
        """The URLs that the page asked for."""
        self.eval("1")
        return [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]

    def screenshot(self, path):
        shot = self.call("Page.captureScreenshot", format="png", optimizeForSpeed=False)
        Path(path).write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        self.socket.close()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.browser.port}/json/close/{self.id}", timeout=30 * SLACK):
            pass
