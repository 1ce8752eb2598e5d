"""process: by number, pid file, name and command line."""

import os
import signal
import subprocess
import time

from scenarios.common import AB, Situation, is_ours, told
from table import HEALTHY, UNHEALTHY, rows

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


class Sleeper:
    """A process of a name that nobody else has: sleep by another name."""

    def __init__(self, stage, *args, name=None, user=()):
        self.name = name or f"s-{stage.program.mark[:8]}"
        program = stage.program.path(self.name)
        if not program.exists():
            program.symlink_to("/bin/sleep")
        stage.program.dir.chmod(0o755)
        self.process = subprocess.Popen([*user, program, *(args or ["1000"])])
        comm = f"/proc/{self.process.pid}/comm"
        stage.wait_until(lambda: open(comm).read().strip() == self.name[:15], 10, "exec is done")

    @property
    def pid(self):
        return self.process.pid

    def end(self):
        self.process.kill()
        self.process.wait()

    close = end

    def become_zombie(self, stage):
        self.process.send_signal(signal.SIGKILL)
        stat = f"/proc/{self.pid}/stat"
        stage.wait_until(lambda: ") Z " in open(stat).read(), 10, "it is a zombie")


def sleeper(stage, *args, **kw):
    return stage.keep(Sleeper(stage, *args, **kw))


# ---- By number.


def by_pid(how, act=None, before=None, settings="", **kw):
    """A process; `act` on (stage, process) is the change, `before` is done at once."""

    def make(stage):
        process = sleeper(stage, **kw)
        if before:
            before(stage, process)
        change = (lambda: act(stage, process)) if act else None
        return Situation(f"pid = {process.pid}\n{settings}", change=change)

    return told(how, make)


def end(stage, process):
    process.end()


def terminate(stage, process):
    process.process.terminate()
    process.process.wait()


def zombie(stage, process):
    process.become_zombie(stage)


def stop(stage, process):
    os.kill(process.pid, signal.SIGSTOP)
    stat = f"/proc/{process.pid}/stat"
    stage.wait_until(lambda: ") T " in open(stat).read(), 10, "it is stopped")


def thread(stage):
    """the number is that of a thread"""
    code = "import threading, sys; threading.Thread(target=sys.stdin.read).start(); print(flush=True)"
    process = subprocess.Popen(
        ["/usr/bin/python3", "-c", code + "; sys.stdin.read()"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    stage.stack.callback(process.wait)
    stage.stack.callback(process.kill)
    process.stdout.readline()
    tids = [int(t) for t in os.listdir(f"/proc/{process.pid}/task")]
    return Situation(f"pid = {max(tids)}")


# ---- By pid file.


def pidfile(how, text, mode=0o644, act=None, prefix=(), **kw):
    """`text`: of (process); `act` on (stage, process, path) is the change."""

    def make(stage):
        process = sleeper(stage, **kw)
        path = stage.program.path("app.pid")
        content = text(process)
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
            path.chmod(mode)
        change = (lambda: act(stage, process, path)) if act else None
        return Situation(f"pidfile = {path}", change=change, prefix=list(prefix))

    return told(how, make)


def pidfile_is(how, create):
    def make(stage):
        path = stage.program.path("app.pid")
        create(path, sleeper(stage))
        return Situation(f"pidfile = {path}")

    return told(how, make)


def unreadable(stage):
    """a link that leads to itself: check exits 70"""
    path = stage.program.path("app.pid")
    path.symlink_to(path)
    return Situation(f"pidfile = {path}")


def not_ours(stage):
    """mode 0600, asked by another user: check exits 70"""
    process = sleeper(stage)
    return Situation(f"pidfile = {stage.program.write('app.pid', str(process.pid))}", prefix=NOBODY)


def gone(process):
    process.end()
    return f"{process.pid}\n"


def old(path, process):
    """Written long before the process of that number was started: by more than the clock of a
    machine that was restored from a snapshot may be off."""
    path.write_text(f"{process.pid}\n")
    then = time.time() - 10 * 365 * 86400
    os.utime(path, (then, then))


def strangers_link(path, process):
    own = path.with_name("own.pid")
    own.write_text(f"{process.pid}\n")
    path.symlink_to(own)
    os.lchown(path, 65534, 65534)


def write_later(stage, process, path):
    path.write_text(f"{process.pid}\n")


def restart(stage, process, path):
    process.end()
    path.write_text(f"{sleeper(stage).pid}\n")


# ---- By name and command line.


def named(how, count, before=None, act=None, name=None, user=(), key="name"):
    """`count` processes of a name; `act` on (stage, processes) is the change."""

    def make(stage):
        processes = [sleeper(stage, name=name and name(stage), user=user) for _ in range(count)]
        for process in processes if before else ():
            before(stage, process)
        wanted = processes[0].name if processes else "s-" + stage.program.mark[:8]
        change = (lambda: act(stage, processes)) if act else None
        return Situation(f"{key} = {wanted}", change=change)

    return told(how, make)


def end_one(stage, processes):
    processes[-1].end()


def start_one(stage, processes):
    sleeper(stage)


def long_name(stage):
    return f"a-name-of-over-15-bytes-{stage.program.mark[:6]}"


def cmdline(how, pattern, *args):
    """A process with these arguments; in the pattern, NAME is its path."""

    def make(stage):
        process = sleeper(stage, *args)
        path = str(stage.program.path(process.name))
        return Situation(f"cmdline = {pattern.replace('NAME', path)}")

    return told(how, make)


def wrapper(how, pattern):
    """Only a shell is left, whose own command line holds the program's."""

    def make(stage):
        name = f"s-{stage.program.mark[:8]}"
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"read never; {name} --serve"], stdin=subprocess.PIPE
        )
        stage.stack.callback(process.wait)
        stage.stack.callback(process.kill)
        line = f"/proc/{process.pid}/cmdline"
        stage.wait_until(lambda: name.encode() in open(line, "rb").read(), 10, "exec is done")
        return Situation(f"cmdline = {pattern.replace('NAME', name)}")

    return told(how, make)


def long_line(stage):
    """the pattern takes too long over a command line"""
    process = subprocess.Popen(["/bin/sh", "-c", "read never; :", AB], stdin=subprocess.PIPE)
    stage.stack.callback(process.wait)
    stage.stack.callback(process.kill)
    line = f"/proc/{process.pid}/cmdline"
    stage.wait_until(lambda: AB.encode() in open(line, "rb").read(), 10, "exec is done")
    return Situation("cmdline = a(a|b){240}Z")


# ---- The same number again, in a pid name space.

INIT = """
import os, subprocess, sys
def start(name):
    while True:
        open('/proc/sys/kernel/ns_last_pid', 'w').write('499')
        p = subprocess.Popen(['/usr/bin/python3', '-c', 'import sys; print(flush=True); sys.stdin.read()', name],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        p.stdout.readline()
        if p.pid == 500:
            return p
        p.kill(); p.wait()
first = start('first')
print(flush=True)
sys.stdin.readline()
first.kill(); first.wait()
start('second')
print(flush=True)
sys.stdin.read()
"""


# nsenter forks, and would not hand on what the agent is told.
FORWARD = """
import os, signal, subprocess, sys
p = subprocess.Popen(['nsenter', '-t', sys.argv[1], '--pid', '--mount', *sys.argv[2:]])
def forward(number, frame):
    for child in open(f'/proc/{p.pid}/task/{p.pid}/children').read().split():
        os.kill(int(child), number)
signal.signal(signal.SIGTERM, forward)
code = p.wait()
sys.exit(code if code >= 0 else 128 - code)
"""


class Namespace:
    """A pid name space, in which process 500 can be replaced by another of the same number."""

    def __init__(self):
        self.process = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "/usr/bin/python3", "-c",
             INIT],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        assert self.process.stdout.readline() == b"\n", "no pid name space (needs root)"
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        self.init = int(open(children).read())
        self.prefix = ["/usr/bin/python3", "-c", FORWARD, str(self.init)]

    def replace(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == b"\n"

    def close(self):
        self.process.kill()  # and with it, by --kill-child, all inside
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def replaced(stage):
    """process 500 ends, and another gets its number"""
    space = stage.keep(Namespace())
    return Situation("pid = 500", prefix=space.prefix, change=space.replace)


def replaced_pidfile(stage):
    """its pid file is of an hour ago, its number another's by now"""
    space = stage.keep(Namespace())
    path = stage.program.path("app.pid")
    path.write_text("500\n")

    def change():
        space.replace()
        os.utime(path, (time.time() - 3600,) * 2)

    return Situation(f"pidfile = {path}", prefix=space.prefix, change=change)


# fmt: off
ROWS = rows(
    "process",
    ("pid", by_pid("it runs"), HEALTHY, "ok", "", {"detail": "has been running for"}),
    ("pid: exits", by_pid("it runs, then ends by SIGTERM", terminate), HEALTHY, "ok", "",
        {"then": (UNHEALTHY, "not-running")}),
    ("pid: killed", by_pid("it runs, then SIGKILL", end), HEALTHY, "ok", "",
        {"then": (UNHEALTHY, "not-running")}),
    ("pid: becomes a zombie", by_pid("it ends, and nobody reaps it", zombie), HEALTHY, "ok", "",
        {"then": (UNHEALTHY, "not-running"), "then_detail": "zombie"}),
    ("pid: stopped", by_pid("SIGSTOP: it is there, and the detail says so", stop),
        HEALTHY, "ok", "", {"then": (HEALTHY, "ok"), "then_detail": "stopped"}),
    ("pid: nobody", by_pid("it has ended long ago", before=end), UNHEALTHY, "not-running"),
    ("pid: a thread", thread, UNHEALTHY, "not-running", "", {"detail": "thread"}),
    ("pid: right user", by_pid("it runs as nobody", user=NOBODY), HEALTHY, "ok", "user = nobody"),
    ("pid: wrong user", by_pid("it runs as root, nobody is wanted"), UNHEALTHY, "mismatch",
        "user = nobody", {"detail": "user"}),
    ("pid: used again", replaced, HEALTHY, "ok", "", {"then": (UNHEALTHY, "not-running"),
        "ways": ("agent",)}),
    ("pid: used again, asked once", replaced, HEALTHY, "ok", "", {"then": (HEALTHY, "ok"),
        "ways": ("check",)}),

    ("pidfile", pidfile("it names a process", lambda p: f"{p.pid}\n"), HEALTHY, "ok"),
    ("pidfile: blanks, CR", pidfile("blanks and CR around the number",
        lambda p: f"  {p.pid} \r\n"), HEALTHY, "ok"),
    ("pidfile: more lines", pidfile("PostgreSQL's: more lines follow",
        lambda p: f"{p.pid}\n/var/lib/data\n1700000000\n5432\n"), HEALTHY, "ok"),
    ("pidfile: missing", pidfile("no such file", lambda p: None), UNHEALTHY, "not-running"),
    ("pidfile: written later", pidfile("no such file, then it is written", lambda p: None,
        act=write_later), UNHEALTHY, "not-running", "", {"then": (HEALTHY, "ok")}),
    ("pidfile: empty", pidfile("nothing in it", lambda p: ""), UNHEALTHY, "not-running", "",
        {"detail": "empty"}),
    ("pidfile: empty, then written", pidfile("being written", lambda p: "", act=write_later),
        UNHEALTHY, "not-running", "", {"then": (HEALTHY, "ok")}),
    ("pidfile: garbage", pidfile("no number", lambda p: "\x7fELF\0\1"), UNHEALTHY, "mismatch"),
    ("pidfile: a word behind", pidfile("a number and more", lambda p: f"{p.pid}x\n"),
        UNHEALTHY, "mismatch"),
    ("pidfile: 0", pidfile("the number 0", lambda p: "0\n"), UNHEALTHY, "mismatch"),
    ("pidfile: negative", pidfile("a minus sign", lambda p: f"-{p.pid}\n"), UNHEALTHY, "mismatch"),
    ("pidfile: too large", pidfile("2^64 + 1", lambda p: "18446744073709551617\n"),
        UNHEALTHY, "mismatch"),
    ("pidfile: huge", pidfile("1 MiB, beginning with the number",
        lambda p: f"{p.pid}\n" + "x" * 1048576), UNHEALTHY, "mismatch", "", {"detail": "longer"}),
    ("pidfile: a FIFO", pidfile_is("a pipe that nobody writes to",
        lambda path, p: os.mkfifo(path)), UNHEALTHY, "mismatch", "", {"detail": "regular"}),
    ("pidfile: a folder", pidfile_is("a folder", lambda path, p: path.mkdir()),
        UNHEALTHY, "mismatch"),
    ("pidfile: a device", pidfile_is("a link to /dev/zero",
        lambda path, p: path.symlink_to("/dev/zero")), UNHEALTHY, "mismatch"),
    ("pidfile: a dangling link", pidfile_is("a link to nothing",
        lambda path, p: path.symlink_to("nowhere")), UNHEALTHY, "not-running"),
    ("pidfile: stale", pidfile("its process is gone", gone), UNHEALTHY, "not-running"),
    ("pidfile: stale, number used again", pidfile_is("ten years older than the process", old),
        UNHEALTHY, "not-running"),
    ("pidfile: its process dies", pidfile("the process is killed", lambda p: f"{p.pid}\n",
        act=lambda stage, p, path: p.end()), HEALTHY, "ok", "",
        {"then": (UNHEALTHY, "not-running")}),
    ("pidfile: restarted", pidfile("another process, and its number is written",
        gone, act=restart), UNHEALTHY, "not-running", "", {"then": (HEALTHY, "ok")}),
    ("pidfile: a link of somebody else's", pidfile_is("a link to the pid file of root, by nobody",
        strangers_link), UNHEALTHY, "mismatch", "", {"detail": "symbolic link of user 65534"}),
    ("pidfile: number used again", replaced_pidfile, HEALTHY, "ok", "",
        {"then": (UNHEALTHY, "not-running")}),

    ("name: 0", named("no process of the name", 0), UNHEALTHY, "not-running"),
    ("name: 1", named("one", 1), HEALTHY, "ok"),
    ("name: 3", named("three", 3), HEALTHY, "ok", "", {"detail": "3 processes"}),
    ("name: over 15 bytes", named("longer than the kernel keeps", 1, name=long_name),
        HEALTHY, "ok"),
    ("name: only zombies", named("ended, not reaped", 1, before=zombie), UNHEALTHY,
        "not-running", "", {"detail": "zombie"}),
    ("name: stopped", named("SIGSTOP", 1, before=stop), HEALTHY, "ok", "",
        {"detail": "stopped|running"}),
    ("name: too few", named("one where two are wanted", 1), UNHEALTHY, "mismatch",
        "min_count = 2"),
    ("name: enough", named("two where two are wanted", 2), HEALTHY, "ok", "min_count = 2"),
    ("name: too many", named("two where one is wanted", 2), UNHEALTHY, "mismatch",
        "max_count = 1"),
    ("name: none wanted, none there", named("none", 0), HEALTHY, "ok",
        "min_count = 0; max_count = 0"),
    ("name: none wanted, one there", named("one", 1), UNHEALTHY, "mismatch",
        "min_count = 0; max_count = 0"),
    ("name: one of two dies", named("two, then one is killed", 2, act=end_one), HEALTHY, "ok",
        "min_count = 2", {"then": (UNHEALTHY, "mismatch")}),
    ("name: the last dies", named("one, then it is killed", 1, act=end_one), HEALTHY, "ok", "",
        {"then": (UNHEALTHY, "not-running")}),
    ("name: starts later", named("none, then one", 0, act=start_one), UNHEALTHY, "not-running",
        "", {"then": (HEALTHY, "ok")}),
    ("name: of the user", named("it runs as nobody", 1, user=NOBODY), HEALTHY, "ok",
        "user = nobody"),
    ("name: of another user", named("it runs as root, nobody is wanted", 1), UNHEALTHY,
        "not-running", "user = nobody"),
    ("name: no /proc", named("proc_root is not there: check exits 70", 1), UNHEALTHY, "internal",
        "proc_root = /var/empty-or-not-there", {"by": is_ours}),
    ("pidfile: not ours to read", not_ours, UNHEALTHY, "internal", "", {"by": is_ours}),
    ("pidfile: unreadable", unreadable, UNHEALTHY, "internal", "", {"by": is_ours}),

    ("cmdline", cmdline("the pattern is in it", "NAME 1000"), HEALTHY, "ok"),
    ("cmdline: another argument", cmdline("it has other arguments", "NAME 1000", "2000"),
        UNHEALTHY, "not-running"),
    ("cmdline: anchored", cmdline("from its first to its last byte", "^NAME 1000$"),
        HEALTHY, "ok"),
    ("cmdline: too many", cmdline("one, none is wanted", "NAME 1000"), UNHEALTHY, "mismatch",
        "min_count = 0; max_count = 0"),
    ("cmdline: cannot be told", long_line, UNHEALTHY, "internal", "min_count = 0; max_count = 0",
        {"by": is_ours}),
    ("cmdline: in a shell's own", wrapper("a shell's `-c` holds the words, as pgrep -f sees it",
        "NAME --serve"), HEALTHY, "ok"),
    ("cmdline: in a shell's own, anchored", wrapper("the same, where ^ wants the program itself",
        "^NAME --serve"), UNHEALTHY, "not-running"),
)
