//! From topics to commits: Debezium's records are decoded into packed rows and put together to whole transactions.
//!
//! In data order: [`SourceConfig`] says what to read; a thread a topic reads it ([`Readers`]); decoders driven by the writer's
//! schema make rows; the [`Timeline`](timeline::Timeline) of their connector releases whole transactions, which reach the
//! engine as [`SourceEvent`]s through a bounded channel. A record that cannot be decoded is a [`DeadLetter`].

pub mod avro;
mod avro_bytes;
mod avro_table;
pub mod column;
mod debezium;
mod decimal;
mod decode;
pub mod defaults;
mod error;
pub mod event;
mod faults;
mod foreign;
mod history;
mod include;
pub mod json;
mod json_reader;
mod json_schema;
mod json_text;
mod json_value;
pub mod kafka;
mod learned;
mod logical;
pub mod produce;
mod reader;
pub mod registry;
mod saved;
pub mod schema;
mod source;
mod time_text;
pub mod timeline;

pub use error::{Error, Result, Undecodable};
pub use kafka::Cluster;
pub use reader::{Readers, ResumedSource};
pub use registry::RegistryConfig;
pub use source::{DeadLetter, Envelope, Format, Health, OnError, SourceConfig, SourceEvent, State, TimelineState};
