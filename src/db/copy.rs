//! Whole tables as rows of JSON: what backups are made of. Which tables there are is read from the database, so that no
//! list has to be kept beside the migrations.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::TryStreamExt;
use serde_json::Value;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor, Row, any::AnyRow};

use super::{Db, Dialect, Tx};

/// Tables that say how far the schema is, and nothing else.
const OF_THE_SCHEMA: [&str; 2] = ["_sqlx_migrations", "schema_floor"];

/// The most values one statement binds; SQLite of old took no more than 999.
const MOST_VALUES: usize = 900;

/// A table and its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, in their order.
    pub columns: Vec<Column>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub holds: Holds,
    /// Whether it is part of the primary key.
    pub is_key: bool,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// `varchar`, `char`, `text`.
    Text,
    /// `bigint`, `int`, `smallint`.
    Whole,
    /// `double`.
    Real,
    /// `blob`; base64 in JSON.
    Bytes,
}

impl Holds {
    fn of(kind: &str) -> sqlx::Result<Self> {
        let kind = kind.to_ascii_lowercase();
        match kind.split('(').next().unwrap_or_default().trim() {
            "varchar" | "char" | "text" | "longtext" | "mediumtext" => Ok(Self::Text),
            "bigint" | "int" | "integer" | "smallint" => Ok(Self::Whole),
            "double" => Ok(Self::Real),
            "blob" | "longblob" => Ok(Self::Bytes),
            _ => Err(sqlx::Error::Decode(format!("columns of type `{kind}` cannot be copied").into())),
        }
    }
}

/// Every table that holds data, by name.
pub async fn tables(conn: &mut AnyConnection, dialect: Dialect) -> sqlx::Result<Vec<Table>> {
    let text = match dialect {
        Dialect::Sqlite => {
            "select m.name, c.name, c.type, case when 0 < c.pk then 'PRI' else '' end from sqlite_master m \
             join pragma_table_info(m.name) c on 1 = 1 where m.type = 'table' and m.name not like 'sqlite!_%' escape '!' \
             order by m.name, c.cid"
        }
        Dialect::MySql => {
            "select cast(table_name as char), cast(column_name as char), cast(data_type as char), \
             cast(column_key as char) from information_schema.columns where table_schema = database() \
             order by table_name, ordinal_position"
        }
    };
    let mut found: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    for row in sqlx::query(text).fetch_all(conn).await? {
        let (table, name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        if OF_THE_SCHEMA.contains(&table.as_str()) {
            continue;
        }
        let (kind, key): (String, String) = (row.try_get(2)?, row.try_get(3)?);
        let column = Column { name, holds: Holds::of(&kind)?, is_key: key == "PRI" };
        found.entry(table).or_default().push(column);
    }
    Ok(found.into_iter().map(|(name, columns)| Table { name, columns }).collect())
}

/// A name as it stands in a statement. Backticks are quotes to both databases.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn list(columns: &[Column]) -> String {
    columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
}

fn value(row: &AnyRow, at: usize, holds: Holds) -> sqlx::Result<Value> {
    Ok(match holds {
        Holds::Text => row.try_get::<Option<String>, _>(at)?.into(),
        Holds::Whole => row.try_get::<Option<i64>, _>(at)?.into(),
        Holds::Real => row.try_get::<Option<f64>, _>(at)?.into(),
        Holds::Bytes => row.try_get::<Option<Vec<u8>>, _>(at)?.map(|bytes| STANDARD.encode(bytes)).into(),
    })
}

/// A connection whose reads all see the database as it was at one moment, while others go on writing.
#[derive(Debug)]
pub struct Snapshot {
    conn: AnyConnection,
    /// Every table that holds data.
    pub tables: Vec<Table>,
}

impl Db {
    /// The database as it is now.
    pub async fn snapshot(&self) -> sqlx::Result<Snapshot> {
        let mut conn = self.read().await?.detach();
        let begin: &[&'static str] = match self.dialect() {
            Dialect::Sqlite => &["begin"],
            Dialect::MySql => &[
                "set session transaction isolation level repeatable read",
                "start transaction with consistent snapshot",
            ],
        };
        for text in begin {
            conn.execute(*text).await?;
        }
        let tables = tables(&mut conn, self.dialect()).await?;
        Ok(Snapshot { conn, tables })
    }
}

impl Snapshot {
    /// Gives every row of a table to `each`, in the order of its key.
    pub async fn rows<E: From<sqlx::Error>>(
        &mut self,
        table: &Table,
        mut each: impl FnMut(Vec<Value>) -> Result<(), E>,
    ) -> Result<(), E> {
        let keys: Vec<Column> = table.columns.iter().filter(|column| column.is_key).cloned().collect();
        let order = if keys.is_empty() { "1".to_owned() } else { list(&keys) };
        let text = format!("select {} from {} order by {order}", list(&table.columns), quoted(&table.name));
        let mut rows = sqlx::query(AssertSqlSafe(text)).fetch(&mut self.conn);
        while let Some(row) = rows.try_next().await? {
            let values = table.columns.iter().enumerate().map(|(at, column)| value(&row, at, column.holds));
            each(values.collect::<sqlx::Result<_>>()?)?;
        }
        Ok(())
    }

    /// Lets go of the moment.
    pub async fn close(self) {
        let _ = self.conn.close().await;
    }
}

/// Removes every row of a table.
pub async fn clear(tx: &mut Tx, table: &Table) -> sqlx::Result<u64> {
    let text = format!("delete from {}", quoted(&table.name));
    Ok(sqlx::query(AssertSqlSafe(text)).execute(&mut **tx).await?.rows_affected())
}

/// How many rows a table has.
pub async fn count(conn: &mut AnyConnection, table: &Table) -> sqlx::Result<i64> {
    let text = format!("select count(*) from {}", quoted(&table.name));
    sqlx::query(AssertSqlSafe(text)).fetch_one(conn).await?.try_get(0)
}

/// How many rows one [`put`] may hold.
pub fn rows_at_once(columns: usize) -> usize {
    (MOST_VALUES / columns.max(1)).clamp(1, 200)
}

/// Inserts rows, each with one value for each of `columns`.
pub async fn put(tx: &mut Tx, table: &Table, columns: &[Column], rows: &[Vec<Value>]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let one = format!("({})", vec!["?"; columns.len()].join(", "));
    let all = vec![one.as_str(); rows.len()].join(", ");
    let text = format!("insert into {} ({}) values {all}", quoted(&table.name), list(columns));
    let mut query = sqlx::query(AssertSqlSafe(text));
    let wrong = |column: &Column| {
        sqlx::Error::Encode(format!("`{}.{}` is not what its column holds", table.name, column.name).into())
    };
    for row in rows {
        for (column, value) in columns.iter().zip(row) {
            query = match (column.holds, value) {
                (Holds::Text, Value::Null) => query.bind(None::<String>),
                (Holds::Whole, Value::Null) => query.bind(None::<i64>),
                (Holds::Real, Value::Null) => query.bind(None::<f64>),
                (Holds::Bytes, Value::Null) => query.bind(None::<Vec<u8>>),
                (Holds::Text, Value::String(text)) => query.bind(text.clone()),
                (Holds::Whole, value) => query.bind(value.as_i64().ok_or_else(|| wrong(column))?),
                (Holds::Real, value) => query.bind(value.as_f64().ok_or_else(|| wrong(column))?),
                (Holds::Bytes, Value::String(text)) => query.bind(STANDARD.decode(text).map_err(|_| wrong(column))?),
                (Holds::Text | Holds::Bytes, _) => return Err(wrong(column)),
            };
        }
    }
    query.execute(&mut **tx).await.map(drop)
}
