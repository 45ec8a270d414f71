//! A session's variables: SET, SHOW, RESET, and what they mean for its statements.

use std::sync::Arc;
use std::time::Duration;

use tidewater_query::run::pack_row;
use tidewater_sql::{Error, Notice, Positions, Result, Rows};
use tidewater_types::{Column, Datum, Type};

use super::{Session, TIMEOUT};
use crate::variables::{
    AFTER, DEFAULTS, IDLE_TIMEOUT, ISOLATION, POSITION, READ_ONLY, REPORTED, STATEMENT_TIMEOUT, default, duration,
    is_own, known, meaning, meant, shown_name,
};
use crate::waits::Wait;

impl Session {
    pub(super) fn put(&mut self, name: &str, value: Option<String>) {
        let set = Arc::make_mut(&mut self.set);
        // A variable of the client's own that was there once is there, as in PostgreSQL.
        let value = value.or_else(|| (is_own(name) && set.contains_key(name)).then(String::new));
        match value {
            Some(value) => drop(set.insert(name.to_owned(), value)),
            None => drop(set.remove(name)),
        }
    }

    /// Sets a variable until the transaction's end; outside of one it changes nothing.
    ///
    /// # Errors
    /// See [`Session::set`].
    pub fn set_local(&mut self, name: &str, value: Option<&str>) -> Result<()> {
        let name = meant(name);
        let earlier = self.transaction.as_ref().and_then(|transaction| transaction.local.get(name).cloned());
        let before = earlier.unwrap_or_else(|| self.set.get(name).cloned());
        self.set(name, value)?;
        match &mut self.transaction {
            Some(transaction) => drop(transaction.local.insert(name.to_owned(), before)),
            None => self.put(name, before),
        }
        Ok(())
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        let name = meant(name);
        self.set.get(name).map(String::as_str).or_else(|| default(name))
    }

    /// Sets a variable, or takes its default back.
    ///
    /// # Errors
    /// 42704 for what nobody knows, 55P02 for what cannot be changed, 22023 for a value that has no meaning.
    pub fn set(&mut self, name: &str, value: Option<&str>) -> Result<()> {
        let name = meant(name);
        if READ_ONLY.contains(&name) {
            return Err(Error::new(b"55P02", format!("parameter \"{name}\" cannot be changed")));
        }
        if name != POSITION {
            known(name)?;
        }
        if name == ISOLATION && self.moment_mut().is_some() {
            return Err(Error::new(b"25001", "SET TRANSACTION ISOLATION LEVEL must be called before any query"));
        }
        let value = match value {
            Some(value) => Some(meaning(name, value, self.get(name))?),
            None => self.start.get(name).cloned(),
        };
        self.put(name, value);
        if let Some(transaction) = &mut self.transaction {
            // A plain SET after SET LOCAL outlives the transaction.
            transaction.local.remove(name);
        }
        Ok(())
    }

    /// Takes all defaults back.
    pub fn reset(&mut self) {
        let own: Vec<String> = self.set.keys().filter(|name| is_own(name)).cloned().collect();
        self.set = self.start.clone();
        let set = Arc::make_mut(&mut self.set);
        for name in own {
            set.entry(name).or_default();
        }
        if let Some(transaction) = &mut self.transaction {
            transaction.local.clear();
        }
    }

    /// The variables that clients are told of, as they are now.
    pub fn reported(&self) -> Vec<(&'static str, String)> {
        REPORTED.iter().map(|(name, reported)| (*reported, self.get(name).unwrap_or_default().to_owned())).collect()
    }

    /// How long a statement may wait, and compute.
    pub fn statement_timeout(&self) -> Duration {
        let set = self.set.get(STATEMENT_TIMEOUT).and_then(|value| duration(value));
        set.unwrap_or(TIMEOUT)
    }

    /// How long the client may be silent in a transaction; `None` outside of one.
    pub(crate) fn idle_timeout(&self) -> Option<Duration> {
        self.transaction.as_ref()?;
        self.get(IDLE_TIMEOUT).and_then(duration)
    }

    /// What queries of this session wait for.
    pub fn wait(&self) -> Wait {
        // It was understood when it was set.
        let after = self.set.get(AFTER).and_then(|text| text.parse().ok());
        Wait { limit: self.statement_timeout(), after }
    }

    /// What of `notices` this client wants to hear and has not heard.
    pub fn news(&mut self, notices: Vec<Notice>) -> Vec<Notice> {
        let least = self.get("client_min_messages").unwrap_or_default().to_lowercase();
        let wanted = |notice: &Notice| match least.as_str() {
            "warning" => notice.severity != "NOTICE",
            "error" => false,
            _ => true,
        };
        let told = self.told;
        let news: Vec<_> = notices.into_iter().filter(|notice| wanted(notice) && !(notice.once && told)).collect();
        self.told |= news.iter().any(|notice| notice.once);
        news
    }

    /// The columns of the answer of `SHOW name`.
    pub fn columns(name: &str) -> Arc<[Column]> {
        let names: &[&str] = if name == "all" { &["name", "setting"] } else { &[shown_name(name)] };
        names.iter().map(|name| Column::new(*name, Type::Text).not_null()).collect()
    }

    /// The answer of `SHOW name`; `positions` is asked for those of this moment.
    ///
    /// # Errors
    /// 42704 for an unknown variable.
    pub fn show(&self, name: &str, positions: impl FnOnce() -> Positions) -> Result<Rows> {
        let columns = Self::columns(name);
        let types: Vec<_> = columns.iter().map(|column| column.ty.clone()).collect();
        let row = |values: &[&str]| {
            let values: Vec<_> = values.iter().map(|value| Datum::from(*value)).collect();
            pack_row(&types, &values)
        };
        let rows = match name {
            POSITION => vec![row(&[&positions().to_string()])],
            "all" => {
                DEFAULTS.iter().map(|(name, _)| row(&[shown_name(name), self.get(name).unwrap_or_default()])).collect()
            }
            _ => {
                let unknown = || {
                    Error::new(b"42704", format!("unrecognized configuration parameter \"{name}\""))
                        .hint("SHOW ALL lists them")
                };
                vec![row(&[self.get(name).ok_or_else(unknown)?])]
            }
        };
        Ok(Rows { columns, rows })
    }
}
