CREATE MATERIALIZED VIEW order_summary AS
SELECT o.id AS order_id, o.total, o.created_at AS order_date, l.status AS order_status, l.updated_at AS last_order_update,
       o.user_id, u.phone AS user_phone, a.full_address, d.details AS order_items_details
FROM orders o
JOIN users u ON u.id = o.user_id
JOIN addresses a ON a.id = o.address_id
JOIN (SELECT DISTINCT ON (order_id) * FROM order_updates ORDER BY order_id, updated_at DESC) l ON l.order_id = o.id
JOIN (SELECT order_id, string_agg(name || ' x' || quantity || ' @' || price, ', ' ORDER BY id) AS details
      FROM order_items GROUP BY order_id) d ON d.order_id = o.id
