//! Order updates: the topic that services write themselves, beside MySQL's tables.
//!
//! Key = the order's id as text, so that one order's updates stay in order; value = JSON
//! `{"order_id":1,"status":"confirmed","updated_at":"2026-11-21T10:00:00.000Z","service":"payments"}`.
//! The producer is idempotent: a retry inside it neither repeats nor reorders a message.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::model;
use crate::validate::Faults;

/// The topic's name.
pub const TOPIC: &str = "order_updates";
/// What an order goes through, in order, and the service that says so.
pub const STAGES: [(&str, &str); 5] = [
    ("Created", "orders"),
    ("confirmed", "payments"),
    ("preparing", "warehouse"),
    ("out for delivery", "delivery"),
    ("delivered", "delivery"),
];

/// A caller is told within this time that Kafka does not take messages.
const SEND_TIMEOUT: Duration = Duration::from_secs(8);
/// Administrative requests: a broker that has just started takes a few seconds to elect a leader.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(10);
/// Messages waiting in the producer at shutdown get this long.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// A message of the topic.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct OrderUpdate {
    /// Which order.
    pub order_id: i64,
    /// Its new status.
    #[schema(example = "confirmed")]
    pub status: String,
    /// When the status was reached; the greatest one wins, whatever order messages come in.
    #[serde(serialize_with = "model::iso")]
    pub updated_at: DateTime<Utc>,
    /// The service that reports it.
    #[schema(example = "payments")]
    pub service: String,
}

/// What a caller says about an order.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUpdate {
    /// The new status.
    #[schema(example = "confirmed")]
    pub status: String,
    /// The service that reports it; `shop` if absent.
    #[schema(example = "payments")]
    pub service: Option<String>,
    /// When the status was reached; now if absent.
    pub updated_at: Option<DateTime<Utc>>,
}

impl NewUpdate {
    /// Refuses blank or overlong text.
    pub fn check(&self) -> Result<()> {
        let mut faults = Faults::default();
        faults.text(&self.status, "/status", 50);
        if let Some(service) = &self.service {
            faults.text(service, "/service", 50);
        }
        faults.finish()
    }

    /// The message for an order.
    #[must_use]
    pub fn of_order(self, order_id: i64) -> OrderUpdate {
        OrderUpdate {
            order_id,
            status: self.status,
            updated_at: self.updated_at.unwrap_or_else(Utc::now),
            service: self.service.unwrap_or_else(|| "shop".to_owned()),
        }
    }
}

/// The update that puts an order into a stage now.
#[must_use]
pub fn stage_update(order_id: i64, stage: usize) -> OrderUpdate {
    let (status, service) = STAGES[stage % STAGES.len()];
    OrderUpdate { order_id, status: status.to_owned(), updated_at: Utc::now(), service: service.to_owned() }
}

/// Publishes order updates.
#[derive(Clone)]
pub struct Publisher {
    producer: FutureProducer,
    settings: ClientConfig,
}

impl Publisher {
    /// Makes the producer; it connects by itself, so Kafka may still be starting.
    pub fn new(config: &Config) -> Result<Self> {
        let mut settings = ClientConfig::new();
        settings.set("bootstrap.servers", &config.kafka_brokers).set("client.id", "shop");
        let producer = settings
            .clone()
            .set("enable.idempotence", "true")
            // Nothing is gained by waiting for a batch when one update is one request.
            .set("linger.ms", "0")
            .set("message.timeout.ms", SEND_TIMEOUT.as_millis().to_string())
            .create()?;
        Ok(Self { producer, settings })
    }

    /// Creates the topic unless it exists: then consumers can start before the first update.
    pub async fn create_topic(&self) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.settings.create()?;
        let topic = NewTopic::new(TOPIC, 1, TopicReplication::Fixed(1));
        let options = AdminOptions::new().request_timeout(Some(ADMIN_TIMEOUT)).operation_timeout(Some(ADMIN_TIMEOUT));
        for result in admin.create_topics([&topic], &options).await? {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(KafkaError::AdminOp(code).into()),
            }
        }
        Ok(())
    }

    /// Sends one update and waits until Kafka has it on all in-sync replicas; gives the position that includes it,
    /// `topic/partition@offset`, the offset being the next one.
    pub async fn send(&self, update: &OrderUpdate) -> Result<String> {
        let value = serde_json::to_string(update).map_err(|e| Error::Config(format!("order update: {e}")))?;
        let key = update.order_id.to_string();
        let record = FutureRecord::to(TOPIC).key(&key).payload(&value);
        let delivered = self.producer.send(record, SEND_TIMEOUT).await.map_err(|(e, _)| e)?;
        metrics::counter!("shop_order_updates_published_total").increment(1);
        Ok(format!("{TOPIC}/{}@{}", delivered.partition, delivered.offset + 1))
    }

    /// Asks a broker for the topic, off the async threads because librdkafka blocks.
    pub async fn ready(&self) -> Result<()> {
        let producer = self.producer.clone();
        let asked = tokio::task::spawn_blocking(move || {
            producer.client().fetch_metadata(Some(TOPIC), Duration::from_secs(2)).map(|_| ())
        });
        asked.await.map_err(|e| Error::Config(format!("kafka check: {e}")))?.map_err(Error::from)
    }

    /// Waits for messages on their way.
    pub async fn flush(&self) -> Result<()> {
        let producer = self.producer.clone();
        let flushed = tokio::task::spawn_blocking(move || producer.flush(FLUSH_TIMEOUT));
        flushed.await.map_err(|e| Error::Config(format!("kafka flush: {e}")))?.map_err(Error::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_as_documented() {
        let new: NewUpdate = serde_json::from_str(
            r#"{"status":"confirmed","service":"payments","updated_at":"2026-11-21T12:00:00+02:00"}"#,
        )
        .unwrap();
        new.check().unwrap();
        assert_eq!(
            serde_json::to_string(&new.of_order(1)).unwrap(),
            r#"{"order_id":1,"status":"confirmed","updated_at":"2026-11-21T10:00:00.000Z","service":"payments"}"#
        );
    }

    #[test]
    fn a_blank_status_is_refused() {
        let new: NewUpdate = serde_json::from_str(r#"{"status":" "}"#).unwrap();
        assert!(new.check().is_err());
    }
}
