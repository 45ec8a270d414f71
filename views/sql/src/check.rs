//! `CHECK VIEW`: a materialized view's rows compared with what its query gives now, computed at once over the same moment.
//!
//! The two ways to an answer share the parser, the binder and the functions and nothing behind them. A view that reads another one is compared
//! with its query over that one's rows, so `CHECK VIEWS`, which looks at all, proves each from its sources on.

use std::collections::HashMap;
use std::hash::Hasher;
use std::ops::ControlFlow;
use std::sync::Arc;

use rustc_hash::FxHasher;
use tidewater_delta::{RowRef, Weight};
use tidewater_engine::Snapshot;
use tidewater_functions::Session;
use tidewater_query::run::{Limits, Sink, pack_row, unpack};
use tidewater_types::{Column, ColumnType, Datum, Settings, Type, output};

use crate::catalog::{Body, Object};
use crate::change::unknown;
use crate::database::Database;
use crate::names::shown;
use crate::parse::ast::{ObjectKind, Statement};
use crate::query::{Planned, Running};
use crate::statement::kept_session;
use crate::within::Within;
use crate::{Error, Result};

/// Rows of each kind that an error shows.
const EXAMPLES: usize = 3;
/// Bytes that a row's hash and count take in the table of them, about.
const ENTRY: usize = 40;

/// A view and its query.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    name: String,
    pub(crate) planned: Arc<Planned>,
}

impl Checked {
    /// Relations that it reads: the view and what its query names.
    pub(crate) fn reads(&self) -> Vec<String> {
        [std::slice::from_ref(&self.name), &self.planned.reads].concat()
    }
}

/// A view's rows and its query over the same moment.
pub(crate) struct Check {
    name: String,
    rows: Snapshot,
    running: Running,
}

/// What a check found.
struct Found {
    rows: Weight,
    missing: Weight,
    surplus: Weight,
    examples: Vec<String>,
}

/// The columns of the answer.
pub(crate) fn columns() -> Arc<[Column]> {
    [Column::new("view", Type::Text).not_null(), Column::new("rows", Type::Int8).not_null()].into()
}

/// The columns of the answer to `CHECK SOURCE`.
pub fn source_columns() -> Arc<[Column]> {
    [
        Column::new("source", Type::Text).not_null(),
        Column::new("table", Type::Text).not_null(),
        Column::new("position", Type::Text).not_null(),
        Column::new("rows", Type::Int8).not_null(),
        Column::new("not_compared", Type::Text),
    ]
    .into()
}

impl Database {
    /// The views that a CHECK looks at, in the order of their names: one, or all.
    pub(crate) fn checked(&self, name: Option<&str>, session: &Session) -> Result<Vec<Checked>> {
        let Some(name) = name else {
            let views = self.user_objects().filter(|(_, object)| matches!(object.body, Body::MaterializedView { .. }));
            return views.map(|(name, object)| self.checked_view(name, object)).collect();
        };
        let name = self.resolved(name, session)?;
        self.intact(&name)?;
        let object = self.objects.get(&name).ok_or_else(|| unknown(&name))?;
        if object.kind() != ObjectKind::MaterializedView {
            let message = format!("\"{}\" is not a materialized view", shown(&name));
            return Err(Error::new(b"42809", message).hint("what keeps no rows has none that could be wrong"));
        }
        Ok(vec![self.checked_view(&name, object)?])
    }

    fn checked_view(&self, name: &str, object: &Object) -> Result<Checked> {
        let session = kept_session(&Session { search_path: object.search_path.clone(), ..Session::default() });
        let statement = crate::parse::parse(&object.definition)?.pop().map(|parsed| parsed.statement);
        let Some(Statement::CreateView(view)) = statement else {
            return Err(Error::new(b"XX000", format!("the definition of \"{name}\" makes no view")));
        };
        let planned = self.planned(&view.query, &object.definition, &[], &self.informed(&session))?;
        Ok(Checked { name: name.to_owned(), planned: Arc::new(planned) })
    }

    /// Takes the snapshots that checks compare, all of one moment.
    ///
    /// # Errors
    /// The error that a view's readers get instead of rows.
    pub(crate) fn checks(&self, checked: &[Checked]) -> Result<Vec<Check>> {
        let check = |checked: &Checked| {
            let node = self.objects.get(&checked.name).and_then(Object::node).ok_or_else(|| unknown(&checked.name))?;
            if let Some(error) = self.circuit.error(node) {
                return Err(error.clone());
            }
            let session = self.informed(&kept_session(&Session::default()));
            let running = self.running(&checked.planned, &[], &session, &Within::default())?;
            Ok(Check { name: checked.name.clone(), rows: self.circuit.snapshot(node), running })
        };
        checked.iter().map(check).collect()
    }
}

/// Does checks one after another; hands the name of each view and the number of its rows to `sink`.
///
/// # Errors
/// XX001 if a view differs, after all were looked at; what a query's evaluation gives.
pub(crate) fn run(checks: &[Check], limits: &Limits, sink: &mut Sink<'_>) -> Result<()> {
    let mut wrong = Vec::new();
    for check in checks {
        let found = check.compare(limits)?;
        if found.missing + found.surplus > 0 {
            wrong.push((check, found));
        } else if sink(&[Datum::from(shown(&check.name)), Datum::Int(found.rows)])?.is_break() {
            break;
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(differ(&wrong)) }
}

fn differ(wrong: &[(&Check, Found)]) -> Error {
    let each = |(check, found): &(&Check, Found)| {
        format!("\"{}\": {} rows missing, {} too many", shown(&check.name), found.missing, found.surplus)
    };
    let all: Vec<String> = wrong.iter().map(each).collect();
    let examples: Vec<&str> = wrong.iter().flat_map(|(_, found)| found.examples.iter().map(String::as_str)).collect();
    Error::new(b"XX001", format!("views that differ from their queries: {}", all.join("; ")))
        .detail(examples.join("; "))
        .hint("this is a bug of the view engine: keep the definition and the rows, and make the view anew")
}

impl Check {
    fn compare(&self, limits: &Limits) -> Result<Found> {
        let types: Vec<ColumnType> = self.running.planned.plan.schema().into_iter().map(|(_, ty)| ty).collect();
        let mut counts: HashMap<u128, Weight> = HashMap::with_capacity(self.rows.len());
        if counts.capacity().saturating_mul(ENTRY) > limits.memory {
            return Err(Error::new(b"53200", "out of memory").detail("A check holds a hash of each row of the view."));
        }
        let mut rows = 0;
        for (number, (row, weight)) in self.rows.rows().enumerate() {
            if number % 4_096 == 0 {
                limits.check()?;
            }
            rows += weight;
            *counts.entry(hash(row)).or_default() += weight;
        }
        let mut found = Found { rows, missing: 0, surplus: 0, examples: Vec::new() };
        self.running.run(limits, &mut |values| {
            let row = pack_row(&types, values);
            let count = counts.entry(hash(row.as_ref())).or_default();
            *count -= 1;
            if *count < 0 {
                found.missing += 1;
                if found.examples.len() < EXAMPLES {
                    found.examples.push(format!("missing: {}", text(values, &types)));
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let mut examples = 0;
        for (row, _) in self.rows.rows() {
            let surplus = counts.get(&hash(row)).copied().unwrap_or(0);
            if surplus > 0 {
                found.surplus += surplus;
                if examples < EXAMPLES {
                    examples += 1;
                    let values: Vec<Datum<'_>> = types.iter().enumerate().map(|(at, ty)| unpack(row, at, ty)).collect();
                    found.examples.push(format!("too many: {}", text(&values, &types)));
                }
            }
        }
        Ok(found)
    }
}

/// 128 bits that two rows share by chance only: two hashes of its bytes from different beginnings.
fn hash(row: RowRef<'_>) -> u128 {
    let of = |seed: u64| {
        let mut hasher = FxHasher::default();
        hasher.write_u64(seed);
        hasher.write(row.bytes());
        hasher.finish()
    };
    u128::from(of(0x9e37_79b9_7f4a_7c15)) << 64 | u128::from(of(0x94d0_49bb_1331_11eb))
}

fn text(values: &[Datum<'_>], types: &[ColumnType]) -> String {
    let value = |(value, ty): (&Datum<'_>, &ColumnType)| {
        if value.is_null() {
            return "NULL".to_owned();
        }
        let mut text = String::new();
        output(value, ty, &Settings::default(), &mut text);
        text
    };
    let shown: Vec<String> = values.iter().zip(types).map(value).collect();
    format!("({})", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;

    fn check(database: &mut Database, text: &str) -> Result<Vec<String>> {
        let Some(Outcome::Rows(query)) = database.execute(text)?.pop() else { panic!("{text} answers rows") };
        let types: Vec<ColumnType> = query.columns.iter().map(|column| column.ty.clone()).collect();
        let mut rows = Vec::new();
        query.run(&Limits::default(), &mut |values| {
            rows.push(super::text(values, &types));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(rows)
    }

    #[test]
    fn a_view_that_shows_something_else_is_found() {
        let mut database = Database::new();
        let text = "CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'), (1, 'x'), (2, 'y'), (3, NULL);
                    CREATE MATERIALIZED VIEW good AS SELECT a, count(*) AS c FROM t GROUP BY a;
                    CREATE MATERIALIZED VIEW above AS SELECT sum(c) AS s FROM good WHERE a < 3;
                    CREATE MATERIALIZED VIEW other AS SELECT a, count(*) + 1 AS c FROM t WHERE a < 3 GROUP BY a;
                    INSERT INTO t VALUES (2, 'z'); DELETE FROM t WHERE b IS NULL";
        database.execute(text).expect("statements");
        assert_eq!(
            check(&mut database, "CHECK VIEWS").expect("all are right"),
            ["(above, 1)", "(good, 2)", "(other, 2)"]
        );
        assert_eq!(check(&mut database, "CHECK MATERIALIZED VIEW good").expect("it is right"), ["(good, 2)"]);
        // The defect: the view shows another one's rows.
        let Some(Body::MaterializedView { node: wrong, .. }) = database.objects.get("other").map(|other| &other.body)
        else {
            panic!("it is there");
        };
        let wrong = *wrong;
        if let Some(Body::MaterializedView { node, .. }) = database.objects.get_mut("good").map(|good| &mut good.body) {
            *node = wrong;
        }
        let error = check(&mut database, "CHECK VIEW good").expect_err("it differs");
        assert_eq!(error.sqlstate, *b"XX001");
        assert!(error.message.ends_with("\"good\": 2 rows missing, 2 too many"), "{error}");
        let detail = error.detail.expect("examples");
        assert!(detail.contains("missing: (1, 2)") && detail.contains("too many: (1, 3)"), "{detail}");
        assert_eq!(check(&mut database, "CHECK VIEW t").expect_err("a table").sqlstate, *b"42809");
        assert_eq!(check(&mut database, "CHECK VIEW nothing").expect_err("nothing").sqlstate, *b"42P01");
    }
}
