//! Readers that look all the time, over both protocols, whether what they are shown can be a state of the database, and
//! whether time goes back. Being refused is no anomaly: servers are killed while they look.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_postgres::Client;

use crate::shop_traffic::SUM;
use crate::sql::{connect, rows};
use crate::tidewater::Tidewater;
use crate::{Result, http};

/// Between two rounds of a reader: with a shorter one the readers take the processors from what they watch.
const PAUSE: Duration = Duration::from_millis(40);

/// What one reader saw.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    looks: u64,
    anomalies: u64,
    /// Answers that lack what an earlier one had.
    back: u64,
    refused: u64,
    /// The first anomaly: when it was seen, and what the rows were.
    first: Option<String>,
    last_refusal: Option<String>,
}

impl Seen {
    fn refuse(&mut self, error: &(dyn std::error::Error + Send + Sync)) {
        self.refused += 1;
        self.last_refusal = Some(error.to_string());
    }
}

/// What all readers saw, by the prefix of the views they watched.
#[derive(Debug)]
pub(crate) struct Report(BTreeMap<&'static str, Seen>);

impl Report {
    /// Fails if anything was shown that never was, or if anybody was refused.
    pub(crate) fn whole(&self, prefix: &str) -> Result<()> {
        self.true_where_answered(prefix)?;
        let seen = &self.0[prefix];
        match seen.refused {
            0 => Ok(()),
            refused => Err(format!("{refused} questions were refused: {:?}", seen.last_refusal).into()),
        }
    }

    /// Fails if anything was shown that never was, or if time went back.
    pub(crate) fn true_where_answered(&self, prefix: &str) -> Result<()> {
        let seen = &self.0[prefix];
        if seen.looks < 100 {
            return Err(format!("only {} looks, {} refused: {:?}", seen.looks, seen.refused, seen.last_refusal).into());
        }
        match (seen.anomalies, &seen.first) {
            (0, _) => self.forward(prefix),
            (n, first) => Err(format!("{n} of {} looks saw what never was: {first:?}", seen.looks).into()),
        }
    }

    /// Fails if time went back.
    pub(crate) fn forward(&self, prefix: &str) -> Result<()> {
        let seen = &self.0[prefix];
        match seen.back {
            0 => Ok(()),
            back => Err(format!("{back} of {} looks went back in time: {:?}", seen.looks, seen.first).into()),
        }
    }

    /// Fails if nothing wrong was seen: the detector must work.
    pub(crate) fn torn(&self, prefix: &str) -> Result<()> {
        match self.0[prefix].anomalies {
            0 => Err("nothing was seen: the watch proves nothing".into()),
            _ => Ok(()),
        }
    }
}

/// Readers at work.
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    readers: Vec<(&'static str, JoinHandle<Seen>)>,
}

/// Three readers over PostgreSQL's protocol, two over HTTP.
pub(crate) async fn start(tidewater: &Tidewater) -> Result<Watch> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for prefix in ["avro", "json", "loose"] {
        let highest = Arc::new(AtomicI64::new(0));
        let port = tidewater.pg_port();
        let session = Session::Postgres(port, connect(port).await.ok());
        readers.push((prefix, tokio::spawn(look(session, prefix, highest.clone(), stop.clone()))));
        if prefix != "loose" {
            let session = Session::Http(tidewater.http_port());
            readers.push((prefix, tokio::spawn(look(session, prefix, highest, stop.clone()))));
        }
    }
    Ok(Watch { stop, readers })
}

impl Watch {
    pub(crate) async fn stop(self) -> Result<Report> {
        self.stop.store(true, Ordering::Relaxed);
        let mut report: BTreeMap<_, Seen> = BTreeMap::new();
        for (prefix, reader) in self.readers {
            let (seen, all) = (reader.await?, report.entry(prefix).or_default());
            all.looks += seen.looks;
            all.anomalies += seen.anomalies;
            all.back += seen.back;
            all.refused += seen.refused;
            all.first = all.first.take().or(seen.first);
            all.last_refusal = seen.last_refusal.or(all.last_refusal.take());
        }
        Ok(Report(report))
    }
}

/// How a reader asks.
enum Session {
    Postgres(u16, Option<Client>),
    Http(u16),
}

impl Session {
    /// The only value of the answer.
    async fn ask(&mut self, query: &str) -> Result<String> {
        match self {
            Session::Postgres(port, client) => {
                if client.as_ref().is_none_or(Client::is_closed) {
                    *client = Some(connect(*port).await?);
                }
                let found = rows(client.as_ref().ok_or("no connection")?, query).await?;
                let value = found.into_iter().flatten().next().flatten();
                Ok(value.unwrap_or_else(|| "null".into()))
            }
            Session::Http(port) => {
                let (status, body) =
                    http::request(*port, "POST", "/api/sql", &json!({ "query": query }).to_string()).await?;
                let body: Value = serde_json::from_str(&body).map_err(|error| format!("{status} {body}: {error}"))?;
                match &body["results"][0]["rows"][0][0] {
                    Value::String(value) => Ok(value.clone()),
                    Value::Number(value) => Ok(value.to_string()),
                    _ => Err(format!("{status} {body}").into()),
                }
            }
        }
    }
}

async fn look(mut session: Session, prefix: &'static str, highest: Arc<AtomicI64>, stop: Arc<AtomicBool>) -> Seen {
    let mut seen = Seen::default();
    let queries = [
        // An order's total is the sum of its items.
        (format!("SELECT count(*) FROM {prefix}_wrong_orders"), "0".to_owned()),
        // A transfer takes from one table what it gives to the other: one view, and two sources read at one moment.
        (format!("SELECT sum(balance) FROM {prefix}_balance"), SUM.to_string()),
        (
            format!(
                "SELECT a.s + b.s FROM (SELECT sum(balance) AS s FROM {prefix}_account_a) a CROSS JOIN (SELECT sum(balance) AS s FROM {prefix}_account_b) b"
            ),
            SUM.to_string(),
        ),
    ];
    let evidence = format!(
        "SELECT string_agg(o.id || ' of ' || o.total || ' has ' || coalesce(i.items, 'nothing'), '; ') \
         FROM {prefix}_wrong_orders w JOIN {prefix}_orders o ON o.id = w.id LEFT JOIN \
         (SELECT order_id, string_agg(id || ': ' || quantity || ' * ' || price, ', ') AS items FROM {prefix}_order_items GROUP BY order_id) i \
         ON i.order_id = o.id"
    );
    let mut again = tokio::time::interval(PAUSE);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !stop.load(Ordering::Relaxed) {
        again.tick().await;
        for (query, expected) in &queries {
            match session.ask(query).await {
                Ok(found) if found == *expected => seen.looks += 1,
                Ok(found) => {
                    seen.looks += 1;
                    seen.anomalies += 1;
                    if seen.first.is_none() {
                        let rows = session.ask(&evidence).await.unwrap_or_else(|error| error.to_string());
                        seen.first = Some(format!("{}: {query}: {found}; wrong orders: {rows}", chrono::Utc::now()));
                    }
                }
                Err(error) => seen.refuse(error.as_ref()),
            }
        }
        // Markers only come. Whoever asks after another reader was answered sees no fewer.
        let floor = highest.load(Ordering::SeqCst);
        let query = format!("SELECT max(id) FROM {prefix}_marker");
        match session.ask(&query).await.map(|found| (found.parse::<i64>().unwrap_or(0), found)) {
            Ok((id, _)) if id >= floor => drop(highest.fetch_max(id, Ordering::SeqCst)),
            Ok((_, found)) => {
                seen.back += 1;
                seen.first.get_or_insert(format!("{query}: {found}, after {floor}"));
            }
            Err(error) => seen.refuse(error.as_ref()),
        }
    }
    seen
}
