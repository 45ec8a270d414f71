//! The place of a write in MySQL's history, by which later reads of the view engine ask for it.
//!
//! MySQL would tell a session its own transaction's GTID in the answer to COMMIT (`session_track_gtids`), but sqlx drops that
//! part of the answer. What is asked here after the commit is an upper bound: the highest number of this server, which is the
//! own transaction's or one that others committed a moment later. A reader who waits for it sees the write.

use sqlx::mysql::MySqlConnection;
use sqlx::query_as;

use crate::error::Result;

/// The newest transaction of this server; `None` where it has no GTIDs.
pub(crate) async fn newest(db: &mut MySqlConnection) -> Result<Option<String>> {
    let (server, executed): (String, String) =
        query_as("SELECT @@GLOBAL.server_uuid, @@GLOBAL.gtid_executed").fetch_one(db).await?;
    Ok(highest(&server, &executed).map(|number| format!("{server}:{number}")))
}

/// The highest number of a server in a set such as `uuid:1-5:7,\nuuid2:1-9`; tags have numbers of their own.
fn highest(server: &str, executed: &str) -> Option<u64> {
    let sets = executed.split(',').map(str::trim);
    let of_server = |set: &'_ str| set.get(..server.len()).is_some_and(|uuid| uuid.eq_ignore_ascii_case(server));
    let intervals = sets.filter(|set| of_server(set)).flat_map(|set| {
        set[server.len()..].split(':').skip(1).map_while(|interval| interval.rsplit('-').next()?.parse::<u64>().ok())
    });
    intervals.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_transaction_of_a_server() {
        let (one, two) = ("3e11fa47-71ca-11e1-9e33-c80aa9429562", "aaaaaaaa-71ca-11e1-9e33-c80aa9429562");
        let set = format!("{one}:1-5:9,\n{two}:1-70:tag:1-900");
        assert_eq!(highest(one, &set), Some(9));
        assert_eq!(highest(&two.to_uppercase(), &set), Some(70));
        assert_eq!(highest(one, &format!("{two}:1")), None);
        assert_eq!(highest(one, ""), None, "no GTIDs");
    }
}
