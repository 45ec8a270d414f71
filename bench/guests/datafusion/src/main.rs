//! DataFusion as `bench -- tpch` starts it: `datafusion FOLDER RUNS QUERY…`.
//!
//! The folder has `tables.sql`, a `.csv` for each table that it defines, with `|` between values, and a `.sql` for each query.
//! All rows are in memory before a query is timed. For each query it prints a line of JSON: the name, CPU and wall milliseconds
//! of the best run, the rows as texts.

use cpu_time::ProcessTime;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::{SessionConfig, SessionContext};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

/// The server's; all engines have it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Rows = Vec<Vec<Option<String>>>;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, runs, queries @ ..] = arguments.as_slice() else {
        return Err("it is started by: cargo run --release -p tidewater-bench -- tpch".into());
    };
    // One core: one partition, and a runtime without other threads.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(Path::new(folder), runs.parse()?, queries))
}

async fn run(folder: &Path, runs: usize, queries: &[String]) -> Result<(), Box<dyn Error>> {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    for definition in std::fs::read_to_string(folder.join("tables.sql"))?.lines() {
        load(&context, folder, definition).await?;
    }
    for name in queries {
        let sql = std::fs::read_to_string(folder.join(name).with_extension("sql"))?;
        let (mut cpu_ms, mut wall_ms, mut batches) = (f64::INFINITY, f64::INFINITY, Vec::new());
        for _ in 0..runs {
            let (wall, cpu) = (Instant::now(), ProcessTime::now());
            batches = context.sql(&sql).await?.collect().await?;
            cpu_ms = cpu_ms.min(cpu.elapsed().as_secs_f64() * 1e3);
            wall_ms = wall_ms.min(wall.elapsed().as_secs_f64() * 1e3);
        }
        println!("{}", serde_json::to_string(&(name, cpu_ms, wall_ms, rows(&batches)?))?);
    }
    Ok(())
}

/// Makes a table in memory of a file.
async fn load(context: &SessionContext, folder: &Path, definition: &str) -> Result<(), Box<dyn Error>> {
    let declared = definition.trim_end_matches(';').strip_prefix("create table ").ok_or("a line defines a table")?;
    let (name, columns) = declared.split_once(' ').ok_or("a table has columns")?;
    let file = folder.join(name).with_extension("csv").display().to_string().replace('\'', "''");
    let from = format!(
        "CREATE EXTERNAL TABLE file {columns} STORED AS CSV LOCATION '{file}' \
         OPTIONS ('format.has_header' 'false', 'format.delimiter' '|')"
    );
    for sql in [from, format!("CREATE TABLE {name} {columns} AS SELECT * FROM file"), "DROP TABLE file".to_owned()] {
        context.sql(&sql).await?.collect().await?;
    }
    Ok(())
}

fn rows(batches: &[RecordBatch]) -> Result<Rows, Box<dyn Error>> {
    let options = FormatOptions::default();
    let mut rows = Rows::new();
    for batch in batches {
        let columns: Vec<_> = batch.columns().iter().map(|column| column.as_ref()).collect();
        let texts = columns.iter().map(|column| ArrayFormatter::try_new(*column, &options));
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        let value =
            |column: usize, row: usize| columns[column].is_valid(row).then(|| texts[column].value(row).to_string());
        rows.extend((0..batch.num_rows()).map(|row| (0..columns.len()).map(|column| value(column, row)).collect()));
    }
    Ok(rows)
}
