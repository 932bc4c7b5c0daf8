#!/bin/sh
# Writes .env with fresh secrets for docker-compose.yml. It never touches an
# .env that is there: the volumes would no longer open with other secrets.
set -eu
cd "$(dirname "$0")/.."
if [ -e .env ]; then
  echo "make-env: .env is there already; nothing was changed" >&2
  exit 1
fi
secret() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
umask 077
while IFS= read -r line; do
  case $line in
    MONGODB_KEY=) echo "$line$(secret 256)" ;;
    MONGODB_*=|MINIO_PASSWORD=|FIELDCLUE_METRICS_TOKEN=) echo "$line$(secret 24)" ;;
    *) echo "$line" ;;
  esac
done < .env.example > .env
echo "make-env: wrote .env; keep a copy of it with the backups" >&2
