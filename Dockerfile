# syntax=docker/dockerfile:1

FROM golang:1.26 AS build
ENV GOCACHE=/go/build-cache
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
# Without cgo the binary needs no C library; without the sandbox it has no
# chains, faucet or in-page wallet to be switched on by mistake.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/go/build-cache \
    CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -tags nosandbox -o /out/quittance ./cmd/quittance
# The rest of the image: certificates, a place for SQLite's temporary files, a
# name for the user, and the data's directory.
RUN mkdir -p /out/root/etc/ssl/certs /out/root/tmp /out/data \
 && cp /etc/ssl/certs/ca-certificates.crt /out/root/etc/ssl/certs/ \
 && echo 'quittance:x:65532:65532::/var/lib/quittance:/sbin/nologin' >/out/root/etc/passwd \
 && echo 'quittance:x:65532:' >/out/root/etc/group \
 && chmod 1777 /out/root/tmp

FROM scratch
COPY --from=build /out/root/ /
COPY --from=build /out/quittance /usr/local/bin/quittance
COPY --from=build --chown=65532:65532 /out/data/ /var/lib/quittance/
USER 65532:65532
# The default database, sqlite:quittance.db, lands in the volume.
WORKDIR /var/lib/quittance
# The loopback address that is the default elsewhere reaches nobody in here.
ENV QUITTANCE_LISTEN=:8402
VOLUME /var/lib/quittance
EXPOSE 8402
# The binary asks itself: there is no shell or curl in this image.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/quittance", "healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/quittance"]
CMD ["serve"]
