//! renraku
fn main() {}
