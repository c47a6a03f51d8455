//! Statements about one column of any table, whose rows are told by columns of text.

use sqlx::{AssertSqlSafe, SqlSafeStr};

/// The column and the key of so many rows, where the column is not null; with `goes_on`, of those behind a key.
pub fn page(table: &str, column: &str, key: &[&str], goes_on: bool) -> impl SqlSafeStr + use<> {
    let all = [&[column], key].concat().join(", ");
    // (a, b) > (?, ?), in words that every version of both databases knows.
    let behind: Vec<String> = (0..key.len())
        .map(|at| {
            let same: Vec<String> = key[..at].iter().map(|one| format!("{one} = ?")).collect();
            let all = [same, vec![format!("{} > ?", key[at])]].concat();
            format!("({})", all.join(" and "))
        })
        .collect();
    let behind = if goes_on && !key.is_empty() { format!(" and ({})", behind.join(" or ")) } else { String::new() };
    let order = if key.is_empty() { column.to_owned() } else { key.join(", ") };
    AssertSqlSafe(format!("select {all} from {table} where {column} is not null{behind} order by {order} limit ?"))
}

/// The values that [`page`] binds for the key behind which it goes on.
pub fn after(key: &[String]) -> impl Iterator<Item = &str> {
    (0..key.len()).flat_map(move |at| key[..=at].iter().map(String::as_str))
}

/// Sets the column of one row if it still is what it was: binds the new value, the old one, then the key.
pub fn swap(table: &str, column: &str, key: &[&str]) -> impl SqlSafeStr + use<> {
    let row: Vec<String> = [&[column], key].concat().iter().map(|one| format!("{one} = ?")).collect();
    AssertSqlSafe(format!("update {table} set {column} = ? where {}", row.join(" and ")))
}
