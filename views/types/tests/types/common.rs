//! Asks both and lists the differences.

use tidewater_judge::{Connection, Refusal, server};
use tidewater_types::{
    ColumnType, DateOrder, Datum, Result, Scratch, Settings, SqlError, apply_modifier, input, output,
};

/// A connection whose session is as [`settings`] say.
pub(crate) fn judge(settings: &Settings) -> Connection {
    let mut connection = server().connect();
    connection.ask(&format!("set timezone = '{}'", settings.time_zone.name())).expect("setting the zone");
    let order = match settings.date_order {
        DateOrder::Mdy => "mdy",
        DateOrder::Dmy => "dmy",
        DateOrder::Ymd => "ymd",
    };
    connection.ask(&format!("set datestyle = 'iso, {order}'")).expect("setting the order of dates");
    connection
}

/// UTC, and now is 2024-02-29 12:34:56.
pub(crate) fn settings() -> Settings {
    Settings { now: 1_709_210_096_000_000, ..Settings::default() }
}

pub(crate) fn ty(name: &str) -> ColumnType {
    ColumnType::parse(name).expect("a type")
}

pub(crate) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A literal, cast explicitly, as PostgreSQL does it: the modifier acts after the input but for intervals.
pub(crate) fn literal<'a>(text: &str, ty: &ColumnType, settings: &Settings, scratch: &'a Scratch) -> Result<Datum<'a>> {
    if ty.ty == tidewater_types::Type::Interval {
        return input(text, ty, settings, scratch);
    }
    let datum = input(text, &ty.ty.clone().into(), settings, scratch)?;
    apply_modifier(datum, ty, true, scratch)
}

pub(crate) fn shown(datum: &Datum<'_>, ty: &ColumnType, settings: &Settings) -> Option<String> {
    if datum.is_null() {
        return None;
    }
    let mut text = String::new();
    output(datum, ty, settings, &mut text);
    Some(text)
}

/// What a side said, comparable: a text, NULL, or an error.
pub(crate) type Said = std::result::Result<Option<String>, (String, String)>;

pub(crate) fn error(error: &SqlError) -> (String, String) {
    (String::from_utf8_lossy(&error.sqlstate).into_owned(), error.message.clone())
}

pub(crate) fn refusal(refusal: &Refusal) -> (String, String) {
    (refusal.sqlstate.clone(), refusal.message.clone())
}

/// The first value of each statement's answer.
pub(crate) fn ask(connection: &mut Connection, statements: &[String]) -> Vec<Said> {
    let answers = connection.ask_all(statements);
    answers
        .into_iter()
        .map(|answer| match answer {
            Ok(answer) => Ok(answer.rows[0][0].clone()),
            Err(error) => Err(refusal(&error)),
        })
        .collect()
}

/// Fails with all differences between what the judge says to `statements` and `ours`.
pub(crate) fn agree(connection: &mut Connection, cases: Vec<(String, Said)>) {
    let statements: Vec<String> = cases.iter().map(|(statement, _)| statement.clone()).collect();
    let judged = ask(connection, &statements);
    let mut differing = Vec::new();
    for ((statement, ours), theirs) in cases.iter().zip(&judged) {
        if ours != theirs {
            differing.push(format!("{statement}\n   judge: {theirs:?}\n   ours:  {ours:?}"));
        }
    }
    let shown = differing.iter().take(60).cloned().collect::<Vec<_>>().join("\n");
    assert!(differing.is_empty(), "{} of {} differ:\n{shown}", differing.len(), cases.len());
}

/// Reads each literal as `type_name` and compares its text.
pub(crate) fn agree_on_texts(settings: &Settings, cases: &[(&str, Vec<String>)]) {
    agree(&mut judge(settings), read_all(settings, cases));
}

/// As [`agree_on_texts`], but of texts that are wrong in several ways each side may tell another.
pub(crate) fn agree_on_texts_or_refuse(settings: &Settings, cases: &[(&str, Vec<String>)]) {
    let all = read_all(settings, cases);
    let mut connection = judge(settings);
    let statements: Vec<String> = all.iter().map(|(statement, _)| statement.clone()).collect();
    let both_refuse: Vec<bool> = ask(&mut connection, &statements)
        .iter()
        .zip(&all)
        .map(|(theirs, (_, ours))| theirs.is_err() && ours.is_err())
        .collect();
    let read = both_refuse.iter().filter(|refused| !**refused).count();
    assert!(read > 100, "only {read} of {} texts are read", all.len());
    let rest = all.into_iter().zip(both_refuse).filter(|(_, refused)| !refused).map(|(case, _)| case).collect();
    agree(&mut connection, rest);
}

fn read_all(settings: &Settings, cases: &[(&str, Vec<String>)]) -> Vec<(String, Said)> {
    let mut all = Vec::new();
    for (type_name, literals) in cases {
        let ty = ty(type_name);
        for text in literals {
            let scratch = Scratch::new();
            let ours = literal(text, &ty, settings, &scratch).map(|datum| shown(&datum, &ty, settings));
            all.push((format!("select {}::{type_name}", quote(text)), ours.map_err(|e| error(&e))));
        }
    }
    all
}

pub(crate) fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// A small generator of pseudo-random numbers, the same in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Where random tests begin, and how many times as many of them there are: a soak sets `TIDEWATER_FUZZ` to a number of its own.
pub(crate) fn soak() -> (u64, usize) {
    let seed = std::env::var("TIDEWATER_FUZZ").ok().and_then(|text| text.parse::<u64>().ok());
    seed.map_or((0xf00d, 1), |seed| (seed * 7919 + 1, 10))
}
