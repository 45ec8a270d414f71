//! A jsonpath in its canonical spelling.

use std::fmt::{self, Display, Formatter};

use super::{COMPARISONS, Comparison, JsonPath, PathItem, Step};

impl Display for JsonPath {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.strict {
            f.write_str("strict ")?;
        }
        item(f, &self.root, true)
    }
}

/// How tightly an operator binds.
fn priority(item: &PathItem) -> u32 {
    match item {
        PathItem::Or(..) => 0,
        PathItem::And(..) => 1,
        PathItem::Compare(..) | PathItem::StartsWith(..) => 2,
        PathItem::Arithmetic('+' | '-', ..) => 3,
        PathItem::Arithmetic(..) => 4,
        PathItem::Sign(..) => 5,
        _ => 6,
    }
}

/// `brackets` says whether operators stand in parentheses here.
fn item(f: &mut Formatter<'_>, this: &PathItem, brackets: bool) -> fmt::Result {
    match this {
        PathItem::Root => f.write_str("$"),
        PathItem::Current => f.write_str("@"),
        PathItem::Last => f.write_str("last"),
        PathItem::Null => f.write_str("null"),
        PathItem::Bool(value) => write!(f, "{value}"),
        PathItem::Number(value) => write!(f, "{value}"),
        PathItem::String(text) => quoted(f, text),
        PathItem::Variable(name) => {
            f.write_str("$")?;
            quoted(f, name)
        }
        PathItem::Steps(base, steps) => {
            let atom = matches!(&**base, PathItem::Number(_));
            let open = if atom { "(" } else { "" };
            f.write_str(open)?;
            item(f, base, true)?;
            f.write_str(if atom { ")" } else { "" })?;
            steps.iter().try_for_each(|each| step(f, each))
        }
        PathItem::Sign(sign, inner) => {
            let (open, close) = parentheses(brackets);
            write!(f, "{open}{sign}")?;
            item(f, inner, priority(inner) <= priority(this))?;
            f.write_str(close)
        }
        PathItem::Arithmetic(sign, left, right) => operator(f, this, &sign.to_string(), (left, right), brackets),
        PathItem::Compare(comparison, left, right) => operator(f, this, sign_of(*comparison), (left, right), brackets),
        PathItem::And(left, right) => operator(f, this, "&&", (left, right), brackets),
        PathItem::Or(left, right) => operator(f, this, "||", (left, right), brackets),
        PathItem::StartsWith(left, right) => operator(f, this, "starts with", (left, right), brackets),
        PathItem::Not(inner) => {
            f.write_str("!(")?;
            item(f, inner, false)?;
            f.write_str(")")
        }
        PathItem::IsUnknown(inner) => {
            f.write_str("(")?;
            item(f, inner, false)?;
            f.write_str(") is unknown")
        }
        PathItem::Exists(inner) => {
            f.write_str("exists (")?;
            item(f, inner, false)?;
            f.write_str(")")
        }
        PathItem::LikeRegex(left, pattern, flags) => {
            let (open, close) = parentheses(brackets);
            f.write_str(open)?;
            item(f, left, priority(left) <= priority(this))?;
            f.write_str(" like_regex ")?;
            quoted(f, pattern)?;
            if !flags.is_empty() {
                let known: String = "ismxq".chars().filter(|flag| flags.contains(*flag)).collect();
                write!(f, " flag \"{known}\"")?;
            }
            f.write_str(close)
        }
    }
}

fn parentheses(brackets: bool) -> (&'static str, &'static str) {
    if brackets { ("(", ")") } else { ("", "") }
}

fn operator(
    f: &mut Formatter<'_>,
    this: &PathItem,
    sign: &str,
    (left, right): (&PathItem, &PathItem),
    brackets: bool,
) -> fmt::Result {
    let (open, close) = parentheses(brackets);
    f.write_str(open)?;
    item(f, left, priority(left) <= priority(this))?;
    write!(f, " {sign} ")?;
    item(f, right, priority(right) <= priority(this))?;
    f.write_str(close)
}

fn sign_of(comparison: Comparison) -> &'static str {
    COMPARISONS.iter().find(|(_, known)| *known == comparison).map_or("", |(sign, _)| sign)
}

fn step(f: &mut Formatter<'_>, step: &Step) -> fmt::Result {
    match step {
        Step::Key(key) => {
            f.write_str(".")?;
            quoted(f, key)
        }
        Step::AnyKey => f.write_str(".*"),
        Step::AnyElement => f.write_str("[*]"),
        Step::Subscripts(all) => {
            f.write_str("[")?;
            for (i, (from, to)) in all.iter().enumerate() {
                f.write_str(if i > 0 { "," } else { "" })?;
                item(f, from, false)?;
                if let Some(to) = to {
                    f.write_str(" to ")?;
                    item(f, to, false)?;
                }
            }
            f.write_str("]")
        }
        Step::AnyLevel(Some(0), None) => f.write_str(".**"),
        Step::AnyLevel(from, to) if from == to => write!(f, ".**{{{}}}", level(*from)),
        Step::AnyLevel(from, to) => write!(f, ".**{{{} to {}}}", level(*from), level(*to)),
        Step::Filter(predicate) => {
            f.write_str("?(")?;
            item(f, predicate, false)?;
            f.write_str(")")
        }
        Step::Method(method) => write!(f, ".{}()", method.name()),
    }
}

fn level(level: Option<u32>) -> String {
    level.map_or_else(|| "last".to_owned(), |level| level.to_string())
}

fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    let mut out = String::new();
    crate::json::write_string(text, &mut out);
    f.write_str(&out)
}
