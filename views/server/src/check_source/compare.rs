//! Two sets of rows as counts of their hashes: what one has is added, what the other has is taken away, and nothing is left where they
//! are the same.
//!
//! Rows can come and go on either side in any order, so it is the same for tables with a key and without one. Memory is a hash and
//! a count a row; the rows themselves are kept only as examples.

use std::collections::{BTreeMap, HashMap};

use rustc_hash::FxBuildHasher;
use xxhash_rust::xxh3::xxh3_128;

/// Bytes that a hash and its count take, about.
const ENTRY: usize = 48;
/// Differences that an error shows.
const SHOWN: usize = 10;
/// Bytes of rows that are kept as examples, on each side.
const EXAMPLES: usize = 16 << 20;
/// Letters of a value that are shown.
const LETTERS: usize = 200;

/// The values of a row in the form in which they are compared.
pub(super) type Values = Vec<Option<Vec<u8>>>;

/// 128 bits that two rows share by chance only.
pub(super) fn hash(values: &Values, bytes: &mut Vec<u8>) -> u128 {
    bytes.clear();
    for value in values {
        match value {
            None => bytes.push(0),
            Some(value) => {
                bytes.push(1);
                bytes.extend((value.len() as u64).to_le_bytes());
                bytes.extend(value);
            }
        }
    }
    xxh3_128(bytes)
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Rows here less rows of MySQL; never zero.
    counts: HashMap<u128, i64, FxBuildHasher>,
    pub(super) here: i64,
    pub(super) mysql: i64,
}

impl Counts {
    /// Adds rows of this side; a negative number takes some away.
    pub(super) fn add_here(&mut self, hash: u128, count: i64) {
        self.here += count;
        self.add(hash, count);
    }

    /// Takes note of a row of MySQL; whether this side has had none to match it.
    pub(super) fn add_mysql(&mut self, hash: u128) -> bool {
        self.mysql += 1;
        self.add(hash, -1) < 0
    }

    fn add(&mut self, hash: u128, count: i64) -> i64 {
        let left = self.counts.entry(hash).or_default();
        *left += count;
        let left = *left;
        if left == 0 {
            self.counts.remove(&hash);
        }
        left
    }

    pub(super) fn of(&self, hash: u128) -> i64 {
        self.counts.get(&hash).copied().unwrap_or(0)
    }

    /// How many different rows are not as often on one side as on the other.
    pub(super) fn unequal(&self) -> usize {
        self.counts.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.counts.capacity() * ENTRY
    }

    /// Rows that only this side has, and rows that only MySQL has.
    pub(super) fn differences(&self) -> (i64, i64) {
        let here = self.counts.values().filter(|count| **count > 0).sum();
        let mysql: i64 = self.counts.values().filter(|count| **count < 0).sum();
        (here, -mysql)
    }
}

/// Rows of one side that may differ, as many as there is room for.
#[derive(Debug, Default)]
pub(super) struct Examples {
    rows: HashMap<u128, Values, FxBuildHasher>,
    bytes: usize,
    pub(super) all: bool,
}

impl Examples {
    pub(super) fn new() -> Self {
        Examples { all: true, ..Examples::default() }
    }

    pub(super) fn keep(&mut self, hash: u128, values: &Values) {
        if self.bytes > EXAMPLES {
            self.all = false;
            return;
        }
        self.bytes += values.iter().flatten().map(Vec::len).sum::<usize>() + 64;
        self.rows.insert(hash, values.clone());
    }
}

/// What differs, in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) count: String,
    pub(super) examples: Vec<String>,
}

/// Says what differs. `columns` are the names of the values; `key` are the places of those that tell rows apart, if any do.
pub(super) fn tell(
    counts: &Counts,
    here: &Examples,
    mysql: &Examples,
    columns: &[String],
    key: Option<&[usize]>,
) -> Told {
    let (only_here, only_mysql) = counts.differences();
    let Some(key) = key else {
        let count = format!("{only_mysql} rows of MySQL are not here, {only_here} rows here are not in MySQL");
        return Told { count, examples: without_key(counts, here, mysql) };
    };
    let mut by_key: BTreeMap<Values, [Option<&Values>; 2]> = BTreeMap::new();
    let sides = [(mysql, -1), (here, 1)];
    for (side, (examples, sign)) in sides.into_iter().enumerate() {
        for (_, values) in examples.rows.iter().filter(|(hash, _)| counts.of(**hash) * sign > 0) {
            let key = key.iter().map(|&at| values[at].clone()).collect();
            by_key.entry(key).or_default()[side] = Some(values);
        }
    }
    let changed = by_key.values().filter(|sides| sides.iter().all(Option::is_some)).count() as i64;
    let count = match here.all && mysql.all {
        true => format!(
            "{} rows differ: {changed} have other values, {} are missing here, {} are not in MySQL",
            only_here + only_mysql - changed,
            only_mysql - changed,
            only_here - changed
        ),
        false => format!(
            "{only_mysql} rows of MySQL are not here or have other values, {only_here} rows here are not in MySQL or have other values"
        ),
    };
    let mut sorted: Vec<_> = by_key.iter().collect();
    // Numbers by their size: a longer one is greater.
    sorted.sort_by_key(|(key, _)| {
        key.iter().map(|value| (value.as_ref().map(Vec::len), value.clone())).collect::<Vec<_>>()
    });
    let show = |(found, sides): (&Values, &[Option<&Values>; 2])| {
        let named = key.iter().zip(found).map(|(&at, value)| format!("{} = {}", columns[at], text(value.as_ref())));
        let named = named.collect::<Vec<_>>().join(", ");
        match sides {
            [Some(mysql), Some(here)] => format!("{named}: {}", values_that_differ(mysql, here, columns)),
            [Some(mysql), None] => format!("{named}: not here; MySQL has {}", row(mysql)),
            [None, Some(here)] => format!("{named}: not in MySQL; here it is {}", row(here)),
            [None, None] => named,
        }
    };
    Told { count, examples: sorted.into_iter().take(SHOWN).map(show).collect() }
}

fn without_key(counts: &Counts, here: &Examples, mysql: &Examples) -> Vec<String> {
    let of = |examples: &Examples, sign: i64, words: &str| {
        let differ = examples.rows.iter().map(|(hash, values)| (counts.of(*hash) * sign, values));
        let mut told: Vec<_> = differ
            .filter(|(count, _)| *count > 0)
            .map(|(count, values)| format!("{count} more {words} of {}", row(values)))
            .collect();
        told.sort();
        told.truncate(SHOWN / 2);
        told
    };
    [of(mysql, -1, "in MySQL"), of(here, 1, "here")].concat()
}

fn values_that_differ(mysql: &Values, here: &Values, columns: &[String]) -> String {
    let each = columns.iter().zip(mysql.iter().zip(here)).filter(|(_, (mysql, here))| mysql != here);
    let told = each.map(|(column, (mysql, here))| {
        format!("{column} is {} in MySQL and {} here", text(mysql.as_ref()), text(here.as_ref()))
    });
    told.collect::<Vec<_>>().join(", ")
}

fn row(values: &Values) -> String {
    let shown: Vec<_> = values.iter().map(|value| text(value.as_ref())).collect();
    format!("({})", shown.join(", "))
}

fn text(value: Option<&Vec<u8>>) -> String {
    let Some(value) = value else { return "NULL".to_owned() };
    let whole = String::from_utf8_lossy(value);
    match whole.char_indices().nth(LETTERS) {
        Some((end, _)) => format!("{}… ({} bytes)", &whole[..end], value.len()),
        None => whole.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &[Option<&str>]) -> Values {
        text.iter().map(|value| value.map(|value| value.as_bytes().to_vec())).collect()
    }

    /// Rows of both sides, compared.
    fn compared(here: &[[Option<&str>; 2]], mysql: &[[Option<&str>; 2]], key: Option<&[usize]>) -> Told {
        let (mut counts, mut bytes) = (Counts::default(), Vec::new());
        let [mut of_here, mut of_mysql] = [Examples::new(), Examples::new()];
        for row in here {
            let row = values(row);
            let hash = hash(&row, &mut bytes);
            counts.add_here(hash, 1);
            of_here.keep(hash, &row);
        }
        for row in mysql {
            let row = values(row);
            let hash = hash(&row, &mut bytes);
            if counts.add_mysql(hash) {
                of_mysql.keep(hash, &row);
            }
        }
        tell(&counts, &of_here, &of_mysql, &["id".to_owned(), "v".to_owned()], key)
    }

    #[test]
    fn what_differs_is_told_by_key() {
        let here = [[Some("1"), Some("a")], [Some("2"), None], [Some("10"), Some("c")], [Some("3"), Some("same")]];
        let mysql = [[Some("1"), Some("b")], [Some("2"), Some("")], [Some("3"), Some("same")], [Some("9"), Some("d")]];
        let told = compared(&here, &mysql, Some(&[0]));
        assert_eq!(told.count, "4 rows differ: 2 have other values, 1 are missing here, 1 are not in MySQL");
        let expected = [
            "id = 1: v is b in MySQL and a here",
            "id = 2: v is  in MySQL and NULL here",
            "id = 9: not here; MySQL has (9, d)",
            "id = 10: not in MySQL; here it is (10, c)",
        ];
        assert_eq!(told.examples, expected);
    }

    #[test]
    fn without_a_key_it_matters_how_often_a_row_is_there() {
        let (a, b) = ([Some("1"), Some("a")], [Some("1"), Some("b")]);
        let told = compared(&[a, a, a, b], &[a, b, b, b], None);
        assert_eq!(told.count, "2 rows of MySQL are not here, 2 rows here are not in MySQL");
        assert_eq!(told.examples, ["2 more in MySQL of (1, b)", "2 more here of (1, a)"]);
    }

    #[test]
    fn nothing_is_left_of_equal_sides_and_values_do_not_run_into_each_other() {
        let mut counts = Counts::default();
        let mut bytes = Vec::new();
        let [one, other] = [values(&[Some("ab"), Some("c")]), values(&[Some("a"), Some("bc")])];
        let (one, other) = (hash(&one, &mut bytes), hash(&other, &mut bytes));
        assert_ne!(one, other);
        assert_ne!(hash(&values(&[None, Some("")]), &mut bytes), hash(&values(&[Some(""), None]), &mut bytes));
        counts.add_here(one, 2);
        assert!(!counts.add_mysql(one) && !counts.add_mysql(one) && counts.add_mysql(other));
        counts.add_here(other, 1);
        assert_eq!((counts.unequal(), counts.here, counts.mysql), (0, 3, 3));
    }
}
