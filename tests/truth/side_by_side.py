"""`run --peers`: every row by `probe check` and by each peer that can do it, as a table."""

import concurrent.futures
import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import names
from lib.program import ROOT
from peers import HANGS, PEERS
from question import Question
from stage import Stage, drop_certs
from table import HEALTHY, UNHEALTHY, load, markdown
from ways import section

# resolv.conf knows addresses only, and port 53: of a server that is not there, this one.
NOWHERE = "127.255.0.53"


class Scene:
    """A situation, in which programs are run: its environment, its name spaces, its DNS servers."""

    def __init__(self, stage, situation):
        self.stage = stage
        self.env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        self.env |= {k: str(v) for k, v in situation.env.items()}
        self.prefix = list(situation.prefix)
        servers = self.env.pop("PROBE_DNS_SERVERS", None)
        if servers:
            hosts = [s.removesuffix(":53") if s.endswith(":53") else NOWHERE
                     for s in servers.split(",")]
            conf = stage.program.write(
                "resolv.conf", "".join(f"nameserver {host}\n" for host in hosts), 0o644
            )
            script = f'mount --bind "{conf}" /etc/resolv.conf && exec "$@"'
            self.prefix += ["unshare", "--mount", "sh", "-c", script, "sh"]

    def folder(self):
        return Path(tempfile.mkdtemp(dir=self.stage.program.dir))

    def start(self, line, out):
        return subprocess.Popen(
            [*map(str, self.prefix), *map(str, line)], stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, env=self.env, cwd=self.stage.program.dir,
            start_new_session=True,
        )

    def run(self, line, deadline):
        process = self.start(line, subprocess.DEVNULL)
        try:
            return HEALTHY if process.wait(deadline) == 0 else UNHEALTHY
        except subprocess.TimeoutExpired:
            return HANGS
        finally:
            end(process)

    def output(self, line, deadline=30):
        process = self.start(line, subprocess.PIPE)
        try:
            text = process.communicate(timeout=deadline)[0]
            return process.returncode, text.decode(errors="replace")
        finally:
            end(process)

    @contextlib.contextmanager
    def spawn(self, line):
        path = self.folder() / "out"
        with open(path, "wb") as out:
            process = self.start(line, out)
        process.said = lambda: path.read_text(errors="replace")
        try:
            yield process
        finally:
            end(process)


def end(process):
    """It leads a process group of its own: all of that goes."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def by_probe(row, situation, stage):
    config = stage.program.write("probe.ini", section(row, situation))
    r = stage.program.run(
        "check", "-q", "-c", config, "x", env=situation.env, prefix=situation.prefix
    )
    return HEALTHY if r.code == 0 else UNHEALTHY


def said(row, ask):
    """What `ask` says, in a situation of its own: "healthy", or "healthy, then unhealthy"."""
    stage = Stage(os.environ.get("PROBE_BIN", ROOT / "build-plain/probe"))
    try:
        situation = row.situation(stage)
        words = [ask(situation, stage)]
        if words[0] is not None and row.then:
            situation.change()
            words.append(ask(situation, stage))
        return words
    finally:
        stage.close()


def one_row(index):
    """[truth, probe's, each peer's] words; None where a peer cannot do it."""
    names.SYSTEM = False
    row = ROWS[index]
    truth = [row.verdict] + ([row.then[0]] if row.then else [])
    columns = [truth, said(row, lambda situation, stage: by_probe(row, situation, stage))]
    names.SYSTEM = True
    for peer in RUN:
        def ask(situation, stage):
            q = Question(row, situation)
            return peer.ask(q, Scene(stage, situation)) if peer.can(q) else None

        try:
            words = said(row, ask)
        except AssertionError as e:
            print(f"{row.id}: {peer.name}: {e}", flush=True)
            words = [None]
        columns.append(None if words[0] is None else words)
    return columns


def cell(words, truth):
    if words is None:
        return "-"
    text = ", then ".join(dict.fromkeys(words)) if len(set(words)) == 1 else ", then ".join(words)
    return text if words == truth else f"**{text}** ✗"


def counts(column, truths):
    asked = [(words, truth) for words, truth in zip(column, truths) if words is not None]
    wrong = [(w, t) for words, truth in asked for w, t in zip(words, truth) if w != t]
    rows = sum(words != truth for words, truth in asked)
    tell = {"falsely healthy": sum(w == HEALTHY for w, _ in wrong),
            "falsely unhealthy": sum(w == UNHEALTHY for w, _ in wrong),
            "hangs": sum(w == HANGS for w, _ in wrong)}
    return [len(asked), rows, *tell.values()]


def main(pattern="", jobs=None):
    """Returns the report as Markdown, and whether `probe` was right in each row."""
    global ROWS, RUN
    ROWS = [row for row in load() if not row.by and row.peers and re.search(pattern, row.id)]
    RUN = [peer for peer in PEERS if peer.command]
    missing = [peer.name for peer in PEERS if not peer.command]
    began = time.monotonic()
    with concurrent.futures.ProcessPoolExecutor(jobs or 2 * os.cpu_count()) as pool:
        table = list(pool.map(one_row, range(len(ROWS))))
    drop_certs()
    truths = [columns[0] for columns in table]
    asked = ["probe", *(peer.name for peer in RUN)]
    head = ["scenario", "truth", *asked]
    lines = [
        [row.id, cell(columns[0], columns[0])] + [cell(words, columns[0]) for words in columns[1:]]
        for row, columns in zip(ROWS, table)
    ]
    tally = [
        [name, *counts([columns[i + 1] for columns in table], truths)]
        for i, name in enumerate(asked)
    ]
    text = markdown(head, lines) + "\n\n" + markdown(
        ["", "rows it can do", "wrong", "falsely healthy", "falsely unhealthy", "hangs"], tally
    )
    for name in missing:
        text += f"\n\nNot run, not installed: {name}"
    text += f"\n\n{len(ROWS)} rows in {time.monotonic() - began:.0f} s\n"
    return text, tally[0][2] == 0
