//! How fast the server is there, and what it takes while nobody asks.

use std::time::Duration;

use super::{
    server::{Place, Server},
    table::{Table, Times, ms},
};

/// Starts with an empty database: schema and first admin are made on the way.
const STARTS: usize = 3;

pub async fn measure(table: &mut Table, place: &Place) {
    let mut first = Vec::new();
    let mut again = Vec::new();
    let mut last = None;
    for _ in 0..STARTS {
        let mut server = Server::prepare(place).await;
        first.push(server.start().await);
        server.stop();
        again.push(server.start().await);
        last = Some(server);
    }
    let server = last.expect("there was a start");
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (first, again) = (Times::new(first), Times::new(again));
    table.row(place.name, "start, empty database (median)", ms(first.median()), "1 s or less");
    table.row(place.name, "start (median)", ms(again.median()), "1 s or less");
    table.row(place.name, "idle memory after 5 s", format!("{:.0} MiB", server.resident()), "60 MiB or less");
}
