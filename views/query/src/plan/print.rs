//! A plan as text: an indented tree, columns as `name#number`. Tests compare it, EXPLAIN shows it.

use std::fmt::{Display, Formatter, Result};

use super::{
    Aggregate, Call, Columns, Constant, CountKind, Frame, FrameBound, FrameExclude, FrameUnits, Id, JoinKind, Order,
    Plan, Recursion, Rel, Scalar, SortKey, SubqueryKind, SubscriptPart, Test, WindowCall,
};

/// A part of a plan, with the names of its columns.
pub struct Printed<'a, T>(pub &'a T, pub &'a Columns);

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let output: Vec<_> =
            self.output.iter().map(|(name, id)| format!("{name}={}", Printed(id, &self.columns))).collect();
        writeln!(f, "Output [{}]", output.join(", "))?;
        tree(f, &self.rel, &self.columns, 1)
    }
}

impl Display for Printed<'_, Id> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}#{}", self.1[*self.0].name, self.0.0)
    }
}

impl Display for Printed<'_, Rel> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        tree(f, self.0, self.1, 0)
    }
}

fn ids(ids: &[Id], columns: &Columns) -> String {
    ids.iter().map(|id| Printed(id, columns).to_string()).collect::<Vec<_>>().join(", ")
}

fn scalars<'a>(scalars: impl IntoIterator<Item = &'a Scalar>, columns: &Columns) -> String {
    scalars.into_iter().map(|scalar| Printed(scalar, columns).to_string()).collect::<Vec<_>>().join(", ")
}

fn predicates(predicates: &[Scalar], columns: &Columns) -> String {
    let texts: Vec<_> = predicates.iter().map(|scalar| Printed(scalar, columns).to_string()).collect();
    if texts.is_empty() { "true".to_owned() } else { texts.join(" AND ") }
}

fn orders(orders: &[Order], columns: &Columns) -> String {
    let text = |order: &Order| direction(Printed(&order.id, columns).to_string(), order.descending, order.nulls_first);
    orders.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn direction(what: String, descending: bool, nulls_first: bool) -> String {
    let nulls = match (descending, nulls_first) {
        (false, true) => " nulls first",
        (true, false) => " nulls last",
        _ => "",
    };
    format!("{what}{}{nulls}", if descending { " desc" } else { "" })
}

fn tree(f: &mut Formatter<'_>, rel: &Rel, columns: &Columns, depth: usize) -> Result {
    for _ in 0..depth {
        f.write_str("  ")?;
    }
    writeln!(f, "{}", line(rel, columns))?;
    for input in rel.inputs() {
        tree(f, input, columns, depth + 1)?;
    }
    Ok(())
}

/// A node without the nodes below.
fn line(rel: &Rel, columns: &Columns) -> String {
    match rel {
        Rel::Get(get) => {
            let read: Vec<Id> = get.columns.iter().map(|(_, id)| *id).collect();
            format!("Get {}.{} [{}]", get.relation.schema, get.relation.name, ids(&read, columns))
        }
        Rel::Values { columns: made, rows } => {
            let rows: Vec<_> = rows.iter().map(|row| format!("({})", scalars(row, columns))).collect();
            format!("Values [{}] {}", ids(made, columns), rows.join(", "))
        }
        Rel::Map { scalars, .. } => {
            let made: Vec<_> = scalars
                .iter()
                .map(|(id, scalar)| format!("{}={}", Printed(id, columns), Printed(scalar, columns)))
                .collect();
            format!("Map [{}]", made.join(", "))
        }
        Rel::Filter { predicates: all, .. } => format!("Filter {}", predicates(all, columns)),
        Rel::Project { columns: kept, .. } => format!("Project [{}]", ids(kept, columns)),
        Rel::Join(join) => {
            let kind = match join.kind {
                JoinKind::Mark(id) => format!("Mark {}", Printed(&id, columns)),
                kind => format!("{kind:?}"),
            };
            format!("Join {kind} on {}", predicates(&join.on, columns))
        }
        Rel::Reduce { keys, aggregates, .. } => {
            let made: Vec<_> = aggregates
                .iter()
                .map(|(id, call)| format!("{}={}", Printed(id, columns), Printed(call, columns)))
                .collect();
            format!("Reduce [{}] [{}]", ids(keys, columns), made.join(", "))
        }
        Rel::TopK(top) => {
            let mut text = format!("TopK order [{}]", orders(&top.order, columns));
            if !top.partition.is_empty() {
                text += &format!(" partition [{}]", ids(&top.partition, columns));
            }
            if let Some(offset) = &top.offset {
                text += &format!(" offset {}", Printed(offset, columns));
            }
            if let Some(limit) = &top.limit {
                text += &format!(" limit {}", Printed(limit, columns));
            }
            text + if top.ties { " with ties" } else { "" }
        }
        Rel::Window { partition, order, calls, .. } => {
            let made: Vec<_> =
                calls.iter().map(|(id, call)| format!("{}={}", Printed(id, columns), Printed(call, columns))).collect();
            let (partition, order) = (ids(partition, columns), orders(order, columns));
            format!("Window partition [{partition}] order [{order}] [{}]", made.join(", "))
        }
        Rel::Union { columns: made, inputs } => {
            let inputs: Vec<_> = inputs.iter().map(|(_, read)| format!("[{}]", ids(read, columns))).collect();
            format!("Union [{}] of {}", ids(made, columns), inputs.join(" "))
        }
        Rel::Count(count) => {
            let kind = match count.kind {
                CountKind::Intersect => "Intersect",
                CountKind::Except => "Except",
            };
            let (left, right) = (ids(&count.left.1, columns), ids(&count.right.1, columns));
            let all = if count.all { " all" } else { "" };
            format!("{kind}{all} [{}] of [{left}] [{right}]", ids(&count.columns, columns))
        }
        Rel::FlatMap { calls, ordinality, .. } => {
            let mut made: Vec<_> = calls
                .iter()
                .map(|(made, call)| format!("({})={}", ids(made, columns), Printed(call, columns)))
                .collect();
            made.extend(ordinality.map(|id| format!("{}=ordinality", Printed(&id, columns))));
            format!("FlatMap [{}]", made.join(", "))
        }
        Rel::Let(binding) => format!("Let {} [{}]", binding.id.0, ids(&binding.columns, columns)),
        Rel::LetRec(binding) => {
            let all = match binding.kind {
                Recursion::All => " all",
                Recursion::Distinct => "",
                Recursion::Fixpoint(_) => " until nothing changes",
            };
            let (base, step) = (ids(&binding.base.1, columns), ids(&binding.step.1, columns));
            format!("LetRec {}{all} [{}] of [{base}] [{step}]", binding.id.0, ids(&binding.columns, columns))
        }
        Rel::Ref { id, columns: made } => format!("Ref {} [{}]", id.0, ids(made, columns)),
    }
}

impl Display for Printed<'_, Scalar> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let columns = self.1;
        let list = |parts: &[Scalar]| scalars(parts, columns);
        match self.0 {
            Scalar::Column(id, _) => Printed(id, columns).fmt(f),
            Scalar::Literal(constant) => constant.fmt(f),
            Scalar::Unknown(text, _) => write!(f, "'{text}'"),
            Scalar::Parameter(number, _) => write!(f, "${number}"),
            Scalar::Call(call) => Printed(call, columns).fmt(f),
            Scalar::Cast(cast) => write!(f, "{}::{}", Printed(&cast.input, columns), cast.ty),
            Scalar::And(parts) if parts.is_empty() => f.write_str("true"),
            Scalar::And(parts) => write!(f, "({})", joined(parts, " AND ", columns)),
            Scalar::Or(parts) => write!(f, "({})", joined(parts, " OR ", columns)),
            Scalar::Not(inner) => write!(f, "NOT {}", Printed(&**inner, columns)),
            Scalar::Is(test, inner) => write!(f, "({} {})", Printed(&**inner, columns), test_words(*test)),
            Scalar::Distinct(a, b) => {
                write!(f, "({} IS DISTINCT FROM {})", Printed(&**a, columns), Printed(&**b, columns))
            }
            Scalar::Case(case) => {
                f.write_str("CASE")?;
                for (condition, value) in &case.branches {
                    write!(f, " WHEN {} THEN {}", Printed(condition, columns), Printed(value, columns))?;
                }
                write!(f, " ELSE {} END", Printed(&case.otherwise, columns))
            }
            Scalar::Coalesce(parts) => write!(f, "coalesce({})", list(parts)),
            Scalar::NullIf(test, value) => {
                write!(f, "nullif({}, {})", Printed(&**value, columns), Printed(&**test, columns))
            }
            Scalar::Extreme(true, parts) => write!(f, "greatest({})", list(parts)),
            Scalar::Extreme(false, parts) => write!(f, "least({})", list(parts)),
            Scalar::Array(parts, ..) => write!(f, "ARRAY[{}]", list(parts)),
            Scalar::Row(parts, _) => write!(f, "ROW({})", list(parts)),
            Scalar::Field(inner, field, _) => write!(f, "({}).{}", Printed(&**inner, columns), field + 1),
            Scalar::Subscript(subscript) => {
                Printed(&subscript.base, columns).fmt(f)?;
                for part in &subscript.parts {
                    match part {
                        SubscriptPart::Index(index) => write!(f, "[{}]", Printed(index, columns))?,
                        SubscriptPart::Slice(from, to) => {
                            write!(f, "[{}:{}]", scalars(from, columns), scalars(to, columns))?;
                        }
                    }
                }
                Ok(())
            }
            Scalar::Quantified(quantified) => {
                let word = if quantified.all { "ALL" } else { "ANY" };
                let (left, array) = (Printed(&quantified.left, columns), Printed(&quantified.array, columns));
                write!(f, "({left} {} {word} {array})", quantified.function.0.name)
            }
            Scalar::Subquery(subquery) => {
                let word = match &subquery.kind {
                    SubqueryKind::Exists => "EXISTS".to_owned(),
                    SubqueryKind::Any(test) => format!("ANY {}", Printed(&**test, columns)),
                    SubqueryKind::Value(_) => "VALUE".to_owned(),
                    SubqueryKind::Array(..) => "ARRAY".to_owned(),
                };
                let text = Printed(&subquery.rel, columns).to_string();
                write!(f, "{word} <{}>", text.trim_end().replace('\n', " / ").replace("  ", ""))
            }
        }
    }
}

fn joined(parts: &[Scalar], by: &str, columns: &Columns) -> String {
    parts.iter().map(|part| Printed(part, columns).to_string()).collect::<Vec<_>>().join(by)
}

fn test_words(test: Test) -> &'static str {
    match test {
        Test::Null => "IS NULL",
        Test::NotNull => "IS NOT NULL",
        Test::True => "IS TRUE",
        Test::False => "IS FALSE",
        Test::NotTrue => "IS NOT TRUE",
        Test::NotFalse => "IS NOT FALSE",
    }
}

impl Display for Constant {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match crate::constant::text(self) {
            None => write!(f, "NULL::{}", self.ty),
            Some(text) => match self.ty.ty {
                tidewater_types::Type::Bool if text == "t" => f.write_str("true"),
                tidewater_types::Type::Bool => f.write_str("false"),
                tidewater_types::Type::Int4 => f.write_str(&text),
                _ => write!(f, "'{text}'::{}", self.ty),
            },
        }
    }
}

impl Display for Printed<'_, Call> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let name = self.0.function.0.name;
        let is_operator = !name.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        match &self.0.args[..] {
            [one] if is_operator => write!(f, "({name} {})", Printed(one, self.1)),
            [left, right] if is_operator => write!(f, "({} {name} {})", Printed(left, self.1), Printed(right, self.1)),
            args => write!(f, "{name}({}{})", if self.0.array { "VARIADIC " } else { "" }, scalars(args, self.1)),
        }
    }
}

fn keys(order: &[SortKey], columns: &Columns) -> String {
    let text = |key: &SortKey| direction(Printed(&key.scalar, columns).to_string(), key.descending, key.nulls_first);
    order.iter().map(text).collect::<Vec<_>>().join(", ")
}

impl Display for Printed<'_, Aggregate> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (aggregate, columns) = (self.0, self.1);
        let distinct = if aggregate.distinct { "DISTINCT " } else { "" };
        write!(f, "{}({distinct}{}", aggregate.call.function.0.name, scalars(&aggregate.call.args, columns))?;
        if !aggregate.order.is_empty() {
            write!(f, " ORDER BY {}", keys(&aggregate.order, columns))?;
        }
        f.write_str(")")?;
        match &aggregate.filter {
            Some(filter) => write!(f, " FILTER {}", Printed(filter, columns)),
            None => Ok(()),
        }
    }
}

impl Display for Printed<'_, WindowCall> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (window, columns) = (self.0, self.1);
        Printed(&window.call, columns).fmt(f)?;
        if let Some(filter) = &window.filter {
            write!(f, " FILTER {}", Printed(filter, columns))?;
        }
        if !window.partition.is_empty() {
            write!(f, " PARTITION BY {}", scalars(&window.partition, columns))?;
        }
        if !window.order.is_empty() {
            write!(f, " ORDER BY {}", keys(&window.order, columns))?;
        }
        frame(f, &window.frame, columns)
    }
}

fn frame(f: &mut Formatter<'_>, frame: &Frame, columns: &Columns) -> Result {
    if *frame == Frame::default() {
        return Ok(());
    }
    let units = match frame.units {
        FrameUnits::Rows => "ROWS",
        FrameUnits::Range => "RANGE",
        FrameUnits::Groups => "GROUPS",
    };
    let bound = |bound: &FrameBound, end: &str| match bound {
        FrameBound::Unbounded => format!("UNBOUNDED {end}"),
        FrameBound::Current => "CURRENT ROW".to_owned(),
        FrameBound::Preceding(offset) => format!("{} PRECEDING", Printed(&**offset, columns)),
        FrameBound::Following(offset) => format!("{} FOLLOWING", Printed(&**offset, columns)),
    };
    write!(f, " {units} {} TO {}", bound(&frame.start, "PRECEDING"), bound(&frame.end, "FOLLOWING"))?;
    match frame.exclude {
        FrameExclude::NoOthers => Ok(()),
        FrameExclude::CurrentRow => f.write_str(" EXCLUDE CURRENT ROW"),
        FrameExclude::Group => f.write_str(" EXCLUDE GROUP"),
        FrameExclude::Ties => f.write_str(" EXCLUDE TIES"),
    }
}

impl Default for Frame {
    /// From the partition's first row to the equals of the current one.
    fn default() -> Self {
        Frame {
            units: FrameUnits::Range,
            start: FrameBound::Unbounded,
            end: FrameBound::Current,
            exclude: FrameExclude::NoOthers,
        }
    }
}
