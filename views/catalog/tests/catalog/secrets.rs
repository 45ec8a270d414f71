//! A secret's value is in no relation and comes out of no function.

use tidewater_catalog::relations;
use tidewater_functions::{Kind, Param, all_functions};
use tidewater_types::Type;

use crate::ask::{answer, lines, ours};
use crate::sample::SECRET_VALUE;

#[test]
fn no_relation_shows_a_secret() {
    let mut read = 0;
    for relation in relations() {
        let Ok(answer) = ours(&format!("select * from {}.{}", relation.schema, relation.name)) else { continue };
        for line in lines(&answer) {
            read += 1;
            assert!(!line.contains(SECRET_VALUE), "{}.{}: {line}", relation.schema, relation.name);
        }
    }
    assert!(read > 5000, "{read}");
    assert_eq!(answer("select name from mz_catalog.mz_secrets"), ["password"]);
}

/// Every function of the catalog that takes a number, of every object's.
#[test]
fn no_function_shows_a_secret() {
    let of_oid = |function: &&tidewater_functions::Function| {
        function.kind == Kind::Scalar
            && matches!(&function.params[..], [Param::Of(ty)] if *ty == Type::Oid || ty.is_oid())
    };
    let mut called = 0;
    for function in all_functions().filter(of_oid) {
        let oid = if function.params == [Param::Of(Type::Xid)] { "o::text::xid" } else { "o::oid" };
        let query = format!("select {}({oid})::text from generate_series(16384, 16420) o", function.name);
        let Ok(answer) = ours(&query) else { continue };
        called += 1;
        for line in lines(&answer) {
            assert!(!line.contains(SECRET_VALUE), "{query}: {line}");
        }
    }
    assert!(called > 20, "{called}");
}
