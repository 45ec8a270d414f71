//! What users meet, one file each. Each has a database, connectors and a Tidewater of its own; MySQL is the judge.

pub(crate) mod chaos;
pub(crate) mod pipeline;

mod before_topic;
mod binlog_reset;
mod checked;
mod compaction;
mod ddl;
mod exactly_once;
mod incremental;
mod kept;
mod keys;
mod misnamed;
mod one_row;
mod partitions;
mod retention;
mod router;
mod second_snapshot;
mod sinks;
mod tls;
mod topic_again;
mod undecodable;

use std::future::Future;
use std::pin::Pin;

use crate::Result;
use crate::stage::Stage;

/// One of them.
pub(crate) struct Scenario {
    /// Names its database, connectors and log.
    pub(crate) name: &'static str,
    /// What is proven, as the test is called.
    pub(crate) proves: &'static str,
    /// Changes a server that others use meanwhile, so it runs by itself, after them.
    pub(crate) alone: bool,
    pub(crate) run: Run,
}

type Run = for<'a> fn(&'a Stage) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

macro_rules! scenario {
    ($name:ident, $alone:expr, $function:path, $proves:literal) => {
        Scenario { name: stringify!($name), proves: $proves, alone: $alone, run: |stage| Box::pin($function(stage)) }
    };
}

/// All of them.
pub(crate) const ALL: &[Scenario] = &[
    scenario!(
        pks,
        false,
        keys::run,
        "primary keys change, swap and are replaced, with and without the transaction topic"
    ),
    scenario!(
        halves,
        false,
        keys::halves,
        "of a changed primary key only the deletion comes: it is never shown as an answer, and a snapshot heals it"
    ),
    scenario!(
        retention,
        false,
        retention::run,
        "a topic whose beginning is gone gives an error, its sibling goes on, a new snapshot heals it"
    ),
    scenario!(
        kept,
        false,
        kept::run,
        "a restart goes on from the checkpoint, whatever Kafka has deleted before it; what it deleted unread is told"
    ),
    scenario!(
        checked,
        false,
        checked::run,
        "CHECK SOURCE finds no difference under traffic, and exactly those that are made behind the binlog's back"
    ),
    scenario!(compaction, false, compaction::run, "a compacted topic gives the truth or an error"),
    scenario!(partitions, false, partitions::run, "tables in several partitions, and partitions that come later"),
    scenario!(
        router,
        false,
        router::run,
        "RegexRouter: topics that are not named after their tables, with and without COLLECTION"
    ),
    scenario!(shards, false, router::shards, "ByLogicalTableRouter: two tables in one topic"),
    scenario!(ddl_avro, false, ddl::avro, "ALTER TABLE between rows, Avro"),
    scenario!(ddl_json, false, ddl::json, "ALTER TABLE between rows, JSON"),
    scenario!(
        incremental,
        false,
        incremental::run,
        "an incremental snapshot by signal fills a table that has nothing else"
    ),
    scenario!(
        again,
        false,
        second_snapshot::run,
        "a second initial snapshot replaces keyed and keyless tables, live and after a restart"
    ),
    scenario!(one_row, false, one_row::run, "a first table of one row, and zstd"),
    scenario!(stall, false, undecodable::stall, "ON ERROR STALL: a lost record stops its timeline, which says so"),
    scenario!(dead, false, undecodable::dead_letter, "ON ERROR DEAD LETTER: readers are told of the loss"),
    scenario!(skip, false, undecodable::skip, "ON ERROR SKIP: the rest goes on"),
    scenario!(early, false, before_topic::run, "a source made before its topic"),
    scenario!(anew, false, topic_again::run, "a topic deleted and made again"),
    scenario!(misnamed, false, misnamed::run, "a transaction topic that is not there is named in the status"),
    scenario!(crowd, false, misnamed::in_partitions, "a transaction topic of several partitions is refused by name"),
    scenario!(tls, false, tls::run, "SASL_SSL to the broker, HTTPS to the registry"),
    scenario!(once, true, exactly_once::run, "exactly-once Connect: control records at the topics' ends"),
    scenario!(sinks, true, sinks::run, "sinks write every commit whole and once while tidewater and Kafka are killed"),
    scenario!(binlog, true, binlog_reset::run, "RESET BINARY LOGS AND GTIDS: reused ids are not taken for old ones"),
];
