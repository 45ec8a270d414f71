#!/usr/bin/env bash
# Registers a connector and waits until it and its task run. May be run again: it then updates the settings.
#   connectors/register.sh [shop|shop-json]
# CONNECTOR_NAME, DATABASE, TOPIC_PREFIX and SERVER_ID choose another database or prefix; MYSQL_HOST, MYSQL_PORT_SEEN, KAFKA_SEEN
# and REGISTRY_SEEN are the servers as Connect itself sees them (they differ from the published ports inside containers).
set -euo pipefail
# shellcheck source=stack/lib.sh
. "$(dirname "$0")/../stack/lib.sh"

# A task starts within seconds; a busy machine may need much longer.
DEADLINE_SECONDS=90
file=${1:-shop}
template="$ROOT/connectors/$file.json"
[[ -f $template ]] || die "no connector file $template: choose shop or shop-json"

# Each connector reads the binlog as a replica of its own: prefix and server id must differ between them.
case $file in
  shop) prefix=mysql id=184101 ;;
  *) prefix=mysqljson id=184102 ;;
esac
name=${CONNECTOR_NAME:-$file}
DATABASE=${DATABASE:-shop} TOPIC_PREFIX=${TOPIC_PREFIX:-$prefix} SERVER_ID=${SERVER_ID:-$id}
MYSQL_HOST=${MYSQL_HOST:-127.0.0.1} MYSQL_PORT_SEEN=${MYSQL_PORT_SEEN:-$MYSQL_PORT}
KAFKA_SEEN=${KAFKA_SEEN:-127.0.0.1:$KAFKA_PORT} REGISTRY_SEEN=${REGISTRY_SEEN:-http://127.0.0.1:$REGISTRY_PORT}
url="http://127.0.0.1:$CONNECT_PORT/connectors/$name"

config=$(<"$template")
for variable in DATABASE TOPIC_PREFIX SERVER_ID MYSQL_HOST MYSQL_PORT_SEEN KAFKA_SEEN REGISTRY_SEEN; do
  config=${config//"\${$variable}"/${!variable}}
done

answer=$(curl -sS -X PUT -H 'Content-Type: application/json' --data "$config" -w '\n%{http_code}' "$url/config") \
  || die "connect does not answer on port $CONNECT_PORT: run stack/up.sh first"
[[ ${answer##*$'\n'} == 20? ]] || die "connect refused the connector $name: ${answer%$'\n'*}"

end=$((SECONDS + DEADLINE_SECONDS))
while :; do
  status=$(curl -s "$url/status" || true)
  if [[ $status == *'"state":"FAILED"'* ]]; then
    # The trace is one JSON string: its escapes become lines again.
    printf '%b\n' "$status" >&2
    die "connector $name failed with the trace above: mend its cause and run connectors/register.sh $file again"
  fi
  # The connector and its only task.
  running=$(grep -o '"state":"RUNNING"' <<<"$status" | wc -l || true)
  ((running >= 2)) && break
  ((SECONDS < end)) || die "connector $name does not run after $DEADLINE_SECONDS s: $status"
  sleep 0.2
done
say "connector $name running, topics $TOPIC_PREFIX.$DATABASE.*"
