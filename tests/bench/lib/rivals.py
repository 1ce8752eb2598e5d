"""HAProxy and blackbox_exporter with Prometheus, doing the same checks."""

import os
import shutil

# hello and ping as probe sends them, and the end of a reply that says ok.
MONGO_SEND = ("340000000100000000000000dd07000000000000001f0000001068656c6c6f000100000002246462000600000061646d696e0000"
              "330000000200000000000000dd07000000000000001e0000001070696e67000100000002246462000600000061646d696e0000")
MONGO_EXPECT = "016f6b00000000000000f03f00"


def _haproxy_checks(kind, certs):
    if kind == "tcp":
        return [], "check"
    if kind == "mongo":
        return ["option tcp-check", "tcp-check connect", f"tcp-check send-binary {MONGO_SEND}",
                f"tcp-check expect binary {MONGO_EXPECT}"], "check"
    lines = ["option httpchk", "http-check send meth GET uri /health ver HTTP/1.1 hdr Host bench hdr Connection close",
             "http-check expect status 200-399"]
    if kind == "http":
        return lines, "check"
    return lines, f"check check-ssl ssl verify required ca-file {certs['ca']} verifyhost localhost check-sni localhost"


def haproxy(ctx, kind, targets, certs=None, interval="1s", extra="", server_extra="", **options):
    """One thread of HAProxy that checks `targets` (address:port); the process."""
    lines, check = _haproxy_checks(kind, certs)
    text = ["global", " nbthread 1", " maxconn 2000", extra, "defaults", " mode tcp", " log global" if extra else "",
            " timeout connect 5s", " timeout client 5s", " timeout server 5s", " timeout check 5s", "frontend f",
            f" bind 127.0.0.1:{ctx.port()}", " default_backend b", "backend b", *(" " + x for x in lines),
            f" default-server inter {interval} fall 3 rise 1 {server_extra}"]
    text += [f" server s{i} {t} {check}" for i, t in enumerate(targets)]
    conf = ctx.write(f"haproxy-{kind}.cfg", "\n".join(text) + "\n")
    return ctx.start([shutil.which("haproxy"), "-db", "-f", conf], **options)


MODULES = """modules:
  tcp: {prober: tcp, timeout: 5s}
  http: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4}}
  https: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4, tls_config: {ca_file: CA,
    server_name: localhost}}}
"""


def blackbox(ctx, kind, targets, certs=None, interval="1s"):
    """blackbox_exporter and a Prometheus that scrapes it for each target; both processes."""
    port, web = ctx.port(), ctx.port()
    conf = ctx.write("blackbox.yml", MODULES.replace("CA", str(certs and certs["ca"])))
    exporter = ctx.start([shutil.which("prometheus-blackbox-exporter"), f"--config.file={conf}",
                          f"--web.listen-address=127.0.0.1:{port}"])
    scheme = {"http": "http://", "https": "https://"}.get(kind, "")
    path = "/health" if scheme else ""
    items = "".join(f"\n          - {scheme}{t}{path}" for t in targets)
    conf = ctx.write("prometheus.yml", f"""global: {{scrape_interval: {interval}, scrape_timeout: {interval}}}
scrape_configs:
  - job_name: bench
    metrics_path: /probe
    params: {{module: [{kind}]}}
    static_configs:
      - targets:{items}
    relabel_configs:
      - {{source_labels: [__address__], target_label: __param_target}}
      - {{source_labels: [__param_target], target_label: instance}}
      - {{target_label: __address__, replacement: "127.0.0.1:{port}"}}
""")
    data = ctx.path("prometheus-data")
    shutil.rmtree(data, ignore_errors=True)
    os.mkdir(data)
    ctx.wait_port(port)
    prometheus = ctx.start([shutil.which("prometheus"), f"--config.file={conf}", f"--storage.tsdb.path={data}",
                            f"--web.listen-address=127.0.0.1:{web}"])
    ctx.wait_port(web, 30)
    return exporter, prometheus
