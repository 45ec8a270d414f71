#!/usr/bin/env bash
# Creates the shop's tables and users in the running native MySQL. Repeatable.
set -euo pipefail
# shellcheck source=stack/lib.sh
. "$(dirname "$0")/lib.sh"
alive mysql || die "mysql is not running: run stack/up.sh first"
mysql_root <"$ROOT/sql/mysql/schema.sql"
say "schema shop ready"
