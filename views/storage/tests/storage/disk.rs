//! A disk in memory. What was not synced survives a crash page by page or not at all, as chance wills; operations fail when told to.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use tidewater_storage::{Files, Reading, Writing};

const PAGE: usize = 64;

/// Numbers as they come (xorshift).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }
}

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The machine ends: nothing works from then on.
    Crash,
    /// Once, with this error; a write is done in part.
    Once(io::ErrorKind),
    /// The same, but also what would mend it fails.
    Twice(io::ErrorKind),
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Cut(usize),
}

#[derive(Debug, Clone, Default)]
struct Content {
    durable: Vec<u8>,
    now: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Named {
    Is(String, usize),
    Gone(String),
}

#[derive(Debug, Default)]
struct Inner {
    contents: Vec<Content>,
    names: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    unsynced: Vec<Named>,
    operations: usize,
    fault: Option<(usize, Fault)>,
    crashed: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Open(Disk, usize);

fn change(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(at, bytes) => {
            content.resize(content.len().max(at + bytes.len()), 0);
            content[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        Change::Cut(length) => content.truncate(*length),
    }
}

impl Disk {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no test panics here")
    }

    /// Lets the operation of this number, counted from now, fail.
    pub(crate) fn fail(&self, number: usize, fault: Fault) {
        let mut inner = self.inner();
        inner.fault = Some((inner.operations + number, fault));
    }

    /// Operations so far.
    pub(crate) fn operations(&self) -> usize {
        self.inner().operations
    }

    /// What is there after a crash at this moment.
    pub(crate) fn after_crash(&self, random: &mut Random) -> Disk {
        let inner = self.inner();
        let mut names = inner.durable.clone();
        let kept = random.below(inner.unsynced.len() + 1);
        for change in &inner.unsynced[..kept] {
            match change {
                Named::Is(name, content) => {
                    names.retain(|_, other| other != content);
                    names.insert(name.clone(), *content);
                }
                Named::Gone(name) => drop(names.remove(name)),
            }
        }
        let contents = inner.contents.iter().map(|content| torn(content, random)).collect();
        Disk(Arc::new(Mutex::new(Inner { contents, durable: names.clone(), names, ..Inner::default() })))
    }

    /// Changes a file's bytes behind everybody's back.
    pub(crate) fn damage(&self, name: &str, damage: impl FnOnce(&mut Vec<u8>)) {
        let mut inner = self.inner();
        let content = inner.names[name];
        let content = &mut inner.contents[content];
        damage(&mut content.now);
        content.durable.clone_from(&content.now);
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.inner().names.keys().cloned().collect()
    }

    pub(crate) fn length(&self, name: &str) -> usize {
        let inner = self.inner();
        inner.contents[inner.names[name]].now.len()
    }

    /// Counts an operation; fails if it is to. A write that fails has done something all the same.
    fn operate(&self) -> io::Result<MutexGuard<'_, Inner>> {
        let mut inner = self.inner();
        let number = inner.operations;
        inner.operations += 1;
        if inner.crashed {
            return Err(io::Error::other("crashed"));
        }
        match inner.fault {
            Some((at, Fault::Crash)) if at == number => {
                inner.crashed = true;
                Err(io::Error::other("crashed"))
            }
            Some((at, Fault::Once(kind))) if at == number => Err(kind.into()),
            Some((at, Fault::Twice(kind))) if (at..at + 4).contains(&number) => Err(kind.into()),
            _ => Ok(inner),
        }
    }
}

/// A file as it may be after a crash: of what was not synced each page is there or not.
fn torn(content: &Content, random: &mut Random) -> Content {
    let mut now = content.durable.clone();
    for unsynced in &content.unsynced {
        match unsynced {
            Change::Write(at, bytes) => {
                for (number, page) in bytes.chunks(PAGE).enumerate() {
                    if random.below(2) == 0 {
                        change(&mut now, &Change::Write(at + number * PAGE, page.to_vec()));
                    }
                }
            }
            cut => {
                if random.below(2) == 0 {
                    change(&mut now, cut);
                }
            }
        }
    }
    Content { durable: now.clone(), now, unsynced: Vec::new() }
}

impl Files for Disk {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.operate()?.names.keys().cloned().collect())
    }

    fn reading(&self, name: &str) -> io::Result<Option<Box<dyn Reading>>> {
        let found = self.operate()?.names.get(name).copied();
        Ok(found.map(|content| Box::new(Open(self.clone(), content)) as Box<dyn Reading>))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Writing>> {
        let mut inner = self.operate()?;
        inner.contents.push(Content::default());
        let content = inner.contents.len() - 1;
        inner.names.insert(name.to_owned(), content);
        inner.unsynced.push(Named::Is(name.to_owned(), content));
        Ok(Box::new(Open(self.clone(), content)))
    }

    fn writing(&self, name: &str) -> io::Result<Box<dyn Writing>> {
        let content = self.operate()?.names.get(name).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Open(self.clone(), content)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.operate()?;
        let content = inner.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        inner.names.insert(to.to_owned(), content);
        inner.unsynced.push(Named::Is(to.to_owned(), content));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut inner = self.operate()?;
        inner.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        inner.unsynced.push(Named::Gone(name.to_owned()));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut inner = self.operate()?;
        inner.durable = inner.names.clone();
        inner.unsynced.clear();
        Ok(())
    }
}

impl Reading for Open {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let inner = self.0.operate()?;
        let rest = inner.contents[self.1].now.get(at as usize..).unwrap_or_default();
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

impl Writing for Open {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let (part, failed) = match self.0.operate() {
            Ok(_) => (bytes, None),
            Err(error) => (&bytes[..bytes.len() / 2], Some(error)),
        };
        let mut inner = self.0.inner();
        let now = inner.operations - 1;
        // What has ended writes nothing more.
        if failed.is_some() && inner.fault.is_none_or(|(at, _)| at != now) {
            return failed.map_or(Ok(()), Err);
        }
        let content = &mut inner.contents[self.1];
        let written = Change::Write(at as usize, part.to_vec());
        change(&mut content.now, &written);
        content.unsynced.push(written);
        failed.map_or(Ok(()), Err)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        let mut inner = self.0.operate()?;
        let content = &mut inner.contents[self.1];
        let cut = Change::Cut(length as usize);
        change(&mut content.now, &cut);
        content.unsynced.push(cut);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut inner = self.0.operate()?;
        let content = &mut inner.contents[self.1];
        content.durable.clone_from(&content.now);
        content.unsynced.clear();
        Ok(())
    }
}
