//! What PostgreSQL cannot judge: functions of Materialize, and what depends on the session.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidewater_functions::{Argument, Function, Session, functions, operators, resolve};
use tidewater_types::{ColumnType, Datum, Expr, Result, Scratch, Settings, Type};

/// What a call of one of these gives, as text; arguments are (type, text).
fn call(candidates: &'static [Function], args: &[(Type, &'static str)], session: &Arc<Session>) -> Result<String> {
    let types: Vec<Type> = args.iter().map(|(ty, _)| ty.clone()).collect();
    let fits = candidates.iter().find_map(|function| {
        let resolved = resolve(function, &types, false, &mut |types| Ok(types[0].clone())).ok()?;
        (function.takes(types.len()) && resolved.args == types).then_some((function, resolved))
    });
    let (function, resolved) = fits.expect("an overload fits");
    let arguments = args.iter().map(|(ty, text)| {
        let (column, text) = (ColumnType::from(ty.clone()), *text);
        let expr = Expr::new(move |_, scratch| tidewater_types::input(text, &column, &Settings::default(), scratch));
        Argument::new(expr, ty.clone())
    });
    let result: ColumnType = resolved.result.into();
    let expr = function.compile(arguments.collect(), &result, session)?;
    let scratch = Scratch::new();
    let value = expr.eval(&[], &scratch)?;
    let mut out = String::new();
    match value {
        Datum::Null => out.push_str("NULL"),
        value => tidewater_types::output(&value, &result, &session.settings, &mut out),
    }
    Ok(out)
}

#[test]
fn lists_and_maps() {
    let session = Arc::new(Session::default());
    let list = Type::List(Arc::new(Type::Int4));
    let map = Type::Map(Arc::new(Type::Int4));
    let ask = |candidates, args: &[(Type, &'static str)]| call(candidates, args, &session).expect("it gives a value");
    let one = list.clone();
    assert_eq!(ask(functions("list_length"), &[(one.clone(), "{1,2,NULL}")]), "3");
    assert_eq!(ask(functions("list_append"), &[(one.clone(), "{1}"), (Type::Int4, "2")]), "{1,2}");
    assert_eq!(ask(functions("list_prepend"), &[(Type::Int4, "2"), (one.clone(), "{1}")]), "{2,1}");
    assert_eq!(ask(operators("||"), &[(one.clone(), "{1}"), (one.clone(), "{2,3}")]), "{1,2,3}");
    assert_eq!(ask(functions("list_remove"), &[(one.clone(), "{1,2,1}"), (Type::Int4, "1")]), "{2}");
    assert_eq!(ask(operators("="), &[(one.clone(), "{1,2}"), (one, "{1,2}")]), "t");
    assert_eq!(ask(functions("map_length"), &[(map.clone(), "{a=>1,b=>2}")]), "2");
    assert_eq!(ask(operators("->"), &[(map.clone(), "{a=>1,b=>2}"), (Type::Text, "b")]), "2");
    assert_eq!(ask(operators("->"), &[(map.clone(), "{a=>1}"), (Type::Text, "c")]), "NULL");
    assert_eq!(ask(operators("?|"), &[(map.clone(), "{a=>1}"), (Type::Text.array(), "{a,c}")]), "t");
    assert_eq!(ask(operators("?&"), &[(map.clone(), "{a=>1}"), (Type::Text.array(), "{a,c}")]), "f");
    assert_eq!(ask(operators("@>"), &[(map.clone(), "{a=>1,b=>2}"), (map.clone(), "{a=>1}")]), "t");
    assert_eq!(ask(operators("@>"), &[(map.clone(), "{a=>1,b=>2}"), (map, "{a=>2}")]), "f");
}

#[test]
fn unsigned_integers_keep_to_their_range() {
    let session = Arc::new(Session::default());
    let ask = |name, ty: Type, a, b| {
        call(operators(name), &[(ty.clone(), a), (ty, b)], &session).map_err(|error| error.message)
    };
    assert_eq!(ask("+", Type::UInt2, "65535", "0").as_deref(), Ok("65535"));
    assert_eq!(ask("+", Type::UInt2, "65535", "1"), Err("uint2 out of range".to_owned()));
    assert_eq!(ask("-", Type::UInt8, "0", "1"), Err("uint8 out of range".to_owned()));
    assert_eq!(ask("*", Type::UInt8, "4294967296", "4294967295").as_deref(), Ok("18446744069414584320"));
    assert_eq!(ask("%", Type::UInt4, "7", "0"), Err("division by zero".to_owned()));
    assert_eq!(ask("&", Type::UInt8, "18446744073709551615", "5").as_deref(), Ok("5"));
}

#[test]
fn moments_and_settings_are_the_sessions() {
    let settings = Settings { now: 1_700_000_000_000_000, ..Settings::default() };
    let session = Arc::new(Session {
        settings,
        statement_now: 1_700_000_001_000_000,
        clock: || 1_700_000_002_000_000,
        random: || u64::MAX,
        variables: Arc::new(BTreeMap::from([("application_name".to_owned(), "test".to_owned())])),
        ..Session::default()
    });
    let ask = |name, args: &[(Type, &'static str)]| call(functions(name), args, &session);
    assert_eq!(ask("now", &[]).as_deref(), Ok("2023-11-14 22:13:20+00"));
    assert_eq!(ask("statement_timestamp", &[]).as_deref(), Ok("2023-11-14 22:13:21+00"));
    assert_eq!(ask("clock_timestamp", &[]).as_deref(), Ok("2023-11-14 22:13:22+00"));
    assert_eq!(ask("age", &[(Type::Timestamp, "2023-01-01")]).as_deref(), Ok("10 mons 13 days"));
    assert_eq!(ask("random", &[]).as_deref(), Ok("0.9999999999999999"));
    assert_eq!(ask("gen_random_uuid", &[]).as_deref(), Ok("ffffffff-ffff-4fff-bfff-ffffffffffff"));
    assert_eq!(ask("current_setting", &[(Type::Text, "Application_Name")]).as_deref(), Ok("test"));
    assert_eq!(ask("current_setting", &[(Type::Text, "nothing")]).map_err(|error| error.sqlstate), Err(*b"42704"));
    assert_eq!(ask("current_setting", &[(Type::Text, "nothing"), (Type::Bool, "t")]).as_deref(), Ok("NULL"));
    assert_eq!(ask("current_schemas", &[(Type::Bool, "t")]).as_deref(), Ok("{pg_catalog,public}"));
}

#[test]
fn values_are_refused_before_they_are_made() {
    let session = Arc::new(Session::default());
    let refused =
        |name, args: &[(Type, &'static str)]| call(functions(name), args, &session).map_err(|error| error.sqlstate);
    let too_large = Err(*b"54000");
    assert_eq!(refused("repeat", &[(Type::Text, "a"), (Type::Int4, "2147483647")]), too_large);
    assert_eq!(refused("lpad", &[(Type::Text, "a"), (Type::Int4, "2147483647")]), too_large);
    assert_eq!(refused("array_fill", &[(Type::Int4, "1"), (Type::Int4.array(), "{134217727}")]), too_large);
}
