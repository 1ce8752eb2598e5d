"""What a row asks, taken apart for programs other than `probe`."""

import math
import re
from urllib.parse import parse_qsl, unquote, urlsplit

from table import Situation


class Question:
    def __init__(self, row, situation: Situation):
        self.type = row.type
        self.timeout = row.timeout
        self.seconds = math.ceil(row.timeout)  # for programs that know whole seconds only
        self.keys = self.parse(f"{situation.keys}\n{row.lines}")
        self.unix = self.host = self.port = None
        self.login, self.database = ("", ""), ""
        self.path, self.tls = "/", self.keys.get("tls") == "yes"
        if url := self.keys.get("url"):
            self.take_url(url)
        elif address := self.keys.get("address"):
            self.take_address(address)
        elif uri := self.keys.get("uri"):
            self.take_uri(uri)

    @staticmethod
    def parse(text):
        """The lines of a section, an indented one continues the value above."""
        keys, last = {}, None
        for line in text.splitlines():
            if line[:1].isspace() and last:
                keys[last] += "\n" + line.strip()
            elif "=" in line:
                last, value = (part.strip() for part in line.split("=", 1))
                keys[last] = value
        return keys

    def take_url(self, url):
        self.url = url
        if url.startswith("http+unix://"):
            self.unix, self.path = re.match(r"http\+unix://([^:]+):(.*)", url).groups()
            return
        parts = urlsplit(url)
        self.tls = parts.scheme == "https"
        self.host, self.port = parts.hostname, parts.port or (443 if self.tls else 80)
        self.path = parts.path or "/"

    def take_address(self, address):
        if address.startswith("unix://"):
            self.unix = address[7:]
            return
        host, port = address.rsplit(":", 1)
        self.host, self.port = host.strip("[]"), int(port)

    def take_uri(self, uri):
        """Only one plain host can be asked by a port."""
        if self.type in ("redis", "postgres", "mysql"):
            self.take_server(uri)
            return
        found = re.match(r"mongodb://(?:[^@/]*@)?([^:/,%]+|\[[^]]+\])(?::(\d+))?(?:/|$)", uri)
        if found:
            self.host, self.port = found[1].strip("[]"), int(found[2] or 27017)

    def take_server(self, uri):
        """redis://, rediss://, redis+unix://, postgres:// and mysql://, of one host or a Unix socket."""
        parts = urlsplit(uri)
        options = dict(parse_qsl(parts.query))
        self.login = (unquote(parts.username or ""), unquote(parts.password or ""))
        self.database = parts.path.strip("/")
        self.tls = parts.scheme == "rediss" or options.get("sslmode", options.get("ssl-mode", "prefer")) not in (
            "prefer", "allow", "disable")
        self.unix = options.get("host") or options.get("socket")
        if parts.scheme == "redis+unix":
            self.unix = parts.path
        elif not self.unix and "," not in parts.netloc and parts.hostname:
            self.host = parts.hostname
            self.port = parts.port or {"redis": 6379, "postgres": 5432, "mysql": 3306}[self.type]

    @property
    def at(self):
        """host:port"""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_named(self):
        return bool(self.host) and not re.fullmatch(r"[\d.]+|[0-9a-f:]+|localhost", self.host)

    def has(self, *names):
        return any(name in self.keys for name in names)

    @property
    def send(self):
        """The bytes of `send`, as text."""
        return self.keys.get("send", "").encode().decode("unicode_escape")
