//! `renraku schema`

use std::process::ExitCode;

use clap::Args;
use renraku::validation::schema;

use super::{Failure, answer};

/// Print the JSON Schema of a resource type
///
/// The schema (draft 2020-12) is complete in itself. It says names, cardinality and the forms of values;
/// what it cannot say (dates that exist, narratives, rules between elements) the server checks beside it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  renraku schema Patient > Patient.schema.json
  renraku schema > fhir.schema.json             all types, contained resources and bundles looked into")]
pub(super) struct Arguments {
    /// A resource type such as Patient; all types without one
    #[arg(value_name = "TYPE")]
    type_name: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let schema = match arguments.type_name.as_deref() {
        None => schema::of_all(),
        Some(name) => schema::of_type(name).ok_or_else(|| {
            Failure::new(2, format!("{name:?} is not a resource type of FHIR R4 (4.0.1); an example is Patient"))
        })?,
    };
    answer(format_args!("{schema:#}"));
    Ok(ExitCode::SUCCESS)
}
