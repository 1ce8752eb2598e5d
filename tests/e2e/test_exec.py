"""exec: what only a configuration may say, and what a configuration must."""

import pytest


def test_never_on_the_command_line(probe):
    mark = probe.path("mark")
    for target in (f"exec:/usr/bin/touch {mark}", f"x=exec:/usr/bin/touch {mark}"):
        for command in ("check", "wait", "run", "explain"):
            r = probe.run(command, target)
            assert r.code in (64, 78), str(r)
            assert "can stand in a configuration only" in r.err + r.out, str(r)
    assert not mark.exists()


def test_never_by_set(probe):
    mark = probe.path("mark")
    config = probe.write("probe.ini", "[probe x]\ncommand = /bin/true\n")
    for setting in (f"x.command=/usr/bin/touch {mark}", "command=/bin/false", "x.user=nobody"):
        r = probe.run("check", "-c", config, "--set", setting, "x")
        assert r.code in (64, 78) and "can stand in a configuration only" in r.err + r.out, str(r)
    assert not mark.exists()
    r = probe.run("check", "-c", config, "--set", "x.timeout=3s", "x")
    assert r.code == 0, str(r)


@pytest.mark.parametrize("lines, key", [
    ("command = true", "command"),
    ("command = '/bin/true", "command"),
    ("command = /bin/true\nenv = A", "env"),
    ("command = /bin/true\nenv = 1A=b", "env"),
    ("command = /bin/true\nuser = no-such-user-here", "user"),
    ("command = /bin/true\nexpect_exit = 256", "expect_exit"),
    ("command = /bin/true\nexpect_exit = -1", "expect_exit"),
    ("command = /bin/true\nexpect_output = (", "expect_output"),
    ("command = /bin/true\nexit_codes = nagios\nexpect_exit = 1", "expect_exit"),
])
def test_errors(probe, lines, key):
    r = probe.run("validate", "-c", probe.write("probe.ini", f"[probe x]\n{lines}\n"))
    assert r.code == 78 and f"probe x.{key}: " in r.out + r.err, str(r)


def test_its_secrets_are_never_seen(probe):
    """Not in an argument of any process, nor in what is said."""
    secret = probe.write("env", "TOKEN=hush-hush-hush\n")
    script = probe.write("look.sh", "#!/bin/sh\ncat /proc/*/cmdline 2>/dev/null | grep -c hush-hush-hus[h]\n"
                                    "echo token $TOKEN\n")
    script.chmod(0o755)
    config = probe.write("probe.ini", f"[probe x]\ncommand = {script}\nenv_file = {secret}\n"
                                      "expect_output = ^0\n")
    for args in (["check", "-v"], ["check", "--json"], ["explain", "-v"], ["explain", "--json"]):
        r = probe.run(*args, "-c", config, "x")
        assert "hush" not in r.out + r.err, str(r)
    assert probe.run("check", "-c", config, "x").code == 0
