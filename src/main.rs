//! The program: see [`cli`].
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
