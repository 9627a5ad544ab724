//! Fracture liaison as hospitals and cities meet it: measures against an independent count, boundaries over REST,
//! the registry, what follows from what is missed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod boundaries;
mod cohort;
#[path = "../common/mod.rs"]
mod common;
