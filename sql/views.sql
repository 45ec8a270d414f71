-- What the shop shows: each order with everything a page needs, kept fresh.
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

CREATE MATERIALIZED VIEW IF NOT EXISTS orders_by_status AS
SELECT order_status, count(*) AS orders, sum(total) AS total
FROM order_summary
GROUP BY order_status;

CREATE MATERIALIZED VIEW IF NOT EXISTS customer_spend AS
SELECT u.id AS user_id, u.name AS user_name, count(o.id) AS orders, sum(o.total) AS total
FROM users u
JOIN orders o ON o.user_id = u.id
GROUP BY u.id, u.name;
