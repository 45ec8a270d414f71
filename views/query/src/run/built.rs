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

/// The right side.
pub(crate) struct Built<'a> {
    pub(crate) store: Store<'a>,
    /// By key: the first and the last tuple that has it.
    heads: Vec<(&'a [u8], u32, u32)>,
    table: HashTable<u32>,
    /// The next tuple with the same key.
    next: Vec<u32>,
    /// Tuples whose key has a NULL that perhaps equals everything.
    wild: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl<'a> Built<'a> {
    pub(crate) fn new(arena: &'a Bump, arity: usize, cx: &Cx<'a>) -> Built<'a> {
        Built {
            store: Store::new(arena, cx.account, arity),
            heads: Vec::new(),
            table: HashTable::new(),
            next: Vec::new(),
            wild: Vec::new(),
        }
    }

    pub(crate) fn insert(&mut self, tuple: &[RowRef<'_>], key: &[u8], state: State, keep: bool) -> Result<()> {
        if state == State::Nothing && !keep {
            return Ok(());
        }
        let at = self.store.len() as u32;
        self.store.push(tuple)?;
        self.next.push(NONE);
        match state {
            State::Nothing => {}
            State::Perhaps => self.wild.push(at),
            State::Ready => {
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
                        self.table
                            .insert_unique(hash, head, |head| tidewater_delta::hash_bytes(heads[*head as usize].0));
                    }
                }
            }
        }
        Ok(())
    }

    fn first(&self, key: &[u8]) -> u32 {
        let hash = tidewater_delta::hash_bytes(key);
        let found = self.table.find(hash, |head| self.heads[*head as usize].0 == key);
        found.map_or(NONE, |head| self.heads[*head as usize].1)
    }
}

/// The right tuples that a left one may meet, and whether their keys are surely equal.
pub(crate) enum Candidates {
    Chain(u32, usize),
    All(u32),
    None,
}

impl Candidates {
    pub(crate) fn new(built: &Built<'_>, key: &[u8], state: State) -> Candidates {
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
