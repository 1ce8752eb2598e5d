"""`probe wait` as the entrypoint: the program takes its place, signals and exit codes are its own."""

import time

import pytest

HANDLER = 'trap "exit 7" TERM; echo up; while :; do sleep 0.05; done'
ENTRY = ["--entrypoint", "probe"]
NOBODY = ["--invert", "tcp://127.0.0.1:9"]  # what holds at once


def stopped_in(container, seconds=10):
    from conftest import docker

    start = time.monotonic()
    docker("stop", "--time", str(seconds), container.id)
    return time.monotonic() - start


def test_stop_ends_the_program_by_its_own_handler(run, images):
    from conftest import until

    c = run(images["example-app"], "wait", "-q", *NOBODY, "--", "bash", "-c", HANDLER, options=ENTRY)
    until(lambda: "up" in c.logs(), 20, "the program")
    assert stopped_in(c) < 5  # of the 10 that the engine would wait
    assert c.state["ExitCode"] == 7
    assert c.inspect()["Path"] == "probe"


def test_the_exit_code_is_the_programs(run, images):
    c = run(images["example-app"], "wait", "-q", *NOBODY, "--", "sh", "-c", "exit 3", options=ENTRY)
    assert c.wait_exit() == 3


def test_stopped_while_waiting(run, images):
    from conftest import until

    c = run(images["example-app"], "wait", "tcp://127.0.0.1:9", "--", "true", options=ENTRY)
    until(lambda: "refused" in c.logs(), 20, "the first failure")
    assert stopped_in(c) < 5
    assert c.state["ExitCode"] == 128 + 15


def test_out_of_time(run, images):
    c = run(images["example-app"], "wait", "--timeout", "1s", "tcp://127.0.0.1:9", "--", "true", options=ENTRY)
    assert c.wait_exit() == 124
    assert "refused" in c.logs()


@pytest.mark.parametrize("command,code", [("/nowhere", 127), ("/etc/passwd", 126)])
def test_a_program_that_cannot_run(run, images, command, code):
    c = run(images["example-app"], "wait", "-q", *NOBODY, "--", command, options=ENTRY)
    assert c.wait_exit() == code


def test_default_entrypoint_waits_for_mongodb(run, images, network):
    """`probe wait mongodb` with no file written by the user."""
    from conftest import docker, until

    c = run(images["example-app"], options=["--network", network])
    until(lambda: "dns" in c.logs(), 20, "no such name yet")
    run(images["mongodb"], options=["--network", network, "--network-alias", "mongodb", "--tmpfs", "/data/db:uid=999,gid=999", "--user", "999:999"])
    until(lambda: "serving" in c.logs(), 30, "the app")
    top = docker("top", c.id, "-o", "pid,args").stdout
    assert "python3 /app/app.py" in top and "probe wait" not in top  # its health check may be running
