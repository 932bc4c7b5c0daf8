#!/bin/bash
# Writes the key that members of the replica set share, then hands over to the
# image's own start, which makes the root user on an empty volume.
set -euo pipefail
printf '%s' "$MONGODB_KEY" | install -m 0400 -o mongodb -g mongodb /dev/stdin /data/configdb/replica-set.key
unset MONGODB_KEY
exec docker-entrypoint.sh mongod --replSet rs0 --keyFile /data/configdb/replica-set.key --bind_ip_all "$@"
