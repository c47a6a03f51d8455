//! What every route needs: problems, bodies, queries, pages, limits, and the layers around the whole server.
//!
//! Nothing here knows a thing of Berth's domain. Deliberately absent: authentication, which is a slice's business.

mod body;
mod context;
mod idempotency;
mod layers;
mod limit;
mod page;
mod problem;
mod query;
mod scrub;
mod store;

pub use self::{
    body::{Json, Text, json_request_hash},
    context::{ClientAddr, RequestInfo, peer, request_id, request_info, scope},
    idempotency::Idempotency,
    layers::{Rules, wrap},
    limit::{AddressLimit, address_key},
    page::{List, Page},
    problem::{FieldError, Problem, ProblemBody, Result},
    query::Query,
    store::prune_idempotency,
};
