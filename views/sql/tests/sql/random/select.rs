//! Random SELECT statements from what materialized views support.
//!
//! A statement has one right answer: aggregates that depend on an order have one that decides everything they show, and
//! DISTINCT ON orders by all of its columns.

use super::scalar::{Choices, Column, Scalars, TYPES, Type};

/// A SELECT. Its text names views as `{v0}`, so that it can be run over them as well as over their definitions.
#[derive(Debug, Clone)]
pub(super) struct Select {
    pub(super) text: String,
    pub(super) kinds: Vec<Type>,
}

/// What FROM may name: a table, a view or a CTE.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) text: String,
    pub(super) columns: Vec<(String, Type)>,
}

impl Named {
    /// A relation whose columns are `c0`, `c1`, …
    pub(super) fn of(text: String, kinds: &[Type]) -> Named {
        let columns = kinds.iter().enumerate().map(|(number, kind)| (format!("c{number}"), *kind));
        Named { text, columns: columns.collect() }
    }
}

pub(super) struct Generator<'a> {
    pub(super) choices: Choices<'a>,
    pub(super) tables: Vec<Named>,
    pub(super) views: Vec<Named>,
    aliases: usize,
    /// Whether the outermost SELECT may show a division by zero.
    may_fail: bool,
    /// Whether a condition of the outermost SELECT may divide by zero.
    pub(super) may_fail_early: bool,
    /// Until the outermost FROM is written, whether its conditions may.
    failing: bool,
    /// Whether the outermost SELECT leaves its columns without names.
    bare: bool,
}

/// Subqueries in subqueries.
const DEPTH: usize = 2;

/// Levels of an expression.
const LEVELS: usize = 3;

/// Columns of a wide row: more than the null bits of a row's first word.
const WIDE: usize = 35;

/// An aggregate, as far as it is known before the order of the ordered ones.
struct Call {
    before: String,
    argument: String,
    after: &'static str,
    ordered: bool,
    distinct: bool,
    filter: String,
    kind: Type,
}

impl<'a> Generator<'a> {
    /// A generator for one statement. It may name `views`, inside which are other aliases than its own.
    pub(super) fn new(numbers: &'a [u16], tables: Vec<Named>, views: Vec<Named>) -> Self {
        let aliases = views.len() * 100;
        Generator {
            choices: Choices::new(numbers),
            tables,
            views,
            aliases,
            may_fail: false,
            may_fail_early: false,
            failing: false,
            bare: false,
        }
    }

    /// A SELECT; a `last` one, whose columns nothing reads, may have rows without a value.
    pub(super) fn view(&mut self, last: bool) -> Select {
        if last && self.choices.chance(15) {
            self.may_fail = true;
            self.may_fail_early = self.choices.chance(50);
            self.failing = self.may_fail_early;
            return self.plain(DEPTH, None);
        }
        self.query(DEPTH)
    }

    /// A SELECT whose columns have no names of their own.
    pub(super) fn bare_view(&mut self) -> Select {
        self.bare = true;
        self.query(DEPTH)
    }

    /// The SELECT list of these values, named unless the outermost one goes without.
    fn list<'b>(bare: bool, values: impl Iterator<Item = &'b str>) -> String {
        let named = values.enumerate().map(|(number, value)| match bare {
            true => value.to_owned(),
            false => format!("{value} AS c{number}"),
        });
        named.collect::<Vec<_>>().join(", ")
    }

    fn scalars<'b>(&'b mut self, scope: &'b [Column]) -> Scalars<'b, 'a> {
        Scalars { choices: &mut self.choices, scope }
    }

    fn expr(&mut self, scope: &[Column], kind: Type) -> String {
        self.scalars(scope).expr(kind, LEVELS)
    }

    fn predicate(&mut self, scope: &[Column]) -> String {
        self.scalars(scope).boolean(2)
    }

    fn query(&mut self, depth: usize) -> Select {
        match self.choices.below(12) {
            0..4 => self.plain(depth, None),
            4..8 => self.grouped(depth),
            8 => self.union(depth),
            9 => self.distinct_on(depth),
            10 => {
                let select = self.plain(depth, None);
                Select { text: select.text.replacen("SELECT", "SELECT DISTINCT", 1), ..select }
            }
            _ => self.with(depth),
        }
    }

    fn with(&mut self, depth: usize) -> Select {
        if depth == 0 {
            return self.grouped(0);
        }
        self.bare = false;
        let inner = self.query(depth - 1);
        let name = format!("w{}", self.aliases);
        self.aliases += 1;
        self.views.push(Named::of(name.clone(), &inner.kinds));
        let mut outer = self.query(depth - 1);
        self.views.pop();
        if outer.text.starts_with("WITH") {
            let columns: Vec<_> = (0..outer.kinds.len()).map(|number| format!("u.c{number}")).collect();
            outer.text = format!("SELECT {} FROM ({}) u", columns.join(", "), outer.text);
        }
        Select { text: format!("WITH {name} AS ({}) {}", inner.text, outer.text), kinds: outer.kinds }
    }

    fn union(&mut self, depth: usize) -> Select {
        let kinds: Vec<_> = (0..1 + self.choices.below(3)).map(|_| *self.choices.pick(&TYPES)).collect();
        let branches: Vec<_> = (0..2 + self.choices.below(2)).map(|_| self.plain(depth, Some(&kinds)).text).collect();
        let word = *self.choices.pick(&[" UNION ALL ", " UNION "]);
        Select { text: branches.join(word), kinds }
    }

    /// FROM and WHERE, with the columns that they bring into scope.
    fn from(&mut self, depth: usize) -> (String, Vec<Column>) {
        let failing = std::mem::take(&mut self.failing);
        let (mut text, mut scope) = self.item(depth);
        let joins = [0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 4][self.choices.below(11)];
        for number in 0..joins {
            let (item, columns) = self.item(depth);
            if let Some(name) = common_name(&scope, &columns).filter(|_| number == 0 && self.choices.chance(10)) {
                let join = *self.choices.pick(&["JOIN", "LEFT JOIN"]);
                text = format!("{text} {join} {item} USING ({name})");
                scope.extend(columns);
                continue;
            }
            let mut on = self.equality(&scope, &columns);
            let join = *self.choices.pick(&["JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN"]);
            if self.choices.chance(15) {
                let other = self.equality(&scope, &columns);
                on = format!("{on} AND {other}");
            }
            let from_first = scope.len();
            scope.extend(columns);
            if self.choices.chance(25) {
                let part = match self.choices.below(3) {
                    0 => &scope[..],
                    1 => &scope[..from_first],
                    _ => &scope[from_first..],
                };
                let extra = Scalars { choices: &mut self.choices, scope: part }.boolean(1);
                on = format!("{on} AND {extra}");
            }
            if failing && self.choices.chance(40) {
                on = format!("{on} AND {}", self.division(&scope));
            }
            text = format!("{text} {join} {item} ON {on}");
        }
        if self.choices.chance(30) {
            let condition = self.predicate(&scope);
            text = format!("{text} WHERE {condition}");
        } else if failing {
            text = format!("{text} WHERE {}", self.division(&scope));
        }
        (text, scope)
    }

    fn division(&mut self, scope: &[Column]) -> String {
        let (a, b) = (self.expr(scope, Type::Int), self.expr(scope, Type::Int));
        format!("{a} / {b} < 2")
    }

    fn equality(&mut self, left: &[Column], right: &[Column]) -> String {
        let pairs = |kind: Type| left.iter().any(|c| c.kind == kind) && right.iter().any(|c| c.kind == kind);
        let computed = self.choices.chance(10);
        let usual = if pairs(Type::Int) && !self.choices.chance(25) { Some(Type::Int) } else { None };
        let kinds: Vec<_> = TYPES.into_iter().filter(|kind| pairs(*kind)).collect();
        let Some(kind) = usual.or_else(|| (!kinds.is_empty()).then(|| *self.choices.pick(&kinds))) else {
            let (a, b) = (self.choices.pick(left).text.clone(), self.choices.pick(right).text.clone());
            return format!("CAST({a} AS text) = CAST({b} AS text)");
        };
        let a = self.scalars(left).column(kind).unwrap_or_default();
        let b = self.scalars(right).column(kind).unwrap_or_default();
        if computed {
            let computed = self.scalars(right).expr(kind, 2);
            // Without a column of the right side this would be no equality of two sides.
            if right.iter().any(|column| computed.contains(&column.text)) {
                return format!("{a} = {computed}");
            }
        }
        format!("{a} = {b}")
    }

    fn item(&mut self, depth: usize) -> (String, Vec<Column>) {
        let alias = format!("t{}", self.aliases);
        self.aliases += 1;
        let choice = self.choices.below(10);
        let named = if choice > 7 && depth > 0 {
            let select = self.query(depth - 1);
            Named::of(format!("({})", select.text), &select.kinds)
        } else if choice > 5 && !self.views.is_empty() {
            self.choices.pick(&self.views).clone()
        } else {
            self.choices.pick(&self.tables).clone()
        };
        let column = |(name, kind): &(String, Type)| Column { text: format!("{alias}.{name}"), kind: *kind };
        (format!("{} {alias}", named.text), named.columns.iter().map(column).collect())
    }

    /// A SELECT of these types, or of any.
    fn plain(&mut self, depth: usize, wanted: Option<&[Type]>) -> Select {
        let (may_fail, bare) = (std::mem::take(&mut self.may_fail), std::mem::take(&mut self.bare));
        let (from, scope) = self.from(depth);
        // Keys among the columns, more often than by chance.
        let as_they_are = if wanted.is_none() && self.choices.chance(30) { scope.len().min(2) } else { 0 };
        let kinds = match wanted {
            Some(kinds) => kinds.to_vec(),
            None => {
                let more = if self.choices.chance(2) { WIDE } else { 1 + self.choices.below(4) };
                let more: Vec<_> = (0..more).map(|_| self.choices.pick(&scope).kind).collect();
                scope[..as_they_are].iter().map(|column| column.kind).chain(more).collect()
            }
        };
        let mut outputs = Vec::new();
        for (number, kind) in kinds.iter().enumerate() {
            let value = match kind {
                _ if number < as_they_are => scope[number].text.clone(),
                Type::Opaque => self.opaque(&scope),
                Type::Int if may_fail => {
                    format!("{} / {}", self.expr(&scope, Type::Int), self.expr(&scope, Type::Int))
                }
                kind => self.expr(&scope, *kind),
            };
            outputs.push(value);
        }
        let list = Self::list(bare, outputs.iter().map(String::as_str));
        let order = if self.choices.chance(5) { " ORDER BY 1" } else { "" };
        let order = if wanted.is_some() { "" } else { order };
        Select { text: format!("SELECT {list} FROM {from}{order}"), kinds }
    }

    fn opaque(&mut self, scope: &[Column]) -> String {
        self.scalars(scope).column(Type::Opaque).unwrap_or_default()
    }

    fn distinct_on(&mut self, depth: usize) -> Select {
        let bare = std::mem::take(&mut self.bare);
        let (from, scope) = self.from(depth);
        let scope: Vec<_> = scope.into_iter().filter(|column| column.kind != Type::Opaque).collect();
        if scope.is_empty() {
            return self.plain(0, None);
        }
        let mut columns: Vec<Column> = Vec::new();
        for _ in 0..1 + self.choices.below(4) {
            let column = self.choices.pick(&scope).clone();
            if columns.iter().all(|other| other.text != column.text) {
                columns.push(column);
            }
        }
        let keys = 1 + self.choices.below(columns.len().min(2));
        let on: Vec<_> = columns[..keys].iter().map(|column| column.text.clone()).collect();
        let order: Vec<_> = columns.iter().map(|column| self.sort(&column.text)).collect();
        let list = Self::list(bare, columns.iter().map(|column| column.text.as_str()));
        let text = format!("SELECT DISTINCT ON ({}) {list} FROM {from} ORDER BY {}", on.join(", "), order.join(", "));
        Select { text, kinds: columns.iter().map(|column| column.kind).collect() }
    }

    fn sort(&mut self, text: &str) -> String {
        let order = ["", " DESC", " NULLS FIRST", " DESC NULLS LAST", " ASC NULLS LAST"];
        format!("{text}{}", self.choices.pick(&order))
    }

    fn grouped(&mut self, depth: usize) -> Select {
        let bare = std::mem::take(&mut self.bare);
        let (from, scope) = self.from(depth);
        let mut keys: Vec<(String, Type)> = Vec::new();
        for _ in 0..[1, 1, 2, 2, 0, 3][self.choices.below(6)] {
            let kind = self.scalars(&scope).common_type();
            let column = self.scalars(&scope).column(kind).filter(|_| !self.choices.chance(25));
            let key = column.unwrap_or_else(|| self.scalars(&scope).expr(kind, 2));
            if scope.iter().any(|column| key.contains(&column.text)) && keys.iter().all(|(other, _)| *other != key) {
                keys.push((key, kind));
            }
        }
        let calls: Vec<_> = (0..1 + self.choices.below(4)).map(|_| self.call(&scope)).collect();
        let order = self.shared_order(&calls, &scope);
        let mut outputs: Vec<_> = keys.clone();
        for call in &calls {
            let own = if call.ordered && self.choices.chance(20) { self.sort(&call.argument) } else { order.clone() };
            outputs.push(self.around(call.text(&own), call.kind));
        }
        let kinds = outputs.iter().map(|(_, kind)| *kind).collect();
        let list = Self::list(bare, outputs.iter().map(|(text, _)| text.as_str()));
        let mut text = format!("SELECT {list} FROM {from}");
        if !keys.is_empty() {
            let keys: Vec<_> = keys.iter().map(|(key, _)| key.as_str()).collect();
            text = format!("{text} GROUP BY {}", keys.join(", "));
        }
        if self.choices.chance(20) {
            let conditions = ["count(*) > 1", "count(*) < 3", "count(*) = 0"].map(str::to_owned);
            let value = calls[0].text(&order);
            let condition = match self.choices.below(4) {
                3 if calls[0].kind != Type::Opaque => format!("{value} IS NOT NULL"),
                number => conditions[number % 3].clone(),
            };
            text = format!("{text} HAVING {condition}");
        }
        Select { text, kinds }
    }

    /// Something computed from an aggregate, now and then.
    fn around(&mut self, text: String, kind: Type) -> (String, Type) {
        if !self.choices.chance(25) {
            return (text, kind);
        }
        match kind {
            Type::Int => (format!("COALESCE({text}, 0) + 1"), kind),
            Type::Text => (format!("COALESCE({text}, 'none')"), kind),
            Type::Opaque => (text, kind),
            _ => (format!("({text}) IS NULL"), Type::Bool),
        }
    }

    fn call(&mut self, scope: &[Column]) -> Call {
        let filter =
            if self.choices.chance(20) { format!(" FILTER (WHERE {})", self.predicate(scope)) } else { String::new() };
        let kind = self.scalars(scope).common_type();
        let number = |kind| matches!(kind, Type::Int | Type::Decimal | Type::Float);
        let choice = self.choices.below(16);
        let (name, kind, of) = match (choice, kind) {
            (0, _) => {
                let count = Call {
                    before: "count(*)".into(),
                    argument: String::new(),
                    after: "",
                    ordered: false,
                    distinct: false,
                    filter,
                    kind: Type::Int,
                };
                return count;
            }
            (1 | 2, _) => ("count", Type::Int, kind),
            (3..6, Type::Bool) => ("bool_and", kind, kind),
            (6..8, Type::Bool) => ("bool_or", kind, kind),
            (3..6, _) if number(kind) => ("sum", kind, kind),
            (6..8, _) if number(kind) => ("avg", if kind == Type::Int { Type::Float } else { kind }, kind),
            (8 | 9, _) => ("min", kind, kind),
            (10 | 11, _) => ("max", kind, kind),
            (12 | 13, _) => ("string_agg", Type::Text, Type::Text),
            (14, _) => ("array_agg", Type::Opaque, kind),
            _ => (*self.choices.pick(&["first_value", "last_value"]), kind, kind),
        };
        let ordered = matches!(name, "string_agg" | "array_agg" | "first_value" | "last_value");
        let argument = match self.scalars(scope).column(of) {
            Some(column) if ordered || !self.choices.chance(35) => column,
            // A literal cannot be an order.
            None if ordered => format!("CAST({} AS text)", scope[0].text),
            _ => self.scalars(scope).expr(of, 2),
        };
        let distinct = !matches!(name, "first_value" | "last_value") && self.choices.chance(20);
        let kind = if name == "array_agg" { Type::Opaque } else { kind };
        let before = format!("{name}({}", if distinct { "DISTINCT " } else { "" });
        let after = if name == "string_agg" { ", ', '" } else { "" };
        Call { before, argument, after, ordered, distinct, filter, kind }
    }

    /// An order in which ties show the same in all ordered aggregates.
    fn shared_order(&mut self, calls: &[Call], scope: &[Column]) -> String {
        let mut parts: Vec<String> = Vec::new();
        if calls.iter().all(|call| !call.ordered || !call.distinct) {
            for _ in 0..self.choices.below(3) {
                let kind = self.scalars(scope).common_type();
                parts.extend(self.scalars(scope).column(kind));
            }
        }
        parts.extend(calls.iter().filter(|call| call.ordered).map(|call| call.argument.clone()));
        let mut seen: Vec<String> = Vec::new();
        parts.retain(|part| {
            !seen.contains(part) && {
                seen.push(part.clone());
                true
            }
        });
        let sorted: Vec<_> = parts.iter().map(|part| self.sort(part)).collect();
        sorted.join(", ")
    }
}

/// The name of a column that both sides have.
fn common_name(left: &[Column], right: &[Column]) -> Option<String> {
    let name = |column: &Column| column.text.split_once('.').map(|(_, name)| name.to_owned());
    let same = |column: &&Column| right.iter().any(|other| name(other) == name(column) && other.kind == column.kind);
    left.iter().find(same).and_then(name)
}

impl Call {
    fn text(&self, order: &str) -> String {
        let Call { before, argument, after, filter, .. } = self;
        if argument.is_empty() {
            return format!("{before}{filter}");
        }
        match (self.ordered, self.distinct) {
            // DISTINCT can be ordered by its argument only.
            (true, true) => format!("{before}{argument}{after} ORDER BY {argument}){filter}"),
            (true, false) => format!("{before}{argument}{after} ORDER BY {order}){filter}"),
            _ => format!("{before}{argument}{after}){filter}"),
        }
    }
}
