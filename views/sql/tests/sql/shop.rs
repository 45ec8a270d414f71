//! The shop's files: both grammars parse, and order_summary is kept fresh as the SQL says.

use std::path::PathBuf;

use tidewater_sql::{Database, Statement, parse};

use super::answer;

fn file(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../sql").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn run(database: &mut Database, text: &str) {
    database.execute(text).unwrap_or_else(|error| panic!("{text}: {error}"));
}

#[test]
fn both_grammars_name_the_same_sources() {
    let sources = |text: &str| -> Vec<_> {
        let statements = parse(text).unwrap_or_else(|error| panic!("{error} at {:?}", error.position));
        let sources = statements.into_iter().filter_map(|parsed| match parsed.statement {
            Statement::CreateSource(source) => {
                Some((source.name, source.topic, source.columns, source.envelope, source.include))
            }
            _ => None,
        });
        sources.collect()
    };
    let (new, old) = (sources(&file("sources.sql")), sources(&file("materialize-2022.sql")));
    assert_eq!(new.len(), 5);
    assert_eq!(new, old);
}

#[test]
fn order_summary_is_kept_fresh() {
    let mut db = Database::new();
    run(
        &mut db,
        "CREATE TABLE users (id bigint, name text, email text, phone text);
         CREATE TABLE addresses (id bigint, user_id bigint, street text, city text, state text, postal_code text, country text);
         CREATE TABLE orders (id bigint, user_id bigint, address_id bigint, total numeric(10,2), order_date timestamptz, order_status text);
         CREATE TABLE order_items (id bigint, order_id bigint, product_name text, quantity int, price numeric(10,2));
         CREATE TABLE order_updates (order_id bigint, status text, updated_at timestamptz, service text, update_offset bigint);",
    );
    run(&mut db, &file("views.sql"));
    run(
        &mut db,
        "INSERT INTO users VALUES (1, 'Ada', 'a@x', '+1');
         INSERT INTO addresses VALUES (5, 1, '560 Cordie Dam', 'Nealview', 'Louisiana', '11434-1806', 'Rwanda');
         INSERT INTO orders VALUES (10, 1, 5, 21.5, '2024-09-02T17:21:02Z', 'Created');
         INSERT INTO order_items VALUES (2, 10, 'Lamp', 1, 0.5), (1, 10, 'Modern Cotton Hat', 9, 77.11);",
    );
    let summary = "SELECT order_id, total, order_status, full_address, order_items_details FROM order_summary WHERE order_id = 10";
    let address = "560 Cordie Dam, Nealview, Louisiana, 11434-1806, Rwanda";
    let items = "Modern Cotton Hat (Qty: 9, Price: 77.11, Total: 693.99), Lamp (Qty: 1, Price: 0.50, Total: 0.50)";
    assert_eq!(answer(&mut db, summary), [format!("10|21.50|Created|{address}|{items}")]);
    run(
        &mut db,
        "INSERT INTO order_updates VALUES (10, 'delivered', '2024-09-03T00:00:00Z', 's', 3), (10, 'confirmed', '2024-09-02T20:00:00Z', 's', 4)",
    );
    assert_eq!(answer(&mut db, summary), [format!("10|21.50|delivered|{address}|{items}")]);
    run(&mut db, "INSERT INTO order_updates VALUES (10, 'returned', '2024-09-03T00:00:00Z', 's', 5)");
    assert_eq!(answer(&mut db, "SELECT order_status, orders, total FROM orders_by_status"), ["returned|1|21.50"]);
    run(&mut db, "DELETE FROM order_items; DELETE FROM addresses; DELETE FROM order_updates");
    assert_eq!(answer(&mut db, summary), ["10|21.50|Created|NULL|NULL"]);
    let text = answer(&mut db, "EXPLAIN MATERIALIZED VIEW order_summary").join("\n");
    assert!(text.contains("Delta join of 5 inputs"), "{text}");
}
