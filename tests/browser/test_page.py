"""The status page in a real browser, on a real agent."""

import json
import signal

import pytest

from lib import hostile
from lib.net import wait_until
from rows import FAST, HOST, names, row, slow_reply, tcp, wait_state, words

@pytest.mark.parametrize("script", [True, False], ids=["live", "without-script"])
def test_shows_everything(mixed, browse, script):
    mixed.web.down()  # a last failure for web
    mixed.wait_status("web", "unhealthy")
    mixed.web.up()
    mixed.wait_status("web", "healthy")
    page = browse(mixed, script=script)
    assert page.text("h1") == "Not ready"
    assert "network is unhealthy: refused: connect to 127.0.0.1" in page.text("#why"), page.text("#why")
    assert "1 more" in page.text("#why") or "2 more" in page.text("#why")
    wanted = {"web": "healthy", "network": "unhealthy", "db": "blocked", "spare": "unhealthy",
              "late": "starting", "process": "healthy", "tired": "warn"}
    for name, status in wanted.items():
        assert words(page, name, ".state b") == status
        assert page.eval(f"{row(name, '.state use')}.getAttribute('href')") == f"#{status}"
        assert words(page, name, ".state small").startswith("for ")
        assert words(page, name, "h3").startswith(name)
    assert "optional" in words(page, "spare", "h3") and "alive" in words(page, "process", "h3")
    assert words(page, "tired", ".why").startswith("warning: it took ")
    assert "200" in words(page, "web", ".why")
    assert "last failure" in words(page, "web", ".fail") and "refused" in words(page, "web", ".fail")
    assert words(page, "network", ".why").startswith("refused: connect to 127.0.0.1")
    assert "ago" in words(page, "network", ".fail")
    assert words(page, "db", ".why") == "not checked while network is down"
    assert words(page, "db", ".after") == "after network"
    target = page.eval(f"document.querySelector({row('db', '.after a')}.getAttribute('href')).dataset.name")
    assert target == "network"
    assert page.eval(f"/^M[\\d.]+ \\d+[hlL]/.test({row('web', '.line')}.getAttribute('d'))")
    assert page.eval(f"{row('web', '.fell')}.getAttribute('d').includes('h4')"), "the failure is in the strip"
    assert "failed" in page.eval(f"{row('web', '.trend')}.getAttribute('aria-label')")
    assert "connect" in words(page, "web", ".phases") and "request" in words(page, "web", ".phases")
    assert page.eval(f"{row('web', '.took')}.querySelectorAll('rect').length") >= 2
    assert words(page, "web", ".next") in ("now", "in 1s")
    assert page.eval("document.title").startswith("Not ready")
    assert "c3271b" in page.eval("document.getElementById('icon').href")
    assert page.eval("document.getElementById('filter').hidden") is (not script)
    if not script:
        assert "2 unhealthy" in page.text(".facts"), page.text(".facts")
        assert page.eval("document.querySelector('noscript meta')?.httpEquiv") == "refresh"
    for url in page.requests():
        assert url.startswith((f"http://127.0.0.1:{mixed.port}/", "data:")), url


def test_follows_a_transition(probe, serve, browse):
    server = serve(hostile.silent)
    agent = probe.agent(FAST + tcp("a", server.port) + tcp("b", server.port, "required = no\ninterval = 1h"))
    agent.wait_status("a", "healthy")
    page = browse(agent)
    page.wait("document.querySelector('h1').innerText === 'Ready'")
    assert page.eval("document.title") == f"Ready - probe on {HOST}"
    wait_state(page, "b", "healthy")
    page.eval("window.same = true")
    for status, act in (("unhealthy", server.down), ("healthy", server.up)):
        act()
        agent.wait_status("a", status)
        wait_state(page, "a", status, timeout=1)
        verdict = "Ready" if status == "healthy" else "Not ready"
        page.wait(f"document.querySelector('h1').innerText === '{verdict}'", timeout=1)
        page.wait(f"document.title.startsWith('{verdict}')", timeout=1)
        colour = "1a7f4b" if status == "healthy" else "c3271b"
        page.wait(f"document.getElementById('icon').href.includes('{colour}')", timeout=1)
        page.wait(f"document.getElementById('say').textContent.includes('a is {status}')", timeout=2)
    page.wait(f"{row('a', '.fail')}.innerText.startsWith('last failure')")
    assert page.eval("window.same"), "the page was loaded anew"
    assert page.eval("document.getElementById('say').getAttribute('aria-live')") == "polite"


def test_a_warning_is_a_state_of_its_own(probe, serve, browse):
    web, tired = serve(hostile.http_reply()), serve(slow_reply)
    text = f"[probe web]\nurl = http://127.0.0.1:{web.port}/\n[probe tired]\nurl = http://127.0.0.1:{tired.port}/\n"
    agent = probe.agent(FAST + text + "warn_after = 1ms\n")
    page = browse(agent)
    wait_state(page, "tired", "warn")
    page.wait("document.getElementById('why').innerText === 'All 2 required probes are healthy, 1 warns.'")
    assert page.text("h1") == "Ready" and words(page, "tired", ".state b") == "warn"
    colours = page.eval(f"[{row('web', '.state b')}, {row('tired', '.state b')}].map((b) => getComputedStyle(b).color)")
    assert colours[0] != colours[1], "it is not green"
    assert page.eval(f"{row('tired', '.state use')}.getAttribute('href')") == "#warn"
    page.eval("document.querySelector('button.warn').click()")
    page.wait("document.getElementById('shown').textContent === '1 of 2 shown'")
    page.eval("document.querySelector('button.warn').click(); document.getElementById('first').click()")
    page.wait("document.querySelector('#list > li').dataset.name === 'tired'", what="it comes before what is well")
    assert browse(agent, path="/probe/tired").eval("document.title").startswith("tired is healthy, with a warning - ")
    agent.configure(FAST + text)
    assert agent.post("/reload").code == 200
    wait_state(page, "tired", "healthy")
    page.wait("document.getElementById('why').innerText === 'All 2 required probes are healthy.'")


def test_transitions_come_by_events(probe, serve, browse):
    """At once, not when the page asks the next time: here it asks no more."""
    server = serve(hostile.silent)
    agent = probe.agent(FAST + tcp("a", server.port, "level = alive"))
    agent.wait_status("a", "healthy")
    page = browse(agent)
    wait_state(page, "a", "healthy")
    page.eval("window.fetch = () => new Promise(() => {})")
    server.down()
    agent.wait_status("a", "unhealthy")
    wait_state(page, "a", "unhealthy")
    page.wait(f"{row('a', '.why')}.innerText.startsWith('refused: connect')")
    server.up()
    agent.wait_status("a", "healthy")
    wait_state(page, "a", "healthy")


def test_draws_new_results(probe, serve, browse):
    server = serve(hostile.silent)
    agent = probe.agent(FAST + tcp("a", server.port, "interval = 20ms"))
    wait_until(lambda: agent.probe("a")["checks_total"] >= 32, 20, "as many results as are drawn")
    page = browse(agent)
    drawn = f"{row('a', '.line')}.getAttribute('d')"
    first = page.eval(drawn)
    page.wait(f"{drawn} !== {json.dumps(first)}", what="a new drawing")
    assert page.eval(f"{drawn}.split(/[hlM]/).length - 1") == 32
    assert page.eval(f"{row('a', '.trend')}.getAttribute('aria-label')").startswith("last 32 checks: 0 failed")
    server.down()
    page.wait(f"{row('a', '.fell')}.getAttribute('d').includes('h4')", what="failures in the strip")


def test_markup_stays_text(probe, serve, browse):
    """In names, targets and what servers say, both as it is served and as it comes by events."""
    evil = '<svg/onload=alert(1)><b>"x"</b>&amp;\'</li></ol>'
    server = serve(hostile.http_reply(b'<img src=x onerror=alert(2)><script>alert(3)</script>', "500 <b>No</b>"))
    name = f"http://127.0.0.1:{server.port}/{evil}"
    agent = probe.agent(FAST + "[probe quiet]\ntarget = tcp://127.0.0.1:1\nrequired = no\n",
                        args=["quiet", name])
    wait_until(lambda: any(p["status"] == "unhealthy" and p["name"] == name for p in agent.get("/status").json["probes"]),
               10, "it is unhealthy")
    page = browse(agent)
    before = page.eval("document.querySelectorAll('*').length")
    assert words(page, name, "h3") == name
    server.down()
    page.wait(f"{row(name, '.why')}.innerText.startsWith('refused')")
    server.behave = hostile.http_reply(b"fine")
    server.up()
    wait_state(page, name, "healthy")
    page.wait("document.querySelector('h1').innerText === 'Ready'")
    server.down()
    page.wait("document.querySelector('#why a')?.textContent === " + json.dumps(name))
    page.wait("document.getElementById('say').textContent.includes('<svg/onload')")
    assert page.eval("document.querySelectorAll('#list b:not(.why b, .took b, .state b), #list img, #list script, #why svg').length") == 0
    assert page.eval("document.querySelectorAll('#list > li').length") == 2
    assert page.eval("document.querySelectorAll('*').length") - before < 20
    assert not [e for e in page.events if e["method"] == "Page.javascriptDialogOpening"]


def test_policy_lets_nothing_else_run(mixed, browse):
    page = browse(mixed)
    page.forgiven = True
    page.eval("""(() => {
        for (const [name, text] of [['script', 'window.ran = 1'], ['style', 'h1 { display: none }']]) {
            const element = document.createElement(name);
            element.textContent = text;
            document.body.append(element);
        }
        const image = new Image();
        image.src = 'http://127.0.0.1:9/x.png';
        document.body.setAttribute('onclick', 'window.ran = 2');
        document.body.click();
    })()""")
    page.wait("document.querySelector('h1').getClientRects().length > 0")
    assert page.eval("window.ran ?? null") is None
    policy = mixed.get("/", tcp=True).headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "*" not in policy
    wait_until(lambda: len([c for c in page.complaints() if "Content Security Policy" in c]) >= 3, 10,
               "the browser names what it refused")


def colours(page):
    """Is anything shown in the colour of health?"""
    return page.eval("""[...document.querySelectorAll('h1, header, .state b, .why b, .states button svg')]
        .map((e) => [getComputedStyle(e).color, getComputedStyle(e).getPropertyValue('--hue').trim()]).flat()""")


@pytest.mark.parametrize("way", ["killed", "hangs"])
def test_a_lost_agent_does_not_stay_green(probe, serve, browse, way):
    server = serve(hostile.silent)
    agent = probe.agent(FAST + tcp("a", server.port))
    agent.wait_status("a", "healthy")
    page = browse(agent)
    page.wait("document.querySelector('h1').innerText === 'Ready'")
    assert any("1a7f4b" in c for c in colours(page))
    page.forgiven = True
    if way == "killed":
        agent.kill(signal.SIGKILL)
        agent.wait()
    else:
        agent.kill(signal.SIGSTOP)
    try:
        page.wait("document.querySelector('h1').innerText === 'No answer'", timeout=30)
        assert page.eval("document.title") == f"No answer - probe on {HOST}"
        page.wait("document.getElementById('icon').href.includes('59626f')")
        assert "does not answer" in page.text("#say")
        assert "has not answered for" in page.text("#why")
        assert not [c for c in colours(page) if "1a7f4b" in c or "rgb(26, 127, 75)" in c]
        assert page.eval(f"getComputedStyle({row('a', '.state b')}, '::before').content") == '"was "'
    finally:
        if way == "killed":
            agent.start()
        else:
            agent.kill(signal.SIGCONT)
    page.wait("document.querySelector('h1').innerText === 'Ready'", timeout=30)
    wait_state(page, "a", "healthy")
    assert not [e for e in page.events if e["method"] == "Runtime.exceptionThrown"]


def test_follows_a_reload(probe, serve, browse):
    server = serve(hostile.silent)
    agent = probe.agent(FAST + tcp("a", server.port))
    agent.wait_status("a", "healthy")
    page = browse(agent)
    wait_state(page, "a", "healthy")
    agent.configure(FAST + tcp("b", server.port) + tcp("c", server.port))
    assert agent.post("/reload").code == 200
    wait_state(page, "b", "healthy")
    wait_state(page, "c", "healthy")
    assert page.eval(row("a")) is None
    page.wait("document.querySelector('.states button b').textContent === '2'")


def test_follows_a_changed_setting(probe, serve, browse):
    """Of the same probes: what a row counts for, its labels and its target are of the configuration in use."""
    web, spare = serve(hostile.silent), serve(hostile.silent)
    agent = probe.agent(FAST + tcp("web", web.port) + tcp("spare", spare.port))
    spare.down()
    agent.wait_status("spare", "unhealthy")
    page = browse(agent)
    page.wait("document.getElementById('why').innerText.startsWith('spare is unhealthy: refused')")
    agent.configure(FAST + tcp("web", web.port) + tcp("spare", spare.port, "required = no\nlabels = team=shop"))
    assert agent.post("/reload").code == 200
    page.wait("document.getElementById('why').innerText === 'The required probe is healthy, 1 other is not.'",
              what="the spare one counts no more")
    assert not page.eval("document.getElementById('group').hidden")
    page.eval("document.getElementById('name').value = 'shop'; document.getElementById('name').oninput()")
    page.wait("document.getElementById('shown').textContent === '1 of 2 shown'", what="it is found by its label")
    agent.configure(FAST + tcp("web", web.port) + tcp("spare", spare.port, "required = no\nlabels = zone=a"))
    assert agent.post("/reload").code == 200
    page.wait("[...document.getElementById('group').options].map((o) => o.text).join() === 'no groups,by zone'")


def test_filters(mixed, browse):
    page = browse(mixed)

    def visible():
        return page.eval("[...document.querySelectorAll('#list > li')].filter((li) => li.getClientRects().length).map((li) => li.dataset.name).join(' ')")

    def pressed():
        return page.eval("[...document.querySelectorAll('button[aria-pressed=true]')].map((b) => b.innerText).join('|')")

    assert visible() == "web network db spare late process tired"
    page.eval("document.querySelector('button.unhealthy').click()")
    wait_until(lambda: visible() == "network spare", 10, "only the unhealthy are shown")
    assert pressed().startswith("unhealthy") and "2 of 7" in page.text("#shown")
    page.key("/", "/")
    assert page.eval("document.activeElement.id") == "name"
    for letter in "NETW":
        page.key(letter, letter)
    wait_until(lambda: visible() == "network", 10, "by name too")
    page.eval("location.reload()")
    wait_until(lambda: visible() == "network" and pressed().startswith("unhealthy"), 10, "the filter is kept in the address")
    mixed.net.up()
    page.wait("!document.getElementById('none').hidden", what="a probe that is healthy now leaves the filter")
    page.eval("document.getElementById('name').focus()")
    page.key("Escape")
    page.eval("document.querySelector('button[aria-pressed=true]').click()")
    wait_until(lambda: visible() == "web network db spare late process tired", 10, "all again")


def test_a_thousand_probes(probe, serve, browse, port):
    server = serve(hostile.silent)
    agent = probe.agent(
        "[defaults]\ninterval = 1h\nretries = 1\n"
        + "".join(tcp(f"probe-{i:04}", port) for i in range(999)) + tcp("last", server.port, "interval = 200ms")
    )
    agent.wait_status("last", "healthy")
    wait_until(lambda: agent.get("/metrics").text.count('status="unhealthy"} 1') == 999, 30, "all are checked", every=0.2)
    page = browse(agent)
    assert page.eval("document.querySelectorAll('#list > li').length") == 1000
    page.wait("document.querySelector('button.unhealthy b').textContent === '999'")
    # What is out of sight is not drawn: a round of news over all leaves the layout alone.
    def layouts():
        return next(m["value"] for m in page.call("Performance.getMetrics")["metrics"] if m["name"] == "LayoutCount")

    page.call("Performance.enable")
    page.wait("performance.getEntriesByType('resource').filter((r) => r.duration > 0 && r.name.endsWith('/')).length > 3")
    before, rounds = layouts(), page.eval("performance.getEntriesByType('resource').length")
    page.wait(f"performance.getEntriesByType('resource').length >= {rounds} + 3", timeout=60)
    assert layouts() - before < 300
    server.down()
    wait_state(page, "last", "unhealthy")
    page.eval("document.getElementById('name').focus()")
    for letter in "0777":
        page.key(letter, letter)
    page.wait("document.getElementById('shown').textContent === '1 of 1000 shown'")
    page.eval(f"{row('last')}.hidden = false, {row('last')}.scrollIntoView()")
    page.wait(f"{row('last', '.fail')}.innerText.includes('ago')", what="a row that comes into sight is drawn")


@pytest.mark.parametrize("n", [300, 1000])
def test_many_on_a_phone_in_the_dark_by_keyboard(probe, serve, browse, port, n):
    server = serve(hostile.silent)
    teams = "shop", "core", "data"
    agent = probe.agent(
        "[defaults]\ninterval = 1h\nretries = 1\n"
        + "".join(tcp(f"probe-{i:04}", port if i % 100 == 50 else server.port, f"labels = team={teams[i % 3]}")
                  for i in range(n)))
    failed = n // 100
    wait_until(lambda: agent.get("/metrics").text.count('status="unhealthy"} 1') == failed
               and agent.get("/metrics").text.count('status="starting"} 1') == 0, 30, "all are checked", every=0.2)
    page = browse(agent, width=390, height=844, mobile=True, dark=True)
    page.wait(f"document.querySelector('button.unhealthy b').textContent === '{failed}'")
    assert page.eval("document.documentElement.scrollWidth") <= 390
    page.key("Tab")
    page.key("Enter", "\r")
    page.wait("document.activeElement.id === 'list'", what="the skip link leads to the list")
    page.eval("document.getElementById('first').focus()")
    page.key("Enter", "\r")
    page.wait("document.querySelector('#list > li').dataset.name === 'probe-0050'", what="failures are first")
    assert [name[-2:] for name in names(page)[: failed + 1]] == ["50"] * failed + ["00"]
    page.eval("const s = document.getElementById('group'); s.focus(); s.value = 'team'; s.onchange()")
    page.wait("document.querySelectorAll('li[data-group]').length === 3")
    groups = page.eval("[...document.querySelectorAll('li[data-group]')].map((li) => li.dataset.group)")
    assert groups == ["team=core", "team=data", "team=shop"]
    page.eval(f"location.hash = '#probe-probe-{n - 1:04}'")
    page.wait(f"(() => {{ const at = {row(f'probe-{n - 1:04}')}.getBoundingClientRect(); "
              "return at.top >= 0 && at.bottom <= innerHeight; })()", what="an anchor leads to its row")
    axis = page.eval(f"[...{row(f'probe-{n - 1:04}', '.axis')}.children].map((s) => s.innerText)")
    assert len(axis) == 2 and all(text.endswith(" ago") for text in axis), axis
    page.key("/", "/")
    page.wait("document.activeElement.id === 'name'")


@pytest.mark.parametrize("width", [320, 390, 820, 1280, 1920, 3840])
def test_no_sideways_scrolling(probe, serve, browse, width):
    server = serve(hostile.http_reply())
    long = "a-very-long-name-without-any-blank." + "x" * 28
    agent = probe.agent(
        FAST + f"[probe {long}]\nurl = http://127.0.0.1:{server.port}/{'path' * 60}\nexpect_body = {'y' * 200}\n"
        + f"[probe web]\nurl = http://127.0.0.1:{server.port}/\nafter = {long}\n"
    )
    agent.wait_status(long, "unhealthy")
    page = browse(agent, width=width, height=800, mobile=width < 800)
    wait_state(page, long, "unhealthy")
    assert page.eval("document.documentElement.scrollWidth") <= width
    beyond = f"[...document.querySelectorAll('body *')].filter((e) => !e.closest('.sr, .symbols, .skip') && e.getBoundingClientRect().right > {width} + 1).map((e) => e.className || e.tagName)"
    assert page.eval(beyond) == []
    page = browse(agent, width=width, height=800, mobile=width < 800, path=f"/probe/{long}")
    assert page.eval("document.documentElement.scrollWidth") <= width
    assert page.eval(beyond) == []


CONTRAST = """(() => {
    const parse = (c) => c.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
    const ground = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
        if (c.length < 4 || c[3] > 0) return c; } };
    const bad = [];
    for (const e of document.querySelectorAll('body *')) {
        if (!e.getClientRects().length || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
        if (e.closest('.sr, .symbols, .skip, script')) continue;
        const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
        const ratio = (a + .05) / (b + .05);
        if (ratio < 4.5) bad.push(`${e.className || e.tagName} ${e.textContent.slice(0, 20)} ${ratio.toFixed(2)}`);
    }
    return bad;
})()"""


@pytest.mark.parametrize("path", ["/", "/probe/network"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_contrast(mixed, browse, dark, path):
    page = browse(mixed, dark=dark, path=path)
    ground = page.eval("getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 200) is dark, ground
    assert page.eval(CONTRAST) == []


def test_for_a_screen_reader_and_the_keyboard(mixed, browse):
    page = browse(mixed)
    tree = page.call("Accessibility.getFullAXTree")["nodes"]
    found = {}
    for node in tree:
        if not node.get("ignored"):
            found.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
    for role in ("banner", "main", "search", "contentinfo", "navigation", "status", "list", "searchbox"):
        assert found.get(role), f"no {role} in {sorted(found)}"
    assert "Not ready" in found["heading"] and "Probes" in found["heading"]
    assert [h.split()[0] for h in found["heading"][2:]] == ["web", "network", "db", "spare", "late", "process", "tired"]
    assert found["searchbox"][0].strip()
    assert all(name.startswith("last ") for name in found["image"]), found["image"]
    assert len(found["listitem"]) == 7
    page.key("Tab")
    assert page.eval("document.activeElement.className") == "skip"
    assert page.eval("document.activeElement.getBoundingClientRect().left >= 0"), "it is seen when it has the focus"


def test_small(mixed):
    whole = mixed.get("/", tcp=True).text
    assert len(whole.encode()) < 30 * 1024
    assert "{{" not in whole
