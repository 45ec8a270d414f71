-- The same sources and view in the grammar of 2021-22: addresses in the statements, no connections.
CREATE SOURCE IF NOT EXISTS users
  FROM KAFKA BROKER 'localhost:9092' TOPIC 'mysql.shop.users'
  FORMAT AVRO USING CONFLUENT SCHEMA REGISTRY 'http://localhost:8081/apis/ccompat/v7' ENVELOPE DEBEZIUM;

CREATE SOURCE IF NOT EXISTS addresses
  FROM KAFKA BROKER 'localhost:9092' TOPIC 'mysql.shop.addresses'
  FORMAT AVRO USING CONFLUENT SCHEMA REGISTRY 'http://localhost:8081/apis/ccompat/v7' ENVELOPE DEBEZIUM;

CREATE SOURCE IF NOT EXISTS orders
  FROM KAFKA BROKER 'localhost:9092' TOPIC 'mysql.shop.orders'
  FORMAT AVRO USING CONFLUENT SCHEMA REGISTRY 'http://localhost:8081/apis/ccompat/v7' ENVELOPE DEBEZIUM;

CREATE SOURCE IF NOT EXISTS order_items
  FROM KAFKA BROKER 'localhost:9092' TOPIC 'mysql.shop.order_items'
  FORMAT AVRO USING CONFLUENT SCHEMA REGISTRY 'http://localhost:8081/apis/ccompat/v7' ENVELOPE DEBEZIUM;

CREATE SOURCE IF NOT EXISTS order_updates (order_id bigint, status text, updated_at timestamptz, service text)
  FROM KAFKA BROKER 'localhost:9092' TOPIC 'order_updates'
  FORMAT JSON INCLUDE OFFSET AS update_offset ENVELOPE NONE;

CREATE MATERIALIZED VIEW IF NOT EXISTS order_summary AS
SELECT
  o.id AS order_id,
  o.total,
  o.order_date,
  coalesce(latest.status, o.order_status) AS order_status,
  latest.updated_at AS last_order_update,
  u.id AS user_id,
  u.phone AS user_phone,
  a.street || ', ' || a.city || ', ' || a.state || ', ' || a.postal_code || ', ' || a.country AS full_address,
  items.details AS order_items_details
FROM orders o
JOIN users u ON u.id = o.user_id
LEFT JOIN addresses a ON a.id = o.address_id
LEFT JOIN (
  -- The latest update of each order, whatever the order in which updates came.
  SELECT DISTINCT ON (order_id) order_id, status, updated_at
  FROM order_updates
  ORDER BY order_id, updated_at DESC, update_offset DESC
) latest ON latest.order_id = o.id
LEFT JOIN (
  SELECT
    order_id,
    string_agg(
      product_name || ' (Qty: ' || quantity || ', Price: ' || price || ', Total: ' || quantity * price || ')',
      ', ' ORDER BY id
    ) AS details
  FROM order_items
  GROUP BY order_id
) items ON items.order_id = o.id;

CREATE INDEX IF NOT EXISTS order_summary_by_id ON order_summary (order_id);
