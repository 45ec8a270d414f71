# Shared by install.sh, up.sh, down.sh and start.sh: settings, folders, and how a server is started, asked and stopped.
# Sourced, never run. Needs bash 4.4 or newer.
# shellcheck shell=bash disable=SC2034  # the variables are for the scripts that source this

STACK_DIR="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
ROOT="$(dirname "$STACK_DIR")"

# The environment wins over the file, so that a second instance needs no second file.
while IFS='=' read -r key value; do
  [[ $key =~ ^[A-Z_0-9]+$ ]] || continue
  [[ -n ${!key:-} ]] || printf -v "$key" '%s' "$value"
  export "${key?}"
done <"$STACK_DIR/stack.env"

DATA="${TIDEWATER_DATA:-$ROOT/.tidewater}"
[[ $DATA == /* ]] || DATA="$PWD/$DATA"
CACHE="${TIDEWATER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tidewater}/stack"

# One folder a part and version: a new version is installed beside the old one, and clones share them.
MYSQL_HOME="$CACHE/mysql-$MYSQL_SUITE-$MYSQL_VERSION"
KAFKA_HOME="$CACHE/kafka-$KAFKA_VERSION"
DEBEZIUM_HOME="$CACHE/debezium-$DEBEZIUM_VERSION"
REGISTRY_HOME="$CACHE/registry-$REGISTRY_VERSION"
CONVERTER_HOME="$CACHE/avro-converter-$AVRO_CONVERTER_VERSION"

# Serial collector: the servers are small and share few cores. The property names the instance in the process list.
JVM=(-XX:+UseSerialGC -XX:-UsePerfData -Djava.awt.headless=true "-Dtidewater.data=$DATA")

say() { printf '[%4d s] %s\n' "$SECONDS" "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# The packaged MySQL needs a newer libc than the system may have, so it runs under the loader it came with.
mysql_loader() {
  local loader
  for loader in "$MYSQL_HOME"/usr/lib/*/ld-linux-*.so.*; do
    [[ -x $loader ]] && { printf '%s' "$loader"; return; }
  done
  die "mysql is not installed in $MYSQL_HOME: run stack/install.sh"
}
mysql_run() {
  local loader; loader=$(mysql_loader) || exit 1
  "$loader" --library-path "$(dirname "$loader")" "$@"
}
# The administrator's client, over the socket of this instance.
mysql_root() {
  mysql_run "$MYSQL_HOME/usr/bin/mysql" --no-defaults --default-character-set=utf8mb4 -uroot -S "$DATA/mysql.sock" "$@"
}

# True if server $1 of this instance runs. A pid file may outlive a reboot, so the process must also name our folder.
alive() {
  local pid
  [[ -s $DATA/pids/$1 ]] || return 1
  pid=$(<"$DATA/pids/$1")
  kill -0 "$pid" 2>/dev/null && tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$DATA"
}

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# need_port SERVER VARIABLE: refuses before anything starts, with the way out.
need_port() {
  port_open "${!2}" || return 0
  die "port ${!2} for $1 is in use by another program: stop that, or choose another port with $2=..."
}

# launch NAME COMMAND...: in its own session, so that ctrl-c in the terminal does not reach the servers.
launch() {
  local name=$1; shift
  # What a server said before it was killed tells why.
  setsid "$@" >>"$DATA/logs/$name.log" 2>&1 </dev/null &
  printf '%s\n' "$!" >"$DATA/pids/$name"
  # Until it is the server's own command line, it is this script's.
  while kill -0 "$!" 2>/dev/null && ! alive "$name"; do sleep 0.02; done
}

# await NAME SECONDS COMMAND...: until the server answers; its death or the deadline is an error that names the log.
await() {
  local name=$1 limit=$2 end=$((SECONDS + $2)); shift 2
  until "$@" >/dev/null 2>&1; do
    alive "$name" || { tail -n 5 "$DATA/logs/$name.log" >&2; die "$name stopped while starting: see $DATA/logs/$name.log, mend that, then start again"; }
    ((SECONDS < end)) || die "$name did not answer within $limit s: see $DATA/logs/$name.log, or stop other load and start again"
    sleep 0.1
  done
  say "$name ready"
}

# halt NAME: asks, waits (MySQL must not be cut off while it writes), and only then forces.
halt() {
  local name=$1 pid end=$((SECONDS + 30))
  alive "$name" || { rm -f "$DATA/pids/$name"; return 0; }
  pid=$(<"$DATA/pids/$name")
  kill "$pid" 2>/dev/null || true
  while kill -0 "$pid" 2>/dev/null && ((SECONDS < end)); do sleep 0.1; done
  if kill -0 "$pid" 2>/dev/null; then kill -9 "$pid" 2>/dev/null || true; fi
  rm -f "$DATA/pids/$name"
  say "$name stopped"
}
