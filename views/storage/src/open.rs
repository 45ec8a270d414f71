//! Reading everything back at the start.

use std::sync::Arc;

use crate::checkpoint::Checkpoints;
use crate::error::{Error, Result};
use crate::files::Files;
use crate::frame::{self, Found};
use crate::log::Log;
use crate::manifest::Manifest;
use crate::names;
use crate::record::{Batch, Record, VERSION, each};
use crate::state::{Base, State};

/// What was found, and what goes on from there.
#[derive(Debug)]
pub struct Opened {
    /// What all that was acknowledged comes to.
    pub state: State,
    /// Where it goes on.
    pub log: Log,
    /// Where it is compacted.
    pub checkpoints: Checkpoints,
    /// What had to be done, in sentences; nothing after an orderly end.
    pub told: Vec<String>,
}

/// What was read.
struct Loaded {
    state: State,
    /// Of the checkpoints, those that can be used.
    manifest: Manifest,
    /// The last log.
    number: u64,
    end: End,
}

/// Where a log ends.
struct End {
    at: u64,
    next: u64,
    /// What lies there, if not the file's end.
    torn: Option<&'static str>,
}

/// Opens the state that a folder holds. In an empty one it begins with `first`.
///
/// # Errors
/// If something that was acknowledged cannot be read: nothing is changed then.
pub fn open(files: Arc<dyn Files>, first: impl FnOnce() -> Result<Batch>) -> Result<Opened> {
    let Some(manifest) = Manifest::read(&*files)? else { return begin(&files, first) };
    let mut told = Vec::new();
    let Loaded { state, manifest, number, end } = load(&files, manifest, &mut told)?;
    let name = names::log(number);
    let log = match end {
        End { next: 0, .. } => {
            told.push(format!("\"{name}\" was just being made: it is made anew"));
            Log::begin(&files, number)?
        }
        End { at, next, torn } => {
            if let Some(what) = torn {
                told.push(format!("the end of \"{name}\" is cut off at byte {at}: {what}; it was not acknowledged"));
            }
            Log::resume(&files, number, at, next)?
        }
    };
    Ok(Opened { state, log, checkpoints: Checkpoints::new(&files, manifest), told })
}

/// The state that a folder holds, for those who only look: nothing is changed. `None` if there is none.
///
/// # Errors
/// As [`open`].
pub fn read(files: Arc<dyn Files>) -> Result<Option<State>> {
    let Some(manifest) = Manifest::read(&*files)? else { return Ok(None) };
    load(&files, manifest, &mut Vec::new()).map(|loaded| Some(loaded.state))
}

/// An empty folder.
fn begin(files: &Arc<dyn Files>, first: impl FnOnce() -> Result<Batch>) -> Result<Opened> {
    for name in files.names().map_err(Error::io("list", "."))? {
        // The first start may have been cut off before its manifest.
        let later = |number: u64| number > 1;
        if names::number(&name, "checkpoint").or_else(|| names::number(&name, "log")).is_some_and(later) {
            let why = format!("there is \"{name}\"");
            return Err(Error::Missing { file: names::MANIFEST.to_owned(), why });
        }
    }
    if is_written_on(&**files)? {
        let why = format!("\"{}\" has entries", names::log(1));
        return Err(Error::Missing { file: names::MANIFEST.to_owned(), why });
    }
    let checkpoints = Checkpoints::first(files, first()?)?;
    let log = Log::begin(files, 1)?;
    let manifest = Manifest { checkpoint: 1, previous: None };
    manifest.write(&**files)?;
    let state = load(files, manifest, &mut Vec::new())?.state;
    Ok(Opened { state, log, checkpoints, told: Vec::new() })
}

/// Whether the first log holds more than its header.
fn is_written_on(files: &dyn Files) -> Result<bool> {
    let name = names::log(1);
    let Some(file) = files.reading(&name).map_err(Error::io("read", &name))? else { return Ok(false) };
    let Found::Frame { end, .. } = frame::read(&*file, &name, 0, 0)? else { return Ok(false) };
    Ok(!matches!(frame::read(&*file, &name, end, 1)?, Found::End))
}

/// The newest checkpoint that is whole, and what the logs since say.
fn load(files: &Arc<dyn Files>, mut manifest: Manifest, told: &mut Vec<String>) -> Result<Loaded> {
    let newest = manifest.checkpoint;
    let (mut state, from) = match (checkpoint(&**files, newest), manifest.previous) {
        (Ok(state), _) => (state, newest),
        (Err(error), Some(previous)) if error.is_damage() => {
            told.push(format!("{error}; the checkpoint before it is used, and the logs since"));
            manifest = Manifest { checkpoint: previous, previous: None };
            (checkpoint(&**files, previous)?, previous)
        }
        (Err(error), _) => return Err(error),
    };
    let all = files.names().map_err(Error::io("list", "."))?;
    let last = all.iter().filter_map(|name| names::number(name, "log")).max().unwrap_or(newest).max(newest);
    let mut number = from;
    loop {
        let end = log(&**files, number, number == last, &mut state)?;
        if number == last {
            return Ok(Loaded { state, manifest, number, end });
        }
        number += 1;
    }
}

fn checkpoint(files: &dyn Files, number: u64) -> Result<State> {
    let name = names::checkpoint(number);
    let why = || "the manifest names it".to_owned();
    let file = files.reading(&name).map_err(Error::io("read", &name))?;
    let file = file.ok_or_else(|| Error::Missing { file: name.clone(), why: why() })?;
    let base = Arc::new(Base { file, name });
    let mut state = State::default();
    let (mut at, mut next, mut ended) = (0, 0, false);
    loop {
        match frame::read(&*base.file, &base.name, at, next)? {
            Found::Frame { payload, end } => {
                each(&base.name, at, &payload, |record| {
                    header(&base.name, at, next, number, &record)?;
                    ended |= matches!(record, Record::End);
                    state.apply_base(&base, (at, next), &record);
                    Ok(())
                })?;
                (at, next) = (end, next + 1);
            }
            Found::End if ended => return Ok(state),
            Found::End => return Err(Error::damaged(&base.name, at, "it has no end")),
            Found::Bad(what) => return Err(Error::damaged(&base.name, at, what)),
        }
    }
}

/// Takes what a log says. Only the last one may be torn, and only at its end.
fn log(files: &dyn Files, number: u64, is_last: bool, state: &mut State) -> Result<End> {
    let name = names::log(number);
    let why = || "what was done since the checkpoint stands in it".to_owned();
    let file = files.reading(&name).map_err(Error::io("read", &name))?;
    let file = file.ok_or_else(|| Error::Missing { file: name.clone(), why: why() })?;
    let (mut at, mut next) = (0, 0);
    loop {
        match frame::read(&*file, &name, at, next)? {
            Found::Frame { payload, end } => {
                each(&name, at, &payload, |record| {
                    header(&name, at, next, number, &record)?;
                    state.apply(&record);
                    Ok(())
                })?;
                (at, next) = (end, next + 1);
            }
            Found::End if is_last || next > 0 => return Ok(End { at, next, torn: None }),
            Found::End => return Err(Error::damaged(&name, at, "it is empty")),
            Found::Bad(what) if !is_last || frame::is_followed(&*file, &name, at, next)? => {
                return Err(Error::damaged(&name, at, what));
            }
            Found::Bad(what) => return Ok(End { at, next, torn: Some(what) }),
        }
    }
}

/// The first record of a file says what the file is.
fn header(name: &str, at: u64, frame: u64, number: u64, record: &Record<'_>) -> Result<()> {
    match record {
        Record::Header { version, .. } if *version != VERSION => {
            Err(Error::Version { file: name.to_owned(), found: *version, known: VERSION })
        }
        Record::Header { number: said, .. } if *said != number || frame > 0 => {
            Err(Error::damaged(name, at, format!("it says that it is number {said}")))
        }
        Record::Header { .. } => Ok(()),
        _ if frame == 0 => Err(Error::damaged(name, at, "it does not begin with a header")),
        _ => Ok(()),
    }
}
