#!/usr/bin/env bash
# Starts MySQL, Kafka, the schema registry and Connect, or those named; returns when they answer. What runs already is left alone.
#   stack/up.sh [mysql|kafka|registry|connect]...
# KAFKA_EXTRA and CONNECT_EXTRA are further lines of their settings; KAFKA_SSL_PORT and REGISTRY_SSL_PORT
# give Kafka and the registry a second listener, with TLS; whoever asks there trusts conf/tls.crt.
# Another instance beside this one: other ports and another folder, e.g. MYSQL_PORT=23306 ... TIDEWATER_DATA=/tmp/x stack/up.sh
set -euo pipefail
# shellcheck source=stack/lib.sh
. "$(dirname "$0")/lib.sh"

# Debezium, Kafka and MySQL's logs of a demo stay far below; a full disk breaks all three in confusing ways.
FIRST_RUN_MB=6000
# A Unix socket's path may have 107 bytes.
LONGEST_DATA_PATH=90

PARTS=("$@"); ((${#PARTS[@]})) || PARTS=(kafka mysql registry connect)
for part in "${PARTS[@]}"; do
  case $part in mysql | kafka | registry | connect) ;; *) die "unknown part '$part': choose from mysql kafka registry connect" ;; esac
done
wanted() { [[ " ${PARTS[*]} " == *" $1 "* ]]; }

check_before_start() {
  ((${#DATA} <= LONGEST_DATA_PATH)) || die "the folder $DATA has too long a path for MySQL's socket: set TIDEWATER_DATA to a shorter one"
  local home
  for home in "$MYSQL_HOME" "$KAFKA_HOME" "$DEBEZIUM_HOME" "$REGISTRY_HOME" "$CONVERTER_HOME"; do
    [[ -e $home/.complete ]] || die "$home is not installed: run stack/install.sh"
  done
  mkdir -p "$DATA"/{data,logs,pids,conf}
  if [[ ! -d $DATA/data/mysql ]]; then
    local free; free=$(df -Pm "$DATA" | awk 'NR==2 {print $4}')
    ((free >= FIRST_RUN_MB)) || die "$DATA has $free MB free and a first run needs $FIRST_RUN_MB: free some, or set TIDEWATER_DATA to another disk"
  fi
  ! wanted mysql || alive mysql || need_port mysql MYSQL_PORT
  ! wanted kafka || alive kafka || { need_port kafka KAFKA_PORT; need_port "kafka's controller" KAFKA_CONTROLLER_PORT; }
  ! wanted registry || alive registry || need_port registry REGISTRY_PORT
  ! wanted connect || alive connect || need_port connect CONNECT_PORT
}

mysql_conf() {
  cat <<CONF
[mysqld]
basedir=$MYSQL_HOME/usr
plugin_dir=$MYSQL_HOME/usr/lib/mysql/plugin
lc_messages_dir=$MYSQL_HOME/usr/share/mysql
character_sets_dir=$MYSQL_HOME/usr/share/mysql/charsets
secure_file_priv=NULL
datadir=$DATA/data/mysql
socket=$DATA/mysql.sock
pid_file=$DATA/data/mysqld.pid
bind_address=127.0.0.1
port=$MYSQL_PORT
mysqlx=OFF
skip_name_resolve=ON
# Debezium reads whole rows from the binlog, and names transactions by GTID.
server_id=184054
log_bin=binlog
binlog_row_image=FULL
binlog_row_metadata=FULL
binlog_expire_logs_seconds=864000
gtid_mode=ON
enforce_gtid_consistency=ON
default_time_zone=+00:00
# Small and quick rather than safe against power loss: this is a local stack.
innodb_buffer_pool_size=128M
innodb_redo_log_capacity=64M
innodb_flush_log_at_trx_commit=2
sync_binlog=0
performance_schema=OFF
CONF
  if [[ $(id -u) == 0 ]]; then printf 'user=root\n'; fi
}

start_mysql() {
  local mysqld="$MYSQL_HOME/usr/sbin/mysqld" loader
  loader=$(mysql_loader)
  mysql_conf >"$DATA/conf/my.cnf"
  # Made beside its place: an interrupted first start must not leave half a data folder.
  if [[ ! -d $DATA/data/mysql ]]; then
    say "creating mysql's data folder ..."
    rm -rf "$DATA/data/mysql.new"
    mysql_run "$mysqld" --defaults-file="$DATA/conf/my.cnf" --datadir="$DATA/data/mysql.new" --initialize-insecure \
      >"$DATA/logs/mysql-init.log" 2>&1 || die "mysql could not create its data folder: see $DATA/logs/mysql-init.log"
    mv "$DATA/data/mysql.new" "$DATA/data/mysql"
  fi
  # Ours does not run: a lock that a killed one left may name a process that has its number by now.
  rm -f "$DATA/mysql.sock" "$DATA/mysql.sock.lock"
  launch mysql "$loader" --library-path "$(dirname "$loader")" "$mysqld" --defaults-file="$DATA/conf/my.cnf"
}

# A certificate of its own for the listeners with TLS.
certificate() {
  [[ ! -f $DATA/conf/tls.crt ]] || return 0
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
    -keyout "$DATA/conf/tls.key" -out "$DATA/conf/tls.crt" 2>/dev/null || die "openssl could not make a certificate: apt-get install openssl"
  cat "$DATA/conf/tls.key" "$DATA/conf/tls.crt" >"$DATA/conf/tls.pem"
}

kafka_conf() {
  local tls='' advertised=''
  if [[ -n ${KAFKA_SSL_PORT:-} ]]; then
    tls=",SASL_SSL://127.0.0.1:$KAFKA_SSL_PORT" advertised=",SASL_SSL://127.0.0.1:$KAFKA_SSL_PORT"
  fi
  cat <<CONF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$KAFKA_CONTROLLER_PORT
listeners=PLAINTEXT://127.0.0.1:$KAFKA_PORT,CONTROLLER://127.0.0.1:$KAFKA_CONTROLLER_PORT$tls
advertised.listeners=PLAINTEXT://127.0.0.1:$KAFKA_PORT$advertised
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=$DATA/data/kafka
# One broker: nothing can be replicated.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
# The topics are the source of truth for views: never dropped by age.
log.retention.ms=-1
# A lone consumer gets its partitions at once.
group.initial.rebalance.delay.ms=0
log.segment.bytes=134217728
log.cleaner.dedupe.buffer.size=16777216
${KAFKA_EXTRA:-}
CONF
  [[ -n $tls ]] || return 0
  cat <<CONF
ssl.keystore.type=PEM
ssl.keystore.location=$DATA/conf/tls.pem
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_tidewater="secret";
CONF
}

logging_conf() {
  cat <<'CONF'
Configuration:
  status: warn
  Appenders:
    Console: {name: STDOUT, PatternLayout: {pattern: "[%d] %p %m (%c{1})%n"}}
  Loggers:
    Root: {level: INFO, AppenderRef: [{ref: STDOUT}]}
    Logger:
      - {name: org.apache.kafka.common.config.AbstractConfig, level: WARN}
      - {name: org.apache.kafka.clients, level: WARN}
CONF
}

start_kafka() {
  [[ -z ${KAFKA_SSL_PORT:-} ]] || certificate
  kafka_conf >"$DATA/conf/kafka.properties"
  if [[ ! -f $DATA/data/kafka/meta.properties ]]; then
    java -Xmx128m "${JVM[@]}" "-Dlog4j2.configurationFile=$DATA/conf/log4j2.yaml" -cp "$KAFKA_HOME/libs/*" kafka.tools.StorageTool \
      format -t VGlkZXdhdGVyU3RhY2swMQ -c "$DATA/conf/kafka.properties" >"$DATA/logs/kafka-format.log" 2>&1 \
      || die "kafka could not format its data folder: see $DATA/logs/kafka-format.log"
  fi
  launch kafka java "-Xmx$KAFKA_HEAP" "${JVM[@]}" "-Dlog4j2.configurationFile=$DATA/conf/log4j2.yaml" \
    -cp "$KAFKA_HOME/libs/*" kafka.Kafka "$DATA/conf/kafka.properties"
}

# In a file, so that schema ids survive a restart: messages in Kafka name them.
start_registry() {
  (
    cd "$REGISTRY_HOME"
    export QUARKUS_HTTP_HOST=127.0.0.1 QUARKUS_HTTP_PORT="$REGISTRY_PORT" APICURIO_STORAGE_KIND=sql APICURIO_STORAGE_SQL_KIND=h2
    export APICURIO_DATASOURCE_URL="jdbc:h2:file:$DATA/data/registry/db"
    # After a kill its database recovers first; by default whoever waits for it gives up after 5 s.
    export QUARKUS_DATASOURCE_H2_JDBC_ACQUISITION_TIMEOUT=60S
    if [[ -n ${REGISTRY_SSL_PORT:-} ]]; then
      certificate
      export QUARKUS_HTTP_SSL_PORT="$REGISTRY_SSL_PORT" QUARKUS_HTTP_SSL_CERTIFICATE_FILES="$DATA/conf/tls.crt"
      export QUARKUS_HTTP_SSL_CERTIFICATE_KEY_FILES="$DATA/conf/tls.key"
    fi
    launch registry java "-Xmx$REGISTRY_HEAP" "${JVM[@]}" -jar apicurio-registry-app-*-runner.jar
  )
}

connect_conf() {
  cat <<CONF
bootstrap.servers=127.0.0.1:$KAFKA_PORT
group.id=connect
listeners=http://127.0.0.1:$CONNECT_PORT
rest.advertised.host.name=127.0.0.1
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
config.storage.topic=_connect-configs
config.storage.replication.factor=1
offset.storage.topic=_connect-offsets
offset.storage.replication.factor=1
offset.storage.partitions=1
status.storage.topic=_connect-status
status.storage.replication.factor=1
status.storage.partitions=1
offset.flush.interval.ms=5000
scheduled.rebalance.max.delay.ms=0
plugin.path=$DEBEZIUM_HOME,$CONVERTER_HOME
# A full scan of the plugins costs 450 MB and many seconds.
plugin.discovery=service_load
connector.client.config.override.policy=All
${CONNECT_EXTRA:-}
CONF
}

start_connect() {
  connect_conf >"$DATA/conf/connect.properties"
  launch connect java "-Xmx$CONNECT_HEAP" "${JVM[@]}" "-Dlog4j2.configurationFile=$DATA/conf/log4j2.yaml" \
    -cp "$KAFKA_HOME/libs/*" org.apache.kafka.connect.cli.ConnectDistributed "$DATA/conf/connect.properties"
}

check_before_start
logging_conf >"$DATA/conf/log4j2.yaml"
say "starting ${PARTS[*]} (data in $DATA) ..."
! wanted kafka || alive kafka || start_kafka
! wanted mysql || alive mysql || start_mysql
! wanted registry || alive registry || start_registry
! wanted kafka || await kafka 240 port_open "$KAFKA_PORT"
! wanted connect || alive connect || start_connect
! wanted mysql || await mysql 240 mysql_root -e 'SELECT 1'
! wanted registry || await registry 240 curl -sf "http://127.0.0.1:$REGISTRY_PORT/apis/ccompat/v7/subjects"
! wanted connect || await connect 240 curl -sf "http://127.0.0.1:$CONNECT_PORT/connectors"
