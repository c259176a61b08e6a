# One image per program: static, from scratch, not root. `cargo xtask images` fills dist/ and builds them all; by hand:
#
#   docker build --build-arg BINARY=order --tag REGISTRY/order:TAG .
FROM scratch

# operator, order, cook, delivery, mypage or gateway
ARG BINARY
# amd64 or arm64: builders set it by the platform that they build for.
ARG TARGETARCH

# What only git knows (version, revision, created, source) comes by --label.
LABEL org.opencontainers.image.title="${BINARY}" \
      org.opencontainers.image.description="${BINARY} of the food-delivery platform" \
      org.opencontainers.image.licenses="Apache-2.0"

COPY --chown=65532:65532 dist/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# Ours and those of others' code in the program.
COPY --chown=65532:65532 dist/${TARGETARCH}/${BINARY}/licenses /licenses
# One path for all, since an entrypoint knows no arguments.
COPY --chown=65532:65532 dist/${TARGETARCH}/${BINARY}/service /service

# Memory is taken when it is needed: by default mimalloc commits ahead, in huge pages where the kernel has them.
ENV MIMALLOC_ALLOW_THP=0 \
    MIMALLOC_ARENA_EAGER_COMMIT=0

USER 65532:65532
ENTRYPOINT ["/service"]
