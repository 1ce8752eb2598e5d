"""The ways a row is run: `probe check`, `probe wait` and an agent, each on a situation of its own,
with the same expectations."""

import re

from lib.net import SLACK, wait_until
from table import EXIT, HEALTHY

# How much later than its timeout a check may be reported, on a busy machine.
LATE = 0.35 * SLACK
# How much longer than that a whole command may take: its start, its end.
START = 2 * SLACK
# How long `wait` tries where it has to fail, and longer where that brought no first answer: the last is
# enough on a busy machine.
BRIEF, PATIENCE = (0.1, 0.5), 0.35 * SLACK


def section(row, situation):
    return f"[probe x]\n{situation.keys}\n{row.lines}\n"


def judge(row, probe, expected, detail, where):
    """Is this (the JSON of one probe) what the row says?"""
    verdict, reasons = expected
    last = probe["last"]
    assert last, f"{where}: no result in time: {probe}"
    said = f"{last['reason']}: {last['detail']}"
    assert last["ok"] == (verdict == HEALTHY), f"{where}: not {verdict}: {said}"
    assert last["reason"] in (reasons.split("|") if reasons != "ok" else ("ok", None)), (
        f"{where}: not {reasons}, but {said}"
    )
    if verdict != HEALTHY:
        assert last["detail"] and len(last["detail"].splitlines()) == 1, f"{where}: {said}"
    words = f"{last['detail'] or ''}\n{last['warning'] or ''}"
    assert re.search(detail, words), f"{where}: no {detail} in: {words}"
    assert last["ok"] or not last["warning"], f"{where}: a failure that warns: {last}"
    kept(row, last, where)


def kept(row, last, where):
    """The deadline, and that a timeout is not called out early."""
    took = last["duration_ms"] / 1000
    assert took <= row.timeout + LATE, f"{where}: took {took} s of {row.timeout} s: {last}"
    if last["reason"] == "timeout":
        assert took >= row.timeout - row.early, f"{where}: a timeout after {took} s: {last}"


def one_check(row, situation, stage, config, expected, detail):
    r = stage.program.run(
        "check", "--json", "-c", config, "x", env=situation.env, prefix=situation.prefix
    )
    assert r.code == EXIT["check"][expected[0]], str(r)
    judge(row, r.json["probes"][0], expected, detail, "check")
    assert r.seconds <= row.timeout + LATE + START, str(r)


def check(row, stage):
    situation = row.situation(stage)
    config = stage.program.write("probe.ini", section(row, situation))
    one_check(row, situation, stage, config, (row.verdict, row.reason), row.detail)
    if row.then:
        situation.change()
        one_check(row, situation, stage, config, row.then, row.then_detail)


def one_wait(row, situation, stage, config, expected, detail):
    patiences = [30]
    if expected[0] != HEALTHY:
        # A row with a timeout of its own is one that is told at its deadline.
        own = row.timeout if "timeout" in expected[1] + row.settings else 0
        patiences = [*(brief + own for brief in BRIEF), PATIENCE + row.timeout]
    for patience in patiences:
        r = stage.program.run(
            "wait", "--json", "-c", config, "--timeout", f"{round(patience * 1000)}ms", "x",
            env=situation.env, prefix=situation.prefix,
        )
        assert r.code == EXIT["wait"][expected[0]], str(r)
        if r.json["probes"][0]["last"]:
            break
    judge(row, r.json["probes"][0], expected, detail, "wait")
    if expected[0] != HEALTHY:
        assert r.seconds <= patience + LATE + START, str(r)


def wait(row, stage):
    situation = row.situation(stage)
    config = stage.program.write("probe.ini", section(row, situation))
    if not row.then or row.verdict == HEALTHY:
        one_wait(row, situation, stage, config, (row.verdict, row.reason), row.detail)
        if row.then:
            situation.change()
            one_wait(row, situation, stage, config, row.then, row.then_detail)
        return
    # Unhealthy at first: one `wait` has to live through the change.
    process = stage.program.spawn(
        "wait", "-c", config, "--timeout", "60s", "x", env=situation.env, prefix=situation.prefix
    )
    word = re.compile(rf"waiting for x: ({row.reason}): ".encode())
    wait_until(lambda: word.search(process.err_path.read_bytes()), 10, "it says why it waits")
    assert process.poll() is None, process.err_path.read_text()
    situation.change()
    assert process.wait(30 * SLACK) == 0, process.err_path.read_text()


def agent_says(row, agent, expected, detail, since):
    """Waits for the state, and for two checks that began after `since` were counted."""
    verdict = expected[0]
    probe = agent.wait_status("x", verdict, row.timeout + 10)

    def twice():
        seen = agent.get("/status/x")
        return seen if seen.json["checks_total"] >= since + 2 else None

    answer = wait_until(twice, 2 * row.timeout + 10, "two checks of the agent")
    probe = answer.json
    assert probe["status"] == verdict, f"agent: {probe}"
    judge(row, probe, expected, detail, "agent")
    assert answer.code == (200 if verdict == HEALTHY else 503), f"agent: {answer}"
    ready = agent.get("/ready")
    assert ready.code == answer.code, f"agent: /ready {ready}"
    return probe


def agent(row, stage):
    situation = row.situation(stage)
    pace = "retries = 1\ninterval = 50ms\n"
    a = stage.program.agent(
        section(row, situation) + pace, env=situation.env, prefix=situation.prefix
    )
    probe = agent_says(row, a, (row.verdict, row.reason), row.detail, 0)
    # Not one check may have said otherwise.
    wrong = probe["failures_total"]
    if row.verdict != HEALTHY:
        wrong = probe["checks_total"] - wrong
    assert wrong == 0, f"agent: {wrong} checks were not {row.verdict}: {probe}\n{a.log()}"
    if row.then:
        situation.change()
        agent_says(row, a, row.then, row.then_detail, probe["checks_total"])
    a.stop()


WAYS = {"check": check, "wait": wait, "agent": agent}
