//! Events on their way to screens.
//!
//! An event is a row, written in the transaction of its cause. Streams read rows; a stream that was cut goes on at
//! `Last-Event-ID`. Delivery is at least once: after a cut an event of the last seconds may come twice, with the same
//! id. What is addressed to somebody is also a notification, read up to a place that only
//! moves on. Deliberately absent for now: mail and chat.

pub mod api;
mod jobs;
mod past;
pub mod store;

use serde_json::Value;

pub use self::{
    jobs::ARRIVED,
    past::{Mail, mail, mark_read},
};
use crate::{
    db::Tx,
    ids::{AccountId, EventId, LeaseId},
};

/// Something that a screen would want to know.
#[derive(Debug, Clone)]
pub struct News<'a> {
    /// What happened: `reservation.active`, `machine.state`, …
    pub kind: &'static str,
    /// Who is told; nobody in particular means everybody.
    pub account: Option<AccountId>,
    /// Which reservation it is about.
    pub reservation: Option<LeaseId>,
    /// Which machine it is about.
    pub machine: Option<&'a str>,
    /// One sentence for people.
    pub message: &'a str,
    /// The rest, for programs.
    pub data: Value,
}

/// Puts news on their way, in the transaction of their cause.
pub async fn announce(tx: &mut Tx, news: News<'_>) -> sqlx::Result<()> {
    if let Some(reservation) = news.reservation {
        tx.touch(reservation);
    }
    let account = news.account.map(|account| account.to_string());
    store::insert(tx, EventId::new(), account.as_deref(), &news).await
}

/// The same for the admins, whoever they are by then; nobody else sees it. The `account` of the news means nothing.
pub async fn announce_to_admins(tx: &mut Tx, news: News<'_>) -> sqlx::Result<()> {
    store::insert(tx, EventId::new(), Some(store::ADMINS), &news).await
}
