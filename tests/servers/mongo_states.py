"""What a MongoDB server in each state says to hello, for mongo_scripted.py. Shapes: MongoDB's manual,
"hello"; for a member without a configuration HelloResponse in the server's source."""

import datetime

import bson
from bson.int64 import Int64


def hello(options, **more):
    now = datetime.datetime.now(datetime.timezone.utc)
    doc = {
        "helloOk": True,
        "isWritablePrimary": True,
        "ismaster": True,
        "topologyVersion": {"processId": bson.ObjectId(), "counter": Int64(0)},
        "maxBsonObjectSize": 16777216,
        "maxMessageSizeBytes": 48000000,
        "maxWriteBatchSize": 100000,
        "localTime": now,
        "logicalSessionTimeoutMinutes": 30,
        "connectionId": 1,
        "minWireVersion": 0,
        "maxWireVersion": 21,
        "readOnly": False,
        "ok": 1.0,
    }
    doc.update(more)
    return doc


def member(options, primary=True, secondary=False, known=True, lag=0, name=None, **more):
    """`options.hosts`: the members' addresses, the first one that of the primary."""
    now = datetime.datetime.now(datetime.timezone.utc)
    me = "127.0.0.1:%d" % options.port
    hosts = getattr(options, "hosts", None) or ([me, "127.0.0.1:1"] if primary else ["127.0.0.1:1", me])
    last = {"opTime": {"ts": bson.Timestamp(1, 1), "t": Int64(1)}}
    last["lastWriteDate"] = now - datetime.timedelta(seconds=lag)
    last["majorityWriteDate"] = last["lastWriteDate"]
    doc = hello(
        options,
        isWritablePrimary=primary,
        ismaster=primary,
        secondary=secondary,
        setName=name or options.set or "rs0",
        setVersion=1,
        hosts=hosts,
        me=me,
        lastWrite=last,
    )
    if known:
        doc["primary"] = me if primary else hosts[0]
    doc.update(more)
    return doc


def not_initiated(options):
    return hello(
        options,
        isWritablePrimary=False,
        ismaster=False,
        secondary=False,
        isreplicaset=True,
        info="Does not have a valid replica set config",
    )


STATES = {
    "up": lambda o: member(o) if o.set else hello(o),
    "primary": lambda o: member(o),
    "secondary": lambda o: member(o, primary=False, secondary=True),
    "hidden": lambda o: member(o, primary=False, secondary=True, hidden=True),
    "arbiter": lambda o: member(o, primary=False, arbiterOnly=True),
    "recovering": lambda o: member(o, primary=False),
    # STARTUP2 and ROLLBACK: neither primary nor secondary, as RECOVERING; hello tells no more.
    "starting-up": lambda o: member(o, primary=False, known=False),
    "rollback": lambda o: member(o, primary=False),
    "removed": lambda o: not_initiated(o),
    "no-primary": lambda o: member(o, primary=False, secondary=True, known=False),
    "lagging": lambda o: member(o, primary=False, secondary=True, lag=60),
    "stale": lambda o: member(o, primary=False, secondary=True, lag=600),
    "tagged": lambda o: member(o, primary=False, secondary=True, tags={"dc": "ny"}),
    "too-old": lambda o: member(o, primary=False, secondary=True, maxWireVersion=5),
    "wrong-set": lambda o: member(o, name="other"),
    "not-initiated": not_initiated,
    "read-only": lambda o: hello(o, readOnly=True),
    "mongos": lambda o: hello(o, msg="isdbgrid"),
    "balanced": lambda o: hello(o, msg="isdbgrid", serviceId=bson.ObjectId()),
}
