//! `renraku schema`

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use renraku::terminology::Terminology;
use renraku::validation::{Validator, schema};

use super::{Failure, answer};

/// Print the JSON Schema of a resource type or a profile
///
/// The schema (draft 2020-12) is complete in itself. It says names, cardinality and the forms of values;
/// what it cannot say (dates that exist, narratives, rules between elements) the server checks beside it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  renraku schema Patient > Patient.schema.json
  renraku schema > fhir.schema.json             all types, contained resources and bundles looked into
  renraku schema --package jp-core.r4-1.1.2.tgz --profile http://jpfhir.jp/fhir/core/StructureDefinition/JP_Patient")]
pub(super) struct Arguments {
    /// A resource type such as Patient; all types without one
    #[arg(value_name = "TYPE")]
    type_name: Option<String>,
    /// Canonical URL of a profile: its schema instead
    #[arg(long, value_name = "URL", conflicts_with = "type_name")]
    profile: Option<String>,
    /// A package (.tgz) to take definitions from; may be repeated
    #[arg(long, value_name = "FILE")]
    package: Vec<PathBuf>,
    /// A file or folder of definitions to take along; may be repeated
    #[arg(long, value_name = "PATH")]
    definitions: Vec<PathBuf>,
}

/// Most codes of a binding that a schema lists.
const MAX_CODES: usize = 200;

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    if let Some(url) = &arguments.profile {
        let (definitions, terminology) = super::validate::knowledge(&arguments.package, &arguments.definitions)?;
        let codes = |value_set: &str| terminology.few_codes(value_set, MAX_CODES);
        let made = Validator::new(definitions, Arc::<Terminology>::clone(&terminology)).json_schema(url, &codes);
        answer(format_args!("{:#}", made.map_err(|error| Failure::new(2, error.to_string()))?));
        return Ok(ExitCode::SUCCESS);
    }
    let schema = match arguments.type_name.as_deref() {
        None => schema::of_all(),
        Some(name) => schema::of_type(name).ok_or_else(|| {
            Failure::new(2, format!("{name:?} is not a resource type of FHIR R4 (4.0.1); an example is Patient"))
        })?,
    };
    answer(format_args!("{schema:#}"));
    Ok(ExitCode::SUCCESS)
}
