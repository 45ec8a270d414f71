//! SQL from statement to answer, in process.

mod batch;
mod catalog;
mod differs;
mod large;
mod lost_columns;
mod parse;
mod random;
mod shop;
mod statements;
mod timelines;

use std::sync::LazyLock;

use arrow::array::ArrayRef;
use datafusion::common::ScalarValue;
use sql::{Database, Error, Outcome};

/// DataFusion's joins spawn tasks.
static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Runtime::new().expect("threads for a runtime"));

/// The rows of the last statement, each as its values joined by `|`, sorted.
fn try_answer(database: &mut Database, text: &str) -> Result<Vec<String>, Error> {
    let _guard = RUNTIME.enter();
    let Some(Outcome::Rows(query)) = database.execute(text)?.pop() else { panic!("{text} answers rows") };
    let mut rows = Vec::new();
    for batch in RUNTIME.block_on(query.run())? {
        for row in 0..batch.num_rows() {
            let cell = |column: &ArrayRef| ScalarValue::try_from_array(column, row).expect("a value").to_string();
            rows.push(batch.columns().iter().map(cell).collect::<Vec<_>>().join("|"));
        }
    }
    rows.sort();
    Ok(rows)
}

fn answer(database: &mut Database, text: &str) -> Vec<String> {
    try_answer(database, text).unwrap_or_else(|error| panic!("{text}: {error}"))
}
