#!/usr/bin/env bash
# The one test command: installs what is missing, checks format and lints, runs every test, ends with "N passed, N failed".
#   ./test.sh        everything, on real MySQL, Kafka, Debezium and schema registry, which it installs and starts
#   ./test.sh unit   without the servers
set -uo pipefail
cd "$(dirname "$0")"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
case "${1:-}" in
  '') export TIDEWATER_TESTS=all ;;
  unit) export TIDEWATER_TESTS=unit ;;
  *) echo "usage: ./test.sh [unit]" >&2; exit 2 ;;
esac

packages=()
need() { command -v "$1" >/dev/null || packages+=("$2"); }
need cmake cmake; need g++ g++; need make make; need curl curl; need psql postgresql-client; need pkg-config pkg-config
docker compose version >/dev/null 2>&1 || need docker-compose docker-compose
# The judge of SQL's meaning; its tests start servers of their own, so that Debian's default cluster is not wanted.
[[ -x /usr/lib/postgresql/15/bin/postgres ]] || postgres --version 2>/dev/null | grep -q ' 15\.' || packages+=(postgresql)
# TLS to Kafka.
pkg-config --exists openssl 2>/dev/null || packages+=(libssl-dev)
command -v cargo >/dev/null || { echo "cargo is missing: install Rust with rustup (the version is in rust-toolchain.toml)" >&2; exit 1; }
if ((${#packages[@]})); then
  if [[ $(id -u) == 0 ]]; then
    echo "installing ${packages[*]}"
    if [[ " ${packages[*]} " == *" postgresql "* && ! -e /etc/postgresql-common/createcluster.conf ]]; then
      mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
    fi
    apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y -o Dpkg::Options::=--force-confold "${packages[@]}" >/dev/null || exit 1
  else
    echo "missing: run  sudo apt-get install ${packages[*]}" >&2; exit 1
  fi
fi

log=$(mktemp); trap 'rm -f "$log"' EXIT
passed=0; failed=0
step() { # name, command...: counts one result for a command that is not a test run
  local name=$1; shift
  printf '== %s\n' "$name"
  if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $name" >&2; fi
}
shell_syntax() { local f; for f in start.sh test.sh .ci/run stack/*.sh connectors/*.sh; do bash -n "$f" || return 1; done; }
# Which crate may know which: the arrows of ARCHITECTURE.md.
crate_arrows() {
  local line crate allowed dependency status=0
  while read -r line; do
    crate=${line%%:*} allowed=" ${line#*:} "
    for dependency in shop tidewater tidewater-{delta,types,functions,query,judge,engine,lower,catalog,sql,ingest}; do
      if grep -qE "^$dependency(\.workspace)? *=" "$crate/Cargo.toml" && [[ $allowed != *" $dependency "* ]]; then
        echo "$crate must not depend on $dependency" >&2; status=1
      fi
    done
  done <<'ARROWS'
delta:
views/types: tidewater-delta tidewater-judge
views/judge:
views/functions: tidewater-delta tidewater-types tidewater-judge
views/query: tidewater-delta tidewater-types tidewater-functions tidewater-judge
views/engine: tidewater-delta tidewater-types
views/lower: tidewater-delta tidewater-engine tidewater-types tidewater-functions tidewater-query tidewater-judge
views/catalog: tidewater-delta tidewater-types tidewater-functions tidewater-query tidewater-judge
views/sql: tidewater-delta tidewater-engine tidewater-types tidewater-functions tidewater-query tidewater-lower tidewater-catalog
ingest: tidewater-delta tidewater-types
views/server: tidewater-delta tidewater-ingest tidewater-sql tidewater-types tidewater-functions tidewater-query tidewater-judge
api:
tests: shop tidewater
ARROWS
  return "$status"
}
step "shell syntax" shell_syntax
step "crate arrows" crate_arrows
step "docker-compose.yml" stack/check-compose.sh
step format cargo fmt --all --check
step lints cargo clippy --locked --all-targets --quiet -- -D warnings
printf '== tests\n'
cargo test --locked --no-fail-fast 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
read -r p f < <(awk '/^test result:/ {p += $4; f += $6} END {print p + 0, f + 0}' "$log")
# A crate that does not compile, or a run without a single test, is a failure too.
((status == 0 || f > 0)) || f=1
((p + f > 0)) || f=1
passed=$((passed + p)); failed=$((failed + f))
printf '\n%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
