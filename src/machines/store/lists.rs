//! Lists of machines, with filters, and who has them.

use std::collections::HashMap;

use sqlx::{Any, AnyConnection, QueryBuilder, Row};

use super::{HAS_LABEL, ROWS, machine_of, parsed};
use crate::{
    clock::Millis,
    db::with_conditions,
    ids::{AccountId, LeaseId},
    machines::model::{Machine, State},
};

/// Who has a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The lease, which for a reservation is the reservation's id.
    pub lease: LeaseId,
    /// The owner's account.
    pub account: AccountId,
    /// The owner's name.
    pub username: String,
    /// When the lease ends.
    pub until: Millis,
}

/// Who these leases belong to.
pub(in crate::machines) async fn holders(
    conn: &mut AnyConnection,
    leases: &[LeaseId],
) -> sqlx::Result<HashMap<LeaseId, Holder>> {
    let mut holders = HashMap::new();
    for chunk in leases.chunks(ROWS) {
        let mut query = QueryBuilder::<Any>::new(
            "select l.id, a.id, a.username, l.expires_at from lease l join account a on a.id = l.account_id \
             where l.id in (",
        );
        let mut list = query.separated(", ");
        for lease in chunk {
            list.push_bind(lease.to_string());
        }
        list.push_unseparated(")");
        for row in query.build().fetch_all(&mut *conn).await? {
            let holder = Holder {
                lease: parsed("lease.id", row.try_get::<&str, _>(0)?)?,
                account: parsed("account.id", row.try_get::<&str, _>(1)?)?,
                username: row.try_get(2)?,
                until: row.try_get(3)?,
            };
            holders.insert(holder.lease, holder);
        }
    }
    Ok(holders)
}

/// Which machines a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// In this state.
    pub state: Option<State>,
    /// Of this pool.
    pub pool: Option<String>,
    /// With all these labels.
    pub labels: Vec<(String, String)>,
    /// With this in the name or, if asked by somebody who may see it, the host.
    pub search: Option<Search>,
}

/// What to search for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Search {
    /// The text.
    pub text: String,
    /// Whether the host counts too.
    pub in_host: bool,
}

impl Filter {
    fn conditions(&self) -> Vec<&'static str> {
        let mut conditions = Vec::new();
        conditions.extend(self.state.map(|_| "m.state = ?"));
        conditions.extend(self.pool.as_ref().map(|_| "m.pool = ?"));
        conditions.extend(self.labels.iter().map(|_| HAS_LABEL));
        conditions.extend(self.search.as_ref().map(|search| {
            if search.in_host {
                "(m.name like ? escape '!' or m.host like ? escape '!')"
            } else {
                "m.name like ? escape '!'"
            }
        }));
        conditions
    }

    /// The values for the marks of [`Self::conditions`], in their order.
    fn values(&self) -> Vec<String> {
        let mut values = Vec::new();
        values.extend(self.state.map(|state| state.as_str().to_owned()));
        values.extend(self.pool.clone());
        for (label, value) in &self.labels {
            values.extend([label.clone(), value.clone()]);
        }
        if let Some(search) = &self.search {
            let text = search.text.to_lowercase().replace('!', "!!").replace('%', "!%").replace('_', "!_");
            let pattern = format!("%{text}%");
            values.extend(std::iter::repeat_n(pattern, if search.in_host { 2 } else { 1 }));
        }
        values
    }
}

/// A page of machines by name.
pub(in crate::machines) async fn page(
    conn: &mut AnyConnection,
    filter: &Filter,
    after: Option<&str>,
    limit: i64,
) -> sqlx::Result<Vec<Machine>> {
    let text = concat!("select ", columns!(), " from machine m where {} and m.name > ? order by m.name limit ?");
    let values = filter.values();
    let mut query = sqlx::query(with_conditions(text, &filter.conditions()));
    for value in &values {
        query = query.bind(value);
    }
    query.bind(after.unwrap_or_default()).bind(limit).fetch_all(conn).await?.iter().map(machine_of).collect()
}

/// Changes whenever any machine does: how many there are, the sum of their epochs, and when one was last written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::machines) struct Version(i64, i64, Millis);

/// The table's version now.
pub(in crate::machines) async fn version(conn: &mut AnyConnection) -> sqlx::Result<Version> {
    let select = "select count(*), coalesce(cast(sum(epoch) as signed), 0), coalesce(max(updated_at), 0) from machine";
    let row = sqlx::query(select).fetch_one(conn).await?;
    Ok(Version(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
}

/// Name and state of machines, in no order.
pub(in crate::machines) async fn names(
    conn: &mut AnyConnection,
    filter: &Filter,
) -> sqlx::Result<Vec<(String, State)>> {
    let values = filter.values();
    let mut query =
        sqlx::query(with_conditions("select m.name, m.state from machine m where {}", &filter.conditions()));
    for value in &values {
        query = query.bind(value);
    }
    let rows = query.fetch_all(conn).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, parsed("state", row.try_get::<&str, _>(1)?)?))).collect()
}

/// How many machines have each label, and how many of them are ready.
pub(in crate::machines) async fn label_counts(
    conn: &mut AnyConnection,
    filter: &Filter,
) -> sqlx::Result<Vec<(String, String, i64, i64)>> {
    let text = "select x.label, x.value, cast(sum(case when m.state = 'ready' then 1 else 0 end) as signed), count(*) \
                from machine_label x join machine m on m.id = x.machine_id where {} and m.state <> 'retired' \
                group by x.label, x.value order by x.label, x.value limit 1000";
    let values = filter.values();
    let mut query = sqlx::query(with_conditions(text, &filter.conditions()));
    for value in &values {
        query = query.bind(value);
    }
    let rows = query.fetch_all(conn).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?))).collect()
}
