-- The shop's tables, and the two users: `shop` for the services, `debezium` for change capture. May be run again.
CREATE DATABASE IF NOT EXISTS shop CHARACTER SET utf8mb4;
USE shop;

CREATE TABLE IF NOT EXISTS users (
  id         BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name       VARCHAR(100) NOT NULL,
  email      VARCHAR(255) NOT NULL,
  phone      VARCHAR(30),
  created_at TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
  UNIQUE KEY users_email (email)
);

CREATE TABLE IF NOT EXISTS addresses (
  id          BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
  user_id     BIGINT       NOT NULL,
  street      VARCHAR(200) NOT NULL,
  city        VARCHAR(100) NOT NULL,
  state       VARCHAR(100) NOT NULL,
  postal_code VARCHAR(20)  NOT NULL,
  country     VARCHAR(100) NOT NULL,
  created_at  TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
  KEY addresses_user (user_id),
  CONSTRAINT addresses_user_fk FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);

-- An order outlives neither its user nor its address by accident: those deletes are refused while orders name them.
CREATE TABLE IF NOT EXISTS orders (
  id           BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
  user_id      BIGINT         NOT NULL,
  address_id   BIGINT         NOT NULL,
  total        DECIMAL(10, 2) NOT NULL,
  order_date   TIMESTAMP(3)   NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  order_status VARCHAR(40)    NOT NULL DEFAULT 'Created',
  KEY orders_user (user_id),
  KEY orders_address (address_id),
  KEY orders_status (order_status),
  CONSTRAINT orders_user_fk FOREIGN KEY (user_id) REFERENCES users (id),
  CONSTRAINT orders_address_fk FOREIGN KEY (address_id) REFERENCES addresses (id)
);

CREATE TABLE IF NOT EXISTS order_items (
  id           BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
  order_id     BIGINT         NOT NULL,
  product_name VARCHAR(200)   NOT NULL,
  quantity     INT            NOT NULL,
  price        DECIMAL(10, 2) NOT NULL,
  KEY order_items_order (order_id),
  CONSTRAINT order_items_order_fk FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE
);

CREATE USER IF NOT EXISTS 'shop'@'%' IDENTIFIED BY 'shop';
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.* TO 'shop'@'%';

-- SELECT and LOCK TABLES for the snapshot of this database; RELOAD for its short global read lock; the two REPLICATION
-- rights to read the binlog and its position.
CREATE USER IF NOT EXISTS 'debezium'@'%' IDENTIFIED BY 'dbz';
GRANT RELOAD, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'debezium'@'%';
GRANT SELECT, LOCK TABLES ON shop.* TO 'debezium'@'%';
