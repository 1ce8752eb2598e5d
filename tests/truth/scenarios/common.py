"""Situations that rows of more than one type use. Each of these functions gives a situation: a
function of a Stage. `at` turns "host:port" into the keys of the row's type."""

from lib import hostile
from table import Situation

# Packets to this address of the name space's own loopback are dropped.
HOLE = "10.99.0.2"
DROP = (
    f"ip addr add {HOLE}/32 dev lo; nft add table inet t; "
    "nft add chain inet t in '{ type filter hook input priority 0; }'; "
    f"nft add rule inet t in ip daddr {HOLE} drop"
)


def told(how, make):
    """`make` with a description for the table."""
    make.__doc__ = how
    return make


def serves(at, behave, how):
    """A server of lib.hostile on 127.0.0.1."""

    def make(stage):
        return Situation(at(f"127.0.0.1:{stage.serve(behave).port}"))

    return told(how, make)


def nobody(at):
    def make(stage):
        return Situation(at(f"127.0.0.1:{stage.port()}"))

    return told("nothing listens on the port", make)


def black_hole(at):
    def make(stage):
        return Situation(at(f"{HOLE}:80"), prefix=stage.network(DROP).prefix)

    return told("every packet to it is dropped", make)


def comes_up_later(at, behave):
    def make(stage):
        server = stage.serve(behave)
        server.down()
        return Situation(at(f"127.0.0.1:{server.port}"), change=server.up)

    return told("nothing listens, then the server starts", make)


def goes_away(at, behave):
    def make(stage):
        server = stage.serve(behave)
        return Situation(at(f"127.0.0.1:{server.port}"), change=server.down)

    return told("it is up, then its listener is gone", make)


__all__ = ["DROP", "HOLE", "Situation", "black_hole", "comes_up_later", "goes_away", "hostile",
           "nobody", "serves", "told"]
