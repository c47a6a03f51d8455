//! Pages of a list: `?limit=&cursor=` in, `items` and `next_cursor` out.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Problem;

const DEFAULT: u32 = 50;
const MOST: u32 = 500;

/// Which page of a list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// Most items of the answer, 1 to 500; 50 unless given.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl Page {
    /// How many items to show; ask the database for one more, so [`List::new`] knows whether the list goes on.
    pub fn limit(&self) -> Result<u32, Problem> {
        self.limit_up_to(MOST)
    }

    /// The same for a list whose items are so small that more of them make a page.
    pub fn limit_up_to(&self, most: u32) -> Result<u32, Problem> {
        let limit = self.limit.unwrap_or(DEFAULT);
        if (1..=most).contains(&limit) {
            return Ok(limit);
        }
        Err(Problem::invalid("invalid-limit", "/limit", format!("limit `{limit}` is not between 1 and {most}")))
    }

    /// The key after which the page begins; `None` at the beginning.
    pub fn after(&self) -> Result<Option<String>, Problem> {
        let Some(cursor) = self.cursor.as_deref().filter(|cursor| !cursor.is_empty()) else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok().filter(|bytes| bytes.len() <= 512);
        let key = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        key.map(Some).ok_or_else(|| Problem::invalid("invalid-cursor", "/cursor", "the cursor is not one of ours"))
    }
}

/// One page of a list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct List<T> {
    /// What is on this page.
    pub items: Vec<T>,
    /// Give it as `cursor` to get the next page; null at the end.
    pub next_cursor: Option<String>,
}

impl<T> List<T> {
    /// A page of `rows`, of which there may be one more than `limit`; `key` is what the next page begins after.
    pub fn new(mut rows: Vec<T>, limit: u32, key: impl Fn(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let goes_on = limit < rows.len();
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| goes_on).map(|row| URL_SAFE_NO_PAD.encode(key(row)));
        Self { items: rows, next_cursor }
    }

    /// A list that is always shown whole.
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, next_cursor: None }
    }

    /// The same page with each item turned into another.
    pub fn map<U>(self, turn: impl FnMut(T) -> U) -> List<U> {
        List { items: self.items.into_iter().map(turn).collect(), next_cursor: self.next_cursor }
    }
}

/// For who tries random texts.
pub(super) fn try_text(text: &str) {
    let page = Page { limit: text.len().try_into().ok(), cursor: Some(text.to_owned()) };
    let _ = (page.limit(), page.after());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_to_where_the_page_ended() {
        let list = List::new(vec!["a", "b", "c"], 2, ToString::to_string);
        assert_eq!(list.items, ["a", "b"]);
        let page = Page { limit: Some(2), cursor: list.next_cursor };
        assert_eq!(page.after().unwrap().as_deref(), Some("b"));
        assert_eq!(List::new(vec!["a", "b"], 2, ToString::to_string).next_cursor, None);
    }

    #[test]
    fn a_foreign_cursor_and_a_wild_limit_are_refused() {
        let page = |limit, cursor: &str| Page { limit: Some(limit), cursor: Some(cursor.into()) };
        assert_eq!(page(1, "not base64!").after().unwrap_err().status, 422);
        assert_eq!(page(1, "_w").after().unwrap_err().status, 422);
        assert_eq!(page(0, "").limit().unwrap_err().status, 422);
        assert_eq!(page(1_000_000, "").limit().unwrap_err().status, 422);
    }
}
