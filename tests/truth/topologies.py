"""The topologies of MongoDB's specifications "Server Discovery and Monitoring", "Server Selection" and
"Max Staleness", from a clone of github.com/mongodb/specifications: what its files call responses is
said by scripted servers, and what they call the outcome is what a check has to find."""

import random
import re
import time
from pathlib import Path
from types import SimpleNamespace

import bson
from bson import json_util

import mongos
from lib import hostile
from lib.net import free_port

REQUIRES = ("ping", "data", "primary", "secondary", "writable")
DATA = {"RSPrimary", "RSSecondary", "Standalone", "Mongos", "LoadBalancer"}
MEETS = {
    "ping": DATA, "data": DATA, "primary": {"RSPrimary"}, "secondary": {"RSSecondary"},
    "writable": {"RSPrimary", "Standalone", "Mongos", "LoadBalancer"},
}
WIRE_MIN, WIRE_MAX = 6, 29  # probes/mongo/mongo_hello.h


class Speaker(hostile.Server):
    """Answers hello with this document, after `delay` seconds, and ping."""

    def __init__(self, port, hello, delay):
        self.delay = delay
        self.options = SimpleNamespace(port=port, set=None, delay=0, hosts=None)
        self.hello = hello
        super().__init__(self.talk, port=port)

    def talk(self, sock):
        connection = mongos.mongo_scripted.Connection(sock, self.options, 0)
        try:
            time.sleep(self.delay)
            mongos.mongo_scripted.play(connection, hello=self.hello, isMaster=self.hello)
        except mongos.mongo_scripted.Closed:
            pass


def load(path):
    return json_util.loads(path.read_text())


def with_port(host):
    return host if re.search(r":\d+$", host) else f"{host}:27017"


def moved(thing, where):
    """The same with all addresses replaced."""
    if isinstance(thing, dict):
        return {key: moved(value, where) for key, value in thing.items()}
    if isinstance(thing, list):
        return [moved(value, where) for value in thing]
    return where.get(thing.lower(), thing) if isinstance(thing, str) else thing


def addresses(hello):
    lists = [hello.get(name, []) for name in ("hosts", "passives", "arbiters")]
    return [*(a for each in lists for a in each), *(hello[n] for n in ("me", "primary") if hello.get(n))]


class Deployment:
    """`says`: {address: hello, or None where nobody listens}, `uri`: with {} for its hosts."""

    def __init__(self, stage, says, seeds, options, direct, delay=0):
        self.direct = direct
        known = {*says, *seeds, *(a for hello in says.values() for a in addresses(hello or {}))}
        self.where = {a: f"127.0.0.1:{free_port()}" for a in {address.lower() for address in known}}
        self.seeds = [self.where[seed.lower()] for seed in seeds]
        self.options = options
        self.speakers = [
            stage.keep(Speaker(int(self.where[address.lower()].split(":")[1]), moved(hello, self.where),
                               i * delay))
            for i, (address, hello) in enumerate(says.items()) if hello
        ]

    @property
    def uri(self):
        return f"mongodb://{','.join(self.seeds)}/{self.options}"

    def join(self, address):
        """One more seed, that every member names."""
        self.seeds.append(address)
        random.shuffle(self.seeds)
        for speaker in self.speakers:
            if "hosts" in speaker.hello:
                speaker.hello = dict(speaker.hello, hosts=[*speaker.hello["hosts"], address])


# ---- Discovery

# What the one says is not believed once the other has spoken: in a driver as well it hangs on who
# answers first, and in these files that is the first.
ORDERED = {"rs/response_from_removed", "sharded/non_mongos_removed"}


def discovery_files(folder):
    root = Path(folder) / "source/server-discovery-and-monitoring/tests"
    return [p for kind in ("rs", "sharded", "single", "load-balanced", "monitoring")
            for p in sorted((root / kind).glob("*.json"))]


def outcome_of(phase):
    """{address: type} of the outcome, its topology's type, and whether drivers speak with it."""
    outcome = phase["outcome"]
    if "servers" in outcome:
        types = {address: s["type"] for address, s in outcome["servers"].items()}
        return types, outcome["topologyType"], outcome.get("compatible", True)
    last = [e["topology_description_changed_event"] for e in outcome["events"]
            if "topology_description_changed_event" in e]
    if not last:
        return None
    new = last[-1]["newDescription"]
    return {s["address"]: s["type"] for s in new["servers"]}, new["topologyType"], True


class Topology:
    """What a file says at its end: of each server what it said last."""

    def __init__(self, path):
        self.name = f"{path.parent.name}/{path.stem}"
        file = load(path)
        found = [o for o in map(outcome_of, file["phases"]) if o]
        self.types, self.kind, self.compatible = found[-1]
        self.types = {with_port(a).lower(): t for a, t in self.types.items()}
        self.said = {}
        for phase in file["phases"]:
            for address, hello in phase.get("responses", []):
                self.said[address.lower()] = hello
        hosts, self.options = re.fullmatch(r"mongodb://([^/?]*)/?(.*)", file["uri"]).groups()
        self.seeds = [with_port(host) for host in hosts.split(",")]
        self.direct = (
            len(self.seeds) == 1 and not re.search("directConnection=false", self.options)
            and (not re.search("replicaSet=", self.options)
                 or re.search("directConnection=true|loadBalanced=true", self.options) is not None)
        )

    def deploy(self, stage):
        delay = 0.2 if self.name in ORDERED else 0
        return Deployment(stage, self.said, self.seeds, self.options, self.direct, delay)

    def compatible_one(self, address):
        hello = self.said.get(address) or {}
        return (hello.get("minWireVersion", 0) <= WIRE_MAX
                and hello.get("maxWireVersion", 0) >= WIRE_MIN)

    def specified(self, require):
        """Is it healthy by the specification?"""
        return self.compatible and any(t in MEETS[require] for t in self.types.values())

    def exception(self, require):
        """Why the verdict is another one than specified; None: it should not be."""
        if not self.compatible and any(map(self.compatible_one, self.types)):
            return "an incompatible member is warned of: the verdict would hang on who answers first"
        if self.direct:
            return "a single server is judged by its own word, whatever it is"
        return None

    def expected(self, require):
        """(healthy, reasons) as probe has it: an incompatible member is one less, no more."""
        if self.direct:
            return self.expected_of_one(require)
        met = [a for a, t in self.types.items() if t in MEETS[require]]
        if any(self.compatible_one(a) for a in met):
            return True, {"ok"}
        if met:
            return False, {"mismatch"}
        types = list(self.types.values())
        answered = [t for t in types if t not in ("Unknown", "PossiblePrimary")]
        told = [a for a, hello in self.said.items() if hello]
        if not told:
            return False, {"refused"}
        if answered and set(answered) == {"RSGhost"}:
            return False, {"not-initiated"}
        if any(t.startswith("RS") and t != "RSGhost" for t in answered):
            return False, {"no-primary" if require in ("primary", "writable") else "mismatch"}
        if answered:
            return False, {"mismatch"}
        # Nobody who answers is of it: they were dropped, or are primaries of an older election.
        return False, {"mismatch", "refused"} if len(told) < len({*types, *told}) else {"mismatch"}

    def expected_of_one(self, require):
        """A single server is judged by its own word, whatever it is."""
        (address,) = {a for a in self.said} or {self.seeds[0].lower()}
        hello = self.said.get(address)
        if not hello:
            return False, {"refused"}
        if hello.get("ok") != 1:
            return False, {"protocol"}
        kind = next(iter(self.types.values()), "Unknown")
        wanted = re.search(r"replicaSet=([^&]*)", self.options)
        if not self.compatible_one(address):
            return False, {"mismatch"}
        if wanted and hello.get("setName") != wanted.group(1):
            return False, {"not-initiated" if kind == "RSGhost" else "mismatch"}
        if "loadBalanced=true" in self.options and "serviceId" not in hello:
            return False, {"mismatch"}
        if kind == "RSOther" and hello.get("hidden"):
            kind = "RSSecondary"
        if require == "ping" or kind in MEETS[require]:
            return True, {"ok"}
        if kind == "RSGhost":
            return False, {"not-initiated"}
        if require in ("primary", "writable") and kind.startswith("RS"):
            return False, {"not-writable" if hello.get("primary") else "no-primary"}
        return False, {"mismatch"}


# ---- Selection


def selection_files(folder):
    source = Path(folder) / "source"
    return [p for root in ("server-selection/tests/server_selection", "max-staleness/tests")
            for p in sorted((source / root).rglob("*.json"))]


FIELDS = {
    "RSPrimary": {"setName": "rs0", "isWritablePrimary": True},
    "RSSecondary": {"setName": "rs0", "secondary": True},
    "RSArbiter": {"setName": "rs0", "arbiterOnly": True},
    "RSOther": {"setName": "rs0"},
    "RSGhost": {"isreplicaset": True},
    "Standalone": {"isWritablePrimary": True},
    "Mongos": {"isWritablePrimary": True, "msg": "isdbgrid"},
    "LoadBalancer": {"isWritablePrimary": True, "msg": "isdbgrid", "serviceId": bson.ObjectId()},
}
MODES = ("primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest")


class Selection:
    def __init__(self, path):
        self.name = "/".join(path.with_suffix("").parts[-3:])
        self.file = load(path)
        self.topology = self.file["topology_description"]
        self.kind = self.topology["type"]
        self.writes = self.file.get("operation") == "write"
        self.options = {} if self.writes else self.preference(self.file["read_preference"])

    def preference(self, p):
        mode = p.get("mode", "Primary")
        found = {"readPreference": mode[0].lower() + mode[1:]}
        tags = [",".join(f"{k}:{v}" for k, v in s.items()) for s in p.get("tag_sets") or []]
        if tags and found["readPreference"] != "primary":
            found["readPreferenceTags"] = tags
        if p.get("maxStalenessSeconds", -1) >= 0:
            found["maxStalenessSeconds"] = p["maxStalenessSeconds"]
        if "heartbeatFrequencyMS" in self.file:
            found["heartbeatFrequencyMS"] = self.file["heartbeatFrequencyMS"]
        return found

    def why_not(self):
        if "deprioritized_servers" in self.file:
            return "servers that a retry avoids are no matter of a check"
        if self.kind == "Unknown":
            return "who has not answered is no topology"
        if self.options.get("maxStalenessSeconds") == 0:
            return "the driver takes 0 for none"
        return None

    def hello(self, server, now):
        hello = dict(FIELDS[server["type"]], ok=1, maxWireVersion=server.get("maxWireVersion", 21),
                     minWireVersion=0)
        if "setName" in hello:
            hello["hosts"] = [s["address"] for s in self.topology["servers"]]
        if "tags" in server:
            hello["tags"] = server["tags"]
        if "lastWrite" in server:
            # Without a primary the dates alone count; else they are as old as at their last update.
            written = int(server["lastWrite"]["lastWriteDate"])
            old = 0 if self.kind == "ReplicaSetNoPrimary" else server.get("lastUpdateTime", 0)
            hello["lastWrite"] = {"lastWriteDate": now(written - old)}
            hello["localTime"] = now(86400000)
        return hello

    def expected(self):
        if self.file.get("error"):
            return False
        return bool(self.file["suitable_servers"])

    def deploy(self, stage, now):
        servers = self.topology["servers"]
        says = {s["address"]: self.hello(s, now) if s["type"] in FIELDS else None for s in servers}
        pairs = []
        for name, value in self.options.items():
            pairs += [f"{name}={v}" for v in (value if isinstance(value, list) else [value])]
        if self.kind.startswith("ReplicaSet"):
            pairs.append("replicaSet=rs0")
        elif self.kind == "LoadBalanced":
            pairs.append("loadBalanced=true")
        elif len(servers) == 1:
            pairs.append("directConnection=false")
        return Deployment(stage, says, [s["address"] for s in servers], "?" + "&".join(pairs), False)
