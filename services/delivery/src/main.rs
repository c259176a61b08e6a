//! delivery
fn main() {}
