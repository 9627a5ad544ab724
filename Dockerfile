# syntax=docker/dockerfile:1
#
#   docker build -t renraku .
#   docker run --rm renraku --help
#   docker run -d -v renraku:/data -p 127.0.0.1:8080:8080 renraku serve --listen 0.0.0.0:8080 --insecure
#
# The default command listens on the container's own loopback only: what publishes it, and thereby
# takes care of TLS and of who may connect, is said by whoever runs it (README.md, "Container").

FROM rust:1-bookworm AS build
# The system's libpq and OpenSSL, so that their security fixes come with the base image.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libpq-dev libssl-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN cargo build --release --locked --no-default-features --features s3 --bin renraku

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends libpq5 libssl3 ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 renraku \
    && useradd --system --uid 10001 --gid renraku --home-dir /data --no-create-home --shell /usr/sbin/nologin renraku \
    && install -d -o renraku -g renraku -m 0750 /data
COPY --from=build /build/target/release/renraku /usr/local/bin/renraku
COPY --from=build /build/LICENSE /usr/share/doc/renraku/LICENSE
# By number, so that an orchestrator can check that it is not root.
USER 10001:10001
WORKDIR /data
VOLUME ["/data"]
ENV RENRAKU_DATABASE=sqlite:///data/renraku.db
EXPOSE 8080
# SIGTERM: answers what is under way, then closes the database.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["renraku", "healthcheck"]
ENTRYPOINT ["renraku"]
CMD ["serve"]
