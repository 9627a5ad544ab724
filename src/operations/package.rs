//! Packages of definitions: installed from an archive, listed, removed; what they need and is not here.

mod build;

use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::offer::{Offered, offer_package, withdraw_package};
use super::table::{BodyForm, Level, Operation};
use crate::engine::{Engine, OperationAnswer, Rejection};
use crate::format::package::{self, Manifest};
use crate::r4::outcome::{Issue, IssueCode, operation_outcome};
use crate::store::NewPackage;

pub use build::build_package;

/// Packages whose content is built in.
const BUILT_IN: &[&str] = &["hl7.fhir.r4.core", "hl7.fhir.core"];
/// Definitions that are no resources which are told one by one.
const MOST_TOLD: usize = 20;
/// Media types of an archive.
const ARCHIVES: &[&str] =
    &["application/gzip", "application/x-gzip", "application/tar+gzip", "application/octet-stream"];

/// `$install-package`
pub(super) const OPERATIONS: &[Operation] = &[Operation {
    body: BodyForm::Also(ARCHIVES),
    ..Operation::writing("http://renraku.example/fhir/OperationDefinition/install-package", &[Level::System], |call| {
        let installed = if call.request.media.is_some() {
            install_package(call.engine, call.request.body.as_ref())?
        } else {
            let text: String = call.inputs.text("package").unwrap_or_default().split_ascii_whitespace().collect();
            let bytes =
                STANDARD.decode(text).map_err(|error| Rejection::invalid(format!("package is not base64: {error}")))?;
            install_package(call.engine, bytes.as_slice())?
        };
        Ok(OperationAnswer::Resource(operation_outcome(&installed.issues()).to_bytes().into()))
    })
}];

/// What came of an installation.
#[derive(Debug)]
pub struct InstalledNow {
    /// What the package says of itself.
    pub manifest: Manifest,
    /// How many definitions it brought.
    pub definitions: usize,
    /// What it needs that is neither built in nor installed.
    pub missing: Vec<String>,
    /// Its definitions as resources.
    pub offered: Offered,
}

impl InstalledNow {
    /// In sentences.
    #[must_use]
    pub fn issues(&self) -> Vec<Issue> {
        let Manifest { name, version, .. } = &self.manifest;
        let Offered { stored, refused } = &self.offered;
        let mut issues = vec![Issue::information(format!(
            "{name}#{version} is installed with {} definitions, {stored} of them are resources here",
            self.definitions
        ))];
        for refused in refused.iter().take(MOST_TOLD) {
            issues.push(Issue::warning(
                IssueCode::BusinessRule,
                format!("used for validation and terminology, but no resource here: {refused}"),
            ));
        }
        if refused.len() > MOST_TOLD {
            let more = format!("{} more are no resources here", refused.len() - MOST_TOLD);
            issues.push(Issue::warning(IssueCode::BusinessRule, more));
        }
        for missing in &self.missing {
            issues.push(Issue::warning(
                IssueCode::NotFound,
                format!(
                    "{name}#{version} needs {missing}, which is not installed: what refers to its definitions is not checked until it is"
                ),
            ));
        }
        if !self.manifest.is_for_r4() {
            issues.push(Issue::warning(
                IssueCode::NotSupported,
                format!(
                    "{name}#{version} is for FHIR {}, but resources here are R4 (4.0.1)",
                    self.manifest.fhir_versions.join(", ")
                ),
            ));
        }
        issues
    }
}

/// Installs a package from its archive. Blocks.
///
/// # Errors
/// 400 when it is no package; what the store says.
pub fn install_package(engine: &Engine, archive: impl Read) -> Result<InstalledNow, Rejection> {
    let mut package = NewPackage::default();
    let mut failed = None;
    let manifest = package::read(archive, |packaged| {
        if failed.is_none() {
            failed = package.add(packaged).err();
        }
    })
    .map_err(|error| Rejection::new(400, IssueCode::Structure, error.to_string()))?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    let definitions = package.len();
    engine.store().add_package(&manifest, package)?;
    engine.packages().refresh();
    let installed = engine.store().packages()?;
    let is_here = |name: &str, version: &str| {
        BUILT_IN.contains(&name)
            || installed
                .iter()
                .any(|known| known.name == name && (known.version == version || fits(&known.version, version)))
    };
    let missing = manifest.dependencies.iter().filter(|(name, version)| !is_here(name, version));
    let missing = missing.map(|(name, version)| format!("{name}#{version}")).collect();
    let offered = offer_package(engine, &manifest.name, &manifest.version)?;
    Ok(InstalledNow { manifest, definitions, missing, offered })
}

/// Removes a package and the resources that are its definitions; without a version all of its versions. Answers
/// how many packages there were. Blocks.
///
/// # Errors
/// What the store says.
pub fn remove_package(engine: &Engine, name: &str, version: Option<&str>) -> Result<usize, Rejection> {
    withdraw_package(engine, name, version)?;
    let removed = engine.store().remove_package(name, version)?;
    engine.packages().refresh();
    Ok(removed)
}

/// `1.2.x`, `1.2`, `latest` and `current` as dependencies name versions.
fn fits(own: &str, wanted: &str) -> bool {
    let wanted = wanted.trim_end_matches(".x");
    matches!(wanted, "latest" | "current" | "dev" | "*" | "")
        || own.strip_prefix(wanted).is_some_and(|rest| rest.starts_with(['.', '-']))
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn dependencies_may_leave_the_patch_open() {
        assert!(fits("1.2.3", "1.2.x") && fits("1.2.3", "1.2") && fits("4.0.1", "current") && !fits("1.20.0", "1.2.x"));
    }
}
