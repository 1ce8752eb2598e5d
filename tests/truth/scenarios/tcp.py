"""tcp: a connection, and where asked an answer."""

from lib import hostile
from scenarios.common import black_hole, comes_up_later, goes_away, nobody, serves
from table import HEALTHY, UNHEALTHY, rows


def at(where):
    return f"address = {where}"


ROWS = rows(
    "tcp",
    # name        situation                                            verdict    reason
    ("up",        serves(at, hostile.silent, "something listens"),      HEALTHY,   "ok"),
    ("refused",   nobody(at),                                           UNHEALTHY, "refused"),
    ("black-holed", black_hole(at),                                     UNHEALTHY, "timeout",
        "timeout = 400ms"),
    ("appears later", comes_up_later(at, hostile.silent), UNHEALTHY, "refused", "", {"then": (HEALTHY, "ok")}),
    ("goes away", goes_away(at, hostile.silent), HEALTHY, "ok", "", {"then": (UNHEALTHY, "refused")}),
)
