//! What every route needs: problems, bodies, queries, pages, limits, and the layers around the whole server.
//!
//! Nothing here knows a thing of Berth's domain. Deliberately absent: authentication, which is a slice's business.

mod body;
mod context;
mod idempotency;
mod layers;
mod limit;
mod origin;
mod page;
mod problem;
mod query;
mod scrub;
mod serve;
mod store;

/// Each parser of what clients send, by name, for who tries random texts.
#[doc(hidden)]
#[allow(clippy::type_complexity, reason = "a name and what it stands for")]
pub const PARSERS: [(&str, fn(&str)); 7] = [
    ("json-body-and-pointer", body::try_text),
    ("query", query::try_text),
    ("cursor", page::try_text),
    ("x-forwarded-for", context::try_text),
    ("origin", origin::try_text),
    ("logged-query", scrub::try_text),
    ("idempotency-key", idempotency::try_text),
];

pub use self::{
    body::{Json, Text, json_request_hash},
    context::{ClientAddr, RequestInfo, peer, request_id, request_info, scope},
    idempotency::Idempotency,
    layers::{Rules, wrap},
    limit::{AddressLimit, address_key},
    origin::{refuse_foreign_page, require_own_page},
    page::{List, Page},
    problem::{FieldError, Problem, ProblemBody, Result},
    query::Query,
    serve::{Bounds, serve},
    store::prune_idempotency,
};
