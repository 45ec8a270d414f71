#!/usr/bin/env bash
# Stops the servers that up.sh started for this TIDEWATER_DATA, by pid. --wipe also removes their data, logs and settings;
# --kill ends the named ones as a power cut would.
set -euo pipefail
# shellcheck source=stack/lib.sh
. "$(dirname "$0")/lib.sh"

case "${1:-}" in
  '' | --wipe) ;;
  --kill)
    shift
    killed=()
    for name in "$@"; do
      if alive "$name"; then
        pid=$(<"$DATA/pids/$name")
        kill -9 "$pid" || true
        killed+=("$pid")
      fi
    done
    for name in "$@"; do
      # A killed process lets go of its port only when its last thread has ended.
      port="${name^^}_PORT"
      while alive "$name" || port_open "${!port}"; do sleep 0.05; done
    done
    # And of its number only when it has been buried, which who buries it may take its time for.
    end=$((SECONDS + 10))
    for pid in "${killed[@]}"; do
      while kill -0 "$pid" 2>/dev/null && ((SECONDS < end)); do sleep 0.05; done
    done
    exit 0
    ;;
  *) die "unknown argument '$1': stack/down.sh [--wipe | --kill NAME...]" ;;
esac
# Readers before what they read from.
for name in connect registry kafka mysql; do halt "$name"; done
if [[ ${1:-} == --wipe ]]; then
  rm -rf "${DATA:?}"/{data,logs,pids,conf}
  say "data in $DATA removed"
fi
