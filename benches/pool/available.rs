//! Many readers of what is free.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{
    client::{Client, until},
    server::{Place, import, offers},
    table::{Table, Times, ms},
};

const CONNECTIONS: usize = 32;
/// How long one figure is measured.
const TIME: Duration = Duration::from_secs(4);

/// With 10 and with 200 machines.
pub async fn measure_small(table: &mut Table, place: &Place, wanted: bool) {
    if !wanted {
        return;
    }
    let server = place.server(&[]).await;
    let mut admin = server.admin().await;
    let mut have = 0;
    for count in [10, 200] {
        import(&mut admin, have, count).await;
        have = count;
        let ready = until(&mut admin, "/api/available", Duration::from_mins(1), offers(count)).await;
        assert!(ready.is_some(), "the machines do not get ready:\n{}", server.log());
        read(table, place, &admin, count).await;
    }
}

/// With as many machines as there are.
pub async fn read(table: &mut Table, place: &Place, admin: &Client, machines: usize) {
    let mut running = JoinSet::new();
    let began = Instant::now();
    for _ in 0..CONNECTIONS {
        let mut client = admin.another().await;
        running.spawn(async move {
            let mut times = Vec::with_capacity(1 << 14);
            while began.elapsed() < TIME {
                let asked = Instant::now();
                assert_eq!(client.get("/api/available").await.status, 200);
                times.push(asked.elapsed());
            }
            times
        });
    }
    let times = Times::new(running.join_all().await.concat());
    #[allow(clippy::cast_precision_loss, reason = "counts are small")]
    let rate = times.len() as f64 / began.elapsed().as_secs_f64();
    let figure = format!("{rate:.0} /s, p50 {}, p99 {}", ms(times.median()), ms(times.percentile(99)));
    let what = format!("GET /api/available, {machines} machines, {CONNECTIONS} connections");
    table.row(place.name, what, figure, "5,000 /s, p99 20 ms");
}
