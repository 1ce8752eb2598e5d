"""`probe wait`: retries until all succeed, then is replaced by the command, nothing left behind."""

import json
import os
import signal
import socket
import struct
import subprocess
import threading

import pytest

from lib import hostile, servers
from lib.net import SLACK, wait_until
from lib.program import ROOT

# Says all that it inherits: what a command started by `wait` sees.
REPORT = r"""
import json, os, signal, sys
fds = sorted(int(n) for n in os.listdir("/proc/self/fd"))
status = dict(l.split(":", 1) for l in open("/proc/self/status"))
fds.pop()  # the listing's own
print(json.dumps({
    "pid": os.getpid(),
    "fds": fds,
    "blocked": int(status["SigBlk"], 16),
    "ignored": int(status["SigIgn"], 16),
    "caught": int(status["SigCgt"], 16),
    "children": open(f"/proc/self/task/{os.getpid()}/children").read(),
    "env": dict(os.environ),
    "stdin": sys.stdin.read(),
    "argv": sys.argv[1:],
    "limits": open("/proc/self/limits").read(),
    "oom": open("/proc/self/oom_score_adj").read(),
    "umask": status["Umask"].strip(),
    "dumpable": os.stat("/proc/self/mem").st_uid == os.geteuid(),
}))
"""


def up(server):
    return f"tcp://127.0.0.1:{server.port}"


def report_command(*args):
    return ["/usr/bin/python3", "-I", "-S", "-c", REPORT, *args]


@pytest.fixture
def server(serve):
    return serve(hostile.silent)


def test_waits_until_the_server_answers(probe, serve, server):
    server.down()
    process = probe.spawn("wait", "--timeout", "30s", up(server))
    wait_until(lambda: b"refused" in process.err_path.read_bytes(), 10, "it says why it waits")
    assert process.poll() is None
    server.up()
    assert process.wait(30) == 0


def test_off_a_terminal_a_line_when_the_reason_changes_not_one_a_try(probe, port):
    r = probe.run("wait", "--timeout", "1s", "--interval", "20ms", f"tcp://127.0.0.1:{port}")
    assert r.code == 124, str(r)
    assert 1 <= len(r.err.splitlines()) <= 3, str(r)
    assert "refused" in r.out + r.err and str(port) in r.out + r.err, str(r)


def test_timeout_is_124_and_the_command_is_not_run(probe, port):
    ran = probe.path("ran")
    r = probe.run("wait", "--timeout", "300ms", f"tcp://127.0.0.1:{port}", "--", "touch", ran)
    assert r.code == 124 and not ran.exists(), str(r)


def test_timeout_while_the_server_hangs(probe, server):
    r = probe.run("wait", "--timeout", "300ms", f"http://127.0.0.1:{server.port}/")
    assert r.code == 124, str(r)
    assert r.seconds < 10, str(r)


@pytest.mark.parametrize("code", [0, 1, 2, 42, 255])
def test_exit_code_is_the_commands(probe, server, code):
    r = probe.run("wait", up(server), "--", "sh", "-c", f"exit {code}")
    assert r.code == code, str(r)


def test_command_killed_by_a_signal(probe, server):
    r = probe.run("wait", up(server), "--", "sh", "-c", "kill -KILL $$")
    assert r.code == 128 + 9, str(r)


def test_command_not_found_is_127_and_not_executable_126(probe, server):
    r = probe.run("wait", up(server), "--", "no-such-command-anywhere")
    assert r.code == 127 and "no-such-command-anywhere" in r.err, str(r)
    r = probe.run("wait", up(server), "--", probe.path("not/there"))
    assert r.code == 127, str(r)
    plain = probe.write("plain", "not a program\n")
    r = probe.run("wait", up(server), "--", plain)
    assert r.code == 126 and str(plain) in r.err, str(r)
    r = probe.run("wait", up(server), "--", probe.dir)
    assert r.code == 126, str(r)


def test_command_takes_the_place_of_wait_with_nothing_left_behind(probe, server, mongo, nginx):
    env = probe.environ({"PROBE_TEST_ODD": "a b\nc=d"})
    # Two of the inherited dispositions and one blocked signal are not the default on purpose.
    process = subprocess.Popen(
        [str(probe.binary), "wait", up(server), mongo.uri, nginx.url, "--",
         *report_command("one", "", "three words")],
        env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: (
            signal.signal(signal.SIGUSR1, signal.SIG_IGN),
            signal.signal(signal.SIGPIPE, signal.SIG_DFL),
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2]),
            os.umask(0o027),
        ),
    )
    probe.processes.append(process)
    process.err_path = None
    out, err = process.communicate(b"typed by a person", timeout=60)
    assert process.returncode == 0, err.decode()
    # stdout is the command's alone.
    seen = json.loads(out)
    assert seen["pid"] == process.pid
    assert seen["fds"] == [0, 1, 2]
    assert seen["blocked"] == 1 << (signal.SIGUSR2 - 1)
    # Python itself ignores SIGPIPE and SIGXFSZ at its start.
    mine = (1 << (signal.SIGPIPE - 1)) | (1 << (signal.SIGXFSZ - 1))
    assert seen["ignored"] & ~mine == 1 << (signal.SIGUSR1 - 1)
    assert seen["children"] == ""
    env.pop("_", None)
    seen["env"].pop("LC_CTYPE", None)
    seen["env"].pop("_", None)
    assert seen["env"] == env
    assert seen["stdin"] == "typed by a person"
    assert seen["argv"] == ["one", "", "three words"]
    assert seen["umask"] == "0027"
    mine_limits = subprocess.run(["cat", "/proc/self/limits"], capture_output=True, text=True)
    assert seen["limits"] == mine_limits.stdout
    assert seen["oom"] == open("/proc/self/oom_score_adj").read()
    assert seen["dumpable"]


def test_closed_streams_stay_closed_for_the_command(probe, server):
    r = probe.run(
        "wait", "-q", up(server), "--", "sh", "-c", "ls /proc/self/fd | wc -l >&2",
        prefix=["sh", "-c", 'exec "$@" <&- >&-', "sh"],
    )
    # wc's own streams are pipes; ls has 2, its pipe as 1, and the folder it reads as 0.
    assert r.code == 0 and r.err.strip() == "3", str(r)


def test_sigpipe_is_default_again_for_the_command(probe, server):
    """A program that is ended by its reader's leaving must still be."""
    r = probe.run(
        "wait", up(server), "--", "sh", "-c", "grep SigIgn /proc/self/status",
        prefix=["env", "--default-signal=PIPE"],
    )
    assert r.code == 0, str(r)
    assert int(r.out.split()[1], 16) & (1 << (signal.SIGPIPE - 1)) == 0, str(r)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_while_waiting_ends_it_with_128_plus_n(probe, port, number):
    process = probe.spawn("wait", "--timeout", "60s", f"tcp://127.0.0.1:{port}")
    wait_until(lambda: b"refused" in process.err_path.read_bytes(), 10, "it waits")
    process.send_signal(number)
    assert process.wait(20) in (128 + number, -number), process.err_path.read_text()


def test_a_signal_while_the_server_hangs(probe, server):
    process = probe.spawn("wait", "--timeout", "60s", f"http://127.0.0.1:{server.port}/")
    wait_until(lambda: server.connections, 10, "it is connected")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) in (128 + 15, -15), process.err_path.read_text()


def unshare_works():
    done = subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True)
    return done.returncode == 0


@pytest.mark.skipif(not unshare_works(), reason="no pid name spaces here (needs root)")
def test_as_pid_1(probe, serve, server):
    r = probe.run(
        "wait", up(server), "--", *report_command(),
        prefix=["unshare", "--pid", "--fork", "--mount-proc"],
    )
    assert r.code == 0 and r.json["pid"] == 1, str(r)
    server.down()
    # As pid 1 an unhandled SIGTERM would be ignored by the kernel.
    process = probe.spawn(
        "wait", "--timeout", "60s", up(server), prefix=["unshare", "--pid", "--fork"]
    )
    wait_until(lambda: b"refused" in process.err_path.read_bytes(), 10, "it waits")
    children = f"/proc/{process.pid}/task/{process.pid}/children"
    inner = int(wait_until(lambda: open(children).read().split(), 5, "the inner process")[0])
    os.kill(inner, signal.SIGTERM)
    assert process.wait(20) == 128 + 15


STOP_SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1,
                signal.SIGUSR2, signal.SIGWINCH, signal.SIGPWR, signal.SIGRTMIN + 3]


@pytest.mark.skipif(not unshare_works(), reason="no pid name spaces here (needs root)")
@pytest.mark.parametrize("number", STOP_SIGNALS, ids=lambda n: str(int(n)))
def test_as_pid_1_every_stop_signal_ends_it(probe, port, number):
    process = probe.spawn("wait", "-v", f"tcp://127.0.0.1:{port}",
                          prefix=("unshare", "--pid", "--fork", "--mount-proc"))
    wait_until(lambda: "waiting for" in process.err_path.read_text(), 10, "it waits")
    children = open(f"/proc/{process.pid}/task/{process.pid}/children").read().split()
    os.kill(int(children[0]), number)
    assert process.wait(10 * SLACK) == 128 + number


def test_timeout_0_is_no_limit(probe, server):
    server.down()
    process = probe.spawn("wait", "-v", "--timeout", "0", f"tcp://127.0.0.1:{server.port}")
    wait_until(lambda: "waiting for" in process.err_path.read_text(), 10, "it waits")
    server.up()
    assert process.wait(20 * SLACK) == 0
    assert probe.run("check", "--timeout", "0", f"tcp://127.0.0.1:{server.port}").code == 64


def test_a_target_that_is_done_is_left_alone(probe, server, port):
    r = probe.run("wait", "--timeout", "400ms", f"tcp://127.0.0.1:{server.port}",
                  f"tcp://127.0.0.1:{port}")
    assert r.code == 124 and server.connections == 1, (str(r), server.connections)


def test_successes_in_a_row(probe, server):
    r = probe.run("wait", "--successes", "3", "--interval", "20ms", up(server))
    assert r.code == 0, str(r)
    wait_until(lambda: server.connections >= 3, 5, "three connections")


def test_any_and_all(probe, server, port):
    both = (up(server), f"tcp://127.0.0.1:{port}")
    r = probe.run("wait", "--any", "--timeout", "20s", *both)
    assert r.code == 0, str(r)
    r = probe.run("wait", "--timeout", "300ms", *both)
    assert r.code == 124, str(r)


def test_invert_waits_until_it_is_gone(probe, server):
    r = probe.run("wait", "--invert", "--timeout", "300ms", up(server))
    assert r.code == 124, str(r)
    process = probe.spawn("wait", "--invert", "--timeout", "30s", "--interval", "20ms", up(server))
    wait_until(lambda: server.connections >= 3, 10, "it asks")
    server.down()
    assert process.wait(30) == 0


def name_server(answer):
    """The address of a name server by UDP alone, which answers a question with answer(question)."""
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind(("127.0.0.1", 0))

    def serve():
        while True:
            question, client = names.recvfrom(512)
            names.sendto(answer(question), client)

    threading.Thread(target=serve, daemon=True).start()
    return f"127.0.0.1:{names.getsockname()[1]}"


def test_a_name_is_not_gone_with_a_name_server_that_takes_no_tcp(probe):
    """By UDP it says that its answer is cut, and nobody listens on TCP: nothing is known of the name."""
    server = name_server(lambda question: question[:2] + b"\x83\x80" + question[4:])
    r = probe.run("wait", "--invert", "--timeout", "300ms", f"dns://{server}/name.test")
    assert r.code == 124 and "refused" in r.out + r.err, str(r)


# By the bits QR, AA, RA and RCODE, and the count of records of authority: what says nothing of the name.
@pytest.mark.parametrize("flags, authority", [(b"\x00\x00", 0), (b"\x00\x03", 0), (b"\x80\x00", 1)],
                         ids=["the question", "a question with NXDOMAIN", "a referral"])
@pytest.mark.parametrize("kind", ["tcp", "http", "mongodb", "mongodb+srv", "dns"])
def test_a_name_is_not_gone_with_what_is_no_answer(probe, flags, authority, kind):
    def answer(question):
        counts = struct.pack(">HHHH", 1, 0, authority, 0)
        end = question.index(b"\0", 12) + 5
        record = b"\4test\0" + struct.pack(">HHIH", 2, 1, 9, 3) + b"\1n\0"
        return question[:2] + flags + counts + question[12:end] + record * authority

    server = name_server(answer)
    where = {"tcp": "tcp://name.test:9", "dns": f"dns://{server}/name.test"}.get(kind, f"{kind}://a.name.test/")
    r = probe.run("check", "--invert", "--timeout", "400ms", where, env={"PROBE_DNS_SERVERS": server})
    assert r.code == 1, str(r)


def test_a_name_is_not_gone_with_an_alias_that_leads_elsewhere(probe):
    """The server has the zone of the alias and looks nothing up (AA, no RA)."""
    def answer(question):
        record = b"\xc0\x0c" + struct.pack(">HHIH", 5, 1, 9, 6) + b"\4away\0"
        return question[:2] + b"\x84\0" + struct.pack(">HHHH", 1, 1, 0, 0) + question[12:] + record

    r = probe.run("check", "--invert", "--timeout", "400ms", f"dns://{name_server(answer)}/name.test")
    assert r.code == 1 and "an alias alone" in r.out + r.err, str(r)


@pytest.mark.parametrize("first, second", [("port", "server"), ("server", "port")])
def test_postgres_is_not_gone_with_one_of_its_hosts(probe, serve, port, first, second):
    server = serve(hostile.reply_and_close(b""))
    ports = {"port": port, "server": server.port}
    where = f"postgres://127.0.0.1:{ports[first]},127.0.0.1:{ports[second]}/?sslmode=disable"
    r = probe.run("wait", "--invert", "--timeout", "300ms", where)
    assert r.code == 124, str(r)
    server.down()
    r = probe.run("wait", "--invert", "--timeout", "30s", where)
    assert r.code == 0, str(r)


def test_a_web_server_is_not_gone_with_the_host_that_it_redirects_to(probe, serve, port):
    server = serve(hostile.http_reply(b"", "302 Found", (f"Location: http://127.0.0.1:{port}/",)))
    r = probe.run("wait", "--invert", "--timeout", "300ms", "--set", "follow_redirects=yes",
                  f"http://127.0.0.1:{server.port}/")
    assert r.code == 124 and "refused" in r.out + r.err, str(r)


def test_json(probe, server, port):
    r = probe.run("wait", "--json", up(server))
    assert r.code == 0 and r.json["probes"][0]["last"]["ok"] is True, str(r)
    r = probe.run("wait", "--json", "--timeout", "200ms", f"tcp://127.0.0.1:{port}")
    assert r.code == 124 and r.json["probes"][0]["last"]["reason"] == "refused", str(r)


def test_mongo_by_its_default_name(probe, start, port):
    """The command that the image is for: the shipped file, and the environment's URI."""
    process = probe.spawn(
        "wait", "--timeout", "60s", "mongodb", "--", "sh", "-c", "echo the app runs",
        env={"MONGODB_URI": f"mongodb://127.0.0.1:{port}/",
             "PROBE_CONFIG": ROOT / "conf/probe.ini"},
    )
    wait_until(lambda: b"refused" in process.err_path.read_bytes(), 10, "it waits")
    start(servers.Mongo, port=port)
    assert process.wait(60) == 0
    assert process.out_path.read_text().endswith("the app runs\n")


def test_secrets_stay_out_of_everything(probe, server, port):
    r = probe.run(
        "wait", "-v", "--timeout", "500ms",
        f"mongodb://someone:hunter2secret@127.0.0.1:{port}/?authSource=admin",
        f"http://someone:hunter2secret@127.0.0.1:{port}/",
    )
    assert r.code == 124 and "hunter2secret" not in r.out + r.err, str(r)


def test_a_url_stands_in_a_line_once(probe, port):
    url = f"http://127.0.0.1:{port}/"
    r = probe.run("wait", "--timeout", "200ms", url)
    assert r.code == 124 and len(r.err.splitlines()) == 2, str(r)
    assert all(line.count(url) == 1 and "refused: connect to" in line for line in r.err.splitlines()), str(r)
