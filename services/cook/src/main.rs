//! cook
fn main() {}
