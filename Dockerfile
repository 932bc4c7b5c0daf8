# The server: one static binary on an empty image. No toolchain, no shell.
# The version is the one that mends the known faults of the standard library; CI holds it against the database of them.
FROM golang:1.26.10-alpine AS build
ARG GOPROXY
WORKDIR /src
COPY go.mod go.sum ./
COPY tools/purego tools/purego
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags="-s -w" -o /out/fieldclue ./server \
 && mkdir -p /out/root/data /out/root/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /usr/local/go/lib/time/zoneinfo.zip /zoneinfo.zip
COPY --from=build --chown=65532:65532 /out/root/ /
COPY --from=build /out/fieldclue /fieldclue
ENV ZONEINFO=/zoneinfo.zip FIELDCLUE_DATA=/data FIELDCLUE_LISTEN=0.0.0.0:8080
USER 65532:65532
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/fieldclue", "healthcheck"]
ENTRYPOINT ["/fieldclue"]
