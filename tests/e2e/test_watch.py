"""The agent notices by itself that its configuration or a secret has changed."""

import os

import pytest
from lib import hostile
from lib.certs import Certs
from lib.net import wait_until


def names(agent):
    return [p["name"] for p in agent.get("/status").json["probes"]]


def section(name):
    return f"[probe {name}]\npid = 1\n"


@pytest.fixture
def agent(probe):
    return probe.agent(section("a"), agent="watch = yes")


def refused(agent):
    return agent.log().count("reload refused")


def test_a_file_that_is_written_in_place(agent):
    agent.configure(section("a") + section("b"))
    wait_until(lambda: names(agent) == ["a", "b"], 10, "it is reloaded")
    assert f"{agent.config} has changed, reloading" in agent.log()


def test_a_file_that_is_renamed_over_it(agent):
    text = agent.config.read_text().replace("[probe a]", "[probe b]")
    new = agent.config.with_suffix(".new")
    new.write_text(text)
    new.rename(agent.config)
    wait_until(lambda: names(agent) == ["b"], 10, "it is reloaded")
    agent.configure(section("c"))  # the new file is watched as the old one was
    wait_until(lambda: names(agent) == ["c"], 10, "it is reloaded again")


def test_one_with_an_error_changes_nothing_and_the_next_is_taken(agent):
    agent.configure("[probe a]\npid = nobody\n")
    wait_until(lambda: refused(agent) == 1, 10, "it is refused")
    assert names(agent) == ["a"]
    agent.configure(section("b"))
    wait_until(lambda: names(agent) == ["b"], 10, "it is reloaded")


def test_the_swap_of_a_kubernetes_configmap(probe):
    folder = probe.path("etc")
    for n, name in enumerate("ab"):
        (folder / f"..{n}").mkdir(parents=True)
        (folder / f"..{n}" / "probe.ini").write_text(
            f"[agent]\nsocket = {probe.path('a.sock')}\nlisten = off\n{section(name)}")
    (folder / "..data").symlink_to("..0")
    (folder / "probe.ini").symlink_to("..data/probe.ini")
    agent = probe.agent(section("a"), start=False)
    agent.config, agent.socket = folder / "probe.ini", probe.path("a.sock")
    agent.start()
    assert names(agent) == ["a"]
    (folder / "..data_tmp").symlink_to("..1")
    os.rename(folder / "..data_tmp", folder / "..data")
    wait_until(lambda: names(agent) == ["b"], 10, "it is reloaded")


def test_a_secret_that_is_rotated(probe, serve):
    seen = []

    def server(sock):
        while said := sock.recv(65536):
            seen.append(said)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    token = probe.write("token", "first\n")
    agent = probe.agent(f"[probe web]\nurl = http://127.0.0.1:{serve(server).port}/\ninterval = 50ms\n"
                        f"timeout = 20s\nbearer_token_file = {token}\n", agent="watch = yes")
    wait_until(lambda: seen and b"Bearer first" in seen[-1], 10, "the first token")
    probe.write("token.new", "second\n").rename(token)
    wait_until(lambda: b"Bearer second" in seen[-1], 10, "the second token")
    assert f"{token} has changed, reloading" in agent.log() and "second" not in agent.log()


def pem(pair):
    return "".join(file.read_text() for file in pair)


@pytest.mark.parametrize("option", ["tlsCAFile", "tlsCertificateKeyFile"])
def test_a_file_that_is_named_in_a_uri(probe, port, option):
    certs = Certs()
    try:
        pairs = [pem(certs.pair(name, "DNS:localhost")) for name in ("one", "two")]
        texts = pairs if option == "tlsCertificateKeyFile" else [certs.ca.read_text(), certs.ca.read_text() * 2]
        named = probe.write("named.pem", texts[0], 0o600)
        uri = f"mongodb://127.0.0.1:{port}/?tls=true&{option}={named}"
        agent = probe.agent(f"[probe db]\nuri = {uri}\n" + section("a"), agent="watch = yes")
        agent.wait_status("a", "healthy")
        before = agent.probe("db")["since"]
        named.write_text(texts[1])
        wait_until(lambda: f"{named} has changed, reloading" in agent.log(), 10, "the change is seen")
        wait_until(lambda: agent.probe("db")["since"] != before, 10, "the probe starts afresh")
        assert "reload refused" not in agent.log()
    finally:
        certs.close()


def test_a_secret_that_comes_late(probe, serve):
    token = probe.path("token")
    agent = probe.agent(section("a"), agent="watch = yes")
    agent.configure(f"[probe web]\nurl = http://127.0.0.1:{serve(hostile.silent).port}/\n"
                    f"bearer_token_file = {token}\n")
    wait_until(lambda: refused(agent) == 1, 10, "there is no secret yet")
    probe.write("token", "late\n")
    wait_until(lambda: names(agent) == ["web"], 10, "it is reloaded")


def test_watch_no(probe):
    agent = probe.agent(section("a"), agent="watch = no")
    agent.configure(section("a") + section("b"))
    other = probe.agent(section("a"), agent="watch = yes")
    other.configure(section("c"))
    wait_until(lambda: names(other) == ["c"], 10, "the other one is reloaded")
    assert names(agent) == ["a"]
    agent.agent_lines = "watch = yes"
    agent.configure(section("a") + section("b"))
    assert agent.post("/reload").code == 200
    agent.configure(section("d"))
    wait_until(lambda: names(agent) == ["d"], 10, "it watches from then on")
