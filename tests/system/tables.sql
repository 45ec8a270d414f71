-- Tables of the proofs: two that transfers go between, one without a key, and one whose rows mark moments.
USE shop;
CREATE TABLE account_a (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL);
CREATE TABLE account_b (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL);
CREATE TABLE journal (account BIGINT NOT NULL, amount BIGINT NOT NULL);
CREATE TABLE marker (id BIGINT PRIMARY KEY AUTO_INCREMENT, at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
-- Scenarios make databases of their own; Debezium's signals are rows that it may write itself.
CREATE USER test IDENTIFIED BY 'test';
GRANT ALL ON *.* TO test WITH GRANT OPTION;
GRANT SELECT, INSERT, UPDATE, DELETE, LOCK TABLES ON *.* TO debezium;
