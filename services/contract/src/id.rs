//! Values with rules: an invalid one cannot be built, neither by code nor by deserialising.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, Visitor},
};
use utoipa::ToSchema;
use uuid::Uuid;

/// Why a value was refused: a sentence for the person who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(String);

/// An id: 1 to 64 characters of `[A-Za-z0-9._-]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]{1,64}$")]
pub struct Identifier(String);

impl Identifier {
    /// The longest id in characters (all are ASCII, so in bytes as well).
    pub const MAX_LENGTH: usize = 64;

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Identifier {
    type Error = InvalidValue;

    fn try_from(value: String) -> Result<Self, InvalidValue> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if value.is_empty() || value.len() > Self::MAX_LENGTH || !value.chars().all(allowed) {
            return Err(InvalidValue(format!(
                "must be 1 to {} characters of A-Z, a-z, 0-9, '.', '_' and '-'",
                Self::MAX_LENGTH
            )));
        }
        Ok(Self(value))
    }
}

impl std::str::FromStr for Identifier {
    type Err = InvalidValue;

    fn from_str(value: &str) -> Result<Self, InvalidValue> {
        value.to_owned().try_into()
    }
}

impl From<Identifier> for String {
    fn from(value: Identifier) -> Self {
        value.0
    }
}

impl From<Uuid> for Identifier {
    fn from(value: Uuid) -> Self {
        // 36 characters of hexadecimal digits and hyphens: always a valid id.
        Self(value.to_string())
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How many portions: 1 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(into = "i64")]
#[schema(minimum = 1, maximum = 1000, examples(2))]
pub struct Quantity(i32);

impl Quantity {
    /// The largest quantity of one order or one restock.
    pub const MAX: i32 = 1000;

    /// The number of portions.
    pub fn get(self) -> i32 {
        self.0
    }
}

impl TryFrom<i64> for Quantity {
    type Error = InvalidValue;

    fn try_from(value: i64) -> Result<Self, InvalidValue> {
        match i32::try_from(value) {
            Ok(n) if (1..=Self::MAX).contains(&n) => Ok(Self(n)),
            _ => Err(InvalidValue(format!("must be a whole number from 1 to {}", Self::MAX))),
        }
    }
}

/// JSON has one kind of numbers: `2.0` is as whole as `2`, and there are clients that write it so.
impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;

        impl Visitor<'_> for Whole {
            type Value = Quantity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from 1 to {}", Quantity::MAX)
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Quantity, E> {
                Quantity::try_from(value).map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Quantity, E> {
                self.visit_i64(i64::try_from(value).unwrap_or(i64::MAX))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Quantity, E> {
                // Anything else becomes 0, which is refused.
                let whole = value.fract() == 0.0 && value.abs() <= f64::from(i32::MAX);
                self.visit_i64(if whole { value as i64 } else { 0 })
            }
        }

        deserializer.deserialize_any(Whole)
    }
}

impl From<Quantity> for i64 {
    fn from(value: Quantity) -> Self {
        value.0.into()
    }
}

/// Text that people write (an address, a note, a name): at most 500 characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(max_length = 500, pattern = "^[^\\u0000-\\u001F\\u007F-\\u009F]*$", examples("Third floor, on the left"))]
pub struct FreeText(String);

impl FreeText {
    /// The longest text in characters.
    pub const MAX_CHARACTERS: usize = 500;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for FreeText {
    type Error = InvalidValue;

    fn try_from(value: String) -> Result<Self, InvalidValue> {
        // Control characters have no place in a log line, and PostgreSQL's text cannot hold NUL.
        if value.chars().any(char::is_control) || value.chars().count() > Self::MAX_CHARACTERS {
            return Err(InvalidValue(format!(
                "must be at most {} characters without control characters",
                Self::MAX_CHARACTERS
            )));
        }
        Ok(Self(value))
    }
}

impl From<FreeText> for String {
    fn from(value: FreeText) -> Self {
        value.0
    }
}

impl fmt::Display for FreeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The namespace (RFC 9562, section 5.5) of order ids that are derived from an idempotency key.
const ORDERS: Uuid = Uuid::from_u128(0x9f1c_6d0e_5b0a_4c3f_8a57_2f1e_7d4b_63a1);

/// The id of the order that `customer` places with the idempotency key `key`: the same two always give the same
/// order (UUIDv5), so that the id, as the primary key, is what makes placing idempotent.
pub fn order_id(customer: &Identifier, key: &str) -> Identifier {
    // An id holds no NUL, so no other pair of customer and key gives the same name.
    Uuid::new_v5(&ORDERS, format!("{customer}\0{key}").as_bytes()).into()
}

/// A fresh order id (UUIDv7, so that ids sort by time) for a caller who sent no idempotency key.
pub fn order_id_without_key() -> Identifier {
    Uuid::now_v7().into()
}

#[cfg(test)]
mod tests {
    use utoipa::PartialSchema;

    use super::*;

    #[test]
    fn an_identifier_keeps_to_its_alphabet_and_length() {
        for good in ["a", "A.b_c-9", &"x".repeat(64)] {
            assert!(good.parse::<Identifier>().is_ok(), "{good}");
        }
        for bad in ["", "a b", "é", "a/b", "a\n", &"x".repeat(65)] {
            assert!(bad.parse::<Identifier>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_quantity_is_1_to_1000() {
        for (good, number) in [("1000", 1000), ("2.0", 2), ("1e2", 100)] {
            assert_eq!(serde_json::from_str::<Quantity>(good).unwrap().get(), number, "{good}");
        }
        for bad in ["0", "-1", "1001", "4294967297", "1.5", "0.0", "-1.0", "1e300", "18446744073709551615", "\"1\""] {
            assert!(serde_json::from_str::<Quantity>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn free_text_counts_characters_and_refuses_control_characters() {
        assert!(FreeText::try_from("é".repeat(500)).is_ok());
        assert!(FreeText::try_from("é".repeat(501)).is_err());
        assert!(FreeText::try_from("a\0b".to_owned()).is_err());
    }

    #[test]
    fn the_schemas_say_the_same_bounds() {
        let identifier = serde_json::to_value(Identifier::schema()).unwrap();
        assert_eq!(identifier["maxLength"], Identifier::MAX_LENGTH);
        assert_eq!(serde_json::to_value(Quantity::schema()).unwrap()["maximum"], Quantity::MAX);
        assert_eq!(serde_json::to_value(FreeText::schema()).unwrap()["maxLength"], FreeText::MAX_CHARACTERS);
    }

    #[test]
    fn the_same_customer_and_key_give_the_same_order() {
        let (ann, bob) = ("ann".parse().unwrap(), "bob".parse().unwrap());
        assert_eq!(order_id(&ann, "k"), order_id(&ann, "k"));
        assert_ne!(order_id(&ann, "k"), order_id(&bob, "k"));
        assert_ne!(order_id(&ann, "k"), order_id(&ann, "l"));
    }
}
