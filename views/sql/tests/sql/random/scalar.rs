//! Random scalar expressions over the columns in scope.
//!
//! Every expression has a value for every row: division is by something that is not zero (or stands where CASE has made sure
//! of it), casts always succeed, sums stay far inside their types. Floats are multiples of a quarter, so that they add up exactly in any order.

/// Numbers that decide. When they are used up every decision is the first, the simplest, so that fewer and smaller numbers
/// mean a smaller statement: proptest shrinks the numbers.
pub(super) struct Choices<'a> {
    left: std::slice::Iter<'a, u16>,
}

impl<'a> Choices<'a> {
    pub(super) fn new(numbers: &'a [u16]) -> Self {
        Choices { left: numbers.iter() }
    }

    pub(super) fn below(&mut self, count: usize) -> usize {
        usize::from(self.left.next().copied().unwrap_or(0)) % count.max(1)
    }

    /// True in about so many of a hundred cases.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) >= 100 - percent
    }

    pub(super) fn pick<'b, T>(&mut self, items: &'b [T]) -> &'b T {
        &items[self.below(items.len())]
    }
}

/// What expressions are about: not SQL's types, but what may be compared and combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Int,
    Text,
    Decimal,
    Bool,
    Date,
    Timestamp,
    /// A timestamp with time zone.
    Instant,
    /// A time of day.
    Time,
    Bytes,
    Float,
    /// What is only passed on: a list.
    Opaque,
}

pub(super) const TYPES: [Type; 10] = [
    Type::Int,
    Type::Text,
    Type::Decimal,
    Type::Bool,
    Type::Date,
    Type::Timestamp,
    Type::Instant,
    Type::Time,
    Type::Bytes,
    Type::Float,
];

/// A column in scope: how it is written and its type.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) text: String,
    pub(super) kind: Type,
}

pub(super) struct Scalars<'a, 'b> {
    pub(super) choices: &'a mut Choices<'b>,
    pub(super) scope: &'a [Column],
}

impl Scalars<'_, '_> {
    pub(super) fn column(&mut self, kind: Type) -> Option<String> {
        let fit: Vec<_> = self.scope.iter().filter(|column| column.kind == kind).collect();
        (!fit.is_empty()).then(|| self.choices.pick(&fit).text.clone())
    }

    fn leaf(&mut self, kind: Type) -> String {
        match self.column(kind) {
            Some(column) if !self.choices.chance(20) => column,
            _ => self.literal(kind),
        }
    }

    pub(super) fn literal(&mut self, kind: Type) -> String {
        let literals: &[&str] = match kind {
            Type::Int => &["1", "0", "2", "3", "-1", "7", "NULL::bigint"],
            Type::Text => &["'a'", "''", "'b'", "'é, x'", "'A%b'", "'it''s'", "NULL::text"],
            Type::Decimal => &["1.25", "0.00", "-2.5", "0.05", "10", "CAST(3 AS numeric(10,2))"],
            Type::Bool => &["true", "false", "NULL::boolean"],
            Type::Date => &["DATE '2024-02-29'", "DATE '2024-03-01'", "DATE '1969-12-31'"],
            Type::Timestamp => &["TIMESTAMP '2024-02-29 12:30:00'", "TIMESTAMP '2024-03-01 00:00:00.250'"],
            Type::Instant => &["TIMESTAMPTZ '2024-02-29 12:30:00+02'", "TIMESTAMPTZ '2024-02-28 00:00:00Z'"],
            Type::Time => {
                // Union knows no common type of times in different units.
                &["arrow_cast('12:00:00', 'Time64(Microsecond)')", "arrow_cast('00:00:00', 'Time64(Microsecond)')"]
            }
            Type::Bytes => &["X'0061'", "X''", "X'61'"],
            Type::Float | Type::Opaque => {
                &["CAST(0.5 AS double precision)", "CAST(-1.25 AS double precision)", "CAST(2 AS double precision)"]
            }
        };
        (*self.choices.pick(literals)).to_owned()
    }

    /// An expression of this type, at most so deep.
    pub(super) fn expr(&mut self, kind: Type, depth: usize) -> String {
        if depth == 0 || !self.choices.chance(55) {
            return self.leaf(kind);
        }
        if self.choices.chance(25) {
            return self.conditional(kind, depth - 1);
        }
        match kind {
            Type::Int => self.int(depth - 1),
            Type::Text => self.text(depth - 1),
            Type::Decimal => self.decimal(depth - 1),
            Type::Bool => self.boolean(depth - 1),
            Type::Date | Type::Timestamp | Type::Instant => self.time(kind, depth - 1),
            Type::Float => self.float(depth - 1),
            Type::Time | Type::Bytes | Type::Opaque => self.leaf(kind),
        }
    }

    fn conditional(&mut self, kind: Type, depth: usize) -> String {
        let (a, b) = (self.expr(kind, depth), self.expr(kind, depth));
        match self.choices.below(6) {
            0 => format!("COALESCE({a}, {b})"),
            1 => format!("NULLIF({a}, {b})"),
            2 => format!("CASE WHEN {} THEN {a} ELSE {b} END", self.boolean(depth)),
            3 => format!("CASE WHEN {} THEN {a} WHEN {} THEN {b} END", self.boolean(depth), self.boolean(depth)),
            4 => {
                let (subject, value) = (self.leaf(Type::Int), self.literal(Type::Int));
                format!("CASE {subject} WHEN {value} THEN {a} WHEN 2 THEN {b} ELSE {a} END")
            }
            _ => format!("COALESCE(NULLIF({a}, {b}), {a}, {b})"),
        }
    }

    fn int(&mut self, depth: usize) -> String {
        let a = self.expr(Type::Int, depth);
        match self.choices.below(17) {
            11 => format!("greatest({a}, {}, 2)", self.leaf(Type::Int)),
            12 => format!("CAST({a} AS int)"),
            13 => format!("CAST({} AS bigint)", self.leaf(Type::Decimal)),
            14 => format!("bit_length({})", self.leaf(Type::Text)),
            15 => format!("CAST({} AS int)", self.leaf(Type::Bool)),
            0 => format!("({a} + {})", self.expr(Type::Int, depth)),
            1 => format!("({a} - {})", self.expr(Type::Int, depth)),
            2 => format!("({a} * {})", self.choices.pick(&["2", "3", "-1"])),
            3 => format!("({a} % {})", self.choices.pick(&["2", "3", "-4"])),
            4 => format!("({a} / {})", self.choices.pick(&["2", "-3"])),
            5 => format!("({a} / NULLIF({}, 0))", self.leaf(Type::Int)),
            6 => format!("abs({a})"),
            7 => format!("char_length({})", self.expr(Type::Text, depth)),
            8 => format!("strpos({}, {})", self.leaf(Type::Text), self.literal(Type::Text)),
            9 => format!("(- {a})"),
            10 => {
                let divisor = self.leaf(Type::Int);
                format!("CASE WHEN {divisor} = 0 THEN {a} ELSE {a} / {divisor} END")
            }
            _ => {
                let part = *self.choices.pick(&["year", "month", "day", "dow"]);
                format!("CAST(extract({part} FROM {}) AS bigint)", self.leaf(Type::Date))
            }
        }
    }

    fn text(&mut self, depth: usize) -> String {
        let a = self.expr(Type::Text, depth);
        match self.choices.below(20) {
            13 => format!("initcap({a})"),
            14 => format!("reverse({a})"),
            15 => format!("split_part({a}, ' ', {})", self.choices.pick(&["1", "2", "-1"])),
            16 => format!("repeat({a}, 2)"),
            17 => format!("greatest({a}, {})", self.leaf(Type::Text)),
            18 => format!("concat_ws('/', {a}, {})", self.leaf(Type::Text)),
            19 => format!("md5({a})"),
            0 => format!("upper({a})"),
            1 => format!("({a} || {})", self.expr(Type::Text, depth)),
            2 => format!("({a} || {})", self.leaf(Type::Int)),
            3 => format!("({} || '-' || {a})", self.leaf(Type::Decimal)),
            4 => format!("lower({a})"),
            5 => format!("substr({a}, {})", self.choices.pick(&["1", "2", "0"])),
            6 => format!("left({a}, 1)"),
            7 => format!("replace({a}, 'a', 'xy')"),
            8 => format!("concat({a}, {}, 'z')", self.leaf(Type::Text)),
            9 => format!("CAST({} AS text)", self.leaf(Type::Int)),
            10 => format!("CAST({} AS text)", self.leaf(Type::Date)),
            11 => format!("trim({a} || ' ')"),
            12 => format!("lpad({a}, 4, '*')"),
            _ => format!("CAST({} AS text)", self.leaf(Type::Bool)),
        }
    }

    fn decimal(&mut self, depth: usize) -> String {
        let a = self.expr(Type::Decimal, depth);
        match self.choices.below(13) {
            8 => format!("round({a}, 1)"),
            9 => format!("CAST(ceil({a}) AS numeric(24,2))"),
            10 => format!("least({a}, {})", self.leaf(Type::Decimal)),
            11 => format!("({a} % 3)"),
            12 => format!("(- {a})"),
            0 => format!("({a} + {})", self.expr(Type::Decimal, depth)),
            1 => format!("({a} - {})", self.leaf(Type::Decimal)),
            2 => format!("CAST({a} * 2 AS numeric(24,4))"),
            3 => format!("CAST({} AS numeric(20,2))", self.expr(Type::Int, depth)),
            4 => format!("CAST({a} * {} AS numeric(24,4))", self.leaf(Type::Int)),
            5 => format!("abs({a})"),
            6 => format!("CAST(CAST({a} AS numeric(14,2)) / 4 AS numeric(24,4))"),
            _ => format!("CAST({a} AS numeric(24,1))"),
        }
    }

    fn time(&mut self, kind: Type, depth: usize) -> String {
        let a = self.expr(kind, depth);
        let interval = *self.choices.pick(&["1 day", "1 month", "2 days", "1 year 2 days"]);
        match (kind, self.choices.below(4)) {
            (Type::Date, 0) => format!("CAST({a} + INTERVAL '{interval}' AS date)"),
            (Type::Date, 1) => format!("CAST({} AS date)", self.leaf(Type::Timestamp)),
            (Type::Date, _) => format!("COALESCE({a}, {})", self.literal(Type::Date)),
            (_, 0) => format!("({a} + INTERVAL '{interval}')"),
            (_, 1) => format!("({a} - INTERVAL '90 minutes')"),
            (_, 2) => format!("date_trunc('{}', {a})", self.choices.pick(&["hour", "day", "month"])),
            (Type::Instant, _) => format!("CAST({} AS timestamptz)", self.leaf(Type::Timestamp)),
            _ => format!("CAST({} AS timestamp)", self.leaf(Type::Date)),
        }
    }

    fn float(&mut self, depth: usize) -> String {
        let a = self.expr(Type::Float, depth);
        match self.choices.below(8) {
            5 => format!("(- {a})"),
            6 => format!("abs({a})"),
            7 => format!("CAST({} AS double precision)", self.leaf(Type::Decimal)),
            0 => format!("({a} + {})", self.leaf(Type::Float)),
            1 => format!("({a} * 2)"),
            2 => format!("CAST({} AS double precision)", self.leaf(Type::Int)),
            3 => format!("floor({a})"),
            _ => format!("({a} - {})", self.leaf(Type::Int)),
        }
    }

    /// A predicate that is more than a column.
    pub(super) fn boolean(&mut self, depth: usize) -> String {
        if depth > 0 && self.choices.chance(35) {
            let a = self.boolean(depth - 1);
            return match self.choices.below(3) {
                0 => format!("({a} AND {})", self.boolean(depth - 1)),
                1 => format!("({a} OR {})", self.boolean(depth - 1)),
                _ => format!("(NOT {a})"),
            };
        }
        let kind = self.common_type();
        let a = self.expr(kind, depth);
        match self.choices.below(14) {
            11 => format!("starts_with({}, {})", self.leaf(Type::Text), self.literal(Type::Text)),
            12 => format!("({} ~ '^[ab]')", self.leaf(Type::Text)),
            0..3 => {
                let op = *self.choices.pick(&["=", "<", ">", "<>", "<=", ">="]);
                format!("({a} {op} {})", self.expr(kind, depth))
            }
            3 => format!("({a} IS NOT NULL)"),
            4 => format!("({a} IS NULL)"),
            5 => {
                let not = if self.choices.chance(30) { " NOT" } else { "" };
                let values: Vec<_> = (0..1 + self.choices.below(4)).map(|_| self.literal(kind)).collect();
                format!("({a}{not} IN ({}))", values.join(", "))
            }
            6 => {
                let not = if self.choices.chance(30) { " NOT" } else { "" };
                format!("({a}{not} BETWEEN {} AND {})", self.leaf(kind), self.literal(kind))
            }
            7 => {
                let pattern = *self.choices.pick(&["'%a%'", "'_'", "''", "'é%'", "'A\\%b'", "'%'"]);
                let op = *self.choices.pick(&["LIKE", "NOT LIKE", "ILIKE"]);
                format!("({} {op} {pattern})", self.expr(Type::Text, depth))
            }
            8 => {
                let test = *self.choices.pick(&["IS TRUE", "IS NOT TRUE", "IS FALSE", "IS NOT FALSE", "IS NULL"]);
                format!("({} {test})", self.leaf(Type::Bool))
            }
            9 => {
                let op = *self.choices.pick(&["IS DISTINCT FROM", "IS NOT DISTINCT FROM"]);
                format!("({a} {op} {})", self.leaf(kind))
            }
            10 => {
                let (from, to) = (self.leaf(Type::Timestamp), self.leaf(Type::Timestamp));
                format!("({to} - INTERVAL '1 day' > {from})")
            }
            _ => self.leaf(Type::Bool),
        }
    }

    /// The type of some column in scope.
    pub(super) fn common_type(&mut self) -> Type {
        let kinds: Vec<_> = self.scope.iter().map(|column| column.kind).filter(|kind| *kind != Type::Opaque).collect();
        if kinds.is_empty() { Type::Int } else { *self.choices.pick(&kinds) }
    }
}
