"""`probe check`: every type once, up and down, with the right word for what went wrong."""

import json
import os
import resource

import pytest

from lib import hostile
from lib.net import free_port
from lib.program import ROOT

SHIPPED = ROOT / "conf/probe.ini"


def last(result, i=0):
    return result.json["probes"][i]["last"]


def check(probe, *args, **kw):
    return probe.run("check", "--json", "--timeout", "2s", *args, **kw)


def test_tcp_up(probe, serve):
    server = serve(hostile.silent)
    r = probe.run("check", f"tcp://127.0.0.1:{server.port}")
    assert r.code == 0 and r.err == "" and len(r.lines) == 1, str(r)
    assert f"127.0.0.1:{server.port}" in r.out and "healthy" in r.out, str(r)


def test_tcp_refused(probe, port):
    r = probe.run("check", f"tcp://127.0.0.1:{port}")
    assert r.code == 1 and len(r.lines) == 1, str(r)
    assert "refused" in r.out and f"127.0.0.1:{port}" in r.out, str(r)


@pytest.mark.parametrize("command", [["check", "pid:1"], ["wait", "--timeout", "1s", "pid:1"],
                                     ["status", "--agent", "http://127.0.0.1:1"]], ids=lambda words: words[0])
def test_few_descriptors(probe, command):
    """It works or says why it cannot: libuv ends a program by abort() where its pipe cannot be made."""
    for most in range(4, 16):
        r = probe.run(*command, preexec_fn=lambda n=most: resource.setrlimit(resource.RLIMIT_NOFILE, (n, n)))
        assert r.code in (0, 1, 69, 70), f"{most}: {r}"
        assert r.code != 70 or "open files" in r.err, f"{most}: {r}"


def test_one_that_comes_after_another_is_asked_for_itself(probe, serve, port):
    hung = serve(hostile.silent)
    config = probe.write("after.ini", f"[probe db]\naddress = 127.0.0.1:{port}\n[probe app]\n"
                         f"after = db\nurl = http://127.0.0.1:{hung.port}\ntimeout = 200ms\n")
    r = check(probe, "-c", config, "db", "app")
    assert [last(r, i)["reason"] for i in (0, 1)] == ["refused", "timeout"], str(r)
    assert r.code == 1, str(r)


@pytest.mark.parametrize("ipv6", [False, True], ids=["v4", "v6"])
def test_localhost_works_whichever_family_listens(probe, serve, ipv6):
    server = serve(hostile.silent, port=free_port(), ipv6=ipv6)
    r = check(probe, f"tcp://localhost:{server.port}")
    assert r.code == 0, str(r)


def test_ipv6_address(probe, serve):
    server = serve(hostile.silent, port=free_port(), ipv6=True)
    r = check(probe, f"tcp://[::1]:{server.port}")
    assert r.code == 0, str(r)


def test_unix_socket(probe, serve):
    path = probe.path("s.sock")
    r = check(probe, f"unix://{path}")
    assert r.code == 1 and last(r)["reason"] == "refused", str(r)
    serve(hostile.silent, path=path)
    r = check(probe, f"unix://{path}")
    assert r.code == 0, str(r)


def test_http_up(probe, nginx):
    r = probe.run("check", nginx.url)
    assert r.code == 0 and "200" in r.out, str(r)


def test_mongo_up(probe, mongo):
    r = probe.run("check", mongo.uri)
    assert r.code == 0, str(r)


def test_process_by_every_way(probe):
    me = os.getpid()
    pidfile = probe.write("app.pid", f"{me}\n")
    for target in (f"pid:{me}", f"pidfile:{pidfile}"):
        r = check(probe, target)
        assert r.code == 0, str(r)
    for target in ("pid:4194303", f"pidfile:{probe.path('none.pid')}", "process:no-such-program"):
        r = check(probe, target)
        assert r.code == 1 and last(r)["reason"] == "not-running", str(r)


def test_lines_that_escapes_make_long_are_cut(probe):
    """Docker keeps 4096 bytes: one long line must not cost another its place."""
    text = probe.write("text", "\u00ad" * 100 + "\n")
    names = [f"p{i}" for i in range(8)]
    sections = "".join(f"[probe {name}]\ncommand = /bin/sh -c 'cat {text}; exit 1'\nexit_codes = nagios\n"
                       for name in names)
    r = probe.run("check", "-c", probe.write("probe.ini", sections), *names)
    assert [line.split()[0] for line in r.out.splitlines()] == names, str(r)
    assert len(r.out.encode()) <= 4096 and r.out.count("...\n") == len(names), str(r)
    r = probe.run("check", "-c", probe.write("probe.ini", sections), names[0])
    assert "..." not in r.out, str(r)


def test_json_of_many_targets_is_whole(probe):
    """Of over 16 MiB; until now nothing was printed, and the exit code was 0."""
    labels = ", ".join(f"l{i}{'x' * 120}={'v' * 127}" for i in range(16))
    names = [f"p{i}" for i in range(4000)]
    sections = "".join(f"[probe {name}]\n" for name in names)
    config = probe.write("many.ini", f"[defaults]\nlabels = {labels}\ntype = process\npid = 1\n{sections}")
    with open(probe.dir / "document", "w+b") as out:  # a file is always ready, a reader in time is not
        r = probe.run("check", "--json", "--timeout", "60s", "-c", config, *names, timeout=60, stdout=out)
        out.seek(0)
        document = out.read()
    assert r.code == 0 and len(document) > 16 << 20, f"{r.code}: {r.err}"
    assert len(json.loads(document)["probes"]) == len(names)


def test_json_is_one_document_of_the_agents_shape(probe, serve, port):
    server = serve(hostile.silent)
    r = check(probe, f"up=tcp://127.0.0.1:{server.port}", f"down=tcp://127.0.0.1:{port}")
    assert r.code == 1, str(r)
    whole = r.json
    assert [p["name"] for p in whole["probes"]] == ["up", "down"]
    up, down = whole["probes"]
    for p in (up, down):
        for key in ("type", "target", "status", "failing_streak", "success_streak", "since",
                    "required", "level", "history", "checks_total", "failures_total"):
            assert key in p, f"{key}: {r}"
        for key in ("started", "duration_ms", "ok", "reason", "detail", "phases_ms"):
            assert key in p["last"], f"{key}: {r}"
        assert p["checks_total"] == 1
    assert up["last"]["ok"] is True and up["status"] == "healthy"
    assert down["last"]["ok"] is False and down["last"]["reason"] == "refused"
    assert up["last"]["started"].endswith("Z") and len(up["last"]["started"]) == 24


def test_targets_are_checked_side_by_side(probe, serve):
    servers = [serve(hostile.silent) for _ in range(4)]
    r = probe.run(
        "check", "--json", "--timeout", "1s", *(f"http://127.0.0.1:{s.port}/" for s in servers)
    )
    assert r.code == 1, str(r)
    assert all(p["last"]["reason"] == "timeout" for p in r.json["probes"]), str(r)
    started = [p["last"]["started"] for p in r.json["probes"]]
    assert r.seconds < 4, f"one after the other: {started} {r}"


@pytest.mark.parametrize(
    "behave, reasons",
    [
        (hostile.silent, {"timeout"}),
        (hostile.close_at_once, {"closed", "reset"}),
        (hostile.reset_at_once, {"reset"}),
        (hostile.garbage, {"protocol"}),
        (hostile.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000), {"timeout"}),
        (hostile.ENDLESS_HEADERS, {"protocol", "timeout"}),
        (hostile.ENDLESS_BODY, set()),  # nothing is expected of the body: the status decides
        (hostile.reply_and_close(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), {"closed"}),
        (hostile.reply_and_reset(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), {"reset"}),
        (hostile.http_reply(status="503 Service Unavailable"), {"mismatch"}),
        (hostile.http_reply(status="302 Found", headers=["Location: /"]), set()),
    ],
    ids=["silent", "close", "reset", "garbage", "drip", "endless-headers", "endless-body",
         "closed-midway", "reset-midway", "503", "302"],
)
def test_http_against_a_hostile_server(probe, serve, behave, reasons):
    server = serve(behave)
    r = check(probe, f"http://127.0.0.1:{server.port}/")
    if not reasons:
        assert r.code == 0, str(r)
        return
    assert r.code == 1 and last(r)["reason"] in reasons, str(r)
    assert str(server.port) in last(r)["detail"] or str(server.port) in r.json["probes"][0]["target"]


def test_http_endless_body_of_which_something_is_expected(probe, serve):
    server = serve(hostile.ENDLESS_BODY)
    config = probe.write(
        "probe.ini", f"[probe web]\nurl = http://127.0.0.1:{server.port}/\nexpect_body = never\n"
    )
    r = check(probe, "-c", config, "web")
    assert r.code == 1 and last(r)["reason"] in ("mismatch", "protocol"), str(r)


def test_http_redirect_loop(probe, serve):
    server = serve(hostile.http_reply(status="302 Found", headers=["Location: /again"]))
    config = probe.write(
        "probe.ini", f"[probe web]\nurl = http://127.0.0.1:{server.port}/\nfollow_redirects = yes\n"
    )
    r = check(probe, "-c", config, "web")
    assert r.code == 1 and last(r)["reason"] in ("mismatch", "protocol"), str(r)


@pytest.mark.parametrize(
    "behave, reasons",
    [
        (hostile.silent, {"timeout"}),
        (hostile.close_at_once, {"closed", "reset"}),
        (hostile.reset_at_once, {"reset"}),
        (hostile.garbage, {"protocol"}),
        (hostile.reply(b"\xff\xff\xff\x7f" + b"\0" * 12), {"protocol"}),
        (hostile.reply(b"\0\0\0\0" * 4), {"protocol"}),
        (hostile.reply_and_close(b"\x40\0\0\0\1\0\0\0"), {"closed", "protocol"}),
        (hostile.http_reply(), {"protocol", "timeout"}),
    ],
    ids=["silent", "close", "reset", "garbage", "huge-length", "zero-length", "closed-midway",
         "http"],
)
def test_mongo_against_a_hostile_server(probe, serve, behave, reasons):
    server = serve(behave)
    r = check(probe, f"mongodb://127.0.0.1:{server.port}/")
    assert r.code == 1 and last(r)["reason"] in reasons, str(r)
    assert str(server.port) in last(r)["detail"], str(r)


def test_a_server_cannot_forge_lines_or_make_them_long(probe, serve):
    evil = b"HTTP/1.1 500 \x1b[31mred\nprobe healthy\r\nContent-Length: 9000\r\n\r\n" + b"z" * 9000
    server = serve(hostile.reply(evil))
    r = probe.run("check", "--timeout", "2s", f"http://127.0.0.1:{server.port}/")
    assert r.code == 1 and len(r.lines) == 1, str(r)
    assert "\x1b" not in r.out and len(r.out) <= 4096, str(r)


def test_many_targets_stay_within_4096_bytes(probe, port):
    r = probe.run("check", *(f"target-number-{i}=tcp://127.0.0.1:{port}" for i in range(120)))
    assert r.code == 1 and len(r.out.encode()) <= 4096, str(r)


def test_invert(probe, serve, port):
    r = probe.run("check", "--invert", f"tcp://127.0.0.1:{port}")
    assert r.code == 0, str(r)
    server = serve(hostile.silent)
    r = probe.run("check", "--invert", f"tcp://127.0.0.1:{server.port}")
    assert r.code == 1, str(r)
    # A timeout says nothing about being down.
    r = probe.run("check", "--invert", "--timeout", "300ms", f"http://127.0.0.1:{server.port}/")
    assert r.code == 1, str(r)


def test_a_name_server_is_gone_where_nobody_is_at_any_address(probe, dns):
    names = dns({"dead.test": ["127.0.0.2"], "x.test": "servfail"}, probe)
    names.zone["half.test"] = [names.address, "127.0.0.2"]
    for server, code, reason in (
        ("half.test", 1, "dns"),
        ("dead.test", 0, "refused"),
        ("none.test", 0, "dns"),
    ):
        r = check(probe, "--invert", f"dns://{server}/x.test", prefix=names.prefix)
        assert (r.code, last(r)["reason"]) == (code, reason), f"{server}: {r}"


def test_quiet_prints_nothing(probe, serve, port):
    server = serve(hostile.silent)
    for target, code in ((server.port, 0), (port, 1)):
        r = probe.run("check", "-q", f"tcp://127.0.0.1:{target}")
        assert r.code == code and r.out == "", str(r)


def test_names_come_from_the_configuration_and_mix_with_urls(probe, serve, port):
    server = serve(hostile.silent)
    config = probe.write("probe.ini", f"[probe db]\ntype = tcp\naddress = 127.0.0.1:{server.port}\n")
    r = probe.run("check", "-c", config, "db", f"other=tcp://127.0.0.1:{server.port}")
    assert r.code == 0, str(r)
    assert [line.split()[0] for line in r.lines] == ["db", "other"], str(r)


def test_the_environment_names_the_configuration(probe, serve):
    server = serve(hostile.silent)
    config = probe.write("probe.ini", f"[probe db]\ntype = tcp\naddress = 127.0.0.1:{server.port}\n")
    r = probe.run("check", "db", env={"PROBE_CONFIG": config})
    assert r.code == 0, str(r)


def test_mongodb_is_known_to_the_shipped_configuration(probe, mongo):
    env = {"MONGODB_URI": mongo.uri, "PROBE_CONFIG": SHIPPED}
    r = probe.run("check", "mongodb", env=env)
    assert r.code == 0, str(r)


def test_dns(probe, serve, dns):
    server = serve(hostile.silent)
    names = dns(
        {"good.test": ["127.0.0.1"], "slow.test": "silent", "broken.test": "servfail"}, probe
    )
    for name, code, reason in (
        ("good.test", 0, None),
        ("absent.test", 1, "dns"),
        ("broken.test", 1, "dns"),
        ("slow.test", 1, "dns"),
    ):
        r = check(probe, f"tcp://{name}:{server.port}", prefix=names.prefix)
        assert r.code == code, str(r)
        got = last(r)["reason"]
        assert got == reason or (name == "slow.test" and got == "timeout"), str(r)
        assert name in last(r)["detail"] + r.json["probes"][0]["target"], str(r)


def test_no_proxy_of_the_environment_is_used(probe, nginx, port):
    proxy = f"http://127.0.0.1:{port}"
    r = probe.run("check", nginx.url, env={"http_proxy": proxy, "ALL_PROXY": proxy})
    assert r.code == 0, str(r)


def test_an_echo_of_what_was_sent_is_masked(probe, serve):
    """A server that answers with the bytes of `send` must not bring them into a detail."""

    def echo(sock):
        while data := sock.recv(65536):
            sock.sendall(b"you said " + data)

    address = f"127.0.0.1:{serve(echo).port}"
    config = probe.write("c.ini", f"[probe t]\naddress = {address}\nsend = AUTH hunter2-secret\\r\\n\n"
                         "expect = ^OK\ntimeout = 1s\n")
    r = probe.run("check", "-c", config, "t")
    assert r.code == 1 and "hunter2" not in r.out + r.err, r
    said = probe.run("check", "--json", "-c", config, "t")
    assert "you said" in said.out and "hunter2" not in said.out + said.err, said
