//! What drivers, dashboards and frameworks ask by themselves, in their own words: `drivers.sql`, a section each. Of those
//! whose name begins with `~` the answers are too different to compare: all databases, numbers of functions, what lies in files.

use crate::ask::{answer, difference};
use crate::sample::judge;

const QUERIES: &str = include_str!("drivers.sql");

#[test]
fn what_drivers_ask_is_answered_as_postgresql_answers_it() {
    let mut judge = judge();
    let sections: Vec<(&str, &str)> = QUERIES.split("##### ").filter_map(|section| section.split_once('\n')).collect();
    assert!(sections.len() > 20, "{}", sections.len());
    let mut wrong = Vec::new();
    for (name, query) in sections {
        let query = query.trim().trim_end_matches(';');
        let excused = name.starts_with('~');
        let found = difference(&mut judge, query, "orders");
        wrong.extend(
            found.filter(|found| !excused || found.contains("ours: Err")).map(|found| format!("{name}: {found}")),
        );
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n\n"));
}

/// dbt-materialize lists relations by Materialize's own catalog.
#[test]
fn dbt_materialize_lists_relations() {
    let query = "select d.name as database, s.name as schema, r.name, case when r.type = 'materialized-view' then 'materialized_view' else r.type end as type, c.name as cluster
        from mz_relations r join mz_schemas s on r.schema_id = s.id left join mz_databases d on d.id = s.database_id
        left join mz_clusters c on r.cluster_id = c.id where s.name = 'public' order by 3";
    assert_eq!(
        answer(query),
        [
            "postgres|public|big|view|NULL",
            "postgres|public|order_summary|materialized_view|quickstart",
            "postgres|public|orders|table|NULL",
            "postgres|public|payments|source|quickstart",
        ]
    );
}
