//! Operations.

pub mod demo;
