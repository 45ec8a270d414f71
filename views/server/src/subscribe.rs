//! What a subscriber is sent: the rows that are there, then what each tick changes, whole, in the envelope that it asked for.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tidewater_delta::{Row, Weight};
use tidewater_sql::parse::ast::{ChangeEnvelope, Subscribe};
use tidewater_sql::{Error, FollowedRows, Result};
use tidewater_types::{Column, ColumnType, Datum, Numeric, Packing, compare};
use tokio::sync::mpsc;

use crate::encode::Encoder;
use crate::feeds::{Subscription, too_old};
use crate::handle::Handle;
use crate::runner::{Batch, Batches};

/// How often a subscriber that asked for it is told how far all changes have come, when nothing changes.
const PROGRESS: Duration = Duration::from_secs(1);
/// Bytes of rows that are handed to the client at once.
const BATCH: usize = 64 << 10;
/// Batches that wait for a client to take them.
const AHEAD: usize = 4;

/// Rows with their counts.
type Counted = Vec<(Row, Weight)>;

/// The followed query's own columns, and how its rows are shown.
struct Shown {
    types: Vec<ColumnType>,
    packings: Vec<Packing>,
    /// Places of the key's columns and of the others; the key is empty where there is no envelope.
    key: Vec<usize>,
    others: Vec<usize>,
    subscribe: Subscribe,
    /// Of WITHIN TIMESTAMP ORDER BY: place, whether descending, whether NULLs come first.
    order: Vec<(usize, bool, bool)>,
    /// With an envelope, the rows of each key: what changes does not tell what else has the key. Not needed where keys are unique.
    held: Option<HashMap<Vec<u8>, Counted>>,
}

impl Shown {
    /// `unique` are columns that identify a row of the followed query, if any do.
    fn new(subscribe: &Subscribe, columns: &[Column], unique: Option<&[usize]>) -> Self {
        let place = |name: &String| columns.iter().position(|column| column.name == *name);
        let (mut key, mut order) = (Vec::new(), Vec::new());
        match &subscribe.envelope {
            ChangeEnvelope::Diff(by) => {
                order.extend(by.iter().filter_map(|(name, down, first)| Some((place(name)?, *down, *first))));
            }
            ChangeEnvelope::Upsert(names) | ChangeEnvelope::Debezium(names) => {
                key.extend(names.iter().filter_map(place));
            }
        }
        Shown {
            types: columns.iter().map(|column| column.ty.clone()).collect(),
            packings: columns.iter().map(|column| Packing::of(&column.ty)).collect(),
            others: (0..columns.len()).filter(|at| !key.contains(at)).collect(),
            held: (!key.is_empty() && unique.is_none_or(|unique| unique.iter().any(|at| !key.contains(at))))
                .then(HashMap::new),
            key,
            subscribe: subscribe.clone(),
            order,
        }
    }

    fn values<'r>(&self, row: &'r Row, places: &'r [usize]) -> impl Iterator<Item = Datum<'r>> {
        let packings = self.packings.clone();
        places.iter().map(move |&at| packings[at].get(row.as_ref(), at))
    }

    /// Puts the changes of one moment into the envelope, and hands the values of each row to `put`.
    fn show(
        &mut self,
        moment: u64,
        rows: &[(Row, Weight)],
        put: &mut dyn FnMut(&[Datum<'_>]) -> Result<()>,
    ) -> Result<()> {
        let mut head = vec![time(moment)];
        if self.subscribe.progress {
            head.push(Datum::Bool(false));
        }
        match &self.subscribe.envelope {
            ChangeEnvelope::Diff(_) => self.differences(&head, rows, put),
            ChangeEnvelope::Upsert(_) | ChangeEnvelope::Debezium(_) => self.by_key(&head, rows, put),
        }
    }

    fn differences(
        &self,
        head: &[Datum<'_>],
        rows: &[(Row, Weight)],
        put: &mut dyn FnMut(&[Datum<'_>]) -> Result<()>,
    ) -> Result<()> {
        let mut sorted: Vec<&(Row, Weight)> = rows.iter().collect();
        if !self.order.is_empty() {
            sorted.sort_by(|(a, _), (b, _)| self.ordered(a, b));
        }
        let all: Vec<usize> = (0..self.types.len()).collect();
        for (row, weight) in sorted {
            let mut values = head.to_vec();
            values.push(Datum::Int(*weight));
            values.extend(self.values(row, &all));
            put(&values)?;
        }
        Ok(())
    }

    fn ordered(&self, a: &Row, b: &Row) -> Ordering {
        for &(at, descending, nulls_first) in &self.order {
            let of = |row: &'_ Row| row.as_ref().is_null(at);
            let ordering = match (of(a), of(b)) {
                (true, true) => Ordering::Equal,
                (true, false) => {
                    if nulls_first {
                        Ordering::Less
                    } else {
                        Ordering::Greater
                    }
                }
                (false, true) => {
                    if nulls_first {
                        Ordering::Greater
                    } else {
                        Ordering::Less
                    }
                }
                (false, false) => {
                    let (a, b) = (self.packings[at].get(a.as_ref(), at), self.packings[at].get(b.as_ref(), at));
                    let ordering = compare(&self.types[at].ty, &a, &b);
                    if descending { ordering.reverse() } else { ordering }
                }
            };
            if ordering != Ordering::Equal {
                return ordering;
            }
        }
        Ordering::Equal
    }

    /// One row for each key that changed.
    fn by_key(
        &mut self,
        head: &[Datum<'_>],
        rows: &[(Row, Weight)],
        put: &mut dyn FnMut(&[Datum<'_>]) -> Result<()>,
    ) -> Result<()> {
        let debezium = matches!(self.subscribe.envelope, ChangeEnvelope::Debezium(_));
        let mut changed: BTreeMap<Vec<u8>, Vec<(&Row, Weight)>> = BTreeMap::new();
        for (row, weight) in rows {
            changed.entry(self.key_of(row)).or_default().push((row, *weight));
        }
        for (key, rows) in &changed {
            let before = match &mut self.held {
                // A key has one row at most, so what went is what was.
                None => rows.iter().filter(|(_, weight)| *weight < 0).map(|(row, _)| ((*row).clone(), 1)).collect(),
                Some(held) => held.get(key).cloned().unwrap_or_default(),
            };
            let mut after = before.clone();
            rows.iter().for_each(|(row, weight)| add(&mut after, row, *weight));
            let only = |rows: &[(Row, Weight)]| match rows {
                [(row, 1)] => Some(row.clone()),
                _ => None,
            };
            let (old, new) = (only(&before), only(&after));
            let state = match (before.is_empty(), after.is_empty()) {
                (_, true) => "delete",
                _ if new.is_none() => "key_violation",
                (true, _) if debezium => "insert",
                _ => "upsert",
            };
            let Some((any, _)) = rows.first() else { continue };
            let mut values = head.to_vec();
            values.push(Datum::from(state));
            values.extend(self.values(any, &self.key));
            let sides = if debezium { &[&old, &new][..] } else { &[&new][..] };
            for side in sides {
                match side {
                    Some(row) => values.extend(self.values(row, &self.others)),
                    None => values.extend(self.others.iter().map(|_| Datum::Null)),
                }
            }
            put(&values)?;
            match &mut self.held {
                Some(held) if after.is_empty() => drop(held.remove(key)),
                Some(held) => drop(held.insert(key.clone(), after)),
                None => {}
            }
        }
        Ok(())
    }

    fn key_of(&self, row: &Row) -> Vec<u8> {
        let mut key = Vec::new();
        for (value, &at) in self.values(row, &self.key).zip(&self.key) {
            tidewater_types::key(&self.types[at].ty, &value, &mut key);
        }
        key
    }

    /// Takes rows as they were at a moment that is not shown, if rows are held at all.
    fn hold<'r>(&mut self, rows: impl Iterator<Item = (&'r Row, Weight)>) {
        let Some(mut held) = self.held.take() else { return };
        for (row, weight) in rows {
            let key = self.key_of(row);
            let of_key = held.entry(key).or_default();
            add(of_key, row, weight);
        }
        held.retain(|_, rows| !rows.is_empty());
        self.held = Some(held);
    }

    /// Says that all that changed before a moment has been shown.
    fn progress(&self, moment: u64, columns: usize, put: &mut dyn FnMut(&[Datum<'_>]) -> Result<()>) -> Result<()> {
        let mut values = vec![Datum::Null; columns];
        values[0] = time(moment);
        values[1] = Datum::Bool(true);
        put(&values)
    }
}

/// Changes the count of a row among others.
fn add(rows: &mut Counted, row: &Row, weight: Weight) {
    match rows.iter().position(|(there, _)| there.bytes() == row.bytes()) {
        Some(at) => rows[at].1 += weight,
        None => rows.push((row.clone(), weight)),
    }
    rows.retain(|(_, weight)| *weight != 0);
}

/// A moment as it is shown.
fn time(moment: u64) -> Datum<'static> {
    Datum::Numeric(Numeric::Small(i128::from(moment), 0))
}

/// A subscriber at work.
struct Subscriber {
    handle: Handle,
    subscription: Subscription,
    shown: Shown,
    columns: usize,
    encode: Encoder,
    sender: mpsc::Sender<Result<Batch>>,
    bytes: Vec<u8>,
    lengths: Vec<usize>,
}

/// Nobody receives any more.
struct Left;

/// Why a subscriber is sent nothing more.
enum End {
    Left,
    Failed(Error),
}

impl From<Left> for End {
    fn from(_: Left) -> Self {
        End::Left
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        End::Failed(error)
    }
}

/// The rows of a subscription, for as long as somebody takes them. `own` are the columns of the followed query, `columns` how many are
/// shown.
pub(crate) fn batches(
    handle: &Handle,
    subscribe: &Subscribe,
    own: &[Column],
    columns: usize,
    followed: (Subscription, FollowedRows),
    encode: Encoder,
) -> Batches {
    let (subscription, rows) = followed;
    let (sender, receiver) = mpsc::channel(AHEAD);
    let mut subscriber = Subscriber {
        handle: handle.clone(),
        subscription,
        shown: Shown::new(subscribe, own, rows.key.as_deref()),
        columns,
        encode,
        sender,
        bytes: Vec::new(),
        lengths: Vec::new(),
    };
    let task = tokio::spawn(async move {
        if let Err(End::Failed(error)) = subscriber.run(rows).await {
            // Nobody to tell if the receiver is gone.
            let _ = subscriber.sender.send(Err(error)).await;
        }
    });
    Batches::unending(receiver, task)
}

impl Subscriber {
    async fn run(&mut self, rows: FollowedRows) -> std::result::Result<(), End> {
        let subscribe = self.shown.subscribe.clone();
        let mut told = self.subscription.feed.told();
        let mut moment = match subscribe.as_of {
            Some(as_of) if subscribe.snapshot => {
                if !as_of.at_least || as_of.moment > rows.moment {
                    let message = "a snapshot AS OF another moment than now is not supported";
                    let error = Error::new(b"0A000", message);
                    return Err(error.hint("WITH (SNAPSHOT = false) AS OF a moment goes on from it").into());
                }
                rows.moment
            }
            Some(as_of) if as_of.moment < rows.since => match as_of.at_least {
                true => rows.since,
                false => return Err(too_old(as_of.moment).into()),
            },
            Some(as_of) if as_of.moment > rows.moment => {
                let message = format!("moment {} lies in the future: the newest is {}", as_of.moment, rows.moment);
                return Err(Error::new(b"22023", message).into());
            }
            Some(as_of) => as_of.moment,
            None => rows.moment,
        };
        let ends = |moment: u64| subscribe.up_to.is_some_and(|end| moment >= end);
        if subscribe.snapshot && !ends(moment) {
            self.snapshot(&rows).await?;
        } else {
            self.hold(&rows, moment)?;
        }
        drop(rows);
        if subscribe.progress {
            self.progress(moment + 1)?;
        }
        self.flush().await?;
        let mut clock = tokio::time::interval(PROGRESS);
        loop {
            told.borrow_and_update();
            // First: what comes after it is not told of yet.
            let newest = self.handle.read().newest_moment();
            for changed in self.subscription.feed.after(moment)? {
                if ends(changed.moment) {
                    return Ok(self.flush().await?);
                }
                self.show(changed.moment, &changed.rows)?;
                moment = changed.moment;
                if subscribe.progress {
                    self.progress(moment + 1)?;
                }
                self.flush_if_full().await?;
            }
            if newest > moment {
                moment = newest;
                if subscribe.progress {
                    self.progress(moment + 1)?;
                }
            }
            self.flush().await?;
            if ends(moment + 1) {
                return Ok(());
            }
            let waits_for_time = subscribe.progress || subscribe.up_to.is_some();
            tokio::select! {
                changed = told.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                }
                _ = clock.tick(), if waits_for_time => {}
                () = self.sender.closed() => return Err(End::Left),
            }
        }
    }

    /// Takes the rows as they were at a moment that changes are shown from: those of now without what changed since.
    fn hold(&mut self, rows: &FollowedRows, moment: u64) -> Result<()> {
        if self.shown.held.is_none() {
            return Ok(());
        }
        let there: Vec<_> = rows.snapshot.rows().map(|(row, weight)| (Row::from(row), weight)).collect();
        self.shown.hold(there.iter().map(|(row, weight)| (row, *weight)));
        for changed in self.subscription.feed.after(moment)?.iter().filter(|changed| changed.moment <= rows.moment) {
            self.shown.hold(changed.rows.iter().map(|(row, weight)| (row, -weight)));
        }
        Ok(())
    }

    async fn snapshot(&mut self, rows: &FollowedRows) -> std::result::Result<(), End> {
        let mut all: Vec<(Row, Weight)> = Vec::new();
        // What is put in order, or by keys, is looked at as a whole.
        let whole = !self.shown.order.is_empty() || !self.shown.key.is_empty();
        let mut from = Default::default();
        loop {
            let mut ended = true;
            while let Some((row, weight)) = rows.snapshot.next_row(&mut from) {
                all.push((Row::from(row), weight));
                if !whole && all.len() >= 1_024 {
                    ended = false;
                    break;
                }
            }
            self.show(rows.moment, &std::mem::take(&mut all))?;
            self.flush_if_full().await?;
            if ended {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    }

    fn show(&mut self, moment: u64, rows: &[(Row, Weight)]) -> Result<()> {
        let Subscriber { shown, encode, bytes, lengths, .. } = self;
        shown.show(moment, rows, &mut |values| put(encode, bytes, lengths, values))
    }

    fn progress(&mut self, moment: u64) -> Result<()> {
        let Subscriber { shown, encode, bytes, lengths, columns, .. } = self;
        shown.progress(moment, *columns, &mut |values| put(encode, bytes, lengths, values))
    }

    async fn flush_if_full(&mut self) -> std::result::Result<(), Left> {
        if self.bytes.len() >= BATCH { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> std::result::Result<(), Left> {
        if self.lengths.is_empty() {
            return Ok(());
        }
        let batch = Batch::new(std::mem::take(&mut self.bytes), std::mem::take(&mut self.lengths));
        self.sender.send(Ok(batch)).await.map_err(|_| Left)
    }
}

fn put(encode: &mut Encoder, bytes: &mut Vec<u8>, lengths: &mut Vec<usize>, values: &[Datum<'_>]) -> Result<()> {
    let before = bytes.len();
    encode(values, bytes)?;
    lengths.push(bytes.len() - before);
    Ok(())
}
