"""The http type's keys as a user writes them, and that no secret of theirs is ever seen."""

from lib import hostile

SECRET = "hush-hush-hush"


def echo(sock):
    """An error page that shows the whole request, as some servers do."""
    request = b""
    while b"\r\n\r\n" not in request:
        data = sock.recv(65536)
        if not data:
            return
        request += data
    sock.sendall(
        b"HTTP/1.1 500 Oops %s\r\nConnection: close\r\n\r\n" % request.split(b"\r\n")[1]
        + request
        + b'{"echo": "%s"}' % SECRET.encode()
    )


def test_keys_on_several_lines(probe, serve):
    body = b'{"status": "UP", "checks": [{"name": "a/b", "up": true}], "version": 3}'
    server = serve(hostile.http_reply(body=body, headers=["X-Ready: yes"]))
    text = f"""[probe web]
url = http://127.0.0.1:{server.port}/health
method = POST
header =
    Accept: application/json
    X-From: a test
body = {{}}
expect_status = 2xx, 404
expect_header = ^X-Ready: *yes$
expect_body = "up": *(true|yes)
reject_body = DOWN
expect_json =
    /status = UP
    /checks/0/name = a/b
    /version = 3
"""
    config = probe.write("probe.ini", text)
    r = probe.run("check", "-c", config, "web")
    assert r.code == 0, str(r)
    probe.write("probe.ini", text.replace("/version = 3", "/version = 4"))
    r = probe.run("check", "-c", config, "web")
    assert r.code == 1 and "JSON /version is 3, expected 4" in r.out, str(r)


def test_every_error_in_one_go(probe):
    config = probe.write(
        "probe.ini",
        "[probe web]\nurl = http://127.0.0.1/\nmethod = get\nexpect_status = 20x\n"
        "expect_body = (\nexpect_json = a = 1\nheader = none\n",
    )
    r = probe.run("validate", "-c", config)
    assert r.code == 78, str(r)
    for line, key in enumerate(
        ["method", "expect_status", "expect_body", "expect_json", "header"], 3
    ):
        assert f":{line}: probe web.{key}: " in r.out, (key, str(r))


def test_secrets_are_never_seen(probe, serve):
    server = serve(echo)
    secret = probe.write("secret", SECRET + "\n")
    url = f"http://127.0.0.1:{server.port}"
    agent = probe.agent(
        f"""[probe basic]
url = {url}/
user = someone
password_file = {secret}
retries = 1
[probe bearer]
url = {url}/
bearer_token_file = {secret}
retries = 1
[probe header]
url = {url}/
header = X-Key: {SECRET}
retries = 1
[probe url]
url = http://someone:{SECRET}@127.0.0.1:{server.port}/?token={SECRET}
retries = 1
[probe json]
url = {url}/
header = X-Key: {SECRET}
expect_status = 500
expect_json = /echo = x
retries = 1
"""
    )
    names = ("basic", "bearer", "header", "url", "json")
    for name in names:
        agent.wait_status(name, "unhealthy")
    shown = [agent.get(path).text for path in ("/status", "/metrics", "/ready", "/")]
    shown += [probe.run("check", "--json", "-c", agent.config, name).out for name in names]
    shown.append(probe.run("explain", "-c", agent.config).out)
    agent.stop()
    shown.append(agent.log())
    # Basic authentication's own writing of someone:SECRET counts too.
    for text in shown:
        assert text.strip()
        assert SECRET not in text and "c29tZW9uZTpodXNoL" not in text, text
