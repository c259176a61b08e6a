//! The five services.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A service of the platform, by the name that its image, its children and its labels carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FoodService {
    /// Takes orders and knows how they stand.
    Order,
    /// The kitchen: menu, stock and cooking.
    Cook,
    /// Brings what was cooked.
    Delivery,
    /// Shows customers their orders.
    MyPage,
    /// The one way in.
    Gateway,
}

impl FoodService {
    /// All of them, the one way in last.
    pub const ALL: [Self; 5] = [Self::Order, Self::Cook, Self::Delivery, Self::MyPage, Self::Gateway];

    /// The name, such as `order`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Cook => "cook",
            Self::Delivery => "delivery",
            Self::MyPage => "mypage",
            Self::Gateway => "gateway",
        }
    }

    /// Whether it keeps anything in the database.
    pub const fn has_database(self) -> bool {
        !matches!(self, Self::Gateway)
    }

    /// Whether it reads from Kafka, and so is a consumer group.
    pub const fn consumes(self) -> bool {
        !matches!(self, Self::Gateway)
    }
}

impl fmt::Display for FoodService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
