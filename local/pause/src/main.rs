//! pause
fn main() {}
