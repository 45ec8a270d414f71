-- The shop's sources: four tables that Debezium streams, and the topic that services write order updates to.
CREATE CONNECTION IF NOT EXISTS kafka TO KAFKA (BROKER 'localhost:9092', SECURITY PROTOCOL = 'PLAINTEXT');
CREATE CONNECTION IF NOT EXISTS registry TO CONFLUENT SCHEMA REGISTRY (URL 'http://localhost:8081/apis/ccompat/v7');

CREATE SOURCE IF NOT EXISTS users
  FROM KAFKA CONNECTION kafka (TOPIC 'mysql.shop.users')
  FORMAT AVRO USING CONFLUENT SCHEMA REGISTRY CONNECTION registry ENVELOPE DEBEZIUM;

CREATE SOURCE IF NOT EXISTS addresses
  FROM KAFKA CONNECTION kafka (TOPIC 'mysql.shop.addresses')
  FORMAT AVRO USING CONFLUENT SCHEMA REGISTRY CONNECTION registry ENVELOPE DEBEZIUM;

CREATE SOURCE IF NOT EXISTS orders
  FROM KAFKA CONNECTION kafka (TOPIC 'mysql.shop.orders')
  FORMAT AVRO USING CONFLUENT SCHEMA REGISTRY CONNECTION registry ENVELOPE DEBEZIUM;

CREATE SOURCE IF NOT EXISTS order_items
  FROM KAFKA CONNECTION kafka (TOPIC 'mysql.shop.order_items')
  FORMAT AVRO USING CONFLUENT SCHEMA REGISTRY CONNECTION registry ENVELOPE DEBEZIUM;

-- JSON carries no types, so the columns are declared. The offset decides between updates of one moment.
CREATE SOURCE IF NOT EXISTS order_updates (order_id bigint, status text, updated_at timestamptz, service text)
  FROM KAFKA CONNECTION kafka (TOPIC 'order_updates')
  FORMAT JSON INCLUDE OFFSET AS update_offset ENVELOPE NONE;
