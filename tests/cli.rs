//! The command line, as a person at a terminal or a script meets it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod common;
#[path = "cli/import.rs"]
mod import;
#[path = "cli/package.rs"]
mod package;
#[path = "cli/schema.rs"]
mod schema;
#[path = "cli/secrets.rs"]
mod secrets;
#[path = "cli/settings.rs"]
mod settings;
#[path = "cli/terminology.rs"]
mod terminology;
#[path = "cli/validate.rs"]
mod validate;

use std::path::Path;
use std::process::Output;

use common::renraku;

/// What a command that ended said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

fn run(folder: &Path, arguments: &[&str]) -> Said {
    renraku(folder).args(arguments).output().expect("the program starts").into()
}
