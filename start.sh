#!/usr/bin/env bash
# Brings everything up from nothing, or continues where it stands. See --help.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=stack/lib.sh
. stack/lib.sh

usage() {
  cat <<'TEXT'
./start.sh            build, start the servers, create the shop, its views and its services; may be run again
./start.sh status     what runs
./start.sh stop       stop what was started; data stays
./start.sh logs NAME  follow a log: mysql, kafka, registry, connect, tidewater, shop, build
./start.sh reset      stop and delete all data
./start.sh --help     this text

If a Docker engine answers, MySQL, Kafka, Kafka Connect with Debezium and the schema registry come from
docker-compose.yml; otherwise they are installed and started natively by stack/ (Debian or Ubuntu, Java 17+, Maven).
Data, logs and pids are in .tidewater/ (TIDEWATER_DATA). Ports are in stack/stack.env; an environment variable of the
same name overrides one. USERS and ORDERS choose the size of the seeded shop (1000 and 10000).
TEXT
}

# The build needs about 6 GB, the servers and their data 3 GB.
DISK_MB=10000
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$ROOT/target}"
BIN="$CARGO_TARGET_DIR/release"
OWN=(shop tidewater)
NATIVE=(connect registry kafka mysql)

# DOCKER=yes|no in the environment decides without asking.
use_docker() {
  if [[ -z ${DOCKER:-} ]]; then
    if docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; then DOCKER=yes; else DOCKER=no; fi
  fi
  [[ $DOCKER == yes ]]
}
compose() { docker compose --env-file stack/stack.env "$@"; }

# Everything the build and psql need; java and mvn are checked by stack/install.sh where they are needed.
check_prerequisites() {
  local missing=() free
  command -v cargo >/dev/null || die "cargo is missing: install Rust with rustup (rust-toolchain.toml names the version)"
  need() { command -v "$1" >/dev/null || missing+=("$2"); }
  need cmake cmake; need g++ g++; need make make; need curl curl; need psql postgresql-client; need pkg-config pkg-config
  # TLS to Kafka.
  pkg-config --exists openssl 2>/dev/null || missing+=(libssl-dev)
  if ((${#missing[@]})); then
    [[ $(id -u) == 0 ]] || die "missing ${missing[*]}: run  sudo apt-get install ${missing[*]}"
    say "installing ${missing[*]} ..."
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y "${missing[@]}"; } >/dev/null \
      || die "could not install ${missing[*]}: run  apt-get install ${missing[*]}  to see why"
  fi
  mkdir -p "$DATA"/{data,logs,pids,conf}
  free=$(df -Pm "$DATA" | awk 'NR == 2 {print $4}')
  [[ -x $BIN/tidewater ]] || ((free >= DISK_MB)) \
    || die "only $free MB are free for $DATA: the first build needs $DISK_MB; make room, or set TIDEWATER_DATA and CARGO_TARGET_DIR"
  alive tidewater || { need_port Tidewater TIDEWATER_PG_PORT; need_port Tidewater TIDEWATER_HTTP_PORT; }
  alive shop || need_port "the shop" SHOP_PORT
}

# while_running PID WHAT LOG: shows every ten seconds that it goes on.
while_running() {
  local pid=$1 what=$2 log=$3 next=$((SECONDS + 10))
  while kill -0 "$pid" 2>/dev/null; do
    if ((SECONDS >= next)); then
      say "$what: $(tail -n 1 "$log" 2>/dev/null | tr -d '\r' | cut -c1-90)"
      next=$((SECONDS + 10))
    fi
    sleep 0.2
  done
  wait "$pid" || { tail -n 20 "$log" >&2; die "$what failed: see $log"; }
}

start_servers() {
  if use_docker; then
    say "starting the servers with docker compose ..."
    compose up -d --wait || die "docker compose could not start the servers: see  docker compose logs"
    compose exec -T mysql mysql -uroot <sql/mysql/schema.sql
    say "schema shop ready"
  else
    stack/install.sh
    stack/up.sh
    stack/schema.sh
  fi
}

register_connector() {
  if use_docker; then
    MYSQL_HOST=mysql MYSQL_PORT_SEEN=3306 KAFKA_SEEN=kafka:29092 REGISTRY_SEEN=http://registry:8080 connectors/register.sh shop
  else
    connectors/register.sh shop
  fi
}

# The registry knows a table's schema once Debezium has written its first row. Its snapshot goes table by table, so the last one
# waits for all others: as long as the connector runs.
await_schemas() {
  local table next=$((SECONDS + 10)) url="http://127.0.0.1:$REGISTRY_PORT/apis/ccompat/v7/subjects"
  for table in users addresses orders order_items; do
    until curl -sf "$url/mysql.shop.$table-value/versions" >/dev/null; do
      if ((SECONDS >= next)); then
        if curl -s "http://127.0.0.1:$CONNECT_PORT/connectors/shop/status" | grep -q FAILED; then
          die "Debezium's connector has failed before the first row of $table: see  ./start.sh logs connect"
        fi
        say "Debezium's snapshot has not come to table $table yet"
        next=$((SECONDS + 10))
      fi
      sleep 0.2
    done
  done
  say "Debezium streams the tables"
}

sql_file() { # with this instance's ports
  sed -e "s/localhost:9092/localhost:$KAFKA_PORT/; s/localhost:8081/localhost:$REGISTRY_PORT/" "$1" \
    | psql -X -q -v ON_ERROR_STOP=1 -U materialize -h 127.0.0.1 -p "$TIDEWATER_PG_PORT" materialize \
    || die "$1 failed with the error above: see  ./start.sh logs tidewater"
}

start_tidewater() {
  alive tidewater || launch tidewater "$BIN/tidewater" serve --pg-port "$TIDEWATER_PG_PORT" --http-port "$TIDEWATER_HTTP_PORT" \
    --data-dir "$DATA/tidewater"
  await tidewater 30 curl -sf "http://127.0.0.1:$TIDEWATER_HTTP_PORT/health"
  sql_file sql/sources.sql
  sql_file sql/views.sql
  local next=$((SECONDS + 2)) end=$((SECONDS + 600)) reason
  until reason=$(curl -s "http://127.0.0.1:$TIDEWATER_HTTP_PORT/ready") && [[ $reason == ready ]]; do
    ((SECONDS < end)) || die "the views are not ready after 600 s ($reason): see  ./start.sh logs tidewater"
    if ((SECONDS >= next)); then say "views: $reason"; next=$((SECONDS + 2)); fi
    sleep 0.1
  done
  say "views ready"
}

start_shop() {
  # The process names its folder, so that another instance's is not taken for it.
  alive shop || launch shop bash -c 'exec -a "$0" "$@"' "shop [$DATA]" "$BIN/shop" serve
  await shop 30 curl -sf "http://127.0.0.1:$SHOP_PORT/ready"
}

start() {
  check_prerequisites
  export MYSQL_URL="mysql://shop:shop@127.0.0.1:$MYSQL_PORT/shop" KAFKA_BROKERS="127.0.0.1:$KAFKA_PORT" SHOP_PORT
  export TIDEWATER_URL="postgres://materialize@127.0.0.1:$TIDEWATER_PG_PORT/materialize"
  say "building (log: $DATA/logs/build.log) ..."
  CARGO_TERM_PROGRESS_WHEN=never cargo build --release --locked -p tidewater -p shop >"$DATA/logs/build.log" 2>&1 &
  local build=$!
  # A failure below must not leave the compiler running.
  trap 'kill "$build" 2>/dev/null || true' EXIT
  start_servers
  while_running "$build" "build" "$DATA/logs/build.log"
  trap - EXIT
  say "built"
  "$BIN/shop" seed --users "${USERS:-1000}" --orders "${ORDERS:-10000}" --seed 1
  register_connector
  await_schemas
  start_tidewater
  start_shop
  say "pushing order updates ..."
  "$BIN/shop" push-updates 1 5
  cat <<TEXT

Everything runs. Try:
  psql -U materialize -h localhost -p $TIDEWATER_PG_PORT materialize -c 'SELECT * FROM order_summary WHERE order_id = 1'
  psql -U materialize -h localhost -p $TIDEWATER_PG_PORT materialize -c 'SELECT * FROM orders_by_status'
  curl -s localhost:$SHOP_PORT/order_details_mv/1
  curl -s -X POST localhost:$SHOP_PORT/orders/7/updates -H 'Content-Type: application/json' -d '{"status":"shipped"}'
  curl -s localhost:$SHOP_PORT/order_details_mv/7
  $BIN/shop load --rate 100 --seconds 30      # live traffic to watch
./start.sh status tells what runs, ./start.sh stop ends it.
TEXT
}

status() {
  local name
  for name in "${OWN[@]}"; do alive "$name" && echo "$name runs" || echo "$name does not run"; done
  if use_docker; then compose ps; return; fi
  for name in "${NATIVE[@]}"; do alive "$name" && echo "$name runs" || echo "$name does not run"; done
  curl -s "http://127.0.0.1:$TIDEWATER_HTTP_PORT/ready" || true
}

stop() {
  local name
  for name in "${OWN[@]}"; do halt "$name"; done
  if use_docker; then compose stop; else stack/down.sh; fi
}

case "${1:-}" in
  '') start ;;
  status) status ;;
  stop) stop ;;
  logs)
    name=${2:-}
    [[ -n $name ]] || die "logs of what? mysql, kafka, registry, connect, tidewater, shop or build"
    if use_docker && [[ " ${NATIVE[*]} " == *" $name "* ]]; then compose logs -f "$name"; exit; fi
    [[ -f $DATA/logs/$name.log ]] || die "there is no log $DATA/logs/$name.log"
    tail -n 100 -f "$DATA/logs/$name.log"
    ;;
  reset)
    stop
    if use_docker; then compose down -v; else stack/down.sh --wipe; fi
    rm -rf "${DATA:?}"/tidewater
    say "everything is deleted"
    ;;
  -h | --help | help) usage ;;
  *) usage >&2; die "unknown command '$1'" ;;
esac
