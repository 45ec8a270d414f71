//! Random queries.

use super::data::{Chance, TABLES, Ty};

/// A column that may be read, as it is written.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) text: String,
    pub(crate) ty: Ty,
}

/// Makes one query.
pub(crate) struct Maker {
    pub(crate) chance: Chance,
    depth: usize,
    names: usize,
}

/// FROM: its text, and the columns that it makes visible.
struct From {
    text: String,
    columns: Vec<Column>,
}

impl Maker {
    pub(crate) fn new(seed: u64) -> Maker {
        Maker { chance: Chance::new(seed), depth: 0, names: 0 }
    }

    /// A whole query.
    pub(crate) fn query(&mut self) -> String {
        let width = 1 + self.chance.below(3);
        let types: Vec<Ty> =
            (0..width).map(|_| *self.chance.pick(&[Ty::Int, Ty::Int, Ty::Int, Ty::Text, Ty::Bool, Ty::Num])).collect();
        if self.chance.once_in(12) {
            return self.recursive();
        }
        let body = self.body(&types, &[]);
        // Ordered by all its columns, its rows have one order.
        // What stands in parentheses has an order of its own, which may be the only one.
        match self.chance.below(5) {
            0 if !body.starts_with('(') || body.contains(") union") => {
                let keys: Vec<String> = (1..=width).map(|i| format!("{i}{}", self.direction())).collect();
                let limit =
                    if self.chance.once_in(2) { format!(" limit {}", self.chance.below(6)) } else { String::new() };
                let offset =
                    if self.chance.once_in(3) { format!(" offset {}", self.chance.below(3)) } else { String::new() };
                format!("{body} order by {}{limit}{offset} -- ordered", keys.join(", "))
            }
            1 => {
                let name = self.name("c");
                format!("with {name} as ({body}) select * from {name} union all select * from {name}")
            }
            _ => body,
        }
    }

    fn direction(&mut self) -> &'static str {
        self.chance.pick::<&str>(&["", " desc", " nulls first", " desc nulls last"])
    }

    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    pub(crate) fn may_nest(&self) -> bool {
        self.depth < 3
    }

    fn nested<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> T {
        self.depth += 1;
        let made = make(self);
        self.depth -= 1;
        made
    }

    /// Numbers that grow until a condition ends them, or that come again.
    fn recursive(&mut self) -> String {
        let from = self.item(&[]);
        let start = self.expr(Ty::Int, &from.columns, 1);
        let condition = self.condition(&from.columns);
        let own = vec![Column { text: "r.i".to_owned(), ty: Ty::Int }];
        let all = *self.chance.pick(&["union", "union all"]);
        let step = if all == "union" { "(r.i + 1) % 5".to_owned() } else { "r.i + 1".to_owned() };
        let end = self.expr(Ty::Bool, &own, 1);
        let join = match self.chance.below(3) {
            0 => "r join m on r.i = m.k",
            1 => "r left join n on r.i = n.k",
            _ => "r",
        };
        let list = self.expr(Ty::Int, &own, 2);
        format!(
            "with recursive r as (select {start} as i from {}{condition} {all} select {step} from {join} where r.i < 6 and {end}) select {list} as o0 from r",
            from.text
        )
    }

    /// The first row of each group, in an order that leaves no choice.
    fn first_of_each(&mut self, types: &[Ty], outer: &[Column]) -> String {
        let from = self.derived_list(&[&[Ty::Int][..], types].concat(), outer);
        let columns = from.columns.clone();
        let key = columns[0].text.clone();
        let keys: Vec<String> =
            columns[1..].iter().map(|column| format!("{}{}", column.text, self.direction())).collect();
        let list: Vec<String> =
            columns[1..].iter().enumerate().map(|(i, column)| format!("{} as o{i}", column.text)).collect();
        format!("select distinct on ({key}) {} from {} order by {key}, {}", list.join(", "), from.text, keys.join(", "))
    }

    fn derived_list(&mut self, types: &[Ty], outer: &[Column]) -> From {
        let body = self.nested(|maker| maker.plain(types, outer));
        let alias = self.name("l");
        let columns =
            types.iter().enumerate().map(|(i, ty)| Column { text: format!("{alias}.o{i}"), ty: *ty }).collect();
        From { text: format!("({body}) as {alias}"), columns }
    }

    /// A query without order; `outer` are columns of queries around it.
    fn body(&mut self, types: &[Ty], outer: &[Column]) -> String {
        if self.depth < 2 && self.chance.once_in(6) {
            let op = *self.chance.pick(&["union", "union all", "intersect", "intersect all", "except", "except all"]);
            let left = self.nested(|maker| maker.body(types, outer));
            let right = self.nested(|maker| maker.body(types, outer));
            return format!("({left}) {op} ({right})");
        }
        match self.chance.below(8) {
            6 if self.depth < 2 => format!("({})", self.first_of_each(types, outer)),
            7 if self.depth < 2 => self.some_rows(types, outer),
            0 | 1 => self.grouped(types, outer),
            2 if self.depth < 2 => self.windowed(types, outer),
            _ => self.plain(types, outer),
        }
    }

    /// A few rows of an order by all columns.
    fn some_rows(&mut self, types: &[Ty], outer: &[Column]) -> String {
        let body = self.plain(types, outer);
        let keys: Vec<String> = (1..=types.len()).map(|i| format!("{i}{}", self.direction())).collect();
        let limit = match self.chance.below(3) {
            0 => format!("limit {}", self.chance.below(4)),
            1 => format!("limit {} offset {}", self.chance.below(4), self.chance.below(3)),
            _ => format!("fetch first {} rows with ties", 1 + self.chance.below(3)),
        };
        format!("({body} order by {} {limit})", keys.join(", "))
    }

    fn list(&mut self, types: &[Ty], columns: &[Column]) -> String {
        let items: Vec<String> =
            types.iter().enumerate().map(|(i, ty)| format!("{} as o{i}", self.expr(*ty, columns, 2))).collect();
        items.join(", ")
    }

    fn condition(&mut self, columns: &[Column]) -> String {
        if self.chance.once_in(3) {
            return String::new();
        }
        format!(" where {}", self.expr(Ty::Bool, columns, 2))
    }

    fn plain(&mut self, types: &[Ty], outer: &[Column]) -> String {
        let from = self.from(outer);
        let columns = [&from.columns[..], outer].concat();
        let distinct = if self.chance.once_in(5) { "distinct " } else { "" };
        let list = self.list(types, &columns);
        let condition = self.condition(&columns);
        format!("select {distinct}{list} from {}{condition}", from.text)
    }

    fn grouped(&mut self, types: &[Ty], outer: &[Column]) -> String {
        let from = self.from(outer);
        let columns = [&from.columns[..], outer].concat();
        let condition = self.condition(&columns);
        let mut keys: Vec<Column> = Vec::new();
        for _ in 0..self.chance.below(3) {
            let column = self.chance.pick(&from.columns).clone();
            if keys.iter().all(|key| key.text != column.text) {
                keys.push(column);
            }
        }
        let visible = [&keys[..], outer].concat();
        let mut items = Vec::new();
        for (i, ty) in types.iter().enumerate() {
            let item = if self.chance.once_in(2) || keys.is_empty() {
                self.aggregate(*ty, &columns)
            } else {
                self.expr(*ty, &visible, 1)
            };
            items.push(format!("{item} as o{i}"));
        }
        let having = if self.chance.once_in(4) {
            format!(" having {} > {}", self.aggregate(Ty::Int, &columns), self.chance.below(3))
        } else {
            String::new()
        };
        let names: Vec<String> = keys.iter().map(|key| key.text.clone()).collect();
        let group = match (names.is_empty(), self.chance.below(6)) {
            (true, _) => String::new(),
            (_, 0) => format!(" group by rollup ({})", names.join(", ")),
            (_, 1) => format!(" group by grouping sets (({}), ())", names.join(", ")),
            _ => format!(" group by {}", names.join(", ")),
        };
        // Without any aggregate and key the list would be one of rows.
        let any = if names.is_empty() && having.is_empty() { ", count(*)" } else { "" };
        let select = format!("select {} from {}{condition}{group}{having}", items.join(", "), from.text);
        if any.is_empty() { select } else { format!("select {} from ({select}) z", self.outputs(types.len())) }
    }

    fn outputs(&mut self, width: usize) -> String {
        (0..width).map(|i| format!("z.o{i}")).collect::<Vec<_>>().join(", ")
    }

    fn aggregate(&mut self, ty: Ty, columns: &[Column]) -> String {
        let filter = if self.chance.once_in(5) {
            format!(" filter (where {})", self.expr(Ty::Bool, columns, 0))
        } else {
            String::new()
        };
        let distinct = if self.chance.once_in(4) { "distinct " } else { "" };
        match ty {
            Ty::Int => {
                let arg = self.expr(Ty::Int, columns, 1);
                let name = *self.chance.pick(&["count", "min", "max", "sum"]);
                match self.chance.below(4) {
                    0 => format!("count(*){filter}::int"),
                    _ => format!("{name}({distinct}{arg}){filter}::int"),
                }
            }
            Ty::Text => format!("max({}){filter}", self.expr(Ty::Text, columns, 1)),
            Ty::Bool => format!("bool_or({}){filter}", self.expr(Ty::Bool, columns, 1)),
            Ty::Float => format!("max({}){filter}", self.expr(Ty::Float, columns, 1)),
            Ty::Num => format!("sum({distinct}{}){filter}", self.expr(Ty::Num, columns, 1)),
        }
    }

    /// Over windows whose order is total, so that there is one answer.
    fn windowed(&mut self, types: &[Ty], outer: &[Column]) -> String {
        let table = TABLES.iter().filter(|(_, columns)| columns[0].0 == "id").nth(self.chance.below(3));
        let (name, columns) = table.expect("three tables have an id");
        let alias = self.name("w");
        let own: Vec<Column> =
            columns.iter().map(|(column, ty)| Column { text: format!("{alias}.{column}"), ty: *ty }).collect();
        let visible = [&own[..], outer].concat();
        let condition = self.condition(&visible);
        let items: Vec<String> = types
            .iter()
            .enumerate()
            .map(|(i, ty)| {
                let item = if *ty == Ty::Int { self.window(&alias, &own) } else { self.expr(*ty, &visible, 1) };
                format!("{item} as o{i}")
            })
            .collect();
        format!("select {} from {name} as {alias}{condition}", items.join(", "))
    }

    fn window(&mut self, alias: &str, columns: &[Column]) -> String {
        let partition = if self.chance.once_in(2) {
            format!("partition by {} ", self.chance.pick(columns).text)
        } else {
            String::new()
        };
        let key = self.chance.pick(columns).text.clone();
        let order = format!("order by {key}{}, {alias}.id", self.direction());
        let arg = self.expr(Ty::Int, columns, 1);
        let frame = *self.chance.pick(&[
            "",
            " rows between 1 preceding and 1 following",
            " rows between unbounded preceding and current row",
            " groups between 1 preceding and current row",
            " rows between current row and unbounded following",
        ]);
        match self.chance.below(7) {
            0 => format!("row_number() over ({partition}{order})::int"),
            1 => format!("rank() over ({partition}order by {key}{})::int", self.direction()),
            2 => format!("dense_rank() over ({partition}order by {key}{})::int", self.direction()),
            3 => format!("lag({arg}, 1) over ({partition}{order})"),
            4 => format!("first_value({arg}) over ({partition}{order}{frame})"),
            5 => format!("sum({arg}) over ({partition}{order}{frame})::int"),
            _ => format!("count({arg}) over ({partition}{order}{frame})::int"),
        }
    }

    fn from(&mut self, outer: &[Column]) -> From {
        let mut from = self.item(outer);
        for _ in 0..self.chance.below(3) {
            let lateral = [&from.columns[..], outer].concat();
            let right = if self.may_nest() && self.chance.once_in(6) {
                let mut item = self.derived(&lateral);
                item.text = format!("lateral {}", item.text);
                item
            } else {
                self.item(outer)
            };
            let is_lateral = right.text.starts_with("lateral");
            let columns = [&from.columns[..], &right.columns].concat();
            let both = [&columns[..], outer].concat();
            let kind = *self.chance.pick(&["join", "join", "left join", "right join", "full join", ","]);
            let kind = if is_lateral && matches!(kind, "right join" | "full join") { "left join" } else { kind };
            let text = match kind {
                "," => format!("{} cross join {}", from.text, right.text),
                kind => {
                    // A full join needs an equality in PostgreSQL.
                    let on = self.join_condition(&from.columns, &right.columns, &both, kind == "full join");
                    format!("{} {kind} {} on {on}", from.text, right.text)
                }
            };
            from = From { text, columns };
        }
        from
    }

    fn join_condition(&mut self, left: &[Column], right: &[Column], both: &[Column], equal_only: bool) -> String {
        let of = |columns: &[Column], ty: Ty| -> Vec<String> {
            columns.iter().filter(|column| column.ty == ty).map(|column| column.text.clone()).collect()
        };
        let (a, b) = (of(left, Ty::Int), of(right, Ty::Int));
        if a.is_empty() || b.is_empty() {
            return "true".to_owned();
        }
        let equal = format!("{} = {}", self.chance.pick(&a), self.chance.pick(&b));
        match self.chance.below(4) {
            _ if equal_only => equal,
            0 => format!("{equal} and {}", self.expr(Ty::Bool, both, 1)),
            1 if self.depth == 0 => self.expr(Ty::Bool, both, 1),
            _ => equal,
        }
    }

    fn item(&mut self, outer: &[Column]) -> From {
        match self.chance.below(14) {
            0 => return self.merged(),
            1 => return self.written(outer),
            2 if self.may_nest() => return self.series(outer),
            _ => {}
        }
        if self.may_nest() && self.chance.once_in(5) {
            // Without LATERAL only queries around see it.
            return self.derived(outer);
        }
        let (name, columns) = *self.chance.pick(TABLES);
        let alias = self.name("t");
        let columns =
            columns.iter().map(|(column, ty)| Column { text: format!("{alias}.{column}"), ty: *ty }).collect();
        From { text: format!("{name} as {alias}"), columns }
    }

    /// A join whose columns of one name are one.
    fn merged(&mut self) -> From {
        let kind = *self.chance.pick(&["join", "left join", "right join", "full join"]);
        let (left, right) = (*self.chance.pick(&["n", "m", "e"]), *self.chance.pick(&["n", "m"]));
        let how = *self.chance.pick(&["using (k)", "using (k, v)", "natural"]);
        let alias = self.name("j");
        let (a, b) = (self.name("a"), self.name("b"));
        let join = match how {
            "natural" => format!("{left} as {a} natural {kind} {right} as {b}"),
            how => format!("{left} as {a} {kind} {right} as {b} {how}"),
        };
        let columns = vec![
            Column { text: format!("{alias}.k"), ty: Ty::Int },
            Column { text: format!("{alias}.other"), ty: Ty::Int },
        ];
        From { text: format!("(select k, {b}.v as other from {join}) as {alias}"), columns }
    }

    /// VALUES.
    fn written(&mut self, outer: &[Column]) -> From {
        let alias = self.name("v");
        let rows: Vec<String> = (0..1 + self.chance.below(3))
            .map(|_| format!("({}, {})", self.expr(Ty::Int, outer, 0), self.expr(Ty::Text, outer, 0)))
            .collect();
        let columns = vec![
            Column { text: format!("{alias}.i"), ty: Ty::Int },
            Column { text: format!("{alias}.s"), ty: Ty::Text },
        ];
        From { text: format!("(values {}) as {alias} (i, s)", rows.join(", ")), columns }
    }

    /// A function whose rows depend on queries around.
    fn series(&mut self, outer: &[Column]) -> From {
        let alias = self.name("g");
        let end = self.expr(Ty::Int, outer, 0);
        let columns = vec![Column { text: format!("{alias}.i"), ty: Ty::Int }];
        From { text: format!("generate_series(1, least({end}, 4)) as {alias} (i)"), columns }
    }

    fn derived(&mut self, outer: &[Column]) -> From {
        let types: Vec<Ty> =
            (0..1 + self.chance.below(2)).map(|_| *self.chance.pick(&[Ty::Int, Ty::Int, Ty::Text, Ty::Num])).collect();
        let body = self.nested(|maker| maker.body(&types, outer));
        let alias = self.name("d");
        let columns =
            types.iter().enumerate().map(|(i, ty)| Column { text: format!("{alias}.o{i}"), ty: *ty }).collect();
        From { text: format!("({body}) as {alias}"), columns }
    }

    /// A subquery that has one row.
    pub(crate) fn scalar_subquery(&mut self, outer: &[Column]) -> String {
        self.nested(|maker| {
            let from = maker.from(outer);
            let columns = [&from.columns[..], outer].concat();
            let condition = maker.condition(&columns);
            match maker.chance.below(3) {
                0 => {
                    let item = maker.expr(Ty::Int, &columns, 1);
                    format!("(select {item} as o from {}{condition} order by 1 limit 1)", from.text)
                }
                _ => {
                    let item = maker.aggregate(Ty::Int, &from.columns);
                    format!("(select {item} from {}{condition})", from.text)
                }
            }
        })
    }

    /// The number of a subquery's values, or one of them.
    pub(crate) fn array_subquery(&mut self, outer: &[Column]) -> String {
        let body = self.nested(|maker| maker.plain(&[Ty::Int], outer));
        match self.chance.below(2) {
            0 => format!("array_length(array({body}), 1)"),
            _ => format!("(array({body} order by 1))[{}]", 1 + self.chance.below(3)),
        }
    }

    pub(crate) fn row_in_subquery(&mut self, outer: &[Column]) -> String {
        let left = format!("({}, {})", self.expr(Ty::Int, outer, 0), self.expr(Ty::Int, outer, 0));
        let body = self.nested(|maker| maker.body(&[Ty::Int, Ty::Int], outer));
        let test = *self.chance.pick(&["in", "not in"]);
        format!("{left} {test} ({body})")
    }

    pub(crate) fn test_subquery(&mut self, outer: &[Column]) -> String {
        let body = self.nested(|maker| maker.body(&[Ty::Int], outer));
        let word = if self.chance.once_in(2) { "not exists" } else { "exists" };
        format!("{word} ({body})")
    }

    pub(crate) fn in_subquery(&mut self, outer: &[Column]) -> String {
        let left = self.expr(Ty::Int, outer, 1);
        let body = self.nested(|maker| maker.body(&[Ty::Int], outer));
        let test = *self.chance.pick(&["in", "not in", "= any", "> all", "<> all", "< any"]);
        format!("{left} {test} ({body})")
    }
}
