//! The kept side of a join: tuples by key, and those that a tuple of the other side may meet.

use bumpalo::Bump;
use hashbrown::HashTable;
use tidewater_delta::RowRef;
use tidewater_types::Result;

use super::node::Cx;
use super::store::Store;

/// What a row's key is.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum State {
    /// It has one.
    Ready,
    /// A NULL that equals nothing.
    Nothing,
    /// A NULL that perhaps equals everything.
    Perhaps,
}

/// The key of a tuple while it is read.
#[derive(Default)]
pub(crate) struct Key {
    /// The key form of its values,
    pub(crate) bytes: Vec<u8>,
    /// or, where these are one or two whole numbers, the numbers.
    pub(crate) words: [u64; 2],
}

/// The side that is kept.
pub(crate) struct Built<'a> {
    pub(crate) store: Store<'a>,
    /// By key: the first and the last tuple that has it.
    heads: Vec<(&'a [u8], u32, u32)>,
    table: HashTable<u32>,
    /// As `heads`, where keys are whole numbers.
    numbers: HashTable<([u64; 2], u32, u32)>,
    by_number: bool,
    /// The next tuple with the same key.
    next: Vec<u32>,
    /// Tuples whose key has a NULL that perhaps equals everything.
    wild: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl<'a> Built<'a> {
    pub(crate) fn new(arena: &'a Bump, arity: usize, by_number: bool, cx: &Cx<'a>) -> Built<'a> {
        Built {
            store: Store::new(arena, cx.account, arity),
            heads: Vec::new(),
            table: HashTable::new(),
            numbers: HashTable::new(),
            by_number,
            next: Vec::new(),
            wild: Vec::new(),
        }
    }

    /// Copies a tuple.
    pub(crate) fn insert(&mut self, tuple: &[RowRef<'_>], key: &Key, state: State, keep: bool) -> Result<()> {
        if state == State::Nothing && !keep {
            return Ok(());
        }
        let at = self.store.len() as u32;
        self.store.push(tuple)?;
        self.link(at, key, state)
    }

    /// [`Built::insert`] of a row that stays where it is.
    pub(crate) fn refer(&mut self, row: RowRef<'a>, key: &Key, state: State, keep: bool) -> Result<()> {
        if state == State::Nothing && !keep {
            return Ok(());
        }
        let at = self.store.len() as u32;
        self.store.refer(row)?;
        self.link(at, key, state)
    }

    fn link(&mut self, at: u32, key: &Key, state: State) -> Result<()> {
        self.next.push(NONE);
        match state {
            State::Nothing => {}
            State::Perhaps => self.wild.push(at),
            State::Ready if self.by_number => return self.link_number(at, key.words),
            State::Ready => return self.link_bytes(at, &key.bytes),
        }
        Ok(())
    }

    fn link_number(&mut self, at: u32, words: [u64; 2]) -> Result<()> {
        let hash = mixed(words);
        match self.numbers.find_mut(hash, |(known, _, _)| *known == words) {
            Some((_, _, last)) => {
                self.next[*last as usize] = at;
                *last = at;
            }
            None => {
                self.store.reserve(2 * size_of::<([u64; 2], u32, u32)>())?;
                self.numbers.insert_unique(hash, (words, at, at), |(known, _, _)| mixed(*known));
            }
        }
        Ok(())
    }

    fn link_bytes(&mut self, at: u32, key: &[u8]) -> Result<()> {
        let hash = tidewater_delta::hash_bytes(key);
        match self.table.find(hash, |head| self.heads[*head as usize].0 == key) {
            Some(head) => {
                let (_, _, last) = &mut self.heads[*head as usize];
                self.next[*last as usize] = at;
                *last = at;
            }
            None => {
                self.store.reserve(size_of::<(&[u8], u32, u32)>() + 2 * size_of::<u32>())?;
                let kept = self.store.keep(key)?;
                let head = self.heads.len() as u32;
                self.heads.push((kept, at, at));
                let heads = &self.heads;
                self.table.insert_unique(hash, head, |head| tidewater_delta::hash_bytes(heads[*head as usize].0));
            }
        }
        Ok(())
    }

    fn first(&self, key: &Key) -> u32 {
        if self.by_number {
            let found = self.numbers.find(mixed(key.words), |(known, _, _)| *known == key.words);
            return found.map_or(NONE, |(_, first, _)| *first);
        }
        let hash = tidewater_delta::hash_bytes(&key.bytes);
        let found = self.table.find(hash, |head| self.heads[*head as usize].0 == key.bytes);
        found.map_or(NONE, |head| self.heads[*head as usize].1)
    }
}

/// A hash of which all bits depend on all bits of the numbers (the finalizer of Austin Appleby's MurmurHash3).
#[inline]
fn mixed([a, b]: [u64; 2]) -> u64 {
    let mut hash = a ^ b.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// The right tuples that a left one may meet, and whether their keys are surely equal.
pub(crate) enum Candidates {
    Chain(u32, usize),
    All(u32),
    None,
}

impl Candidates {
    pub(crate) fn new(built: &Built<'_>, key: &Key, state: State) -> Candidates {
        match state {
            State::Nothing => Candidates::None,
            State::Perhaps => Candidates::All(0),
            State::Ready => Candidates::Chain(built.first(key), 0),
        }
    }

    pub(crate) fn next(&mut self, built: &Built<'_>) -> Option<(u32, bool)> {
        match self {
            Candidates::None => None,
            Candidates::All(at) => {
                *at += 1;
                (*at as usize <= built.store.len()).then_some((*at - 1, false))
            }
            Candidates::Chain(NONE, wild) => {
                *wild += 1;
                built.wild.get(*wild - 1).map(|at| (*at, false))
            }
            Candidates::Chain(at, _) => {
                let this = *at;
                *at = built.next[this as usize];
                Some((this, true))
            }
        }
    }
}
