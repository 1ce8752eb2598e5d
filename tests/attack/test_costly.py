"""Replies that are dear to look at: worst patterns, and JSON of brackets."""

import random

import pytest
from figures import RESIDENT_MAX, cpu_seconds, resident
from lib import hostile
from lib.net import wait_until

AB = "".join(random.Random(1).choices("ab", k=16384)).encode()
BOMB = b"[" + b"{}," * 349000 + b"0]"


@pytest.mark.parametrize("behave, keys", [
    pytest.param(hostile.banner(AB), "address = HOST\nexpect = a(a|b){240}Z", id="pattern, tcp"),
    pytest.param(hostile.http_reply(AB * 60), "url = http://HOST/\nreject_body = (a|b)+(a[ab]{9}){90}c",
                 id="pattern, a megabyte"),
    pytest.param(hostile.http_reply(BOMB), "url = http://HOST/\nexpect_json = /a = 1", id="JSON of brackets"),
])
def test_a_costly_reply_costs_no_other_check(probe, serve, behave, keys):
    """A server that was broken into answers what takes longest to look at: its check is internal,
    never yes or no, and neither memory nor time is lost to the others."""
    where = f"127.0.0.1:{serve(behave).port}"
    agent = probe.agent(f"[probe dear]\n{keys.replace('HOST', where)}\ninterval = 50ms\nretries = 1\n"
                        f"[probe other]\naddress = {where}\ninterval = 50ms\n")

    def checks():
        return agent.probe("dear")["checks_total"]

    wait_until(lambda: checks() >= 3, 10, "the first checks")
    begin, before = checks(), cpu_seconds(agent)
    wait_until(lambda: checks() >= begin + 20, 15, "twenty more")
    assert (cpu_seconds(agent) - before) / (checks() - begin) < 0.02
    assert agent.probe("dear")["last"]["reason"] == "internal"
    assert agent.probe("other")["status"] == "healthy"
    assert resident(agent) < RESIDENT_MAX
