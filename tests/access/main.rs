//! Who reaches whom: everybody by every way in, from one table, against a server that asks for tokens.
//!
//! What is expected is said here, by subject and citizen, and not asked of the program. The world is one town with two
//! citizens; each has a resource of every kind with a secret in it. Before anybody else asks, a system that sees
//! everything has asked the same, so that whatever is kept in memory is there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod agree;
mod bringing;
#[path = "../common/mod.rs"]
mod common;
mod consent;
mod doors;
mod labels;
mod liaison;
mod matrix;
mod policy;
mod routes;
mod rules;
mod town;
mod writes;
