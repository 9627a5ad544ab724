//! Access tokens from outside: how they are got, and what is no token (SMART App Launch 2.2, RFC 6749, 7523, 7636,
//! 7662, 7009, OpenID Connect Discovery), each on every database that can be had here. Keys are made here, by OpenSSL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;
mod world;

mod audit;
mod backend;
mod code;
mod commands;
mod cors;
mod discovery;
mod issuers;
mod keys;
mod limits;
mod logs;
mod refresh;
mod scopes;
mod worth;
