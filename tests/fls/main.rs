//! Fracture liaison as hospitals and cities meet it: measures against an independent count, boundaries over REST,
//! the pathway as resources, the registry, certifications, and a whole story.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod boundaries;
mod certifications;
mod cohort;
#[path = "../common/mod.rs"]
mod common;
mod pathway;
mod scenario;
