//! What the checker says.

use std::fmt;

/// An invariant, by its number in the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "`says` tells each")]
pub enum Invariant {
    I1,
    I2,
    I3,
    I4,
    I5,
    I6,
}

impl Invariant {
    /// What it demands, in a line.
    pub fn says(self) -> &'static str {
        match self {
            Self::I1 => "on hand + uncancelled cooks = restocks = the ledger; uncancelled cooks = uncancelled orders",
            Self::I2 => "no cancelled order has a delivery, no delivered order is cancelled",
            Self::I3 => "every accepted order is in a final state",
            Self::I4 => "MyPage equals the owners' own data",
            Self::I5 => "one order has at most one cook and one delivery",
            Self::I6 => "every effect was applied once",
        }
    }

    /// The noun of what is counted.
    fn counted(self) -> &'static str {
        match self {
            Self::I1 => "menu items and orders",
            Self::I2 | Self::I3 => "orders",
            Self::I4 => "pages and orders",
            Self::I5 => "cooks and deliveries",
            Self::I6 => "movements, cooks and deliveries",
        }
    }
}

/// What was found about one invariant.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Which.
    pub invariant: Invariant,
    /// How many things were looked at.
    pub looked_at: usize,
    /// Each a sentence with the ids and the values.
    pub violations: Vec<String>,
}

impl Finding {
    pub(super) fn new(invariant: Invariant) -> Self {
        Self { invariant, looked_at: 0, violations: vec![] }
    }

    /// Demands something of one more thing, or of the same.
    pub(super) fn demand(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(otherwise());
        }
    }
}

/// What was found about all of them.
#[derive(Debug, Clone)]
pub struct Report {
    /// In the order of the contract.
    pub findings: Vec<Finding>,
    /// What lies in the dead-letter topics, and which orders therefore are not in a final state.
    pub apart: Vec<String>,
}

impl Report {
    /// Whether all invariants hold.
    pub fn holds(&self) -> bool {
        self.findings.iter().all(|finding| finding.violations.is_empty())
    }

    /// Those that do not hold.
    pub fn broken(&self) -> Vec<Invariant> {
        let broken = self.findings.iter().filter(|finding| !finding.violations.is_empty());
        broken.map(|finding| finding.invariant).collect()
    }
}

impl fmt::Display for Report {
    /// A line for each invariant, each followed by its violations, and the dead letters at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { invariant, looked_at, violations } in &self.findings {
            let outcome = match violations.len() {
                0 => "holds".to_owned(),
                count => format!("BROKEN {count} times"),
            };
            writeln!(f, "{invariant:?} {outcome:<17} {} ({looked_at} {})", invariant.says(), invariant.counted())?;
            for violation in violations {
                writeln!(f, "     - {violation}")?;
            }
        }
        if !self.apart.is_empty() {
            writeln!(f, "apart: {} dead letters and orders that wait for one", self.apart.len())?;
        }
        self.apart.iter().try_for_each(|line| writeln!(f, "     - {line}"))
    }
}
