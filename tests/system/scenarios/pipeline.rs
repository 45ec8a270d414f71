//! The ten proofs: snapshot, live traffic watched by readers, order updates, a dead letter, a restart.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Client;

use crate::proofs::Proofs;
use crate::servers::Servers;
use crate::shop::{compare, define, wait_for_marker};
use crate::shop_traffic::Traffic;
use crate::sql::{rows, wait_until};
use crate::tidewater::Tidewater;
use crate::{Result, kafka, watch};

/// How long the live traffic runs.
const TRAFFIC: Duration = Duration::from_secs(15);

/// Fills MySQL, starts both connectors and defines everything in the Tidewater that is handed back.
pub(crate) async fn set_up(servers: &Servers, traffic: &Traffic) -> Result<Tidewater> {
    traffic.seed().await?;
    servers.register("shop")?;
    servers.register("shop-json")?;
    let tidewater = Tidewater::start(servers.folder(), "shop").await?;
    define(servers, &tidewater.client().await?).await?;
    Ok(tidewater)
}

/// See the module.
pub(crate) async fn prove(
    servers: &Servers,
    proofs: &Proofs,
    traffic: &Arc<Traffic>,
    tidewater: &mut Tidewater,
) -> Result<()> {
    let client = tidewater.client().await?;
    proofs.take("the snapshot is what MySQL holds", compare(servers, traffic, &client).await);

    let watched = watch::start(tidewater).await?;
    traffic.run(TRAFFIC).await?;
    let marker = traffic.mark().await?;
    let caught_up = wait_for_marker(&client, marker).await;
    proofs.take("views catch up with MySQL", caught_up);
    let seen = watched.stop().await?;
    eprintln!("watched while {} transactions ran: {seen:?}", traffic.transactions());
    proofs.take("Avro: every answer is a state of the database", seen.whole("avro"));
    proofs.take("JSON: every answer is a state of the database", seen.whole("json"));
    proofs.take("without the transaction topic the watch finds torn transactions", seen.torn("loose"));
    proofs.take("after the traffic the views are what MySQL holds", compare(servers, traffic, &client).await);
    proofs.take("order status follows the latest update", statuses(traffic, &client).await);
    proofs.take(
        "a record that is no JSON is a dead letter and stops nothing",
        dead_letter(servers, traffic, &client).await,
    );
    drop(client);

    // The catalog comes back, and with it everything from Kafka.
    tidewater.kill()?;
    tidewater.up()?;
    let client = tidewater.client().await?;
    let again = async {
        wait_until(async || Ok(tidewater.ready().await)).await?;
        compare(servers, traffic, &client).await
    };
    proofs.take("a restart brings everything back", again.await);
    Ok(())
}

async fn statuses(traffic: &Traffic, client: &Client) -> Result<()> {
    let updates = traffic.latest_updates();
    if updates.is_empty() {
        return Err("no update was sent".into());
    }
    wait_until(async || {
        let found = rows(client, "SELECT order_id, order_status FROM avro_order_summary").await?;
        let shown = |id: i64| found.iter().find(|row| row[0] == Some(id.to_string())).map(|row| row[1].clone());
        // Orders that were deleted meanwhile are not shown.
        Ok(updates.iter().all(|(id, status)| shown(*id).is_none_or(|shown| shown.as_ref() == Some(status))))
    })
    .await
}

async fn dead_letter(servers: &Servers, traffic: &Traffic, client: &Client) -> Result<()> {
    kafka::produce(&servers.kafka(), "order_updates", &[(None, b"{\"order_id\": \"no")])?;
    wait_until(async || {
        let found = rows(client, "SELECT source, topic, reason FROM tidewater.dead_letters").await?;
        Ok(found.len() == 1 && found[0][0].as_deref() == Some("order_updates"))
    })
    .await?;
    let order = traffic.update_one("after the dead letter").await?;
    wait_until(async || {
        let query = format!("SELECT order_status FROM avro_order_summary WHERE order_id = {order}");
        Ok(rows(client, &query).await?.first().is_some_and(|row| row[0].as_deref() == Some("after the dead letter")))
    })
    .await
}
