#!/usr/bin/env bash
# Installs MySQL, Kafka with Connect, Debezium and the schema registry into a cache that all clones share.
# Changes nothing of the system; a part that is complete is skipped.   stack/install.sh [mysql|kafka|debezium|registry]...
set -euo pipefail
# shellcheck source=stack/lib.sh
. "$(dirname "$0")/lib.sh"

PARTS=("$@"); ((${#PARTS[@]})) || PARTS=(mysql kafka debezium registry)
# What the four parts and their downloads take, rounded up.
NEEDED_MB=3000
# 2.8 on purpose: later versions read the parent pom of the registry's archive, which is not published.
DEPENDENCY_PLUGIN=org.apache.maven.plugins:maven-dependency-plugin:2.8

check_tools() {
  command -v mvn >/dev/null || die "mvn is missing: apt-get install maven"
  command -v java >/dev/null || die "java is missing: apt-get install openjdk-17-jre-headless"
  command -v python3 >/dev/null || die "python3 is missing: apt-get install python3"
  command -v apt-get >/dev/null || die "apt-get is missing: the native servers need a Debian or Ubuntu system"
  local version; version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -1)
  ((${version:-0} >= 17)) || die "java ${version:-of unknown version} is too old: apt-get install openjdk-17-jre-headless"
  mkdir -p "$CACHE"
  local free; free=$(df -Pm "$CACHE" | awk 'NR==2 {print $4}')
  ((free >= NEEDED_MB)) || die "$CACHE has $free MB free and $NEEDED_MB are needed: free some, or set TIDEWATER_CACHE to another disk"
}

maven() { mvn -q -B -ntp "$@" || die "maven could not fetch a part: check the network and ~/.m2/settings.xml, then run stack/install.sh again"; }

# MySQL is not in every release of Debian; the suite named in stack.env has it. Its packages are only unpacked, and run with
# the libraries they came with. apt works on lists of its own here, so the system's package state stays as it is.
install_mysql() {
  local to=$1 apt="$1/.apt" uri libs deb
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
  # shellcheck disable=SC2016  # apt's own variable
  uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -E -m1 '/debian/?$' || true)
  [[ -n $uri ]] || uri=$(awk '/^URIs:/ {print $2; exit} /^deb / {for (i = 2; i <= NF; i++) if ($i ~ "://") {print $i; exit}}' \
    /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null || true)
  [[ $uri == *debian* ]] || die "no Debian archive among apt's sources, which the native MySQL comes from: use Docker instead"
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$uri" "$MYSQL_SUITE" >"$apt/sources.list"
  cat >"$apt/apt.conf" <<CONF
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$apt/lists";
Dir::Cache "$apt/cache";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
APT::Sandbox::User "$(id -un)";
CONF
  (
    export APT_CONFIG="$apt/apt.conf"
    apt-get -qq update || die "apt-get could not read the suite $MYSQL_SUITE: check the network and run stack/install.sh again"
    mapfile -t libs < <(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
      --no-enhances mysql-server-core mysql-client-core | grep -E '^lib[a-z0-9.+-]+$' | grep -vE '^lib(perl|gdbm|db5|sasl2-modules)' | sort -u)
    cd "$apt/debs" && apt-get -qq download mysql-server-core mysql-client-core "${libs[@]}"
  ) || die "apt-get could not download mysql: check the network and run stack/install.sh again"
  for deb in "$apt"/debs/*.deb; do dpkg -x "$deb" "$to"; done
  rm -rf "$apt"
}

install_kafka() {
  maven -f "$STACK_DIR/maven/kafka/pom.xml" -Dkafka.version="$KAFKA_VERSION" -Dlog4j.version="$LOG4J_VERSION" \
    "$DEPENDENCY_PLUGIN:copy-dependencies" -DincludeScope=runtime -DoutputDirectory="$1/libs"
}

install_debezium() {
  (cd "$1" && maven "$DEPENDENCY_PLUGIN:copy" -DoutputDirectory="$1" \
    "-Dartifact=io.debezium:debezium-connector-mysql:$DEBEZIUM_VERSION:tar.gz:plugin") || exit 1
  tar xzf "$1"/*.tar.gz -C "$1" && rm "$1"/*.tar.gz
  # The worker has these; a second copy in a plugin only costs start-up time.
  rm -f "$1"/debezium-connector-mysql/{connect-api,kafka-clients,lz4-java,snappy-java,zstd-jni,slf4j-api}-*.jar
}

install_registry() {
  (cd "$1" && maven "$DEPENDENCY_PLUGIN:copy" -DoutputDirectory="$1" \
    "-Dartifact=io.apicurio:apicurio-registry-app:$REGISTRY_VERSION:tar.gz:all") || exit 1
  tar xzf "$1"/*.tar.gz -C "$1" && rm "$1"/*.tar.gz
}

install_converter() {
  maven -f "$STACK_DIR/maven/avro-converter/pom.xml" -Dconverter.version="$AVRO_CONVERTER_VERSION" \
    "$DEPENDENCY_PLUGIN:copy-dependencies" -DincludeScope=runtime -DoutputDirectory="$1/apicurio"
  # The jar declares no service, and Connect looks for plugins by service alone (a full scan costs 450 MB): declare it.
  python3 - "$1/apicurio/declare-converter.jar" <<'PY'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as jar:
    jar.writestr("META-INF/services/org.apache.kafka.connect.storage.Converter",
                 "io.apicurio.registry.utils.converter.AvroConverter\n")
PY
}

# part NAME FOLDER: built beside its place and moved there when whole, so that a folder that exists is complete.
part() {
  local name=$1 home=$2 begin=$SECONDS
  [[ -e $home/.complete ]] && { say "$name is installed"; return; }
  say "installing $name ..."
  rm -rf "$home" "$home.partial"; mkdir -p "$home.partial"
  "install_$name" "$home.partial"
  touch "$home.partial/.complete"
  mv "$home.partial" "$home"
  say "$name installed in $((SECONDS - begin)) s"
}

check_tools
# Two clones may install at once: the second waits, then finds the work done.
exec 9>"$CACHE/.lock"
flock -n 9 || { say "another install is running, waiting for it"; flock 9; }
for name in "${PARTS[@]}"; do
  case $name in
    mysql) part mysql "$MYSQL_HOME" ;;
    kafka) part kafka "$KAFKA_HOME" ;;
    debezium) part debezium "$DEBEZIUM_HOME" ;;
    registry) part registry "$REGISTRY_HOME"; part converter "$CONVERTER_HOME" ;;
    *) die "unknown part '$name': choose from mysql kafka debezium registry" ;;
  esac
done
