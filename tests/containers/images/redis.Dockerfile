# A stand-in for the official image where no registry is reached: Debian's server, with the same
# account and the same folder.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN groupadd --system --gid 999 redis && useradd --system --uid 999 --gid 999 --home-dir /data redis \
    && apt-get update && apt-get install -y --no-install-recommends redis-server \
    && rm -rf /var/lib/apt/lists/* && mkdir -p /data && chown redis:redis /data
VOLUME ["/data"]
EXPOSE 6379
CMD ["redis-server"]
