//! The bounds of what is read: a database holds every value within them. Without them a message from elsewhere that can
//! be decoded, but never be written, would be tried again for ever; so it is one that can't be decoded.

use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Deserializer, de::Error};

/// The highest version: JSON's numbers are exact up to here, and no sum of a few versions overflows.
const MAX_VERSION: i64 = (1 << 53) - 1;

/// Reads a version: from 1 to [`MAX_VERSION`].
pub(crate) fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let version = i64::deserialize(deserializer)?;
    if !(1..=MAX_VERSION).contains(&version) {
        return Err(D::Error::custom(format_args!("a version must be a whole number from 1 to {MAX_VERSION}")));
    }
    Ok(version)
}

/// Reads a time of [`known_years`].
pub(crate) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    known_years(DateTime::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// The time, when it lies in the years 2000 to 9999: PostgreSQL's calendar is narrower than chrono's.
pub(crate) fn known_years(time: DateTime<Utc>) -> Result<DateTime<Utc>, &'static str> {
    if (2000..=9999).contains(&time.year()) { Ok(time) } else { Err("a time must lie in the years 2000 to 9999") }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use crate::{CancelRequest, CookSnapshot, DeliverySnapshot, OrderRequest, OrderSnapshot, StockCheck};

    /// Everything that any of the snapshots and requests has.
    fn parts(field: &str, value: &Value) -> Value {
        let mut part = json!({
            "orderId": "o-1", "customerId": "ann", "restaurantId": "r-1", "menuId": "m-1", "quantity": 2,
            "cookId": "c-1", "deliveryId": "d-1", "status": "CANCELLED", "cancellation": "NONE", "available": true,
            "createdAt": "2026-01-02T03:04:05Z", "updatedAt": "2026-01-02T03:04:05Z",
            "requestedAt": "2026-01-02T03:04:05Z", "version": 1,
        });
        part[field] = value.clone();
        part
    }

    fn readable(part: &Value) -> [bool; 4] {
        let mut delivery = part.clone();
        delivery["status"] = "FAILED".into();
        [
            OrderSnapshot::deserialize(part).is_ok(),
            CookSnapshot::deserialize(part).is_ok(),
            StockCheck::deserialize(part).is_ok(),
            DeliverySnapshot::deserialize(delivery).is_ok(),
        ]
    }

    #[test]
    fn a_version_is_what_every_database_and_script_can_hold() {
        for good in [json!(1), json!(9_007_199_254_740_991_i64)] {
            assert_eq!(readable(&parts("version", &good)), [true; 4], "{good}");
        }
        for bad in [json!(0), json!(-1), json!(9_007_199_254_740_992_i64), json!(i64::MAX), json!(u64::MAX), json!("1")]
        {
            assert_eq!(readable(&parts("version", &bad)), [false; 4], "{bad}");
        }
    }

    #[test]
    fn a_time_is_what_every_database_can_hold() {
        let table = [
            ("2000-01-01T00:00:00Z", true),
            ("9999-12-31T23:59:59.999999Z", true),
            ("1999-12-31T23:59:59Z", false),
            ("+10000-01-01T00:00:00Z", false),
            ("-100000-01-01T00:00:00Z", false),
        ];
        for (time, expected) in table {
            for field in ["createdAt", "updatedAt"] {
                assert_eq!(readable(&parts(field, &time.into())), [expected; 4], "{field} {time}");
            }
            let part = parts("requestedAt", &time.into());
            assert_eq!(OrderRequest::deserialize(&part).is_ok(), expected, "{time}");
            assert_eq!(CancelRequest::deserialize(&part).is_ok(), expected, "{time}");
        }
    }
}
