//! Lists, page by page.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How many items of a list to give at most: 1 to 500, 50 when not said. A field of a list's query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(try_from = "u32")]
#[schema(minimum = 1, maximum = 500, default = 50)]
pub struct Limit(u32);

impl Limit {
    /// The largest limit.
    pub const MAX: u32 = 500;

    /// How many rows to read for a [`Page`]: one more than it holds, which tells whether there is a next page.
    pub fn rows(self) -> i64 {
        i64::from(self.0) + 1
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

impl TryFrom<u32> for Limit {
    type Error = String;

    fn try_from(limit: u32) -> Result<Self, String> {
        if (1..=Self::MAX).contains(&limit) {
            return Ok(Self(limit));
        }
        Err(format!("must be a whole number from 1 to {}", Self::MAX))
    }
}

/// A part of a list, and where the next part begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The `cursor` of the next page, opaque to clients; none on the last.
    #[schema(required = true)]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The page of `items`, read with [`Limit::rows`]. `cursor` gives the place of the last one.
    pub fn new(mut items: Vec<T>, limit: Limit, cursor: impl Fn(&T) -> String) -> Self {
        let size = limit.0 as usize;
        let more = items.len() > size;
        items.truncate(size);
        let next = items.last().filter(|_| more).map(cursor);
        Self { items, next }
    }
}

#[cfg(test)]
mod tests {
    use utoipa::PartialSchema;

    use super::*;

    #[test]
    fn the_last_page_has_no_next() {
        let limit = Limit::try_from(2).unwrap();
        let page = |items: &[u32]| Page::new(items.to_vec(), limit, u32::to_string);
        assert_eq!(page(&[1, 2, 3]), Page { items: vec![1, 2], next: Some("2".to_owned()) });
        assert_eq!(page(&[1, 2]), Page { items: vec![1, 2], next: None });
        assert_eq!(page(&[]), Page { items: vec![], next: None });
    }

    #[test]
    fn a_limit_has_its_range() {
        assert_eq!(Limit::default().rows(), 51);
        let schema = serde_json::to_value(Limit::schema()).unwrap();
        assert_eq!((&schema["maximum"], &schema["default"]), (&Limit::MAX.into(), &Limit::default().0.into()));
        for wrong in [0, 501] {
            assert_eq!(Limit::try_from(wrong).unwrap_err(), "must be a whole number from 1 to 500");
        }
    }
}
