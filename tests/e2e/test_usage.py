"""Usage errors, exit codes, and a standard output that went away."""

import os

import pytest
from lib import hostile

CONFIG = """
[probe mongodb]
uri = mongodb://127.0.0.1:1/
[probe website]
url = http://127.0.0.1:1/
"""


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["nonsense"],
        ["check"],
        ["wait"],
        ["check", "--nonsense", "tcp://127.0.0.1:1"],
        ["check", "--timeout", "5", "tcp://127.0.0.1:1"],
        ["check", "--timeout", "-1s", "tcp://127.0.0.1:1"],
        ["check", "--timeout"],
        ["wait", "--successes", "0", "tcp://127.0.0.1:1"],
        ["wait", "--interval", "soon", "tcp://127.0.0.1:1"],
        ["check", "tcp://"],
        ["check", "tcp://127.0.0.1"],
        ["check", "tcp://127.0.0.1:99999"],
        ["check", "gopher://127.0.0.1:70"],
        ["check", "http://"],
        ["check", "mongodb://"],
        ["check", "pid:abc"],
        ["check", ""],
        ["wait", "tcp://127.0.0.1:1", "--"],
    ],
    ids=lambda a: " ".join(a) or "nothing",
)
def test_usage_error_is_64_with_one_reason_on_stderr(probe, args):
    r = probe.run(*args)
    assert r.code == 64, str(r)
    assert r.out == "", str(r)
    assert r.err.strip(), str(r)


def test_unknown_target_names_what_is_near(probe):
    config = probe.write("probe.ini", CONFIG)
    r = probe.run("check", "-c", config, "mongodbb")
    assert r.code == 64, str(r)
    assert "mongodbb" in r.err and "mongodb" in r.err.replace("mongodbb", ""), str(r)


@pytest.mark.parametrize(
    "args, near",
    [
        (["statsu"], "status"),
        (["ver"], "version"),
        (["tcp://127.0.0.1:1"], "check TARGET"),
        (["check", "--timeuot", "1s", "x"], "--timeout"),
        (["status", "--wacth"], "--watch"),
        (["check", "-c", "{config}", "wesbite"], "website"),
        (["explain", "-c", "{config}", "mongobd"], "mongodb"),
        (["check", "htpp://127.0.0.1:1/"], "http://"),
        (["validate", "-c", "{wrong}"], "interval"),
        (["validate", "-c", "{wrong}"], "[agent]"),
        (["validate", "-c", "{wrong}"], "mongo"),
        (["validate", "-c", "{wrong}"], "website"),
        (["validate", "-c", "{wrong}"], "logfmt"),
    ],
    ids=lambda a: a if isinstance(a, str) else " ".join(a),
)
def test_an_error_suggests_the_nearest_word(probe, args, near):
    config = probe.write("probe.ini", CONFIG)
    wrong = probe.write(
        "wrong.ini",
        CONFIG + "intreval = 1s\nafter = wibsite\n[agnet]\n[probe x]\ntype = mnogo\n"
        "[agent]\nlog_format = logfmd\n",
    )
    r = probe.run(*(a.format(config=config, wrong=wrong) for a in args))
    assert r.code in (64, 78), str(r)
    said = (r.out + r.err).split("did you mean", 1)
    assert near in (said[1] if len(said) > 1 else r.out + r.err), str(r)


@pytest.mark.parametrize(
    "args, says",
    [
        ("--timeout 0 check tcp://127.0.0.1:1", "must be at least 1ms"),
        ("-c probe.ini", "probe: no command given\n"),
        ("check web", "no configuration file was read"),
        ("check web=", "no URL after the ="),
        ("check web=localhost", "not a URL after the ="),
        ("check probe.ini", "expected -c before it"),
        ("check -c probe.ini", "the configuration has mongodb, website\n"),
        ("validate probe.ini", "did you mean '-c probe.ini'?"),
        ("wait tcp://127.0.0.1:1 echo ok", "if 'echo' is a command to start, write '--' before it"),
        ("wait tcp://127.0.0.1:1 ls -l", "did you mean '-- COMMAND'?"),
        ("check --timeout 2 a", "missing unit, expected a duration such as 500ms, 5s or 1m30s"),
        ("wait --interval=5sec a", "expected a duration such as 500ms, 5s or 1m30s"),
        ("check --retries 3 a", "did you mean '--set retries=VALUE'?"),
        ("check --start-period=3s a", "did you mean '--set start_period=VALUE'?"),
        ("check -phunter2 a", "unknown option '-p'"),
        ("check --password=hunter2 a", "did you mean '--set password_file=PATH'?"),
    ],
)
def test_a_usage_error_says_what_to_write(probe, args, says):
    probe.write("probe.ini", CONFIG)
    r = probe.run(*args.split())
    assert r.code == 64 and says in r.err and "hunter2" not in r.err, str(r)


def test_an_option_that_is_a_key_is_none_of_a_command_without_set(probe):
    r = probe.run("status", "--retries", "3")
    assert r.code == 64 and "--set" not in r.err, str(r)


def test_no_limit_may_be_written_before_wait(probe):
    r = probe.run("--timeout", "0", "wait", "nonsense")
    assert r.code == 64 and "no configuration file was read" in r.err, str(r)


def test_an_agent_by_host_and_port_is_met_with_its_url(probe):
    r = probe.run("status", "--agent", "127.0.0.1:1")
    assert r.code == 69 and "did you mean http://127.0.0.1:1?" in r.err, str(r)
    r = probe.run("explain", "web", "--agent", "http://127.0.0.1:1")
    assert r.code == 69 and "no configuration file was read (expected -c FILE)" in r.err, str(r)


def test_a_password_in_the_wrong_place_is_not_shown(probe):
    for args in (["mongodb://u:hunter2@h/"], ["validate", "http://u:hunter2@h/"],
                 ["check", "--uri=mongodb://u:hunter2@h/"], ["stauts\x1b[2J"]):
        r = probe.run(*args)
        assert r.code == 64 and "hunter2" not in r.err and "\x1b" not in r.err, str(r)


def test_every_wrong_target_is_named(probe):
    config = probe.write("probe.ini", CONFIG)
    r = probe.run("check", "-c", config, "alpha", "beta")
    assert r.code == 64, str(r)
    assert "alpha" in r.err and "beta" in r.err, str(r)


def test_bad_configuration_is_78_whatever_the_command(probe):
    config = probe.write("probe.ini", "[probe a]\naddress = 127.0.0.1:1\ntype = tcp\ncolour = red\n")
    for command in (["check", "a"], ["wait", "a"], ["run"], ["explain"], ["validate"]):
        r = probe.run(command[0], "-c", config, *command[1:])
        assert r.code == 78, str(r)
        assert f"{config.name}:4" in r.err + r.out and "colour" in r.err + r.out, str(r)


def test_a_configuration_that_is_not_there_is_78(probe):
    r = probe.run("check", "-c", probe.path("nowhere.ini"), "a")
    assert r.code == 78 and "nowhere.ini" in r.err, str(r)


def test_version_names_every_linked_library(probe):
    r = probe.run("version")
    assert r.code == 0 and r.err == "", str(r)
    assert r.out.startswith("probe "), str(r)
    for library in ("libuv", "curl", "mongo", "inih", "c-ares", "microhttpd", "jansson", "OpenSSL", "zlib"):
        assert library.lower() in r.out.lower(), f"{library}: {r}"


@pytest.mark.parametrize("args", [["-h"], ["--help"], ["check", "-h"], ["wait", "--help"]])
def test_help_goes_to_stdout_and_is_0(probe, args):
    r = probe.run(*args)
    assert r.code == 0 and r.err == "" and "probe" in r.out, str(r)


@pytest.mark.parametrize(
    "args", [["version"], ["--help"], ["help"], ["explain"], ["check", "tcp://127.0.0.1:1"]], ids=" ".join
)
def test_output_that_cannot_be_written_is_no_success_and_no_crash(probe, args):
    with open("/dev/full", "wb") as full:
        r = probe.run(*args, stdout=full)
    assert r.code in (1, 70) and r.err.count("cannot write the output") == 1, str(r)


@pytest.mark.parametrize("args", [["version"], ["check", "tcp://127.0.0.1:1"]], ids=" ".join)
def test_closed_stdout_is_no_crash(probe, args):
    """`probe ... >&-`: no descriptor 1 at all; what is opened next must not be written to."""
    r = probe.run(*args, prefix=["sh", "-c", 'exec "$@" >&-', "sh"])
    assert r.code in (1, 70), str(r)


def test_a_reader_that_went_away_changes_no_exit_code(probe, serve):
    """`probe status | head -1` under pipefail: a verdict is a verdict."""
    good = serve(hostile.silent)
    agent = probe.agent(f"[probe good]\naddress = 127.0.0.1:{good.port}\n")
    agent.wait_status("good", "healthy")
    url = f"tcp://127.0.0.1:{good.port}"
    ask = ["status", "--agent", agent.socket]
    broken = probe.write("broken.ini", "[probe a]\ncolour = red\n")
    for args, code in (
        (ask, 0),
        ([*ask, "--json"], 0),
        (["check", url], 0),
        (["check", "--json", url], 0),
        (["check", url, "tcp://127.0.0.1:1"], 1),
        (["wait", url], 0),
        (["validate", "-c", agent.config], 0),
        (["validate", "-c", broken], 78),
        (["explain", "-c", agent.config], 0),
        (["version"], 0),
        (["help"], 0),
    ):
        reader, writer = os.pipe()
        os.close(reader)
        r = probe.run(*args, stdout=writer)
        os.close(writer)
        assert r.code == code and "cannot write" not in r.err, str(r)


def test_status_without_an_agent_is_69(probe):
    r = probe.run("status")
    assert r.code == 69 and "no-agent.sock" in r.err, str(r)
