//! Window calls: OVER (…), named windows, frames
//! (<https://www.postgresql.org/docs/15/sql-expressions.html#SYNTAX-WINDOW-FUNCTIONS>).

use sqlparser::ast::{self, NamedWindowExpr, WindowFrameBound, WindowFrameUnits, WindowSpec, WindowType};
use tidewater_functions::{CastContext, Function, Kind};
use tidewater_types::{Result, SqlError, Type};

use super::{Binder, Clause, names, unsupported};
use crate::plan::{Frame, FrameBound, FrameExclude, FrameUnits, Scalar, SortKey, WindowCall};

/// What the parser's text makes of EXCLUDE: an ORDER BY item more, which has no other name.
pub(crate) const EXCLUDES: [&str; 3] = ["exclude current row", "exclude group", "exclude ties"];

impl Binder<'_> {
    /// A call with OVER is a column that stands beside the query's rows.
    pub(super) fn window_call(
        &mut self,
        name: &str,
        function: &ast::Function,
        candidates: &[&'static Function],
    ) -> Result<Scalar> {
        self.check_window_place()?;
        let ast::FunctionArguments::List(list) = &function.args else {
            return Err(SqlError::new(b"42601", "syntax error at or near \"OVER\""));
        };
        if list.duplicate_treatment == Some(ast::DuplicateTreatment::Distinct) {
            return Err(SqlError::new(b"0A000", "DISTINCT is not implemented for window functions"));
        }
        if !list.clauses.is_empty() {
            let message = "aggregate ORDER BY is not implemented for window functions";
            return Err(SqlError::new(b"0A000", message));
        }
        if !function.within_group.is_empty() {
            return Err(SqlError::new(b"0A000", format!("OVER is not supported for ordered-set aggregate {name}")));
        }
        if function.null_treatment.is_some() {
            return Err(unsupported("IGNORE NULLS"));
        }
        let mut args = self.arguments(&function.args)?;
        let chosen = self.choose_function(name, candidates, &mut args)?;
        if !matches!(chosen.kind, Kind::Aggregate | Kind::Window) {
            let message = format!("OVER specified, but {name} is not a window function nor an aggregate function");
            return Err(SqlError::new(b"42809", message));
        }
        let filter = match &function.filter {
            None => None,
            Some(_) if chosen.kind == Kind::Window => {
                return Err(SqlError::new(b"0A000", "FILTER is not implemented for non-aggregate window functions"));
            }
            Some(filter) => Some(self.within(Clause::Filter, |binder| {
                let scalar = binder.expr(filter)?;
                binder.boolean(scalar, "FILTER")
            })?),
        };
        let (call, _) = self.make_call(chosen, args.scalars, args.packed)?;
        let over = match &function.over {
            Some(over) => over,
            None => return Err(unsupported("a window function without OVER")),
        };
        let (partition, order, frame) = self.within(Clause::Window, |binder| binder.over(over))?;
        let window = WindowCall { call, filter, partition, order, frame };
        self.check_window_contents(&window)?;
        if let Some((id, _)) = self.level().window_calls.iter().find(|(_, same)| *same == window) {
            let id = *id;
            return Ok(self.column(id));
        }
        let id = self.columns.add(name, window.call.ty.clone());
        self.level().window_calls.push((id, window));
        Ok(self.column(id))
    }

    fn check_window_place(&mut self) -> Result<()> {
        let place = match self.level().clause {
            Clause::Select | Clause::OrderBy | Clause::DistinctOn => return Ok(()),
            Clause::From => "functions in FROM",
            Clause::JoinOn => "JOIN conditions",
            Clause::Where => "WHERE",
            Clause::GroupBy => "GROUP BY",
            Clause::Having => "HAVING",
            Clause::Limit => "LIMIT",
            Clause::Offset => "OFFSET",
            Clause::Values => "VALUES",
            Clause::Filter => "FILTER",
            Clause::Window => "window definitions",
        };
        Err(SqlError::new(b"42P20", format!("window functions are not allowed in {place}")))
    }

    fn check_window_contents(&mut self, window: &WindowCall) -> Result<()> {
        let mut free = std::collections::BTreeSet::new();
        let mut copy = window.clone();
        copy.for_each_scalar_mut(&mut |scalar| free.extend(scalar.free()));
        let level = self.level();
        if level.window_calls.iter().any(|(id, _)| free.contains(id)) {
            return Err(SqlError::new(b"42P20", "window function calls cannot be nested"));
        }
        if level.sets.iter().flat_map(|(ids, _)| ids).any(|id| free.contains(id)) {
            let message = "window function calls cannot contain set-returning function calls";
            return Err(SqlError::new(b"0A000", message));
        }
        Ok(())
    }

    fn over(&mut self, over: &WindowType) -> Result<(Vec<Scalar>, Vec<SortKey>, Frame)> {
        let spec = match over {
            // OVER name takes the window as it is, its frame too.
            WindowType::NamedWindow(name) => self.named_window(&names::fold(name), 0)?,
            WindowType::WindowSpec(spec) => self.full_spec(spec, 0)?,
        };
        let mut partition = Vec::with_capacity(spec.partition_by.len());
        for expr in &spec.partition_by {
            let scalar = self.expr(expr)?;
            partition.push(self.known(scalar)?);
        }
        let (keys, exclude) = exclusion(&spec.order_by);
        let mut order = self.sort_keys(keys)?;
        for key in &mut order {
            key.scalar = self.known(key.scalar.clone())?;
        }
        let frame = match &spec.window_frame {
            None => Frame::default(),
            Some(frame) => Frame { exclude, ..self.frame(frame, &order)? },
        };
        Ok((partition, order, frame))
    }

    /// The window that WINDOW gives a name.
    fn named_window(&mut self, name: &str, depth: usize) -> Result<WindowSpec> {
        let found = self.level().windows.iter().find(|window| names::fold(&window.0) == name).cloned();
        let missing = || SqlError::new(b"42704", format!("window \"{name}\" does not exist"));
        match found.ok_or_else(missing)?.1 {
            // A definition sees only those before it, so that chains end.
            _ if depth > 64 => Err(missing()),
            NamedWindowExpr::NamedWindow(other) => self.named_window(&names::fold(&other), depth + 1),
            NamedWindowExpr::WindowSpec(spec) => self.full_spec(&spec, depth + 1),
        }
    }

    /// A specification with what the window that it names adds to it.
    fn full_spec(&mut self, spec: &WindowSpec, depth: usize) -> Result<WindowSpec> {
        let Some(base) = &spec.window_name else { return Ok(spec.clone()) };
        let name = names::fold(base);
        let base = self.named_window(&name, depth + 1)?;
        let refuse = |what: &str| Err(SqlError::new(b"42P20", format!("cannot {what} of window \"{name}\"")));
        if !spec.partition_by.is_empty() {
            return refuse("override PARTITION BY clause");
        }
        let own = exclusion(&spec.order_by).0;
        if !own.is_empty() && !base.order_by.is_empty() {
            return refuse("override ORDER BY clause");
        }
        if base.window_frame.is_some() {
            let message = format!("cannot copy window \"{name}\" because it has a frame clause");
            return Err(SqlError::new(b"42P20", message));
        }
        // What is no key says which rows the frame leaves out, and that is never the base's.
        let order_by = base.order_by.into_iter().chain(spec.order_by.iter().cloned()).collect();
        Ok(WindowSpec {
            window_name: None,
            partition_by: base.partition_by,
            order_by,
            window_frame: spec.window_frame.clone(),
        })
    }

    fn frame(&mut self, frame: &ast::WindowFrame, order: &[SortKey]) -> Result<Frame> {
        let units = match frame.units {
            WindowFrameUnits::Rows => FrameUnits::Rows,
            WindowFrameUnits::Range => FrameUnits::Range,
            WindowFrameUnits::Groups => FrameUnits::Groups,
        };
        let bad = |message: &str| Err(SqlError::new(b"42P20", message));
        if units == FrameUnits::Groups && order.is_empty() {
            return bad("GROUPS mode requires an ORDER BY clause");
        }
        let end = frame.end_bound.as_ref().unwrap_or(&WindowFrameBound::CurrentRow);
        match (&frame.start_bound, end) {
            (WindowFrameBound::Following(None), _) => return bad("frame start cannot be UNBOUNDED FOLLOWING"),
            (_, WindowFrameBound::Preceding(None)) => return bad("frame end cannot be UNBOUNDED PRECEDING"),
            (WindowFrameBound::CurrentRow, WindowFrameBound::Preceding(_)) => {
                return bad("frame starting from current row cannot have preceding rows");
            }
            (WindowFrameBound::Following(_), WindowFrameBound::Preceding(_) | WindowFrameBound::CurrentRow) => {
                return bad("frame starting from following row cannot have preceding rows");
            }
            _ => {}
        }
        let start = self.bound(&frame.start_bound, units, order)?;
        let end = self.bound(end, units, order)?;
        Ok(Frame { units, start, end, exclude: FrameExclude::NoOthers })
    }

    fn bound(&mut self, bound: &WindowFrameBound, units: FrameUnits, order: &[SortKey]) -> Result<FrameBound> {
        let (expr, preceding) = match bound {
            WindowFrameBound::CurrentRow => return Ok(FrameBound::Current),
            WindowFrameBound::Preceding(None) | WindowFrameBound::Following(None) => return Ok(FrameBound::Unbounded),
            WindowFrameBound::Preceding(Some(expr)) => (expr, true),
            WindowFrameBound::Following(Some(expr)) => (expr, false),
        };
        let offset = self.expr(expr)?;
        let word = match units {
            FrameUnits::Rows => "ROWS",
            FrameUnits::Range => "RANGE",
            FrameUnits::Groups => "GROUPS",
        };
        let own = self.level().scope.ids();
        if offset.free().iter().any(|id| own.contains(id)) {
            return Err(SqlError::new(b"42P10", format!("argument of {word} must not contain variables")));
        }
        let offset = match units {
            FrameUnits::Rows | FrameUnits::Groups => {
                let ty = offset.ty().ty;
                self.coerce(offset, &Type::Int8.into(), CastContext::Assignment).map_err(|error| {
                    match &error.sqlstate {
                        b"42846" => {
                            SqlError::new(b"42804", format!("argument of {word} must be type bigint, not type {ty}"))
                        }
                        _ => error,
                    }
                })?
            }
            FrameUnits::Range => self.range_offset(offset, order)?,
        };
        Ok(if preceding { FrameBound::Preceding(Box::new(offset)) } else { FrameBound::Following(Box::new(offset)) })
    }

    /// The offset of RANGE: of the type that can be added to the only ORDER BY column.
    fn range_offset(&mut self, offset: Scalar, order: &[SortKey]) -> Result<Scalar> {
        let [key] = order else {
            let message = "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column";
            return Err(SqlError::new(b"42P20", message));
        };
        let ty = key.scalar.ty().ty;
        let wanted = match &ty {
            Type::Int2 | Type::Int4 | Type::Int8 => match offset.ty().ty {
                Type::Int2 | Type::Int4 | Type::Int8 => Type::Int8,
                Type::Unknown => ty.clone(),
                _ => return Err(bad_range(&ty, &offset)),
            },
            Type::Float4 | Type::Float8 => Type::Float8,
            Type::Numeric => Type::Numeric,
            Type::Date | Type::Timestamp | Type::TimestampTz | Type::Time | Type::TimeTz | Type::Interval => {
                Type::Interval
            }
            _ => return Err(bad_range(&ty, &offset)),
        };
        let error = bad_range(&ty, &offset);
        self.coerce(offset, &wanted.into(), CastContext::Implicit).map_err(|cause| match &cause.sqlstate {
            b"42846" => error,
            _ => cause,
        })
    }
}

/// The ORDER BY keys of a window, and what its frame leaves out.
fn exclusion(order_by: &[ast::OrderByExpr]) -> (&[ast::OrderByExpr], FrameExclude) {
    let Some((last, before)) = order_by.split_last() else { return (order_by, FrameExclude::NoOthers) };
    let ast::Expr::Identifier(name) = &last.expr else { return (order_by, FrameExclude::NoOthers) };
    match EXCLUDES.iter().position(|exclude| *exclude == name.value) {
        Some(0) => (before, FrameExclude::CurrentRow),
        Some(1) => (before, FrameExclude::Group),
        Some(_) => (before, FrameExclude::Ties),
        None => (order_by, FrameExclude::NoOthers),
    }
}

fn bad_range(ty: &Type, offset: &Scalar) -> SqlError {
    let message = format!(
        "RANGE with offset PRECEDING/FOLLOWING is not supported for column type {ty} and offset type {}",
        offset.ty().ty
    );
    SqlError::new(b"0A000", message)
}
