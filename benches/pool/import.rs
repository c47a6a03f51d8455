//! Ten thousand machines: taking them in, leafing through them, offering them.

use std::time::{Duration, Instant};

use super::{
    available,
    client::until,
    server::{Place, import, offers},
    table::{Table, Times, ms},
};

const MACHINES: usize = 10_000;
const PAGES: usize = 200;

pub async fn measure(table: &mut Table, place: &Place, wanted: bool, available: bool) {
    let server = place.server(&[]).await;
    let mut admin = server.admin().await;
    let took = import(&mut admin, 0, MACHINES).await;
    let patience = Duration::from_mins(1);
    let ready = until(&mut admin, "/api/available", patience, offers(MACHINES)).await;
    if wanted {
        let figure = format!("{:.2} s", took.as_secs_f64());
        table.row(place.name, format!("import of {MACHINES} machines"), figure, "5 s or less");
        let figure = ready.map_or("not in 60 s".to_owned(), |after| format!("{:.1} s", (took + after).as_secs_f64()));
        table.row(place.name, "… until all were contacted (fake) and are free", figure, "");
        let mut times = Vec::with_capacity(PAGES);
        let mut cursor = String::new();
        for _ in 0..PAGES {
            let began = Instant::now();
            let page = admin.get(&format!("/api/machines?limit=50{cursor}")).await.expect(200);
            times.push(began.elapsed());
            cursor = page["next_cursor"].as_str().map(|next| format!("&cursor={next}")).unwrap_or_default();
        }
        let times = Times::new(times);
        let figure = format!("p50 {}, p95 {}", ms(times.median()), ms(times.percentile(95)));
        let what = format!("a page of 50 of /api/machines, {MACHINES} machines");
        table.row(place.name, what, figure, "p95 50 ms");
    }
    if available {
        available::read(table, place, &admin, MACHINES).await;
    }
}
