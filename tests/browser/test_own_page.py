"""What leads through the page: order, groups, anchors, which agent it is, and each probe's own page."""

import json

from lib import hostile
from rows import FAST, HOST, names, row, tcp, wait_state


def labelled(probe, serve, port):
    server = serve(hostile.silent)
    return probe.agent(
        FAST + tcp("good", server.port, "labels = team=shop, env=prod") + tcp("bad", port, "labels = team=core")
        + tcp("none", server.port) + tcp("also", server.port, "labels = team=core"))


def test_failures_first_and_groups_are_kept_by_the_address(probe, serve, port, browse):
    agent = labelled(probe, serve, port)
    agent.wait_status("bad", "unhealthy")
    for name in "good", "none", "also":
        agent.wait_status(name, "healthy")
    page = browse(agent)
    assert names(page) == ["good", "bad", "none", "also"]
    wait_state(page, "bad", "unhealthy")
    page.eval("document.getElementById('first').click()")
    page.wait("document.querySelector('#list > li').dataset.name === 'bad'")
    assert page.eval("location.hash") == "#?first=failures"
    assert page.eval("document.getElementById('first').getAttribute('aria-pressed')") == "true"
    page.eval("const s = document.getElementById('group'); s.value = 'team'; s.onchange()")
    page.wait("document.querySelectorAll('li[data-group]').length === 3")
    assert names(page) == ["bad", "also", "good", "none"]
    groups = page.eval("[...document.querySelectorAll('li[data-group]')].map((li) => li.dataset.group)")
    assert groups == ["team=core", "team=shop", "without team"]
    assert page.eval("location.hash") == "#?first=failures&group=team"
    other = browse(agent, path="/#?first=failures&group=team")
    other.wait("document.querySelectorAll('li[data-group]').length === 3")
    assert names(other) == ["bad", "also", "good", "none"]
    other.wait(f"{row('bad', '.labels')}?.innerText.includes('team=core')")


def test_tells_which_agent_and_when(mixed, browse):
    page = browse(mixed)
    assert page.text("#agent").startswith(HOST) and "probe " in page.text("#up")
    axis = page.eval(f"[...{row('web', '.axis')}.children].map((s) => s.innerText)")
    assert len(axis) == 2 and all(text.endswith(" ago") for text in axis), axis
    assert page.eval("document.getElementById('probe-web').dataset.name") == "web"
    page.eval("location.hash = '#probe-db'")
    page.wait("document.querySelector('li:target')?.dataset.name === 'db'")


def test_an_agent_has_a_name(probe, serve, port, browse):
    server = serve(hostile.silent)
    text = tcp("a", server.port)
    agent = probe.agent(text, "name = R&D <1>\nlabels = site=fra, who=a<b")
    page = browse(agent)
    assert page.text("#agent").startswith("R&D <1>") and page.text("#agent").endswith("site=fra who=a<b")
    assert page.eval("document.title") == "Ready - probe on R&D <1>"
    agent.agent_lines = "name = second"
    agent.configure(text)
    assert agent.post("/reload").code == 200
    page.wait("document.getElementById('agent').innerText.startsWith('second')", what="a reload shows the new name")
    assert "second" in browse(agent, path="/probe/a").text("footer")


def test_the_past_is_drawn_where_it_is_asked_for(probe, serve, browse):
    server = serve(hostile.silent)
    agent = probe.agent(FAST + tcp("kept", server.port, "history = 1h") + tcp("not", server.port))
    agent.wait_status("kept", "healthy")
    server.down()
    agent.wait_status("kept", "unhealthy")
    page = browse(agent, path="/probe/kept")
    assert page.text("h2") == "The last 1h" and " of them failed; from " in page.text(".past ~ .totals")
    assert page.eval("/M119.5 /.test(document.querySelector('.missed').getAttribute('d'))")
    assert page.eval("document.querySelector('.spread').getAttribute('d').length > 5")
    agent.wait_status("not", "unhealthy")
    page = browse(agent, path="/probe/not")
    assert page.eval("document.querySelector('.past')") is None


def test_a_probe_has_a_page(mixed, browse):
    page = browse(mixed, path="/probe/network")
    assert page.text("h1") == "network" and page.eval("document.title") == f"network is unhealthy - probe on {HOST}"
    assert page.eval("document.querySelector('.members')") is None
    lines = page.eval("[...document.querySelectorAll('tbody tr')].map((tr) => tr.innerText)")
    assert 1 <= len(lines) <= 6 and all("refused" in line and "ago" in line for line in lines), lines
    assert "refused" in page.text(".totals")
    assert page.eval("getComputedStyle(document.querySelector('.axis')).display") == "flex", "it has its style"
    assert mixed.get("/probe/netwrk").code == 404
    assert page.eval("document.querySelector(document.querySelector('.state use').getAttribute('href')) !== null")
    page.eval("document.querySelector('footer a').click()")
    page.wait("document.getElementById('list')?.children.length === 7", what="the way back to all probes")
    page = browse(mixed, path="/probe/db")
    assert page.eval("new URL(document.querySelector('h3 a').href).pathname") == "/probe/db"
    page.eval("document.querySelector('.after a').click()")
    page.wait("document.querySelector('li:target')?.dataset.name === 'network'", what="what it comes after")


def test_a_name_may_have_slashes(probe, serve, browse):
    url = f"http://127.0.0.1:{serve(hostile.http_reply()).port}/a/b"
    agent = probe.agent("", args=[url])
    page = browse(agent)
    page.wait("!!document.querySelector('h3 a')", what="the list is there")
    page.eval("document.querySelector('h3 a').click()")
    page.wait(f"document.querySelector('main > h1')?.innerText === {json.dumps(url)}")
    page.wait("!!document.querySelector('footer a')", what="the page is whole")
    page.eval("document.querySelector('footer a').click()")
    page.wait("document.getElementById('list')?.children.length === 1")
