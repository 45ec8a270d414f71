//! MySQL: tables of small rows, transactions that change them, and a binlog. It knows every state that there ever was.

use std::collections::BTreeMap;

/// A row: in a table with a key the first column is the key.
pub(crate) type Values = (i64, i64);
/// A table's rows and how often each is there.
pub(crate) type State = BTreeMap<Values, u32>;

/// A table of MySQL.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// `database.table`.
    pub(crate) collection: String,
    /// The topic that its events go to. Several tables may share one: their keys begin at different `base`s.
    pub(crate) topic: usize,
    pub(crate) keyed: bool,
    pub(crate) base: i64,
}

/// What a statement does. It is read against the rows that are there, so that it makes sense in any history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// INSERT, or UPDATE where the key is taken.
    Insert,
    /// UPDATE of the other column.
    Update,
    Delete,
    /// UPDATE of the key.
    Rekey,
    /// Two rows exchange their keys by way of a third.
    Swap,
    /// REPLACE: a delete and an insert.
    Replace,
    /// One UPDATE that adds 1 to the keys of many rows.
    Shift,
}

/// A statement.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) table: usize,
    pub(crate) action: Action,
    pub(crate) a: i64,
    pub(crate) b: i64,
}

/// A row of a binlog event.
#[derive(Debug, Clone)]
pub(crate) struct RowChange {
    pub(crate) table: usize,
    pub(crate) before: Option<Values>,
    pub(crate) after: Option<Values>,
    /// Number of the binlog event in its transaction.
    pub(crate) event: u64,
    /// Number of the row in its binlog event.
    pub(crate) row: u32,
}

/// A transaction of the binlog.
#[derive(Debug, Clone)]
pub(crate) struct Transaction {
    pub(crate) gtid: Option<String>,
    pub(crate) file: u32,
    pub(crate) pos: u64,
    pub(crate) changes: Vec<RowChange>,
    /// TRUNCATE is a statement without BEGIN and END.
    pub(crate) truncate: Option<usize>,
    pub(crate) commit_ms: i64,
}

/// The database.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) tables: Vec<Table>,
    /// Number of topics that hold tables.
    pub(crate) topics: usize,
    state: Vec<State>,
    pub(crate) binlog: Vec<Transaction>,
    /// By the number of committed transactions, then by topic.
    pub(crate) states: Vec<Vec<State>>,
    /// By topic, the states that single events lead through.
    pub(crate) steps: Vec<Vec<State>>,
    /// `None`: the server has no GTIDs.
    pub(crate) server: Option<char>,
    gtid: u64,
    pub(crate) file: u32,
    pub(crate) pos: u64,
}

/// Bytes from one binlog event to the next.
pub(crate) const STRIDE: u64 = 100;

fn add(state: &mut State, row: Values) {
    *state.entry(row).or_default() += 1;
}

fn take(state: &mut State, row: Values) {
    if let Some(count) = state.get_mut(&row) {
        *count -= 1;
        if *count == 0 {
            state.remove(&row);
        }
    }
}

/// The row that has this key.
pub(crate) fn by_key(state: &State, key: i64) -> Option<Values> {
    state.range((key, i64::MIN)..=(key, i64::MAX)).next().map(|(row, _)| *row)
}

impl Database {
    pub(crate) fn new(tables: Vec<Table>, topics: usize, gtids: bool) -> Self {
        let state = vec![State::new(); tables.len()];
        let empty = vec![State::new(); topics];
        let steps = vec![vec![State::new()]; topics];
        let server = gtids.then_some('a');
        Database {
            tables,
            topics,
            state,
            binlog: Vec::new(),
            states: vec![empty],
            steps,
            server,
            gtid: 0,
            file: 1,
            pos: 157,
        }
    }

    pub(crate) fn rows(&self, table: usize) -> &State {
        &self.state[table]
    }

    fn by_topic(&self) -> Vec<State> {
        let mut topics = vec![State::new(); self.topics];
        for (table, state) in self.tables.iter().zip(&self.state) {
            for (&row, &count) in state {
                *topics[table.topic].entry(row).or_default() += count;
            }
        }
        topics
    }

    /// Runs statements and commits. A transaction may turn out empty.
    pub(crate) fn commit(&mut self, statements: &[Statement], now_ms: i64) {
        let mut changes = Vec::new();
        for statement in statements {
            self.run(statement, &mut changes);
        }
        self.log(changes, None, now_ms);
    }

    pub(crate) fn truncate(&mut self, table: usize, now_ms: i64) {
        self.state[table].clear();
        self.step(table);
        self.log(Vec::new(), Some(table), now_ms);
    }

    fn log(&mut self, changes: Vec<RowChange>, truncate: Option<usize>, commit_ms: i64) {
        self.gtid += 1;
        let gtid = self.server.map(|server| format!("{server}{server}{server}{server}:{}", self.gtid));
        let length = (changes.last().map_or(0, |change| change.event) + 3) * STRIDE;
        self.binlog.push(Transaction { gtid, file: self.file, pos: self.pos, changes, truncate, commit_ms });
        self.pos += length;
        self.states.push(self.by_topic());
    }

    fn step(&mut self, table: usize) {
        let topic = self.tables[table].topic;
        let state = self.by_topic().swap_remove(topic);
        self.steps[topic].push(state);
    }

    /// One row changes: what the log and the states make of it.
    fn change(&mut self, changes: &mut Vec<RowChange>, change: RowChange) {
        let table = change.table;
        if let Some(row) = change.before {
            take(&mut self.state[table], row);
            if change.after.is_none_or(|after| self.tables[table].keyed && after.0 != row.0) {
                self.step(table);
            }
        }
        if let Some(row) = change.after {
            add(&mut self.state[table], row);
            self.step(table);
        }
        changes.push(change);
    }

    fn run(&mut self, statement: &Statement, changes: &mut Vec<RowChange>) {
        let table = statement.table;
        let mut event = changes.last().map_or(1, |change: &RowChange| change.event + 1);
        let rows: Vec<(Option<Values>, Option<Values>, bool)> =
            if self.tables[table].keyed { self.keyed(statement) } else { self.keyless(statement) };
        let mut row = 0;
        for (number, (before, after, same_event)) in rows.into_iter().enumerate() {
            if same_event && number > 0 {
                row += 1;
            } else {
                event += u64::from(number > 0);
                row = 0;
            }
            self.change(changes, RowChange { table, before, after, event, row });
        }
    }

    /// Images before and after, and whether the row shares the binlog event of the one before it.
    fn keyed(&self, statement: &Statement) -> Vec<(Option<Values>, Option<Values>, bool)> {
        let state = &self.state[statement.table];
        let base = self.tables[statement.table].base;
        let (a, b) = (statement.a + base, statement.b + base);
        let (old, other) = (by_key(state, a), by_key(state, b));
        match (statement.action, old, other) {
            (Action::Delete, Some(old), _) => vec![(Some(old), None, false)],
            (Action::Rekey, Some(old), None) => vec![(Some(old), Some((b, old.1)), false)],
            (Action::Swap | Action::Rekey, Some(old), Some(other)) if a != b => {
                let spare = base + 90;
                vec![
                    (Some(old), Some((spare, old.1)), false),
                    (Some(other), Some((a, other.1)), false),
                    (Some((spare, old.1)), Some((b, old.1)), false),
                ]
            }
            (Action::Replace, Some(old), _) => {
                vec![(Some(old), None, false), (None, Some((a, statement.b)), false)]
            }
            (Action::Shift, ..) => {
                let rows = state.range((a, i64::MIN)..(base + 50, i64::MIN)).rev();
                rows.map(|(&row, _)| (Some(row), Some((row.0 + 1, row.1)), true)).collect()
            }
            (Action::Delete, ..) => Vec::new(),
            (_, old, _) if old == Some((a, statement.b)) => Vec::new(),
            (_, old, _) => vec![(old, Some((a, statement.b)), false)],
        }
    }

    fn keyless(&self, statement: &Statement) -> Vec<(Option<Values>, Option<Values>, bool)> {
        let old = by_key(&self.state[statement.table], statement.a);
        let new = (statement.a, statement.b);
        match (statement.action, old) {
            (Action::Delete | Action::Rekey, Some(old)) => vec![(Some(old), None, false)],
            (Action::Update, Some(old)) if old != new => vec![(Some(old), Some(new), false)],
            (Action::Shift, _) => vec![(None, Some(new), true), (None, Some(new), true)],
            (Action::Swap, Some(old)) => vec![(Some(old), None, false), (None, Some(old), false)],
            (Action::Delete | Action::Rekey, None) => Vec::new(),
            _ => vec![(None, Some(new), false)],
        }
    }

    /// A new binlog file.
    pub(crate) fn rotate(&mut self) {
        self.file += 1;
        self.pos = 157;
    }

    /// RESET BINARY LOGS AND GTIDS.
    pub(crate) fn reset(&mut self) {
        self.file = 1;
        self.pos = 157;
        self.gtid = 0;
    }

    /// Another server takes over: it knows all transactions; new ones get its own uuid.
    pub(crate) fn fail_over(&mut self) {
        if let Some(server) = self.server {
            self.server = Some((server as u8 + 1) as char);
            self.gtid = 0;
        }
    }
}
