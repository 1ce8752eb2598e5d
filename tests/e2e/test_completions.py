"""The completions of packaging/completions in the shells that they are for: bash and zsh at a terminal,
as a person types, and fish by its own `complete -C`. What each offers is compared with the program."""

import fcntl
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import termios

import pytest
from lib.net import SLACK, wait_until
from lib.program import ROOT

FOLDER = ROOT / "packaging/completions"
URLS = {"mongodb://", "mongodb+srv://", "tcp://", "unix://", "http://", "https://", "http+unix://", "redis://",
        "pid:", "pidfile:", "process:"}
CONFIG = "[probe web]\nurl = http://127.0.0.1:1/\n[probe worker]\nname = worker\n"
OTHER = "[probe elsewhere]\naddress = 127.0.0.1:1\n"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\x1b\][^\x07]*\x07|\x07|\r")


@pytest.fixture
def home(probe):
    """The program as `probe` on a PATH of its own, a configuration, and files to complete."""
    bin_dir = probe.path("bin")
    bin_dir.mkdir()
    (bin_dir / "probe").symlink_to(probe.binary)
    probe.write("bin/only-here", "#!/bin/sh\n", 0o755)
    probe.write("probe.ini", CONFIG)
    probe.write("other.ini", OTHER)
    probe.environment = probe.environ({
        "PATH": f"{bin_dir}:{os.environ['PATH']}", "PROBE_CONFIG": probe.path("probe.ini"), "HOME": probe.dir,
        "TERM": "xterm", "INPUTRC": "/dev/null", "HISTFILE": None, "ZDOTDIR": probe.dir, "LANG": "C.UTF-8",
    })
    return probe


class Terminal:
    """A shell at a terminal that is wide and high enough for every list."""

    def __init__(self, home, command, setup):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(home.dir)
                os.execvpe(command[0], command, home.environment)
            finally:
                os._exit(127)
        os.set_blocking(self.fd, False)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 400, 200, 0, 0))
        self.n = 0
        self.seen = ""
        self.type(setup + "\n")
        self.finish()

    def type(self, text):
        os.write(self.fd, text.encode())

    def read(self):
        try:
            self.seen += os.read(self.fd, 65536).decode("utf-8", "replace")
        except BlockingIOError:
            pass
        return self.seen

    def finish(self):
        """Types a command, and returns all that was shown until what it prints."""
        self.n += 1
        self.type(f"printf '%s%s\\n' do ne-{self.n}\n")
        mark = f"done-{self.n}"
        wait_until(lambda: mark in self.read(), 20, f"the shell prints {mark}; it shows:\n{self.seen}")
        shown, self.seen = self.seen.split(mark)[0], ""
        return ESCAPES.sub(lambda m: " " if m[0].startswith("\x1b[") else "", shown).rpartition("printf '%s%s")[0]

    def offers(self, line):
        """The words that are shown when TAB is pressed behind the line; the line is then given up."""
        self.type(line + "\t\x15")
        return set(self.finish().replace(line, " ", 1).split())

    def completes(self, line):
        """The words of the line as it is after TAB."""
        self.type(line + "\t\x01printf '<%s>' \x05\n")
        shown = self.finish()
        return re.findall(r"<([^<>%]*)>", shown)

    def close(self):
        os.kill(self.pid, signal.SIGHUP)
        os.close(self.fd)
        os.waitpid(self.pid, 0)


class Fish:
    def __init__(self, home):
        self.home = home

    def offers(self, line):
        script = f'source {FOLDER}/probe.fish; complete -C "$argv[1]"'
        done = subprocess.run(["fish", "--no-config", "-c", script, line], env=self.home.environment, text=True,
                              cwd=self.home.dir, capture_output=True, timeout=20 * SLACK)
        assert done.returncode == 0 and not done.stderr, done.stderr
        return {candidate.split("\t")[0] for candidate in done.stdout.splitlines()}

    def completes(self, line):
        offers = self.offers(line)
        assert len(offers) == 1, offers
        return [*line.split()[:-1], *offers]

    def close(self):
        pass


def start(name, home):
    program = name.split("-")[0]
    assert shutil.which(program), f"{program} is not installed (packaging/lib/deps.sh names it)"
    if name == "fish":
        return Fish(home)
    if name == "zsh":
        return Terminal(home, ["zsh", "-f", "-i"], f"PS1=; fpath=({FOLDER} $fpath); autoload -Uz compinit; compinit -u -D; "
                        "bindkey -e; LISTMAX=10000; unsetopt beep; zstyle ':completion:*' list-colors")
    library = ". /usr/share/bash-completion/bash_completion; " if name == "bash-completion" else ""
    return Terminal(home, ["bash", "--norc", "-i"],
                    f"PS1=; bind 'set show-all-if-ambiguous on'; bind 'set completion-query-items 0'; bind 'set "
                    f"page-completions off'; bind 'set enable-bracketed-paste off'; {library}. {FOLDER}/probe.bash")


@pytest.fixture(params=["bash", "bash-completion", "zsh", "fish"])
def shell(request, home):
    running = start(request.param, home)
    yield running
    running.close()


def options_of(home, command):
    """Of the command, as the program's own help has them."""
    text = home.run(*([command] if command else []), "-h").out
    return set(re.findall(r"^  (?:-\w, |    )(--[a-z-]+)", text, re.M))


def commands_of(home):
    return set(re.findall(r"^  probe (\w+)", home.run("-h").out, re.M))


def test_commands(shell, home):
    commands = commands_of(home)
    assert len(commands) >= 8
    assert commands <= shell.offers("probe ")
    assert shell.completes("probe wa") == ["probe", "wait"]
    assert shell.completes("probe --timeout 3s valid") == ["probe", "--timeout", "3s", "validate"]


def test_options(shell, home):
    """Exactly those that the program takes with the command."""
    for command in sorted(commands_of(home)):
        offered = {w.rstrip("=") for w in shell.offers(f"probe {command} --") if re.fullmatch(r"--[a-z-]+=?", w)}
        assert offered == options_of(home, command), command


def test_names_and_urls(shell):
    offered = shell.offers("probe check ")
    assert {"web", "worker"} <= offered
    assert URLS <= {w.replace("\\", "") for w in offered}
    assert shell.completes("probe wait wo") == ["probe", "wait", "worker"]
    assert "tcp://" not in shell.offers("probe status ")


def test_names_of_another_file(shell):
    assert shell.completes("probe check -c other.ini els") == ["probe", "check", "-c", "other.ini", "elsewhere"]
    assert shell.completes("probe check --config other.ini els")[-1] == "elsewhere"


def test_url_with_its_colon(shell):
    """bash breaks words there."""
    assert shell.completes("probe check mongodb:") == ["probe", "check", "mongodb://"]


def test_files(shell):
    assert shell.completes("probe check -c oth") == ["probe", "check", "-c", "other.ini"]
    assert shell.completes("probe validate --config oth")[-1] == "other.ini"


def test_topics(shell, home):
    topics = home.run("help", "--names").lines
    assert {"wait", "mongo", "exit-codes", "start_period", "init-phase"} <= set(topics)
    assert set(topics) <= shell.offers("probe help ")
    assert shell.completes("probe help start_p") == ["probe", "help", "start_period"]


def test_command_of_wait(shell):
    assert shell.completes("probe wait web -- only-h") == ["probe", "wait", "web", "--", "only-here"]


def test_bad_configuration(shell, home):
    """Nothing but no names: no message in the middle of a line."""
    home.write("probe.ini", "[probe web\n")
    offered = shell.offers("probe check t")
    assert not any("probe.ini" in word or "expected" in word for word in offered), offered
    assert "tcp://" in {w.replace("\\", "") for w in offered} or shell.completes("probe check t")[-1] == "tcp://"


def test_what_set_takes(shell):
    offered = {word.rstrip("=.") for word in shell.offers("probe check --set ")}
    assert {"timeout", "expect_status", "password_file", "web"} <= offered, offered
    offered = shell.offers("probe check --set web.tls_")
    assert {w for w in offered if "tls_ca" in w} and not {w for w in offered if w.startswith("timeout")}, offered
    assert shell.completes("probe check --set web.expect_stat")[-1] == "web.expect_status="


def test_values_that_set_takes(shell):
    assert shell.completes("probe check --set require=secon")[-1] == "require=secondary"
    assert shell.completes("probe check --set web.follow_redirects=y")[-1] == "web.follow_redirects=yes"
    offered = {word.rpartition("=")[2] for word in shell.offers("probe check --set require=")}
    assert {"primary", "writable", "replica"} <= offered, offered
