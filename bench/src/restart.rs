//! What a restart costs: the tables of order_summary and the view over them are kept in a checkpoint's blocks and taken up again, beside reading
//! these blocks alone. Kafka has no part in it. Each step is a process of its own, so that its memory is its own.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use cpu_time::ProcessTime;
use serde::{Deserialize, Serialize};
use tidewater_bench::tidewater::{TABLES, Tidewater};
use tidewater_order_summary::engine::Engine;
use tidewater_order_summary::error::Error;
use tidewater_order_summary::measure::memory;
use tidewater_order_summary::workload::{Sizes, Workload};
use tidewater_sql::{Image, KeptSource, KeptTimeline};
use tidewater_storage::Folder;
use tidewater_storage::blocks::{Blocks, Part};

/// The part that says with what the view was planned.
const SIZES: &str = "sizes";
/// Events of a tick of the fill.
const TICK: usize = 10_000;

/// Times a restart from a checkpoint.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Part of 8.2 million rows; at most 4.
    #[arg(long, default_value_t = 1.22)]
    scale: f64,
    /// Where the checkpoint is written; a folder of the system's for such things if left out
    #[arg(long)]
    folder: Option<PathBuf>,
    /// The one step that this process does.
    #[arg(long, hide = true)]
    step: Option<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Step {
    /// Fills the tables and writes the checkpoint, and again after some changes.
    Fill,
    /// Reads the blocks.
    Read,
    /// Takes everything up.
    Restart,
    /// Takes the tables up and computes the view.
    Compute,
}

#[derive(Debug, Serialize, Deserialize)]
struct Report {
    what: String,
    wall_seconds: f64,
    cpu_seconds: f64,
    megabytes: f64,
    resident_mb: f64,
    peak_mb: f64,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let folder = options.folder.clone().unwrap_or_else(|| std::env::temp_dir().join("tidewater-bench-restart"));
    if let Some(step) = options.step {
        let reports = match step {
            Step::Fill => fill(options.scale, &folder)?,
            Step::Read => vec![timed("reading the blocks", || read(&folder))?],
            Step::Restart => vec![timed("restart, view kept", || restart(&folder, true))?],
            Step::Compute => vec![timed("restart, view computed", || restart(&folder, false))?],
        };
        println!("{}", serde_json::to_string(&reports)?);
        return Ok(());
    }
    std::fs::create_dir_all(&folder)?;
    println!("{:<28}{:>8}{:>8}{:>10}{:>14}{:>10}", "", "wall s", "CPU s", "MB", "resident MB", "peak MB");
    for step in ["fill", "read", "restart", "compute"] {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["restart", "--step", step, "--scale", &options.scale.to_string(), "--folder"]).arg(&folder);
        let output = command.stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(format!("the step {step} failed").into());
        }
        for report in serde_json::from_slice::<Vec<Report>>(&output.stdout)? {
            let Report { what, wall_seconds, cpu_seconds, megabytes, resident_mb, peak_mb } = report;
            println!(
                "{what:<28}{wall_seconds:>8.3}{cpu_seconds:>8.2}{megabytes:>10.1}{resident_mb:>14.0}{peak_mb:>10.0}"
            );
        }
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

fn timed<T>(
    what: &str,
    work: impl FnOnce() -> Result<T, Box<dyn std::error::Error>>,
) -> Result<Report, Box<dyn std::error::Error>> {
    let (wall, cpu) = (Instant::now(), ProcessTime::now());
    let done = work()?;
    let (wall_seconds, cpu_seconds) = (wall.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());
    let memory = memory()?;
    drop(done);
    let (resident_mb, peak_mb) = (memory.resident_mb, memory.peak_mb);
    Ok(Report { what: what.to_owned(), wall_seconds, cpu_seconds, megabytes: 0.0, resident_mb, peak_mb })
}

/// What is kept at one moment, by name.
type Kept = BTreeMap<String, Image>;

fn keep(engine: &Tidewater) -> Kept {
    let database = engine.database();
    let tables = engine.tables();
    let name = |number: usize| format!("table {number}");
    let sources = tables.iter().enumerate().filter_map(|(at, id)| Some((name(at), database.keep_source(*id)?.image)));
    let nodes = database.keep_nodes(&tables).into_iter().map(|(node, image)| (format!("{node:032x}"), image));
    sources.chain(nodes).collect()
}

fn fill(scale: f64, folder: &Path) -> Result<Vec<Report>, Box<dyn std::error::Error>> {
    let sizes = Sizes::new(scale).ok_or(Error::Scale(scale))?;
    let (mut workload, mut engine) = (Workload::new(sizes, 1), Tidewater::default());
    let filled = timed(&format!("fill, {} rows", sizes.bulk()), || {
        loop {
            let events = workload.bulk(TICK);
            if events.is_empty() {
                return Ok(());
            }
            engine.tick(&events);
        }
    })?;
    let mut blocks = Blocks::open(Arc::new(Folder::new(folder)))?.blocks;
    let mut reports = vec![filled];
    for changes in [0, 1_000, 10_000, 100_000] {
        if changes > 0 {
            engine.tick(&workload.live(changes));
        }
        let mut kept = Kept::new();
        let pause = timed(&format!("pause after {changes} changes"), || {
            kept = keep(&engine);
            Ok(())
        });
        reports.push(pause?);
        let mut new = 0;
        let written = timed("writing meanwhile", || {
            let mut writer = blocks.begin();
            for (name, image) in &kept {
                writer.part(name, &serde_json::to_vec(&(image.current, &image.heavy))?, &image.chunks)?;
            }
            writer.part(SIZES, &serde_json::to_vec(&engine.database().planned_sizes())?, [[0; 0]; 0])?;
            new = writer.finish()?.new;
            Ok(())
        })?;
        reports.push(Report { megabytes: new as f64 / 1e6, ..written });
    }
    Ok(reports)
}

fn read(folder: &Path) -> Result<Vec<Part>, Box<dyn std::error::Error>> {
    let loaded = Blocks::open(Arc::new(Folder::new(folder)))?;
    loaded.parts.ok_or_else(|| "there is no checkpoint".into())
}

fn restart(folder: &Path, with_view: bool) -> Result<Tidewater, Box<dyn std::error::Error>> {
    let mut sources = BTreeMap::new();
    let (mut nodes, mut sizes) = (HashMap::new(), BTreeMap::new());
    for part in read(folder)? {
        if part.name == SIZES {
            sizes = serde_json::from_slice(&part.note)?;
            continue;
        }
        let (current, heavy) = serde_json::from_slice(&part.note)?;
        let image = Image { chunks: part.blocks, current, heavy };
        match part.name.strip_prefix("table ") {
            Some(number) => drop(sources.insert(number.parse::<usize>()?, image)),
            None => drop(nodes.insert(u128::from_str_radix(&part.name, 16)?, image)),
        }
    }
    if sources.len() != TABLES || nodes.is_empty() {
        return Err(format!("{} tables and {} nodes were kept", sources.len(), nodes.len()).into());
    }
    if !with_view {
        nodes.clear();
    }
    let mut sources = sources.into_values();
    let mut engine = Tidewater::restored(sizes, |database, table| {
        let kept = KeptSource {
            image: sources.next().unwrap_or_default(),
            timeline: KeptTimeline::default(),
            ..KeptSource::default()
        };
        database.restore_source(table, kept)
    })?;
    let database = engine.database_mut();
    database.restore_nodes(&mut nodes)?;
    database.end_restoring();
    while database.build() {}
    if with_view && !nodes.is_empty() {
        return Err("a kept node was not taken up".into());
    }
    if engine.orders()? == 0 {
        return Err("the view has no rows".into());
    }
    Ok(engine)
}
