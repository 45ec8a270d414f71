//! The example services of Tidewater, as any team would write them: commands are plain MySQL transactions, order
//! updates go to a Kafka topic, and the read model comes from the view engine through an ordinary PostgreSQL driver.
//!
//! In the order of data: [`http`] takes requests, [`command`] changes MySQL, `position` tells where that stands in its
//! history, [`updates`] publishes to Kafka, [`summary`] reads the view engine; [`query`] reads MySQL. [`traffic`] makes
//! data: seed, updates, load.
//!
//! The crate depends on no other crate of this workspace: it speaks only MySQL, Kafka and the PostgreSQL protocol.

pub mod command;
pub mod config;
pub mod error;
pub mod http;
pub mod model;
pub mod money;
mod position;
pub mod query;
pub mod summary;
pub mod traffic;
pub mod updates;
mod validate;

pub use config::Config;
pub use error::{Error, Result};
pub use http::{Running, serve, start};
