//! What random queries are made of: the tables' columns by type, and a source of chance.

/// The types that random expressions have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ty {
    Int,
    Text,
    Bool,
    Float,
    /// Values that are equal but not identical.
    Num,
}

/// A table: name, columns.
pub(crate) type Table = (&'static str, &'static [(&'static str, Ty)]);

pub(crate) const TABLES: &[Table] = &[
    ("t", &[("id", Ty::Int), ("a", Ty::Int), ("b", Ty::Int), ("c", Ty::Text)]),
    ("n", &[("k", Ty::Int), ("v", Ty::Int)]),
    ("m", &[("k", Ty::Int), ("v", Ty::Int)]),
    ("e", &[("k", Ty::Int), ("v", Ty::Int), ("w", Ty::Text)]),
    ("emp", &[("id", Ty::Int), ("name", Ty::Text), ("boss", Ty::Int), ("dept", Ty::Text), ("salary", Ty::Int)]),
    ("s", &[("id", Ty::Int), ("f", Ty::Float), ("flag", Ty::Bool)]),
    ("x", &[("p", Ty::Int), ("q", Ty::Int)]),
    ("d", &[("g", Ty::Int), ("amount", Ty::Num)]),
    // Types with modifiers, which lie in rows another way than those without.
    ("pay", &[("id", Ty::Int), ("money", Ty::Num), ("rate", Ty::Num), ("code", Ty::Text)]),
];

/// SplitMix64: the same numbers for the same seed on every machine.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Less than `most`.
    pub(crate) fn below(&mut self, most: usize) -> usize {
        (self.next() % most as u64) as usize
    }

    /// Once in `of` times.
    pub(crate) fn once_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    pub(crate) fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.below(from.len())]
    }
}
