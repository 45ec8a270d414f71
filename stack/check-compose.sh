#!/usr/bin/env bash
# Checks that docker compose accepts docker-compose.yml with the ports and versions of stack/stack.env, and that the
# file names no port or version of its own. Needs the docker compose plugin, but no engine.
set -euo pipefail
# shellcheck source=stack/lib.sh
. "$(dirname "$0")/lib.sh"

file="$ROOT/docker-compose.yml"
compose() {
  if docker compose version >/dev/null 2>&1; then docker compose "$@"; else docker-compose "$@"; fi
}
config=$(compose --env-file "$STACK_DIR/stack.env" -f "$file" config) || die "docker compose does not accept $file: the message above says why"

for variable in MYSQL_PORT KAFKA_PORT CONNECT_PORT REGISTRY_PORT MYSQL_VERSION KAFKA_VERSION DEBEZIUM_VERSION REGISTRY_VERSION; do
  grep -qF "\${$variable}" "$file" || die "$file does not take $variable from stack/stack.env"
  value=$(grep -E "^$variable=" "$STACK_DIR/stack.env" | cut -d= -f2)
  grep -qF "$value" <<<"$config" || die "$file does not use $variable=$value"
done
for service in mysql kafka registry connect; do
  grep -qE "^  $service:" "$file" || die "$file has no service $service"
done
say "docker-compose.yml agrees with stack/stack.env"
