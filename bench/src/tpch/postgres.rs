//! TPC-H in PostgreSQL 15: primary keys, ANALYZE, no parallel workers. CPU time is that of the process behind the connection.

use super::answer::Answer;
use super::data::{Folder, TABLES};
use std::error::Error;
use std::time::{Duration, Instant};
use tidewater_judge::{Connection, Refusal, server, tpch};

/// As long as a query may take: without indexes beside the keys, two of them read the largest table once for each row of another.
const TIMEOUT_SECONDS: u64 = 60;
/// What takes longer than this is run no oftener than once more.
const SLOW: Duration = Duration::from_secs(5);
/// SQLSTATE of a statement that took longer.
const CANCELED: &str = "57014";

/// A session of a server with all tables.
pub(crate) struct Postgres {
    connection: Connection,
    process: String,
}

impl Postgres {
    /// Starts a server and fills it.
    pub(crate) fn loaded(folder: &Folder) -> Result<Self, Box<dyn Error>> {
        let mut connection = server().connect();
        let mut settled = |sql: &str| connection.ask(sql).map_err(refused);
        settled(tpch::TABLES)?;
        for (table, _) in TABLES {
            let file = folder.file(table).display().to_string().replace('\'', "''");
            settled(&format!("COPY {table} FROM '{file}' (DELIMITER '|')"))?;
        }
        settled("VACUUM ANALYZE")?;
        settled("SET max_parallel_workers_per_gather = 0")?;
        settled("SET work_mem = '1GB'")?;
        settled(&format!("SET statement_timeout = '{TIMEOUT_SECONDS}s'"))?;
        let process = settled("SELECT pg_backend_pid()")?;
        let process = process.value().ok_or("the session has a process")?.to_owned();
        Ok(Postgres { connection, process })
    }

    /// Asks a query; `None` if it takes too long.
    pub(crate) fn ask(&mut self, sql: &str, runs: usize) -> Result<Option<Answer>, Box<dyn Error>> {
        // The first time shows whether it ends, and has the rows in the server's memory.
        let began = Instant::now();
        match self.connection.ask(sql) {
            Err(refusal) if refusal.sqlstate == CANCELED => return Ok(None),
            answer => answer.map_err(refused)?,
        };
        let runs = if began.elapsed() > SLOW { 1 } else { runs };
        cpu(&self.process)?;
        let process = &self.process;
        let connection = &mut self.connection;
        // The file was read a moment ago; it is gone only together with the connection.
        let clock = || cpu(process).unwrap_or_default();
        Answer::of(runs, clock, || Ok(connection.ask(sql).map_err(refused)?.rows)).map(Some)
    }
}

/// CPU time of a process so far, to the nanosecond.
fn cpu(process: &str) -> Result<Duration, Box<dyn Error>> {
    let counts = std::fs::read_to_string(format!("/proc/{process}/schedstat"))?;
    let nanoseconds = counts.split(' ').next().ok_or("schedstat has no count")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}

fn refused(refusal: Refusal) -> Box<dyn Error> {
    format!("PostgreSQL: {} {}", refusal.sqlstate, refusal.message).into()
}
