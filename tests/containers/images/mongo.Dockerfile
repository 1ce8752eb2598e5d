# A stand-in for the official image where no registry is reached: a real server that speaks
# MongoDB, behind an entrypoint that takes the same variables and goes through the same phases.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN groupadd --gid 999 mongodb && useradd --uid 999 --gid 999 --home-dir /data/db mongodb \
    && mkdir -p /data/db /data/configdb && chown mongodb:mongodb /data/db /data/configdb \
    && cp /bin/bash /usr/local/bin/mongod
COPY ferretdb /usr/local/bin/ferretdb
COPY mongo-entrypoint /usr/local/bin/mongo-entrypoint
VOLUME ["/data/db", "/data/configdb"]
EXPOSE 27017
ENTRYPOINT ["mongo-entrypoint"]
