//! Random expressions over the columns that are visible, of outer queries too.

use super::data::Ty;
use super::query::{Column, Maker};

impl Maker {
    /// An expression of a type over `columns`.
    pub(crate) fn expr(&mut self, ty: Ty, columns: &[Column], depth: usize) -> String {
        let fitting: Vec<&Column> = columns.iter().filter(|column| column.ty == ty).collect();
        if depth == 0 || self.chance.once_in(3) {
            if !fitting.is_empty() && !self.chance.once_in(4) {
                return self.chance.pick(&fitting).text.clone();
            }
            return self.literal(ty);
        }
        match ty {
            Ty::Int => self.int(columns, depth),
            Ty::Text => self.text(columns, depth),
            Ty::Bool => self.bool(columns, depth),
            Ty::Float => format!("({} + {})", self.expr(Ty::Float, columns, 0), self.expr(Ty::Float, columns, 0)),
            Ty::Num => {
                let op = *self.chance.pick(&["+", "-", "*"]);
                format!("({} {op} {})", self.expr(Ty::Num, columns, depth - 1), self.expr(Ty::Num, columns, 0))
            }
        }
    }

    fn literal(&mut self, ty: Ty) -> String {
        let from: &[&str] = match ty {
            Ty::Int => &["0", "1", "2", "3", "10", "(-1)", "null::int"],
            Ty::Text => &["'x'", "'y'", "''", "'it'", "null::text"],
            Ty::Bool => &["true", "false", "null::bool"],
            Ty::Float => &["0.5::float8", "'NaN'::float8", "2::float8"],
            Ty::Num => &["1.0", "1.00", "1", "2.50::numeric", "null::numeric", "10.000"],
        };
        (*self.chance.pick(from)).to_owned()
    }

    fn int(&mut self, columns: &[Column], depth: usize) -> String {
        let one = self.expr(Ty::Int, columns, depth - 1);
        let other = self.expr(Ty::Int, columns, depth - 1);
        match self.chance.below(10) {
            0 => format!("({one} + {other})"),
            1 => format!("({one} - {other})"),
            2 => format!("coalesce({one}, {other})"),
            3 => format!("nullif({one}, {other})"),
            4 => format!("case when {} then {one} else {other} end", self.expr(Ty::Bool, columns, depth - 1)),
            5 => format!("greatest({one}, {other})"),
            6 => format!("length({})", self.expr(Ty::Text, columns, depth - 1)),
            7 if self.may_nest() => self.scalar_subquery(columns),
            8 if self.may_nest() => self.array_subquery(columns),
            _ => format!("({one} * 2)"),
        }
    }

    fn text(&mut self, columns: &[Column], depth: usize) -> String {
        let one = self.expr(Ty::Text, columns, depth - 1);
        match self.chance.below(4) {
            0 => format!("upper({one})"),
            1 => format!("({one} || {})", self.expr(Ty::Text, columns, depth - 1)),
            2 => format!("coalesce({one}, 'none')"),
            _ => format!("{}::text", self.expr(Ty::Int, columns, depth - 1)),
        }
    }

    /// A condition.
    fn bool(&mut self, columns: &[Column], depth: usize) -> String {
        let ty = *self.chance.pick(&[Ty::Int, Ty::Int, Ty::Int, Ty::Text, Ty::Num]);
        let one = self.expr(ty, columns, depth - 1);
        let other = self.expr(ty, columns, depth - 1);
        match self.chance.below(18) {
            0..=2 => format!("{one} = {other}"),
            3 => format!("{one} < {other}"),
            4 => format!("{one} <> {other}"),
            5 => format!("({one}) is null"),
            6 => format!("({one} is distinct from {other})"),
            7 => {
                format!("({} and {})", self.expr(Ty::Bool, columns, depth - 1), self.expr(Ty::Bool, columns, depth - 1))
            }
            8 => {
                format!("({} or {})", self.expr(Ty::Bool, columns, depth - 1), self.expr(Ty::Bool, columns, depth - 1))
            }
            9 => format!("not ({})", self.expr(Ty::Bool, columns, depth - 1)),
            10 => format!("{one} in ({other}, {})", self.expr(ty, columns, 0)),
            11 => format!("{one} between {other} and {}", self.expr(ty, columns, 0)),
            12 | 13 if self.may_nest() => self.test_subquery(columns),
            14 if self.may_nest() => self.in_subquery(columns),
            15 if self.may_nest() => self.row_in_subquery(columns),
            _ => format!("{one} >= {other}"),
        }
    }
}
