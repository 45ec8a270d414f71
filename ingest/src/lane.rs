//! One consumer and one assembler: tables of one connector read together with its transaction topic.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use delta::{TableId, TableSchema};
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};

use crate::decode::{BoundaryDecoder, Decoded, Decoder, Record};
use crate::error::{Error, Result};
use crate::event::RecordMeta;
use crate::kafka::Cluster;
use crate::registry::RegistryConfig;
use crate::source::{DeadLetter, SourceConfig, SourceEvent};
use crate::transactions::Assembler;

/// Records taken before the lane's owner looks at what is whole: bounds a tick, not a transaction.
const PULL: usize = 20_000;
/// Pause before a registry that did not answer is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// A table that a lane reads.
pub(crate) struct Table {
    pub(crate) id: TableId,
    pub(crate) config: SourceConfig,
    decoder: Decoder,
    /// Next offset of each partition.
    pub(crate) next: Vec<i64>,
    /// Records read.
    pub(crate) read: u64,
}

impl Table {
    pub(crate) fn new(id: TableId, config: SourceConfig, schema: &TableSchema) -> Result<Self> {
        let decoder = Decoder::new(&config, schema)?;
        Ok(Table { id, config, decoder, next: Vec::new(), read: 0 })
    }

    /// Takes note of a record of this table's.
    fn advance(&mut self, message: &BorrowedMessage<'_>) {
        let partition = message.partition() as usize;
        if self.next.len() <= partition {
            self.next.resize(partition + 1, 0);
        }
        self.next[partition] = message.offset() + 1;
        self.read += 1;
    }
}

/// The transaction topic and where it is read.
pub(crate) struct Transactions {
    pub(crate) topic: String,
    decoder: BoundaryDecoder,
    /// Whether it exists and is being read.
    pub(crate) assigned: bool,
}

/// See the module.
pub(crate) struct Lane {
    cluster: Cluster,
    pub(crate) consumer: BaseConsumer,
    pub(crate) assembler: Assembler,
    pub(crate) tables: HashMap<String, Table>,
    transactions: Option<Transactions>,
    stop: Arc<AtomicBool>,
}

impl Lane {
    pub(crate) fn new(
        cluster: &Cluster,
        transaction_topic: Option<&str>,
        registry: Option<&RegistryConfig>,
        stop: &Arc<AtomicBool>,
    ) -> Result<Self> {
        let transactions = match transaction_topic {
            Some(topic) => Some(Transactions {
                topic: topic.to_owned(),
                decoder: BoundaryDecoder::new(registry)?,
                assigned: false,
            }),
            None => None,
        };
        let (consumer, assembler) = (cluster.consumer()?, Assembler::new());
        Ok(Lane {
            cluster: cluster.clone(),
            consumer,
            assembler,
            tables: HashMap::new(),
            transactions,
            stop: stop.clone(),
        })
    }

    /// Starts on the transaction topic once it exists; Debezium makes it with the first transaction.
    pub(crate) fn find_transactions(&mut self) -> Result<()> {
        let Some(transactions) = self.transactions.as_mut().filter(|transactions| !transactions.assigned) else {
            return Ok(());
        };
        match self.cluster.partitions(&self.consumer, &transactions.topic)? {
            0 => {}
            1 => {
                self.cluster.assign(&self.consumer, &transactions.topic, &[0])?;
                transactions.assigned = true;
            }
            many => {
                let topic = &transactions.topic;
                let text =
                    format!("the transaction topic \"{topic}\" has {many} partitions and so no order: it must have 1");
                return Err(Error::Schema(text));
            }
        }
        Ok(())
    }

    /// Reads `table` from the offsets that it stands at.
    pub(crate) fn add(&mut self, mut table: Table, collection: &str) -> Result<()> {
        let partitions = self.cluster.partitions(&self.consumer, &table.config.topic)?;
        table.next.resize(partitions as usize, 0);
        if partitions > 0 {
            self.cluster.assign(&self.consumer, &table.config.topic, &table.next)?;
        }
        self.assembler.add_table(table.id, collection);
        self.tables.insert(table.config.topic.clone(), table);
        Ok(())
    }

    /// Takes over the table of a lane that has released exactly as much as this one.
    pub(crate) fn absorb(&mut self, other: Lane) -> Result<()> {
        for (topic, table) in other.tables {
            if !table.next.is_empty() {
                self.cluster.assign(&self.consumer, &topic, &table.next)?;
            }
            self.tables.insert(topic, table);
        }
        self.assembler.absorb(other.assembler);
        Ok(())
    }

    pub(crate) fn remove(&mut self, id: TableId) {
        let Some(topic) = self.tables.iter().find(|(_, table)| table.id == id).map(|(topic, _)| topic.clone()) else {
            return;
        };
        if let Some(table) = self.tables.remove(&topic) {
            self.cluster.unassign(&self.consumer, &topic, table.next.len());
        }
        self.assembler.remove_table(id);
    }

    /// Takes what has arrived; waits up to `wait` for a first record. What goes wrong goes to `out`.
    ///
    /// # Errors
    /// What Kafka says of the lane as a whole.
    pub(crate) fn pull(&mut self, wait: Duration, out: &mut Vec<SourceEvent>) -> Result<usize> {
        let Lane { consumer, tables, transactions, assembler, cluster, stop } = self;
        let mut taken = 0;
        let mut wait = wait;
        while taken < PULL {
            let message = match consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => message,
                Some(Err(error)) if is_passing(&error) => continue,
                Some(Err(error)) => return Err(cluster.error(&error)),
            };
            wait = Duration::ZERO;
            taken += 1;
            if let Some(table) = tables.get_mut(message.topic()) {
                table.advance(&message);
                take(table, &message, transactions.is_some(), assembler, stop, out);
            } else if let Some(transactions) = transactions.as_mut().filter(|t| t.topic == message.topic()) {
                let Some(value) = message.payload() else { continue };
                match patiently(stop, || transactions.decoder.decode(value)) {
                    Ok(boundary) => assembler.boundary(message.offset(), boundary),
                    Err(error) => out.push(dead_letter("transactions", &message, &error)),
                }
            }
        }
        Ok(taken)
    }
}

/// Decodes a record of a table and hands it to the assembler.
fn take(
    table: &mut Table,
    message: &BorrowedMessage<'_>,
    whole: bool,
    assembler: &mut Assembler,
    stop: &AtomicBool,
    out: &mut Vec<SourceEvent>,
) {
    let record = record_of(message);
    match patiently(stop, || table.decoder.decode(record).map_err(|found| found.error)) {
        Ok(Decoded::Event(mut event)) => {
            if !whole {
                // Nobody will tell where its transaction ends.
                event.origin.transaction = None;
            }
            assembler.event(table.id, event);
        }
        Ok(Decoded::Ops(_) | Decoded::Nothing) => {}
        Err(error) => {
            assembler.lost(table.id);
            out.push(dead_letter(&table.config.name, message, &error));
        }
    }
}

impl Table {
    /// Decodes a record of a topic without an envelope.
    pub(crate) fn ops(
        &mut self,
        message: &BorrowedMessage<'_>,
        stop: &AtomicBool,
        out: &mut Vec<SourceEvent>,
    ) -> Vec<delta::Op> {
        self.advance(message);
        let record = record_of(message);
        match patiently(stop, || self.decoder.decode(record).map_err(|found| found.error)) {
            Ok(Decoded::Ops(ops)) => ops,
            Ok(Decoded::Event(event)) => event.ops,
            Ok(Decoded::Nothing) => Vec::new(),
            Err(error) => {
                out.push(dead_letter(&self.config.name, message, &error));
                Vec::new()
            }
        }
    }
}

fn record_of<'a>(message: &'a BorrowedMessage<'_>) -> Record<'a> {
    let timestamp_ms = message.timestamp().to_millis().unwrap_or(0);
    let meta = RecordMeta { partition: message.partition(), offset: message.offset(), timestamp_ms };
    Record { key: message.key(), value: message.payload(), meta }
}

/// Runs `decode` again as long as only the registry stands in its way.
fn patiently<T>(stop: &AtomicBool, mut decode: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match decode() {
            Err(Error::RegistryUnreachable { url, reason }) if !stop.load(Ordering::Relaxed) => {
                tracing::warn!(url, reason, "the schema registry does not answer; asking again");
                std::thread::sleep(RETRY);
            }
            other => return other,
        }
    }
}

/// Errors after which librdkafka goes on by itself.
pub(crate) fn is_passing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let passing = [
        Code::BrokerTransportFailure,
        Code::AllBrokersDown,
        Code::OperationTimedOut,
        Code::RequestTimedOut,
        Code::LeaderNotAvailable,
        Code::NotLeaderForPartition,
        Code::UnknownTopicOrPartition,
        Code::UnknownPartition,
        Code::UnknownTopic,
        Code::NetworkException,
        Code::Resolve,
        Code::Fail,
    ];
    match error.rdkafka_error_code() {
        Some(code) if passing.contains(&code) => {
            tracing::warn!(%error, "Kafka; trying on");
            true
        }
        Some(Code::PartitionEOF) => true,
        _ => false,
    }
}

fn dead_letter(source: &str, message: &BorrowedMessage<'_>, error: &Error) -> SourceEvent {
    SourceEvent::DeadLetter(Box::new(DeadLetter {
        source: source.to_owned(),
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().map(Into::into),
        value: message.payload().map(Into::into),
        reason: error.to_string(),
    }))
}
