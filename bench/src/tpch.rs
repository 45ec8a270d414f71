//! Queries that nobody prepared for: the 22 of TPC-H over rows in memory, on one core, beside DataFusion and PostgreSQL.
//! Each engine has the same rows and keys; every answer is compared, PostgreSQL's to the last digit.

mod answer;
mod data;
mod postgres;
mod tidewater;

use crate::guest::Guests;
use answer::{Answer, Rows, difference};
use data::Folder;
use std::collections::BTreeMap;
use std::error::Error;
use std::process::{Command, Stdio};
use tidewater_judge::tpch::{QUERIES, TABLES};

/// Times the queries of TPC-H.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// 1 is a gigabyte.
    #[arg(long, default_value_t = 0.1)]
    scale: f64,
    /// How often each query is run; the best run counts.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Queries by name, q01 to q22; all if left out
    #[arg(long, value_delimiter = ',')]
    query: Vec<String>,
    /// Engines beside ours.
    #[arg(long, value_delimiter = ',', default_value = "datafusion,postgresql")]
    beside: Vec<Rival>,
    #[command(flatten)]
    guests: Guests,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Rival {
    None,
    Datafusion,
    Postgresql,
}

/// What the engines say of one query.
struct Line {
    name: &'static str,
    ours: Answer,
    datafusion: Option<Answer>,
    postgresql: Option<Answer>,
}

/// Runs them and prints one table.
pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let asked = |name: &str| options.query.is_empty() || options.query.iter().any(|asked| asked == name);
    let queries: Vec<(&str, &str)> = QUERIES.into_iter().filter(|(name, _)| asked(name)).collect();
    let folder = Folder::filled(options.scale)?;
    let beside = |rival| options.beside.contains(&rival);
    // One after another, so that none takes memory bandwidth from another.
    let mut datafusion =
        if beside(Rival::Datafusion) { datafusion(options, &folder, &queries)? } else { BTreeMap::new() };
    let mut postgresql = BTreeMap::new();
    if beside(Rival::Postgresql) {
        let mut server = postgres::Postgres::loaded(&folder)?;
        for (name, sql) in &queries {
            postgresql.insert(*name, server.ask(sql, options.runs)?);
        }
    }
    let database = tidewater::loaded(&folder)?;
    let mut lines = Vec::new();
    for (name, sql) in queries {
        let ours = tidewater::ask(&database, sql, options.runs)?;
        let line =
            Line { name, ours, datafusion: datafusion.remove(name), postgresql: postgresql.remove(name).flatten() };
        check(&line)?;
        lines.push(line);
    }
    println!("{}", table(&lines));
    Ok(())
}

/// Fails where an answer differs.
fn check(line: &Line) -> Result<(), Box<dyn Error>> {
    let right = line.postgresql.as_ref().and_then(|right| difference(&line.ours.rows, &right.rows, true));
    let near = line.datafusion.as_ref().and_then(|right| difference(&line.ours.rows, &right.rows, false));
    match right.map(|what| ("PostgreSQL", what)).or(near.map(|what| ("DataFusion", what))) {
        Some((engine, what)) => Err(format!("{} differs from {engine}: {what}", line.name).into()),
        None => Ok(()),
    }
}

/// Has the guest load the folder and answer: a line a query, as JSON, and its name, CPU and wall milliseconds and rows on it.
fn datafusion(
    options: &Options,
    folder: &Folder,
    queries: &[(&str, &str)],
) -> Result<BTreeMap<String, Answer>, Box<dyn Error>> {
    std::fs::write(folder.path().join("tables.sql"), TABLES)?;
    for (name, sql) in queries {
        std::fs::write(folder.path().join(name).with_extension("sql"), sql)?;
    }
    let mut command = Command::new(options.guests.program("datafusion")?);
    command.arg(folder.path()).arg(options.runs.to_string()).args(queries.iter().map(|(name, _)| name));
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("DataFusion's process failed: {}", output.status).into());
    }
    let mut answers = BTreeMap::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let (name, cpu_ms, wall_ms, rows): (String, f64, f64, Rows) = serde_json::from_str(line)?;
        answers.insert(name, Answer { rows, cpu_ms, wall_ms });
    }
    Ok(answers)
}

/// A line for each query, then means of the ratios of CPU time.
fn table(lines: &[Line]) -> String {
    let mut text = vec![
        "| query | rows | Tidewater CPU ms | wall ms | DataFusion CPU ms | wall ms | of it | PostgreSQL CPU ms | wall ms | of it |"
            .to_owned(),
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |".to_owned(),
    ];
    for line in lines {
        let ours = format!("{:.1} | {:.1}", line.ours.cpu_ms, line.ours.wall_ms);
        let beside = |theirs: &Option<Answer>| match theirs {
            Some(theirs) => format!("{:.1} | {:.1} | {:.2}", theirs.cpu_ms, theirs.wall_ms, ratio(line, theirs)),
            None => "| |".to_owned(),
        };
        let (datafusion, postgresql) = (beside(&line.datafusion), beside(&line.postgresql));
        text.push(format!("| {} | {} | {ours} | {datafusion} | {postgresql} |", line.name, line.ours.rows.len()));
    }
    for (engine, theirs) in [
        ("DataFusion", lines.iter().map(|line| (line, line.datafusion.as_ref())).collect::<Vec<_>>()),
        ("PostgreSQL", lines.iter().map(|line| (line, line.postgresql.as_ref())).collect()),
    ] {
        let known = theirs.iter().filter_map(|(line, theirs)| theirs.map(|theirs| (*line, theirs)));
        let ratios: Vec<f64> = known.clone().map(|(line, theirs)| ratio(line, theirs)).collect();
        if ratios.is_empty() {
            continue;
        }
        let count = ratios.len() as f64;
        let arithmetic = ratios.iter().sum::<f64>() / count;
        let geometric = (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / count).exp();
        let (ours, all) =
            known.fold((0.0, 0.0), |(ours, all), (line, theirs)| (ours + line.ours.cpu_ms, all + theirs.cpu_ms));
        text.push(format!(
            "\nCPU time beside {engine}, {count} queries: geometric mean of ratios {geometric:.2}, arithmetic {arithmetic:.2}; \
             of the sums {:.2} ({ours:.0} ms, {all:.0} ms)",
            ours / all
        ));
    }
    text.join("\n")
}

fn ratio(line: &Line, theirs: &Answer) -> f64 {
    line.ours.cpu_ms / theirs.cpu_ms
}
