//! Temporary objects of a session: what the end of a transaction does to them, and that of the session.

use std::sync::Arc;

use tidewater_sql::Result;

use super::handler::{Handler, Shared};

impl Handler {
    /// Takes note of temporary objects if a statement has made the first.
    pub(super) fn temp_may_be(&self, session: &Shared) {
        let mut session = session.lock();
        if !session.has_temp() && self.handle.read().has_temp(&session.temp_schema) {
            session.made_temp();
        }
    }

    /// ON COMMIT of temporary tables. A transaction that failed has put nothing into them.
    pub(super) async fn end_of_transaction(&self, session: &Shared, succeeded: bool) -> Result<()> {
        let (seen, wait, schema) = {
            let mut session = session.lock();
            if !session.has_temp() || session.in_transaction() {
                return Ok(());
            }
            (session.statement(), session.wait(), session.temp_schema.clone())
        };
        let due = self.handle.read().ends_with_transaction(&schema);
        for (name, goes) in due {
            let text = if goes { format!("DROP TABLE {name} CASCADE") } else { format!("DELETE FROM {name}") };
            for parsed in tidewater_sql::parse(&text)?.into_iter().map(Arc::new) {
                if goes {
                    self.handle.run(&parsed, Vec::new(), &seen).await?;
                } else if succeeded {
                    let prepared = self.handle.prepare(&parsed, &[], &seen)?;
                    self.handle.evaluate_and_apply(&prepared, &[], &seen, &wait).await?;
                }
            }
        }
        Ok(())
    }

    /// Drops all temporary objects of a session.
    pub(super) async fn drop_temp(&self, session: &Shared) {
        let seen = {
            let mut session = session.lock();
            if !session.has_temp() {
                return;
            }
            session.statement()
        };
        for parsed in tidewater_sql::parse("DISCARD TEMP").into_iter().flatten().map(Arc::new) {
            if let Err(error) = self.handle.run(&parsed, Vec::new(), &seen).await {
                tracing::warn!(%error, schema = seen.temp_schema, "temporary objects could not be dropped");
            }
        }
    }
}
