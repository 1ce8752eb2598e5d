"""exec: a program and its exit code."""

import os
import signal

from scenarios.common import AB, Situation, is_ours, told
from table import HEALTHY, UNHEALTHY, rows

SHORT = "timeout = 400ms"


def runs(script, how, keys="", mode=0o755):
    """A script of sh."""

    def make(stage):
        path = stage.program.write("check.sh", f"#!/bin/sh\n{script}\n")
        path.chmod(mode)
        stage.program.dir.chmod(0o755)
        return Situation(f"command = {path} one 'two words'\n{keys}".strip())

    return told(how, make)


def of_file(how):
    """A script that wants a secret of a file."""

    def make(stage):
        secret = stage.program.write("env", "TOKEN=s3cr3t-tok3n\nOTHER=x\n")
        path = stage.program.write("check.sh", '#!/bin/sh\necho "got $TOKEN $OTHER"\n')
        path.chmod(0o755)
        return Situation(f"command = {path}\nenv_file = {secret}")

    return told(how, make)


def not_there(stage):
    """no such program"""
    return Situation(f"command = {stage.program.path('nothing')}")


def is_folder(stage):
    """a folder in place of the program"""
    return Situation(f"command = {stage.program.dir}")


def no_interpreter(stage):
    """a script whose #! line names what is not there"""
    path = stage.program.write("check.sh", "#!/no/such/shell\n")
    path.chmod(0o755)
    return Situation(f"command = {path}")


def no_format(stage):
    """a text without a #! line"""
    path = stage.program.write("check.sh", "true\n")
    path.chmod(0o755)
    return Situation(f"command = {path}")


def changes(stage):
    """a script that fails, then does not"""
    state = stage.program.path("state")
    path = stage.program.write("check.sh", f"#!/bin/sh\ntest -e {state}\n")
    path.chmod(0o755)
    return Situation(f"command = {path}", change=lambda: state.write_text(""))


def group_is_killed(row, stage):
    """Afterwards nothing of the group is left."""
    from ways import check

    mark = stage.program.path("child")

    def started():
        check(row, stage)
        return mark.exists() and mark.read_text()

    # On a busy machine a script can be killed before it has written whom it started.
    stage.wait_until(started, 30, "a script that came as far as to its child")

    def gone():
        try:
            os.kill(int(mark.read_text()), 0)
        except ProcessLookupError:
            return True
        return False

    stage.wait_until(gone, 5, "its child is gone")


def leaves_child(how, child="sleep 1000", then="wait"):
    """A script with a child that hangs; `then`: what itself does."""

    def make(stage):
        mark = stage.program.path("child")
        path = stage.program.write("check.sh", f"#!/bin/sh\n{child} &\necho $! >{mark}\n{then}\n")
        path.chmod(0o755)
        return Situation(f"command = {path}")

    return told(how, make)


def leaves_daemon(stage):
    """ends, and leaves a process in another session, which holds its output"""
    mark = stage.program.path("daemon")
    path = stage.program.write("check.sh", f"#!/bin/sh\nsetsid -f sh -c 'echo $$ >{mark}; exec sleep 1000'\n"
                                           f"until test -s {mark}; do sleep 0.01; done\necho begun\n")
    path.chmod(0o755)
    return Situation(f"command = {path}")


def daemon_is_left(row, stage):
    """It lives on, and so is ended here."""
    from ways import check

    try:
        check(row, stage)
    finally:
        os.kill(int(stage.program.path("daemon").read_text()), signal.SIGKILL)


NAGIOS = "exit_codes = nagios"

# fmt: off
ROWS = rows(
    "exec",
    ("exit 0", runs("echo all is well; echo more", "exit 0"), HEALTHY, "ok", "",
        {"detail": "^exit code 0: all is well$"}),
    ("exit 0 in silence", runs(":", "exit 0, no output"), HEALTHY, "ok"),
    ("exit 1", runs("echo the disk is full; exit 1", "exit 1"), UNHEALTHY, "mismatch", "",
        {"detail": "exit code 1, expected 0: the disk is full"}),
    ("says it by its errors", runs("echo oops >&2; exit 7", "exit 7, errors"), UNHEALTHY,
        "mismatch", "", {"detail": "exit code 7, expected 0: oops"}),
    ("another code is expected", runs("exit 3", "exit 3"), HEALTHY, "ok", "expect_exit = 0, 3"),
    ("0 is not expected", runs("exit 0", "exit 0"), UNHEALTHY, "mismatch", "expect_exit = 3"),
    ("its arguments", runs('test "$1,$2,$#" = "one,two words,2"', "its words as they are"), HEALTHY,
        "ok"),
    ("its output matches", runs("echo a; echo lag=3", "exit 0"), HEALTHY, "ok",
        "expect_output = lag=[0-5]$"),
    ("its output does not", runs("echo lag=9", "exit 0"), UNHEALTHY, "mismatch",
        "expect_output = lag=[0-5]$", {"detail": "lag=9"}),
    ("pattern cannot be told", runs(f"echo {AB}", "the pattern takes too long over its output"),
        UNHEALTHY, "internal", "expect_output = a(a|b){240}Z", {"by": is_ours}),
    ("signal", runs("kill -SEGV $$", "ends by a signal"), UNHEALTHY, "mismatch", "",
        {"detail": "signal 11"}),
    ("hangs", runs("echo begun; sleep 1000", "has no end"), UNHEALTHY, "timeout", SHORT,
        {"detail": "check.sh has not ended"}),
    ("ignores SIGTERM", runs("trap '' TERM HUP INT; while :; do sleep 1; done", "will not end"),
        UNHEALTHY, "timeout", SHORT),
    ("hangs with a child", leaves_child("hangs, with a child of its own that hangs as well"), UNHEALTHY,
        "timeout", SHORT, {"by": group_is_killed}),
    ("ends before its child", leaves_child("ends, and its child would not", "sleep 1000 >/dev/null 2>&1", "exit 0"),
        HEALTHY, "ok", "", {"by": group_is_killed}),
    ("ends before its child, which has its output", leaves_child("ends, and its child would write on", then="exit 3"),
        UNHEALTHY, "mismatch", "", {"by": group_is_killed, "detail": "exit code 3"}),
    ("leaves a daemon, which has its output", leaves_daemon, HEALTHY, "ok", "",
        {"by": daemon_is_left, "detail": "exit code 0: begun$"}),
    ("missing", not_there, UNHEALTHY, "internal", "", {"by": is_ours,
        "detail": "cannot run .*nothing: No such file"}),
    ("not executable", runs(":", "without the permission", mode=0o644), UNHEALTHY, "internal", "",
        {"by": is_ours, "detail": "Permission denied"}),
    ("a folder", is_folder, UNHEALTHY, "internal", "", {"by": is_ours}),
    ("no interpreter", no_interpreter, UNHEALTHY, "internal", "",
        {"by": is_ours, "detail": "first line names is not there"}),
    ("no format", no_format, UNHEALTHY, "internal", "", {"by": is_ours, "detail": "#!"}),
    ("too much output", runs("yes", "writes without end"), UNHEALTHY, "protocol", "",
        {"detail": "more than 64 KiB"}),
    ("control bytes", runs(r"printf '\033[31mred\n'", "writes to the terminal"), HEALTHY, "ok",
        "", {"detail": r"^exit code 0: \?\[31mred$"}),
    ("its environment", runs('test "$A-${HOME-none}-${PROBE_BIN-none}" = "x-none-none"',
        "little of ours", "env = A=x"), HEALTHY, "ok"),
    ("secrets are not shown", of_file("prints its secret"), HEALTHY, "ok", "",
        {"detail": r"^exit code 0: got \*\*\* x$"}),
    ("another user", runs('echo $(id -u):$(id -g):$(id -G)', "prints who it is",
        "user = 65534:65533"), HEALTHY, "ok", "expect_output = ^65534:65533:65533$"),
    ("another user by name", runs('id -un', "prints who it is", "user = nobody"), HEALTHY, "ok",
        "expect_output = ^nobody$"),
    ("Nagios: ok", runs("echo 'DISK OK | /=5MB'", "exit 0"), HEALTHY, "ok", NAGIOS,
        {"detail": r"exit code 0 \(ok\): DISK OK"}),
    ("Nagios: warning", runs("echo DISK WARNING; exit 1", "exit 1"), HEALTHY, "ok", NAGIOS,
        {"detail": r"\n.*\(warning\): DISK WARNING"}),
    ("Nagios: critical", runs("echo DISK CRITICAL; exit 2", "exit 2"), UNHEALTHY, "mismatch",
        NAGIOS, {"detail": r"\(critical\): DISK CRITICAL"}),
    ("Nagios: unknown", runs("echo usage; exit 3", "exit 3"), UNHEALTHY, "internal", NAGIOS,
        {"by": is_ours, "detail": "unknown"}),
    ("Nagios: beyond", runs("exit 99", "exit 99"), UNHEALTHY, "internal", NAGIOS,
        {"by": is_ours}),
    ("becomes good", changes, UNHEALTHY, "mismatch", "", {"then": (HEALTHY, "ok")}),
)
