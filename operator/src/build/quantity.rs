//! Quantities in the form in which the apiserver stores them, so that what is built equals what is live: `1024Mi` is
//! stored as `1Gi`, `0.5` as `500m`.

use std::{fmt, str::FromStr};

/// An amount in thousandths, and the family of suffixes it is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity {
    thousandths: i128,
    binary: bool,
}

/// The text is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no quantity such as 500m, 128Mi or 1Gi")]
pub struct InvalidQuantity(String);

/// A suffix and its factor in thousandths, from the smallest.
const DECIMAL: [(&str, i128); 8] = [
    ("m", 1),
    ("", 1_000),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000_000),
];
const BINARY: [(&str, i128); 7] = [
    ("", 1_000),
    ("Ki", 1_000 << 10),
    ("Mi", 1_000 << 20),
    ("Gi", 1_000 << 30),
    ("Ti", 1_000 << 40),
    ("Pi", 1_000 << 50),
    ("Ei", 1_000 << 60),
];

impl Quantity {
    /// So many bytes, written with binary suffixes.
    pub fn bytes(bytes: u64) -> Self {
        Self { thousandths: i128::from(bytes) * 1_000, binary: true }
    }

    /// The amount in whole units (bytes, CPUs), rounded up.
    pub fn ceil(self) -> u64 {
        u64::try_from((self.thousandths + 999) / 1_000).unwrap_or(u64::MAX)
    }
}

impl FromStr for Quantity {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidQuantity(text.to_owned());
        let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, suffix) = text.split_at(split);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        if whole.len() > 18 || fraction.len() > 3 {
            return Err(invalid());
        }
        let whole: i128 = whole.parse().map_err(|_| invalid())?;
        let fraction: i128 = format!("{fraction:0<3}").parse().map_err(|_| invalid())?;
        let factor_of =
            |family: &[(&str, i128)]| family.iter().find(|(name, _)| *name == suffix).map(|(_, factor)| *factor);
        let (factor, binary) = match factor_of(&DECIMAL) {
            Some(factor) => (factor, false),
            None => (factor_of(&BINARY).ok_or_else(invalid)?, true),
        };
        // The apiserver keeps resources to the thousandth and rounds up below it.
        Ok(Self { thousandths: ((whole * 1_000 + fraction) * factor + 999) / 1_000, binary })
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.thousandths.partial_cmp(&other.thousandths)
    }
}

impl fmt::Display for Quantity {
    /// The largest suffix of the family that leaves a whole number, as the apiserver writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It writes binary quantities below 1024, and fractions, with decimal suffixes.
        let binary = self.binary && self.thousandths >= 1_024_000 && self.thousandths % 1_000 == 0;
        let family: &[(&str, i128)] = if binary { &BINARY } else { &DECIMAL };
        let zero = self.thousandths == 0;
        let largest = family.iter().rev().find(|(_, factor)| !zero && self.thousandths % factor == 0);
        let (suffix, factor) = largest.copied().unwrap_or(("", 1_000));
        write!(f, "{}{suffix}", self.thousandths / factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        text.parse::<Quantity>().unwrap().to_string()
    }

    #[test]
    fn writes_what_the_apiserver_stores() {
        for (given, stored) in [
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("1Gi", "1Gi"),
            ("0.5", "500m"),
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("50m", "50m"),
            ("2", "2"),
            ("1000", "1k"),
            ("1500", "1500"),
            ("134217728", "134217728"),
            ("128000000", "128M"),
            ("512Ki", "512Ki"),
            ("1024Ti", "1Pi"),
            ("1000T", "1P"),
            ("1Ei", "1Ei"),
            ("0.5Ki", "512"),
            ("0", "0"),
            ("0Mi", "0"),
        ] {
            assert_eq!(canonical(given), stored, "{given}");
        }
    }

    #[test]
    fn canonical_is_a_fixed_point() {
        for text in ["1024Mi", "0.1", "3.7Gi", "999999999999T", "0.001Ki", "12345"] {
            let once = canonical(text);
            assert_eq!(canonical(&once), once, "{text}");
        }
    }

    #[test]
    fn counts_bytes() {
        assert_eq!("100Mi".parse::<Quantity>().unwrap().ceil(), 104_857_600);
        assert_eq!(Quantity::bytes(104_857_600).to_string(), "100Mi");
    }

    #[test]
    fn refuses_what_is_none() {
        for text in ["", "Mi", "1.2345", "-1", "1e3", "1mi", "1 Gi", "1.2.3"] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
    }
}
