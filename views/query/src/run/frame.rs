//! Frames: which rows of a partition a row's window call sees.

use std::ops::Range;

use tidewater_delta::RowRef;
use tidewater_functions::{Argument, CastContext, cast, operators};
use tidewater_types::{Datum, Expr, Result, Scratch, SqlError, Tuple, Type, compare};

use super::layout::Layout;
use super::scalar::Compiler;
use super::sort::Sorted;
use crate::plan::{Frame, FrameBound, FrameExclude, FrameUnits, Order, Scalar};

/// The rows of one partition, in order.
pub(crate) struct Partition<'p, 'a> {
    sorted: &'p Sorted<'a>,
    start: usize,
    /// Where each group of equal rows begins, and the end of the last.
    groups: Vec<usize>,
    /// The group of each row.
    group_of: Vec<u32>,
}

impl<'p, 'a> Partition<'p, 'a> {
    pub(crate) fn new(sorted: &'p Sorted<'a>, start: usize, end: usize) -> Partition<'p, 'a> {
        let mut groups = vec![0];
        let mut group_of = Vec::with_capacity(end - start);
        for at in start..end {
            if at > start && sorted.key(at) != sorted.key(at - 1) {
                groups.push(at - start);
            }
            group_of.push(groups.len() as u32 - 1);
        }
        groups.push(end - start);
        Partition { sorted, start, groups, group_of }
    }

    pub(crate) fn len(&self) -> usize {
        self.group_of.len()
    }

    pub(crate) fn tuple(&self, row: usize) -> &[RowRef<'a>] {
        self.sorted.tuple(self.start + row)
    }

    /// The number of the group of a row.
    pub(crate) fn group(&self, row: usize) -> usize {
        self.group_of[row] as usize
    }

    /// The rows that are equal to a row, itself among them.
    pub(crate) fn peers(&self, row: usize) -> Range<usize> {
        let group = self.group(row);
        self.groups[group]..self.groups[group + 1]
    }
}

/// A compiled frame.
pub(crate) struct Bounds {
    units: FrameUnits,
    exclude: FrameExclude,
    start: Bound,
    end: Bound,
}

enum Bound {
    Unbounded,
    Current,
    /// Rows or groups away; before if negative.
    Away(Expr, i64),
    /// Of RANGE: where the ORDER BY column is beyond what its value and the offset make.
    Range(Box<RangeBound>),
}

/// RANGE with an offset.
struct RangeBound {
    /// The column, as a value of what the sum is.
    key: Expr,
    /// Its sum or difference with the offset.
    limit: Expr,
    offset: Expr,
    ty: Type,
    descending: bool,
}

/// Offsets that are the same for a whole partition.
pub(crate) struct Offsets {
    start: Option<i64>,
    end: Option<i64>,
}

impl Bounds {
    pub(crate) fn compile(compiler: Compiler<'_>, frame: &Frame, order: &[Order], layout: &Layout) -> Result<Bounds> {
        let bound = |bound: &FrameBound| -> Result<Bound> {
            let (offset, sign) = match bound {
                FrameBound::Unbounded => return Ok(Bound::Unbounded),
                FrameBound::Current => return Ok(Bound::Current),
                FrameBound::Preceding(offset) => (offset, -1),
                FrameBound::Following(offset) => (offset, 1),
            };
            match frame.units {
                FrameUnits::Range => range_bound(compiler, offset, sign, order, layout),
                _ => Ok(Bound::Away(compiler.scalar(offset, layout)?, sign)),
            }
        };
        let (start, end) = (bound(&frame.start)?, bound(&frame.end)?);
        Ok(Bounds { units: frame.units, exclude: frame.exclude, start, end })
    }

    pub(crate) fn offsets(&self, tuple: Tuple<'_>, scratch: &Scratch) -> Result<Offsets> {
        let value = |bound: &Bound, word: &str| -> Result<Option<i64>> {
            let (expr, sign) = match bound {
                Bound::Away(expr, sign) => (expr, sign),
                Bound::Range(range) => return range.check(tuple, scratch, word),
                _ => return Ok(None),
            };
            match expr.eval(tuple, scratch)? {
                Datum::Int(offset) if offset >= 0 => Ok(Some(offset.saturating_mul(*sign))),
                Datum::Int(_) => Err(SqlError::new(b"22013", format!("frame {word} offset must not be negative"))),
                _ => Err(SqlError::new(b"22004", format!("frame {word} offset must not be null"))),
            }
        };
        Ok(Offsets { start: value(&self.start, "starting")?, end: value(&self.end, "ending")? })
    }

    /// The rows that `row` sees.
    pub(crate) fn frame(&self, offsets: &Offsets, partition: &Partition<'_, '_>, row: usize) -> Result<Range<usize>> {
        let start = match &self.start {
            Bound::Unbounded => 0,
            bound => self.edge(bound, offsets.start, partition, row, true)?,
        };
        let end = match &self.end {
            Bound::Unbounded => partition.len(),
            bound => self.edge(bound, offsets.end, partition, row, false)?,
        };
        Ok(start..end.max(start))
    }

    /// Whether frames may have holes.
    pub(crate) fn excludes(&self) -> bool {
        self.exclude != FrameExclude::NoOthers
    }

    /// What EXCLUDE leaves of a row's frame, in order; some of it may be empty.
    pub(crate) fn parts(&self, frame: Range<usize>, partition: &Partition<'_, '_>, row: usize) -> [Range<usize>; 3] {
        let (hole, kept) = match self.exclude {
            FrameExclude::NoOthers => return [frame, 0..0, 0..0],
            FrameExclude::CurrentRow => (row..row + 1, 0..0),
            FrameExclude::Group => (partition.peers(row), 0..0),
            FrameExclude::Ties => (partition.peers(row), row..row + 1),
        };
        let within = |part: Range<usize>| {
            let start = part.start.max(frame.start);
            start..part.end.min(frame.end).max(start)
        };
        [within(0..hole.start), within(kept), within(hole.end..frame.end.max(hole.end))]
    }

    fn edge(
        &self,
        bound: &Bound,
        offset: Option<i64>,
        partition: &Partition<'_, '_>,
        row: usize,
        is_start: bool,
    ) -> Result<usize> {
        let peers = partition.peers(row);
        let clamp = |at: i64, most: usize| at.clamp(0, most as i64) as usize;
        Ok(match (bound, self.units) {
            (Bound::Current, FrameUnits::Rows) => row + usize::from(!is_start),
            (Bound::Current, _) | (Bound::Unbounded, _) => {
                if is_start {
                    peers.start
                } else {
                    peers.end
                }
            }
            (Bound::Away(..), FrameUnits::Groups) => {
                let group = (partition.group(row) as i64).saturating_add(offset.unwrap_or(0));
                let last = partition.groups.len() - 1;
                let at = if is_start { group } else { group.saturating_add(1) };
                partition.groups[clamp(at, last)]
            }
            (Bound::Away(..), _) => {
                let at = (row as i64).saturating_add(offset.unwrap_or(0));
                clamp(if is_start { at } else { at.saturating_add(1) }, partition.len())
            }
            (Bound::Range(range), _) => range.edge(partition, row, is_start)?,
        })
    }
}

impl RangeBound {
    /// An offset must not be NULL or negative.
    fn check(&self, tuple: Tuple<'_>, scratch: &Scratch, word: &str) -> Result<Option<i64>> {
        let negative = match self.offset.eval(tuple, scratch)? {
            Datum::Null => {
                return Err(SqlError::new(b"22004", format!("frame {word} offset must not be null")));
            }
            Datum::Int(offset) => offset < 0,
            Datum::Float(offset) => offset < 0.0 || offset.is_nan(),
            Datum::Numeric(offset) => {
                offset.is_nan() || compare(&Type::Numeric, &Datum::Numeric(offset), &zero()).is_lt()
            }
            Datum::Interval(offset) => {
                let none = tidewater_types::Interval::default();
                compare(&Type::Interval, &Datum::Interval(offset), &Datum::Interval(none)).is_lt()
            }
            _ => false,
        };
        if negative {
            return Err(SqlError::new(b"22013", "invalid preceding or following size in window function"));
        }
        Ok(None)
    }

    fn edge(&self, partition: &Partition<'_, '_>, row: usize, is_start: bool) -> Result<usize> {
        let scratch = Scratch::new();
        let peers = partition.peers(row);
        let limit = self.limit.eval(partition.tuple(row), &scratch)?;
        if limit.is_null() {
            // A row whose column is NULL sees those that are NULL, too.
            return Ok(if is_start { peers.start } else { peers.end });
        }
        // Rows of NULL lie at one end of the partition: beyond every limit there.
        let (mut low, mut high) = (0, partition.len());
        let is_null = |at: usize, scratch: &Scratch| -> Result<bool> {
            Ok(self.key.eval(partition.tuple(at), scratch)?.is_null())
        };
        let first_group = partition.groups[1];
        if is_null(0, &scratch)? {
            low = first_group;
        }
        if is_null(partition.len() - 1, &scratch)? {
            high = partition.groups[partition.groups.len() - 2];
        }
        while low < high {
            let middle = low + (high - low) / 2;
            let key = self.key.eval(partition.tuple(middle), &scratch)?;
            let mut order = compare(&self.ty, &key, &limit);
            if self.descending {
                order = order.reverse();
            }
            let before = if is_start { order.is_lt() } else { order.is_le() };
            if before {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}

fn zero() -> Datum<'static> {
    Datum::Numeric(tidewater_types::Numeric::integer(0_i64))
}

/// RANGE with an offset: the operator that adds it to the column, and the column as what that gives.
fn range_bound(compiler: Compiler<'_>, offset: &Scalar, sign: i64, order: &[Order], layout: &Layout) -> Result<Bound> {
    let [order] = order else { return Err(super::compile::broken("RANGE without one ORDER BY column")) };
    let key_type = layout.ty(order.id)?.clone();
    let key = layout.read(order.id)?;
    let offset_type = offset.ty();
    let offset = compiler.scalar(offset, layout)?;
    let forward = (sign > 0) != order.descending;
    if let (Type::Int2 | Type::Int4 | Type::Int8, Type::Int2 | Type::Int4 | Type::Int8) =
        (&key_type.ty, &offset_type.ty)
    {
        // A sum that does not fit is beyond all values.
        let (base, by) = (key.clone(), offset.clone());
        let limit = Expr::new(move |tuple, scratch| {
            Ok(match (base.eval(tuple, scratch)?, by.eval(tuple, scratch)?) {
                (Datum::Int(base), Datum::Int(by)) if forward => Datum::Int(base.saturating_add(by)),
                (Datum::Int(base), Datum::Int(by)) => Datum::Int(base.saturating_sub(by)),
                _ => Datum::Null,
            })
        });
        let bound = RangeBound { key, limit, offset, ty: Type::Int8, descending: order.descending };
        return Ok(Bound::Range(Box::new(bound)));
    }
    let name = if forward { "+" } else { "-" };
    let takes = |function: &&'static tidewater_functions::Function| {
        function.is_for(&[key_type.ty.clone(), offset_type.ty.clone()])
    };
    let missing = || crate::bind::unsupported(format!("RANGE with an offset over type {}", key_type.ty));
    let function = operators(name).iter().find(takes).ok_or_else(missing)?;
    let tidewater_functions::Param::Of(ty) = function.result.clone() else { return Err(missing()) };
    let sides = vec![Argument::new(key.clone(), key_type.clone()), Argument::new(offset.clone(), offset_type)];
    let limit = function.compile(sides, &ty.clone().into(), compiler.session)?;
    let widened = cast(&key_type.ty, &ty).filter(|cast| cast.context == CastContext::Implicit).ok_or_else(missing)?;
    let key = widened.compile(Argument::new(key, key_type), &ty.clone().into(), false, compiler.session)?;
    Ok(Bound::Range(Box::new(RangeBound { key, limit, offset, ty, descending: order.descending })))
}
