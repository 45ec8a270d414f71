//! SQL from statement to answer, in process.

mod applying;
mod batch;
mod catalog;
mod indexes;
mod large;
mod lost_columns;
mod parse;
mod shop;
mod sinks;
mod statements;
mod tables;
mod timelines;

use std::ops::ControlFlow;

use tidewater_query::run::Limits;
use tidewater_sql::{Database, Error, Outcome};
use tidewater_types::{Settings, output};

/// The rows of the last statement, each as the text forms of its values joined by `|`, sorted.
fn try_answer(database: &mut Database, text: &str) -> Result<Vec<String>, Error> {
    let Some(Outcome::Rows(query)) = database.execute(text)?.pop() else { panic!("{text} answers rows") };
    let mut rows = Vec::new();
    query.run(&Limits::default(), &mut |values| {
        let texts = values.iter().zip(query.columns.iter()).map(|(value, column)| {
            let mut text = String::new();
            match value.is_null() {
                true => text.push_str("NULL"),
                false => output(value, &column.ty, &Settings::default(), &mut text),
            }
            text
        });
        rows.push(texts.collect::<Vec<_>>().join("|"));
        Ok(ControlFlow::Continue(()))
    })?;
    rows.sort();
    Ok(rows)
}

fn answer(database: &mut Database, text: &str) -> Vec<String> {
    try_answer(database, text).unwrap_or_else(|error| panic!("{text}: {error}"))
}
