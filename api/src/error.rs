//! What can go wrong, for the caller of an endpoint and for the user of the command line.
//!
//! Texts name the object and what to do. [`crate::http::problem`] turns them into HTTP answers.

use tokio_postgres::error::SqlState;

use crate::validate::FieldError;

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// MySQL's error numbers that mean something to a caller.
mod mysql_code {
    pub(super) const DUPLICATE: u16 = 1062;
    pub(super) const LOCK_TIMEOUT: u16 = 1205;
    pub(super) const DEADLOCK: u16 = 1213;
    pub(super) const OUT_OF_RANGE: u16 = 1264;
    pub(super) const STILL_REFERENCED: u16 = 1451;
    pub(super) const NO_PARENT: u16 = 1452;
}

/// The crate's one error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No row has this id.
    #[error("{what} {id} does not exist")]
    NotFound {
        /// The kind of object.
        what: &'static str,
        /// The id that was asked for.
        id: i64,
    },
    /// The request contradicts the present state.
    #[error("{0}")]
    Conflict(String),
    /// The request's values are not acceptable.
    #[error("{}", crate::validate::describe(.0))]
    Invalid(Vec<FieldError>),
    /// A setting is wrong.
    #[error("{0}")]
    Config(String),
    /// Generated traffic did not go as it should.
    #[error("{0}")]
    Traffic(String),
    /// MySQL did not answer, or refused a statement.
    #[error("{}", mysql_text(.0))]
    MySql(#[from] sqlx::Error),
    /// Kafka did not take a message or an administrative request.
    #[error("kafka: {0} (the brokers are those of KAFKA_BROKERS)")]
    Kafka(#[from] rdkafka::error::KafkaError),
    /// The view engine refused a query, or the connection broke.
    #[error("view engine: {}", view_text(.0))]
    View(#[from] tokio_postgres::Error),
    /// The view engine could not be reached.
    #[error("the view engine does not answer; is it running at the address in TIDEWATER_URL? ({0})")]
    ViewPool(#[from] deadpool_postgres::PoolError),
    /// A socket could not be opened.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted, with the fix.
        what: String,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl Error {
    /// One unacceptable value.
    #[must_use]
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError { pointer: pointer.into(), detail: detail.into() }])
    }

    /// True when the same transaction may succeed if it is run again.
    #[must_use]
    pub fn is_lock_contention(&self) -> bool {
        matches!(self.mysql_number(), Some(mysql_code::DEADLOCK | mysql_code::LOCK_TIMEOUT))
    }

    /// True when a unique key refused the row.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        self.mysql_number() == Some(mysql_code::DUPLICATE)
    }

    /// True when a value does not fit its column.
    #[must_use]
    pub fn is_out_of_range(&self) -> bool {
        self.mysql_number() == Some(mysql_code::OUT_OF_RANGE)
    }

    /// True when a row that others refer to was to be deleted.
    #[must_use]
    pub fn is_still_referenced(&self) -> bool {
        self.mysql_number() == Some(mysql_code::STILL_REFERENCED)
    }

    /// True when a row refers to one that does not exist.
    #[must_use]
    pub fn has_no_parent(&self) -> bool {
        self.mysql_number() == Some(mysql_code::NO_PARENT)
    }

    /// True when a server could not be reached, is stopping, or has no view yet, rather than refused the request.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::MySql(e) => matches!(e, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed),
            Self::Kafka(_) | Self::ViewPool(_) => true,
            Self::View(e) => {
                e.code().is_none_or(|code| *code == SqlState::UNDEFINED_TABLE || code.code().starts_with("57"))
            }
            _ => false,
        }
    }

    /// True when the view engine could not make anything of the position that a read asked for.
    #[must_use]
    pub fn is_wrong_position(&self) -> bool {
        matches!(self, Self::View(e) if e.code() == Some(&SqlState::INVALID_PARAMETER_VALUE))
    }

    fn mysql_number(&self) -> Option<u16> {
        match self {
            Self::MySql(sqlx::Error::Database(e)) => {
                e.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().map(sqlx::mysql::MySqlDatabaseError::number)
            }
            _ => None,
        }
    }
}

/// The pool hides why it could not connect; what to look at is what helps.
fn mysql_text(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::PoolTimedOut => {
            "mysql gave no connection in time; is it running at the address in MYSQL_URL?".to_owned()
        }
        e => format!("mysql: {e}"),
    }
}

/// tokio-postgres prints "db error" alone; the server's own words are what helps.
fn view_text(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |e| format!("{} (SQLSTATE {})", e.message(), e.code().code()))
}
