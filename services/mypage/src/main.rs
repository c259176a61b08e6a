//! mypage
fn main() {}
