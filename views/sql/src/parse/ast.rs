//! Statements as data: Materialize's own, and whatever sqlparser understands.
//!
//! Names are folded as PostgreSQL folds them (lower case unless quoted) and unqualified: `public.orders` and
//! `materialize.public.orders` are `orders`.

mod sink;
mod source;

use std::sync::Arc;

use sqlparser::ast as sql;
use tidewater_catalog::{Identity, On};

pub use sink::{CreateSink, SinkEnvelope};
pub use source::{
    Broker, Connection, CreateSource, Envelope, Format, Include, Metadata, OnError, OptionValue, Registry, SourceChange,
};

/// One statement and the text it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The statement.
    pub statement: Statement,
    /// Its text, without the semicolon and surrounding white space.
    pub text: String,
    /// The text that it stands in, for the places of errors.
    pub whole: Arc<str>,
}

impl Parsed {
    /// The first words of its text that are no names: `INSERT`, `CREATE TABLE`.
    pub fn command(&self) -> String {
        let words: Vec<String> = self.text.split_whitespace().take(2).map(str::to_uppercase).collect();
        match words.first().map(String::as_str) {
            Some("CREATE" | "ALTER" | "DROP") => words.join(" "),
            _ => words.into_iter().next().unwrap_or_default(),
        }
    }
}

/// A source that is compared with its table in MySQL, or all of them.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckSource {
    /// The source; `None` for all.
    pub name: Option<String>,
    /// `mysql://user:password@host:port/database`, or the secret that holds it.
    pub server: OptionValue,
    /// Database and table as MySQL spells them; `None` for those that the source is of.
    pub table: Option<(String, String)>,
}

/// A statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// `CREATE SECRET name AS 'value'`.
    CreateSecret {
        /// Name.
        name: String,
        /// Whether an existing one is kept.
        if_not_exists: bool,
        /// Its value.
        value: String,
    },
    /// `CREATE SCHEMA name`.
    CreateSchema {
        /// Name.
        name: String,
        /// Whether an existing one is kept.
        if_not_exists: bool,
    },
    /// `CREATE CONNECTION name TO …`.
    CreateConnection {
        /// Name.
        name: String,
        /// Whether an existing one is kept.
        if_not_exists: bool,
        /// What it connects to.
        connection: Connection,
    },
    /// `CREATE SOURCE name FROM KAFKA …`.
    CreateSource(Box<CreateSource>),
    /// `CREATE SINK name FROM view INTO KAFKA …`.
    CreateSink(Box<CreateSink>),
    /// `ALTER SOURCE name REFRESH | SET (…)`.
    AlterSource {
        /// The source.
        name: String,
        /// What changes.
        change: SourceChange,
    },
    /// `ALTER TABLE`, as sqlparser has it.
    AlterTable(Box<sql::AlterTable>),
    /// `ALTER VIEW | MATERIALIZED VIEW | INDEX | SCHEMA name RENAME TO name`.
    AlterRename {
        /// Kind of the object.
        kind: ObjectKind,
        /// Whether a name that does not exist is passed over.
        if_exists: bool,
        /// The object.
        name: String,
        /// Its new name.
        to: String,
    },
    /// `CHECKPOINT`: what is kept is written anew, so that the log is short.
    Checkpoint,
    /// `CREATE TABLE`, as sqlparser has it.
    CreateTable(Box<sql::CreateTable>),
    /// `CREATE SEQUENCE`.
    CreateSequence(Box<CreateSequence>),
    /// `COMMENT ON …`.
    Comment(Box<Comment>),
    /// `ALTER SEQUENCE name RESTART [WITH value]`.
    RestartSequence {
        /// The sequence.
        name: String,
        /// Whether one that does not exist is passed over.
        if_exists: bool,
        /// Where it goes on; `None` where it began.
        value: Option<i64>,
    },
    /// `CREATE [MATERIALIZED] VIEW`.
    CreateView(Box<CreateView>),
    /// `CREATE [DEFAULT] INDEX`.
    CreateIndex {
        /// Name, if one is given.
        name: Option<String>,
        /// Whether an existing one is kept.
        if_not_exists: bool,
        /// The table, source or view.
        on: String,
        /// Key expressions; `None` for `DEFAULT INDEX`, which takes the object's key.
        key: Option<Vec<sql::Expr>>,
    },
    /// `CREATE UNIQUE INDEX`: a unique constraint of its table.
    CreateUniqueIndex {
        /// The constraint's name.
        name: String,
        /// Whether an existing one is kept.
        if_not_exists: bool,
        /// What adds it.
        alter: Box<sql::AlterTable>,
    },
    /// `DROP kind [IF EXISTS] name, … [CASCADE | RESTRICT]`.
    Drop {
        /// Kind of the objects.
        kind: ObjectKind,
        /// Whether names that do not exist are passed over.
        if_exists: bool,
        /// Names.
        names: Vec<String>,
        /// Whether what depends on them goes too.
        cascade: bool,
    },
    /// `INSERT`, `UPDATE`, `DELETE`.
    Change(Box<ChangeStatement>),
    /// `TRUNCATE`.
    Truncate {
        /// A DELETE of each table.
        tables: Vec<Arc<Parsed>>,
        /// RESTART IDENTITY: their sequences begin anew.
        restart: bool,
    },
    /// `CREATE TABLE name AS query` and `SELECT … INTO name`.
    CreateTableAs(Box<CreateTableAs>),
    /// `PREPARE name [(type, …)] AS statement`.
    Prepare {
        /// Its name.
        name: String,
        /// Types of the parameters that it says.
        types: Vec<sql::DataType>,
        /// What is prepared.
        statement: Arc<Parsed>,
    },
    /// `EXECUTE name [(value, …)]`.
    Execute {
        /// Name of the prepared statement.
        name: String,
        /// Values of its parameters.
        values: Vec<sql::Expr>,
    },
    /// `DECLARE name CURSOR FOR query` or `… FOR SUBSCRIBE …`.
    Declare {
        /// Its name.
        name: String,
        /// Whether it outlives its transaction.
        hold: bool,
        /// Whether it may go back.
        scroll: bool,
        /// The query.
        query: Arc<Parsed>,
    },
    /// `FETCH` or `MOVE`.
    Fetch {
        /// The cursor.
        name: String,
        /// Which rows.
        direction: Direction,
        /// Whether it moves only.
        moves: bool,
        /// How long it waits where nothing has changed, in the words of a variable: `WITH (TIMEOUT = '1s')`.
        timeout: Option<String>,
    },
    /// `CLOSE name`; `None` for ALL.
    Close {
        /// The cursor.
        name: Option<String>,
    },
    /// `SELECT`, `VALUES`, `TABLE`, `WITH … SELECT`.
    Query(Box<sql::Query>),
    /// `COPY (query) TO STDOUT` or `COPY name TO STDOUT`.
    CopyOut {
        /// What is copied.
        query: Box<sql::Query>,
        /// How it is written.
        format: CopyFormat,
    },
    /// `COPY name [(column, …)] FROM STDIN`: an INSERT whose rows come from the client.
    CopyIn {
        /// The INSERT, with a query that is not run.
        insert: Box<ChangeStatement>,
        /// How the rows are written.
        format: CopyFormat,
    },
    /// `SUBSCRIBE …`, `TAIL …`; with a format: `COPY (SUBSCRIBE …) TO STDOUT`.
    Subscribe {
        /// What is followed, and how it is shown.
        subscribe: Box<Subscribe>,
        /// How COPY writes it.
        copy: Option<CopyFormat>,
    },
    /// `CHECK VIEW name`, `CHECK VIEWS`.
    CheckView {
        /// The view; `None` for all.
        name: Option<String>,
    },
    /// `CHECK SOURCE name AGAINST MYSQL …`, `CHECK SOURCES AGAINST MYSQL …`.
    CheckSource(Box<CheckSource>),
    /// `SHOW SOURCES`, `SHOW VIEWS`, …
    ShowObjects {
        /// Kind of the objects; `None` for `SHOW OBJECTS`.
        kind: Option<ObjectKind>,
        /// For indexes: the object they are on (`FROM` in the old grammar, `ON` in the new one).
        on: Option<String>,
        /// `FROM schema`.
        schema: Option<String>,
        /// `LIKE 'pattern'`.
        like: Option<String>,
        /// `WHERE condition` over the columns of the answer.
        filter: Option<Box<sql::Expr>>,
        /// Whether the word FULL stands before the kind (grammar of 2021).
        full: bool,
    },
    /// `SHOW COLUMNS FROM name`.
    ShowColumns {
        /// The object.
        name: String,
        /// `LIKE 'pattern'`.
        like: Option<String>,
        /// `WHERE condition` over the columns of the answer.
        filter: Option<Box<sql::Expr>>,
    },
    /// `SHOW CREATE kind name`.
    ShowCreate {
        /// Kind of the object.
        kind: ObjectKind,
        /// Its name.
        name: String,
    },
    /// `EXPLAIN … FOR …`.
    Explain(ExplainTarget),
    /// `SET [SESSION | LOCAL] name {TO | =} value`; `value` is `None` for DEFAULT.
    Set {
        /// Name of the variable, lower case.
        name: String,
        /// Its new value, lists joined by `, `.
        value: Option<String>,
        /// Whether until the transaction's end only: `SET LOCAL`, `SET TRANSACTION`.
        local: bool,
    },
    /// `SHOW name`; `all` for `SHOW ALL`. `SHOW TRANSACTION ISOLATION LEVEL` asks for `transaction_isolation`.
    ShowVariable {
        /// Name of the variable, lower case.
        name: String,
    },
    /// `RESET name`; `all` for `RESET ALL`.
    Reset {
        /// Name of the variable, lower case.
        name: String,
    },
    /// `BEGIN` or `START TRANSACTION`.
    Begin {
        /// READ ONLY or READ WRITE, if it says so.
        read_only: Option<bool>,
        /// ISOLATION LEVEL, lower case, if it says one.
        isolation: Option<String>,
    },
    /// `COMMIT` or `END`.
    Commit,
    /// `ROLLBACK` or `ABORT`.
    Rollback,
    /// `SAVEPOINT name`.
    Savepoint {
        /// Its name.
        name: String,
    },
    /// `RELEASE [SAVEPOINT] name`.
    Release {
        /// The savepoint's name.
        name: String,
    },
    /// `ROLLBACK TO [SAVEPOINT] name`.
    RollbackTo {
        /// The savepoint's name.
        name: String,
    },
    /// A statement that has nothing to do here, as `UNLISTEN *` where nobody can listen.
    Nothing {
        /// Its command tag.
        tag: &'static str,
    },
    /// `DISCARD ALL`.
    DiscardAll,
    /// `DISCARD TEMP`.
    DiscardTemp,
    /// `DEALLOCATE name`; `None` for ALL.
    Deallocate {
        /// Name of the prepared statement.
        name: Option<String>,
    },
    /// A statement of the field that this system knows and does not do; the words name it, as in `CREATE SINK`.
    Unsupported {
        /// Its first words, upper case.
        words: String,
    },
}

/// `CREATE SEQUENCE name [AS type] [option …] [OWNED BY table.column]`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateSequence {
    /// Name.
    pub name: sql::ObjectName,
    /// Whether it goes with its session.
    pub temporary: bool,
    /// Whether an existing one is kept.
    pub if_not_exists: bool,
    /// Its type, if it says one.
    pub data_type: Option<sql::DataType>,
    /// INCREMENT, MINVALUE and their like.
    pub options: Vec<sql::SequenceOptions>,
    /// The column that it belongs to.
    pub owned_by: Option<sql::ObjectName>,
    /// Of the sequence of an identity column: which kind of it.
    pub identity: Option<Identity>,
}

/// `COMMENT ON kind name IS text`.
#[derive(Debug, Clone, PartialEq)]
pub struct Comment {
    /// Kind of the object; a column's and a constraint's is a table's.
    pub kind: ObjectKind,
    /// The object.
    pub name: String,
    /// What of it.
    pub on: On,
    /// What is said; `None` takes it back.
    pub text: Option<String>,
}

/// `CREATE TABLE name AS query`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTableAs {
    /// Name.
    pub name: String,
    /// Whether an existing one is kept.
    pub if_not_exists: bool,
    /// Whether it goes with its session.
    pub temporary: bool,
    /// What the end of each transaction does to it.
    pub on_commit: Option<sql::OnCommit>,
    /// Names for its first columns.
    pub columns: Vec<String>,
    /// The query.
    pub query: Arc<Parsed>,
}

/// Where FETCH and MOVE go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// So many rows on, or back where it is negative; the extremes are all of them.
    Forward(i64),
    /// To the row of this number, from the end where it is negative.
    Absolute(i64),
    /// To the row so many further on.
    Relative(i64),
}

/// A statement that changes the rows of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeStatement {
    /// WITH.
    pub with: Option<sql::With>,
    /// What it does.
    pub verb: ChangeVerb,
}

/// What a statement does to the rows of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum ChangeVerb {
    /// `INSERT`.
    Insert(Box<sql::Insert>),
    /// `UPDATE`.
    Update(Box<sql::Update>),
    /// `DELETE`.
    Delete(Box<sql::Delete>),
}

/// `SUBSCRIBE [TO] name | (query) …`.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscribe {
    /// The query that is followed.
    pub query: Box<sql::Query>,
    /// How changes are shown.
    pub envelope: ChangeEnvelope,
    /// Whether the rows that are there come first.
    pub snapshot: bool,
    /// Whether it is said how far all changes have come.
    pub progress: bool,
    /// After this moment: `AS OF`.
    pub as_of: Option<AsOf>,
    /// Before this moment: `UP TO`.
    pub up_to: Option<u64>,
}

/// `AS OF [AT LEAST] moment`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsOf {
    /// Milliseconds since 1970.
    pub moment: u64,
    /// Whether a later moment will do.
    pub at_least: bool,
}

/// How the changes of a moment are shown.
#[derive(Debug, Clone, PartialEq)]
pub enum ChangeEnvelope {
    /// Rows that come and go, by their counts, in no order or in that of `WITHIN TIMESTAMP ORDER BY`: columns, and whether descending
    /// and NULLs first.
    Diff(Vec<(String, bool, bool)>),
    /// The row of each key that changed, or that it is gone.
    Upsert(Vec<String>),
    /// The row of each key that changed, before and after.
    Debezium(Vec<String>),
}

/// How COPY writes rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyFormat {
    /// Whether as CSV; otherwise text.
    pub csv: bool,
    /// Whether a line of column names comes first.
    pub header: bool,
    /// What stands between values.
    pub delimiter: char,
    /// What stands for NULL.
    pub null: String,
    /// What CSV puts around a value.
    pub quote: char,
    /// What stands before a quote that is part of it.
    pub escape: char,
}

/// `CREATE [MATERIALIZED] VIEW`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateView {
    /// Name.
    pub name: String,
    /// Whether it goes with its session.
    pub temporary: bool,
    /// Whether it is kept fresh.
    pub materialized: bool,
    /// Whether an existing one is replaced.
    pub or_replace: bool,
    /// Whether an existing one is kept.
    pub if_not_exists: bool,
    /// Names for its columns; empty where the query names them.
    pub columns: Vec<String>,
    /// Its query.
    pub query: Box<sql::Query>,
}

/// A kind of object, as DROP and SHOW name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectKind {
    /// A secret.
    Secret,
    /// A connection.
    Connection,
    /// A source.
    Source,
    /// A table.
    Table,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// An index.
    Index,
    /// A sink.
    Sink,
    /// A sequence.
    Sequence,
    /// A schema.
    Schema,
    /// A database.
    Database,
    /// A cluster.
    Cluster,
}

/// What EXPLAIN explains.
#[derive(Debug, Clone, PartialEq)]
pub enum ExplainTarget {
    /// A query, or the query of a view being created.
    Query(Box<sql::Query>),
    /// A view, materialized view or index by name.
    Object(String),
}
