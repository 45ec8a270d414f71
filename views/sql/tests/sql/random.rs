//! Random SELECTs kept as views equal the same SELECTs computed anew, after every tick of random changes.
//!
//! The oracle is DataFusion over snapshots of the base tables. Statements are made so that every row has a value (no division
//! by zero, no overflow), for a batch may or may not meet the row that has none; except in the columns that the last view
//! shows, where both must answer an error or neither, and in its conditions, where either may.
//!
//! `TIDEWATER_CASES` sets how many cases are run of each seed, `TIDEWATER_SEED` runs one seed only; a failure names its seed.

mod data;
mod scalar;
mod select;

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow_schema::DataType;
use datafusion::common::ScalarValue;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use sql::{Error, Prepared};

use crate::RUNTIME;
use data::{Step, Tables, any_step, tables};
use scalar::Type;
use select::{Generator, Named, Select};

/// Cases of each seed, unless the environment says otherwise: all of them take a few seconds.
const CASES: u32 = 5;

/// Seeds that are always run, besides a new one each time.
const SEEDS: [u64; 3] = [1, 2, 3];

/// So large a part of the statements may be refused: the generator is to make what is supported.
const MAX_REFUSED_PERCENT: usize = 15;

/// Statements and changes. Small numbers make small statements.
#[derive(Clone)]
struct Case {
    steps: Vec<Step>,
    views: Vec<Vec<u16>>,
    /// Slices of building views between two ticks.
    slices: Vec<u8>,
}

#[derive(Debug, Clone)]
struct View {
    select: Select,
    materialized: bool,
    /// Names of its columns, where the SELECT gives none.
    columns: String,
    /// Whether a condition may have no value.
    may_fail_early: bool,
    /// The same SELECT over base tables alone.
    oracle: String,
}

/// A view's place in a statement's text.
fn token(number: usize) -> String {
    format!("{{v{number}}}")
}

impl Case {
    fn views(&self) -> Vec<View> {
        let mut views: Vec<View> = Vec::new();
        for (number, numbers) in self.views.iter().enumerate() {
            let earlier: Vec<_> =
                views.iter().enumerate().map(|(n, view)| Named::of(token(n), &view.select.kinds)).collect();
            let mut generator = Generator::new(numbers, tables(), earlier);
            let bare = generator.choices.chance(20);
            let select = if bare { generator.bare_view() } else { generator.view(number + 1 == self.views.len()) };
            let materialized = !generator.choices.chance(15);
            let mut oracle = select.text.clone();
            for (number, view) in views.iter().enumerate() {
                oracle = oracle.replace(&token(number), &format!("({})", view.oracle));
            }
            let mut columns = String::new();
            if bare {
                let names: Vec<_> = (0..select.kinds.len()).map(|number| format!("c{number}")).collect();
                columns = format!(" ({})", names.join(", "));
                oracle = format!("SELECT * FROM ({oracle}) b{number}{columns}");
            }
            let may_fail_early = generator.may_fail_early;
            views.push(View { select, materialized, columns, may_fail_early, oracle });
        }
        views
    }
}

/// What a failure prints.
impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f)?;
        for (number, view) in self.views().iter().enumerate() {
            let kind = if view.materialized { "MV" } else { "VIEW" };
            writeln!(f, "  {kind} v{number}{} AS {};", view.columns, view.select.text)?;
        }
        self.steps.iter().try_for_each(|step| writeln!(f, "  {}", step.describe()))?;
        writeln!(f, "  slices {:?}", self.slices)
    }
}

fn any_case() -> impl Strategy<Value = Case> {
    let view = prop::collection::vec(any::<u16>(), 0..160);
    let slices = prop::collection::vec(0..4_u8, 4);
    (prop::collection::vec(any_step(), 1..90), prop::collection::vec(view, 1..4), slices)
        .prop_map(|(steps, views, slices)| Case { steps, views, slices })
}

type Rows = Result<Vec<String>, Error>;

/// How many views were made and refused, with the shortest statement that was refused for each reason.
#[derive(Default)]
struct Tally {
    made: usize,
    /// Views that showed rows at the end of their case.
    filled: usize,
    refused: BTreeMap<String, (usize, String)>,
}

impl Tally {
    fn refuse(&mut self, reason: String, text: String) {
        let (times, shortest) = self.refused.entry(reason).or_default();
        *times += 1;
        if shortest.is_empty() || text.len() < shortest.len() {
            *shortest = text;
        }
    }
}

/// A view that was made, with its two queries.
struct Pair {
    name: String,
    text: String,
    may_fail_early: bool,
    kept: Prepared,
    anew: Prepared,
}

fn fail(message: impl Into<String>) -> TestCaseError {
    TestCaseError::fail(message.into())
}

/// Makes all views in a database and builds them; gives the numbers of those that were not refused.
fn create_all(tables: &mut Tables, views: &[View], tally: &mut Tally) -> Result<Vec<usize>, TestCaseError> {
    let mut made = Vec::new();
    create(tables, views, 0..views.len(), &mut made, tally)?;
    while tables.database.build() {}
    Ok(made)
}

/// Makes views in a database, adds the numbers of those that were not refused. They are still to be built.
fn create(
    tables: &mut Tables,
    views: &[View],
    range: Range<usize>,
    made: &mut Vec<usize>,
    tally: &mut Tally,
) -> Result<(), TestCaseError> {
    for number in range {
        let view = &views[number];
        let mut text = view.select.text.clone();
        for (earlier, definition) in views.iter().enumerate().take(number) {
            let as_name =
                if made.contains(&earlier) { format!("v{earlier}") } else { format!("({})", definition.oracle) };
            text = text.replace(&token(earlier), &as_name);
        }
        let kind = if view.materialized { "MATERIALIZED VIEW" } else { "VIEW" };
        let parsed = sql::parse(&format!("CREATE {kind} v{number}{} AS {text}", view.columns))
            .map(|mut parsed| Arc::new(parsed.remove(0)));
        let _guard = RUNTIME.enter();
        match parsed.and_then(|parsed| tables.database.execute_statement(&parsed, &[])) {
            Ok(_) => {
                tally.made += 1;
                made.push(number);
            }
            // DataFusion names an aggregate of a cast as it names the one without: two such do not go together.
            Err(error) if ["0A000", "42701"].contains(&error.sqlstate.as_str()) => tally.refuse(error.message, text),
            Err(error) => return Err(fail(format!("{}: {error}\nCREATE {kind} v{number} AS {text}", error.sqlstate))),
        }
    }
    Ok(())
}

fn prepare(tables: &Tables, views: &[View], made: &[usize]) -> Result<Vec<Pair>, TestCaseError> {
    let prepare = |text: &str| {
        let parsed = sql::parse(text).and_then(|mut parsed| tables.database.prepare(&Arc::new(parsed.remove(0)), &[]));
        parsed.map_err(|error| fail(format!("{}: {error}\n{text}", error.sqlstate)))
    };
    let mut pairs = Vec::new();
    for &number in made {
        let (name, text) = (format!("v{number}"), views[number].oracle.clone());
        let (kept, anew) = (prepare(&format!("SELECT * FROM {name}"))?, prepare(&text)?);
        let types = |prepared: &Prepared| {
            let fields = prepared.columns.iter().flat_map(|schema| schema.fields().iter());
            fields.map(|field| without_scale(field.data_type())).collect::<Vec<_>>()
        };
        if types(&kept) != types(&anew) {
            return Err(fail(format!("{name} has types {:?} instead of {:?}\n{text}", types(&kept), types(&anew))));
        }
        pairs.push(Pair { name, text, may_fail_early: views[number].may_fail_early, kept, anew });
    }
    Ok(pairs)
}

/// The digits of a decimal are not final before the plan is optimised.
fn without_scale(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Decimal128(..) => DataType::Decimal128(1, 0),
        other => other.clone(),
    }
}

fn scalars(tables: &Tables, query: &Prepared, parameters: &[ScalarValue]) -> Result<Vec<Vec<ScalarValue>>, Error> {
    let _guard = RUNTIME.enter();
    let mut rows = Vec::new();
    for batch in RUNTIME.block_on(tables.database.query(query, parameters)?.run())? {
        for row in 0..batch.num_rows() {
            let cell = |column: &ArrayRef| ScalarValue::try_from_array(column, row).expect("a value");
            rows.push(batch.columns().iter().map(cell).collect());
        }
    }
    Ok(rows)
}

/// Floats to ten digits: sums may be added up in another order.
fn shown(row: &[ScalarValue]) -> String {
    let cell = |value: &ScalarValue| match value {
        ScalarValue::Float64(Some(value)) => format!("{:.9e}", value + 0.0),
        ScalarValue::List(_) => format!("{value:?}"),
        value => value.to_string(),
    };
    row.iter().map(cell).collect::<Vec<_>>().join("|")
}

/// A query's rows, sorted.
fn rows(tables: &Tables, query: &Prepared) -> Rows {
    let mut rows: Vec<_> = scalars(tables, query, &[])?.iter().map(|row| shown(row)).collect();
    rows.sort();
    Ok(rows)
}

/// The contents of the base tables that a statement names.
fn contents(tables: &Tables, text: &str) -> String {
    let mut shown = String::new();
    for Named { text: name, .. } in data::tables().iter().filter(|table| text.contains(&table.text)) {
        let parsed = sql::parse(&format!("SELECT * FROM {name}")).map(|mut parsed| Arc::new(parsed.remove(0)));
        let found = parsed.and_then(|parsed| tables.database.prepare(&parsed, &[]));
        let found = found.and_then(|query| rows(tables, &query));
        let _ = writeln!(shown, "{name}: {found:#?}");
    }
    shown
}

fn difference(what: &str, kept: &Rows, wanted: &Rows) -> String {
    match (kept, wanted) {
        (Ok(kept), Ok(wanted)) => {
            let extra: Vec<_> = kept.iter().filter(|row| count(kept, row) > count(wanted, row)).collect();
            let lacking: Vec<_> = wanted.iter().filter(|row| count(wanted, row) > count(kept, row)).collect();
            format!("{what}\nrows too many: {extra:#?}\nrows missing: {lacking:#?}")
        }
        _ => format!("{what}\nthe view answers {kept:?}\nbatch answers {wanted:?}"),
    }
}

fn count(rows: &[String], row: &str) -> usize {
    rows.iter().filter(|other| *other == row).count()
}

/// Two answers are the same: the same rows, or an error both.
fn same(a: &Rows, b: &Rows) -> bool {
    match (a, b) {
        (Ok(a), Ok(b)) => a == b,
        (Err(_), Err(_)) => true,
        _ => false,
    }
}

fn check(tables: &Tables, pairs: &[Pair], when: &str) -> Result<Vec<Rows>, TestCaseError> {
    let mut answers = Vec::new();
    for pair in pairs {
        let (kept, anew) = (rows(tables, &pair.kept), rows(tables, &pair.anew));
        // Batch cannot order the rows of a group in two ways. Either may divide in rows that another condition leaves out.
        let no_answer = match (&kept, &anew) {
            (_, Err(error)) if error.sqlstate == "0A000" => true,
            // Its own check of a plan that sorts below a join.
            (_, Err(error)) if error.message.starts_with("SanityCheckPlan") => true,
            (Err(_), _) | (_, Err(_)) => pair.may_fail_early,
            _ => false,
        };
        if !no_answer && !same(&kept, &anew) {
            let what = difference(&format!("{} {when}: {}", pair.name, pair.text), &kept, &anew);
            return Err(fail(format!("{what}\n{}", contents(tables, &pair.text))));
        }
        answers.push(kept);
    }
    Ok(answers)
}

fn run(case: &Case, tally: &mut Tally) -> Result<(), TestCaseError> {
    let views = case.views();
    let mut small = Tables::new(false);
    let made = create_all(&mut small, &views, tally)?;
    let pairs = prepare(&small, &views, &made)?;
    for (tick, steps) in case.steps.chunk_by(|step, _| !step.ends_tick).enumerate() {
        small.apply(steps);
        check(&small, &pairs, &format!("after tick {tick}"))?;
    }
    let wanted = check(&small, &pairs, "at the end")?;
    tally.filled += wanted.iter().flatten().filter(|rows| !rows.is_empty()).count();
    for (what, answers) in [("one big tick", in_one_tick(case, &views)?), ("built late", built_late(case, &views)?)] {
        for ((pair, a), b) in pairs.iter().zip(&wanted).zip(&answers) {
            if !same(a, b) {
                return Err(fail(difference(&format!("{}, {what}: {}", pair.name, pair.text), b, a)));
            }
        }
    }
    lookups(&mut small, &views, &made)?;
    for table in 0..tables().len() {
        small.clear(table);
        check(&small, &pairs, &format!("without rows in the first {} tables", table + 1))?;
    }
    without_views(case, &views, &made, small)
}

/// Finds rows through an index of each view's first column.
fn lookups(tables: &mut Tables, views: &[View], made: &[usize]) -> Result<(), TestCaseError> {
    let comparable = |number: &usize| views[*number].materialized && views[*number].select.kinds[0] != Type::Opaque;
    for number in made.iter().filter(|number| comparable(number)) {
        tables.execute(&format!("CREATE INDEX i{number} ON v{number} (c0)"));
        while tables.database.build() {}
        let prepare = |text: String| {
            let parsed = sql::parse(&text).expect("a query").remove(0);
            tables.database.prepare(&Arc::new(parsed), &[]).map_err(|error| fail(format!("{text}: {error}")))
        };
        let (all, found) =
            (prepare(format!("SELECT * FROM v{number}"))?, prepare(format!("SELECT * FROM v{number} WHERE c0 = $1"))?);
        let Ok(all) = scalars(tables, &all, &[]) else { continue };
        for key in all.iter().map(|row| row[0].clone()).collect::<HashSet<_>>() {
            let mut wanted: Vec<_> =
                all.iter().filter(|row| !key.is_null() && row[0] == key).map(|row| shown(row)).collect();
            let mut kept = scalars(tables, &found, std::slice::from_ref(&key))
                .map(|rows| rows.iter().map(|row| shown(row)).collect::<Vec<_>>());
            wanted.sort();
            kept.iter_mut().for_each(|rows| rows.sort());
            if !same(&kept, &Ok(wanted.clone())) {
                let what = format!("lookup of {key} in v{number}: {}", views[*number].oracle);
                return Err(fail(difference(&what, &kept, &Ok(wanted))));
            }
        }
    }
    Ok(())
}

/// The answers where all changes are one tick.
fn in_one_tick(case: &Case, views: &[View]) -> Result<Vec<Rows>, TestCaseError> {
    let mut tables = Tables::new(false);
    let made = create_all(&mut tables, views, &mut Tally::default())?;
    tables.apply(&case.steps);
    check(&tables, &prepare(&tables, views, &made)?, "after one tick")
}

/// The answers of views that are made over tables with rows and are built while changes come.
fn built_late(case: &Case, views: &[View]) -> Result<Vec<Rows>, TestCaseError> {
    let mut tables = Tables::new(true);
    let (before, after) = case.steps.split_at(case.steps.len() / 2);
    tables.apply(before);
    let mut made = Vec::new();
    let ticks = case.slices.len();
    for (number, slices) in case.slices.iter().enumerate() {
        // Half of the views at first, the others while those may not be finished.
        let (from, to) = [(0, views.len() / 2), (views.len() / 2, views.len()), (0, 0), (0, 0)][number];
        create(&mut tables, views, from..to, &mut made, &mut Tally::default())?;
        for _ in 0..*slices {
            tables.database.build();
        }
        tables.apply(&after[after.len() * number / ticks..after.len() * (number + 1) / ticks]);
    }
    while tables.database.build() {}
    check(&tables, &prepare(&tables, views, &made)?, "built late")
}

/// Drops one view after another over tables without rows; the others go on, and nothing is left in the end.
fn without_views(case: &Case, views: &[View], made: &[usize], mut tables: Tables) -> Result<(), TestCaseError> {
    for (left, number) in made.iter().enumerate().rev() {
        let kind = if views[*number].materialized { "MATERIALIZED VIEW" } else { "VIEW" };
        tables.execute(&format!("DROP {kind} v{number}"));
        tables.apply(&case.steps);
        check(&tables, &prepare(&tables, views, &made[..left])?, &format!("after v{number} was dropped"))?;
        (0..self::tables().len()).for_each(|table| tables.clear(table));
    }
    if !tables.database.is_empty() {
        return Err(fail(format!("rows stay without any in the base tables: {:?}", tables.database.sizes())));
    }
    Ok(())
}

#[test]
fn random_views_equal_batch() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let cases = number("TIDEWATER_CASES").map_or(CASES, |cases| cases as u32);
    let fresh = std::time::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_nanos() as u64);
    let seeds = number("TIDEWATER_SEED").map_or_else(|| [&SEEDS[..], &[fresh]].concat(), |seed| vec![seed]);
    let tally = std::cell::RefCell::new(Tally::default());
    for seed in seeds {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let config = Config {
            cases,
            failure_persistence: None,
            max_shrink_time: 120_000,
            max_shrink_iters: 5000,
            ..Config::default()
        };
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        let result = runner.run(&any_case(), |case| run(&case, &mut tally.borrow_mut()));
        if let Err(error) = result {
            panic!("seed {seed}: {error}");
        }
    }
    let Tally { made, filled, refused } = tally.into_inner();
    let refusals: usize = refused.values().map(|(times, _)| times).sum();
    println!("{made} views made, {filled} with rows, {refusals} refused: {refused:#?}");
    assert!(
        refusals * 100 <= (made + refusals) * MAX_REFUSED_PERCENT,
        "{refusals} of {}: {refused:#?}",
        made + refusals
    );
}
