# Wearhouse in an image of its program, the C library and nothing else: no shell, no package manager, no root.
#   docker build -t wearhouse .
# docs/install.md says how it is run; docker-compose.yml does it.

FROM rust:1.95-bookworm AS build
WORKDIR /build

# The crates, in a layer of their own: it is made anew when Cargo.lock changes. What they are compiled for is an empty program.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
# Cargo.toml names a file in there, and cargo looks for it.
COPY benches benches
RUN mkdir src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs && cargo build --locked --profile dist

COPY . .
# The empty program may be the younger one.
RUN touch src/main.rs src/lib.rs build.rs && cargo build --locked --profile dist

# What the image holds: the program, the libraries that it names, a place for SQLite to sort in, and the folders that are volumes.
RUN mkdir -p /image/usr/local/bin /image/tmp /volumes/conf /volumes/uploads && chmod 1777 /image/tmp && chmod 700 /volumes/conf \
 && cp target/dist/wearhouse /image/usr/local/bin/ \
 && ldd target/dist/wearhouse | grep -o '/[^ ]*' | xargs -I '{}' cp --parents -L '{}' /image

FROM scratch
COPY --from=build /image /
COPY --from=build --chown=10001:10001 /volumes /srv/wearhouse
# scripts/release adds the version.
LABEL org.opencontainers.image.title="Wearhouse" \
      org.opencontainers.image.description="Takes in what wearables record, and hands each recording on as one whole zip"

# glibc keeps up to eight heaps a core for the threads that write files; with two, uploads are faster and take less memory.
ENV MALLOC_ARENA_MAX=2
# A number without a name: there is no /etc/passwd. A folder of yours that takes the place of a volume must be writable by it.
USER 10001:10001
WORKDIR /srv/wearhouse
VOLUME ["/srv/wearhouse/conf", "/srv/wearhouse/uploads"]
EXPOSE 8080
STOPSIGNAL SIGTERM
# Whether it lives, not whether it can take uploads: a full disk is no reason to start it anew.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/usr/local/bin/wearhouse", "healthcheck", "--listen", "0.0.0.0:8080"]
ENTRYPOINT ["/usr/local/bin/wearhouse"]
CMD ["--listen", "0.0.0.0:8080"]
