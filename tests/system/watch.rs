//! Readers that look all the time whether what they are shown can be a state of the database.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::shop_traffic::SUM;
use crate::{Result, connect, rows};

/// What one reader saw.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Seen {
    looks: u64,
    anomalies: u64,
}

/// What all readers saw, by the prefix of the views they watched.
#[derive(Debug)]
pub(crate) struct Report(BTreeMap<&'static str, Seen>);

impl Report {
    /// Fails if anything was shown that never was.
    pub(crate) fn whole(&self, prefix: &str) -> Result<()> {
        let seen = self.0[prefix];
        if seen.looks < 100 {
            return Err(format!("only {} looks", seen.looks).into());
        }
        match seen.anomalies {
            0 => Ok(()),
            anomalies => Err(format!("{anomalies} of {} looks saw what never was", seen.looks).into()),
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
    readers: Vec<(&'static str, JoinHandle<Result<Seen>>)>,
}

pub(crate) async fn start(port: u16) -> Result<Watch> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for prefix in ["avro", "json", "loose"] {
        let client = connect(port).await?;
        readers.push((prefix, tokio::spawn(look(client, prefix, stop.clone()))));
    }
    Ok(Watch { stop, readers })
}

impl Watch {
    pub(crate) async fn stop(self) -> Result<Report> {
        self.stop.store(true, Ordering::Relaxed);
        let mut report = BTreeMap::new();
        for (prefix, reader) in self.readers {
            report.insert(prefix, reader.await??);
        }
        Ok(Report(report))
    }
}

async fn look(client: Client, prefix: &'static str, stop: Arc<AtomicBool>) -> Result<Seen> {
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
    while !stop.load(Ordering::Relaxed) {
        for (query, expected) in &queries {
            let found = rows(&client, query).await?;
            seen.looks += 1;
            seen.anomalies += u64::from(found[0][0].as_ref() != Some(expected));
        }
    }
    Ok(seen)
}
