"""The logins of mongo_scripted.py."""

import base64

import bson

from mongo_scram import Scram
from mongo_talk import UNAUTHORIZED, answer, message, query_reply

# What MongoDB Atlas says of a wrong password, and a server of a mechanism that it has switched off.
BAD_AUTH = {"ok": 0, "errmsg": "bad auth : Authentication failed.", "code": 8000, "codeName": "AtlasError"}
NO_MECHANISM = {
    "ok": 0.0, "errmsg": "Received authentication for mechanism SCRAM-SHA-256 which is not enabled",
    "code": 334, "codeName": "MechanismUnavailable",
}
AUTH_FAILED = {"ok": 0.0, "errmsg": "Authentication failed.", "code": 18, "codeName": "AuthenticationFailed"}


def sasl(payload, done=False):
    return {"conversationId": 7, "done": done, "payload": payload, "ok": 1.0}


def login(
    mechanisms=("SCRAM-SHA-1", "SCRAM-SHA-256"), change=lambda step, doc: doc, empty=False, replaced={},
    db="admin", **more
):
    """A server that pings only for who has logged in, to `db`. `change` spoils its login replies."""

    def scenario(c):
        scram, known, step = None, False, 0
        while True:
            request, command, query = c.request()
            name = next(iter(command))
            doc = answer(c.options, command, **replaced)
            if name == "hello" and mechanisms and "saslSupportedMechs" in command:
                doc["saslSupportedMechs"] = list(mechanisms)
            elif name == "ping" and not known:
                doc = UNAUTHORIZED
            elif name == "saslStart" and command["$db"] != db:
                doc = AUTH_FAILED
            elif name == "saslStart":
                scram = Scram(command["mechanism"], **more)
                doc = change(0, sasl(scram.first(command["payload"])))
            elif name == "saslContinue" and step == 0:
                proof = scram.last(command["payload"])
                doc = change(1, sasl(proof, done=not empty)) if proof else AUTH_FAILED
                known, step = bool(proof) and not empty, 1
            elif name == "saslContinue":
                doc = change(2, sasl(b"", done=True))
                known = True
            c.send(query_reply(request, doc) if query else message(request, doc))

    return scenario


def external(mechanism, knows):
    """Users of elsewhere: one command logs in, where `knows(c, command)`. MongoDB's specification
    "Authentication", MONGODB-X509 and PLAIN."""

    def scenario(c):
        known = False
        while True:
            request, command, query = c.request()
            name = next(iter(command))
            doc = answer(c.options, command)
            if name == "ping" and not known:
                doc = UNAUTHORIZED
            elif name in ("authenticate", "saslStart"):
                ours = (command.get("mechanism"), command.get("$db")) == (mechanism, "$external")
                known = ours and knows(c, command)
                doc = sasl(b"", done=True) if known else AUTH_FAILED
            c.send(query_reply(request, doc) if query else message(request, doc))

    return scenario


def aws(c):
    """MONGODB-AWS: the server's nonce, then a signed request of whom "user" stands for. The
    signature is not looked at. MongoDB's specification "Authentication"."""
    known = False
    while True:
        request, command, query = c.request()
        name = next(iter(command))
        doc = answer(c.options, command)
        if name == "ping" and not known:
            doc = UNAUTHORIZED
        elif name == "saslStart" and (command.get("mechanism"), command.get("$db")) == ("MONGODB-AWS", "$external"):
            nonce = bson.decode(command["payload"])["r"]
            doc = sasl(bson.encode({"s": nonce + bytes(range(32)), "h": "sts.amazonaws.com"}))
        elif name == "saslContinue":
            known = "Credential=user/" in bson.decode(command["payload"])["a"]
            doc = sasl(b"", done=True) if known else AUTH_FAILED
        c.send(query_reply(request, doc) if query else message(request, doc))


def is_user(c, command):
    payload = command["payload"]
    return payload in (b"\0user\0pencil", base64.b64encode(b"\0user\0pencil").decode())


def is_subject(c, command):
    """Whose certificate is it? The user may be left out: then it is the certificate's."""
    subject = ",".join("CN=" + v for part in c.sock.getpeercert()["subject"] for k, v in part if k == "commonName")
    return subject == "CN=client" and command.get("user", subject) == subject


def says(step, reply):
    """Replaces the login's reply number `step`."""
    return lambda at, doc: reply if at == step else doc


def only(step, **fields):
    """Replaces fields of the login's reply number `step`."""
    return lambda at, doc: dict(doc, **fields) if at == step else doc
