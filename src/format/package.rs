//! FHIR packages: gzipped tar archives in the form of NPM, as guides are published
//! (<https://confluence.hl7.org/display/FHIR/NPM+Package+Specification>).
//!
//! Reads the manifest and what has a canonical URL; examples and other files are passed over. What an
//! archive may unpack to is bounded.

use std::io::Read;

use flate2::read::GzDecoder;

use super::json::{self, Node};

/// Most bytes that one file of a package may have.
const MAX_FILE: u64 = 64 << 20;
/// Most bytes that a package may unpack to.
const MAX_TOTAL: u64 = 2 << 30;
/// Most files.
const MAX_FILES: usize = 200_000;

/// Why a package cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PackageError(pub String);

/// What a package says of itself (`package.json`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// `jp-core.r4`
    pub name: String,
    /// `1.1.2`
    pub version: String,
    /// A line for people.
    pub title: String,
    /// FHIR versions it is for; empty when it does not say.
    pub fhir_versions: Vec<String>,
    /// Packages it needs: name and version.
    pub dependencies: Vec<(String, String)>,
}

/// One definition of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packaged {
    /// `StructureDefinition`
    pub resource_type: String,
    /// Its canonical URL.
    pub url: String,
    /// Its business version; empty when it has none.
    pub version: String,
    /// JSON as it is in the package.
    pub body: Vec<u8>,
}

impl Manifest {
    fn read(node: &Node<'_>) -> Result<Self, PackageError> {
        let text = |name: &str| node.text(name).map(str::to_owned);
        let versions = node.get("fhirVersions").or_else(|| node.get("fhir-version-list"));
        let manifest = Self {
            name: text("name").unwrap_or_default(),
            version: text("version").unwrap_or_default(),
            title: text("title").or_else(|| text("description")).unwrap_or_default(),
            fhir_versions: versions
                .map_or(&[][..], Node::items)
                .iter()
                .filter_map(Node::as_str)
                .map(str::to_owned)
                .collect(),
            dependencies: node
                .get("dependencies")
                .map_or(&[][..], Node::members)
                .iter()
                .map(|(name, version)| (name.to_string(), version.as_str().unwrap_or_default().to_owned()))
                .collect(),
        };
        if manifest.name.is_empty() || manifest.version.is_empty() {
            return Err(PackageError("package/package.json has no name or no version".to_owned()));
        }
        Ok(manifest)
    }

    /// Whether it is for the version of FHIR that is spoken here.
    #[must_use]
    pub fn is_for_r4(&self) -> bool {
        self.fhir_versions.is_empty() || self.fhir_versions.iter().any(|version| version.starts_with("4.0"))
    }
}

/// Reads a package; each definition is given to `take` when it is met.
///
/// # Errors
/// When it is no such archive, unpacks to too much, has no manifest, or holds JSON that is none.
pub fn read(archive: impl Read, mut take: impl FnMut(Packaged)) -> Result<Manifest, PackageError> {
    let bad = |error: &std::io::Error| PackageError(format!("this is not a gzipped tar archive: {error}"));
    let mut archive = tar::Archive::new(GzDecoder::new(archive).take(MAX_TOTAL));
    let mut manifest = None;
    let mut total = 0_u64;
    for (count, entry) in archive.entries().map_err(|error| bad(&error))?.enumerate() {
        let mut entry = entry.map_err(|error| bad(&error))?;
        total = total.saturating_add(entry.size());
        if count >= MAX_FILES || total > MAX_TOTAL {
            return Err(PackageError(format!(
                "the package is larger than {} MiB or {MAX_FILES} files",
                MAX_TOTAL >> 20
            )));
        }
        let path = entry.path().map_err(|error| bad(&error))?.to_string_lossy().into_owned();
        let Some(name) = path.strip_prefix("package/").filter(|name| is_definition(name)) else { continue };
        if entry.size() > MAX_FILE {
            return Err(PackageError(format!("{path} is larger than {} MiB", MAX_FILE >> 20)));
        }
        let mut body = Vec::new();
        entry.read_to_end(&mut body).map_err(|error| bad(&error))?;
        let node = json::parse(&body).map_err(|error| PackageError(format!("{path}: {error}")))?;
        if name == "package.json" {
            manifest = Some(Manifest::read(&node)?);
            continue;
        }
        let text = |name: &str| node.text(name).unwrap_or_default().to_owned();
        let (resource_type, mut url, version) = (text("resourceType"), text("url"), text("version"));
        // R4 gives it no URL; it goes by its address.
        if resource_type == "NamingSystem" && url.is_empty() && !text("id").is_empty() {
            url = format!("NamingSystem/{}", text("id"));
        }
        if !resource_type.is_empty() && !url.is_empty() {
            drop(node);
            take(Packaged { resource_type, url, version, body });
        }
    }
    manifest
        .ok_or_else(|| PackageError("there is no package/package.json in it: this is not a FHIR package".to_owned()))
}

/// Files directly in the folder; `.index.json` and the like are the packager's own.
fn is_definition(name: &str) -> bool {
    !name.contains('/') && name.ends_with(".json") && !name.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    const MANIFEST: &str =
        r#"{"name":"a.b","version":"1.0","fhirVersions":["4.0.1"],"dependencies":{"hl7.fhir.r4.core":"4.0.1"}}"#;

    #[test]
    fn definitions_are_taken_and_examples_are_not() {
        let bytes = archive(&[
            ("package/package.json", MANIFEST),
            ("package/V.json", r#"{"resourceType":"ValueSet","url":"http://a/v","version":"2"}"#),
            ("package/P.json", r#"{"resourceType":"Patient","id":"p"}"#),
            ("package/N.json", r#"{"resourceType":"NamingSystem","id":"n"}"#),
            ("package/example/E.json", r#"{"resourceType":"ValueSet","url":"http://a/e"}"#),
            ("package/.index.json", "not even JSON"),
        ]);
        let mut taken = Vec::new();
        let manifest = read(bytes.as_slice(), |packaged| taken.push((packaged.url, packaged.version))).unwrap();
        let naming = ("NamingSystem/n".to_owned(), String::new());
        assert_eq!(taken, [("http://a/v".to_owned(), "2".to_owned()), naming]);
        assert!(manifest.is_for_r4());
        assert_eq!(manifest.dependencies, [("hl7.fhir.r4.core".to_owned(), "4.0.1".to_owned())]);
    }

    #[test]
    fn what_is_no_package_is_refused_with_a_reason() {
        assert!(read(&b"hello"[..], |_| ()).is_err());
        assert!(read(archive(&[("a", "b")]).as_slice(), |_| ()).unwrap_err().0.contains("package.json"));
        assert!(read(archive(&[("package/package.json", "{}")]).as_slice(), |_| ()).unwrap_err().0.contains("name"));
        let broken = archive(&[("package/package.json", MANIFEST), ("package/V.json", "{")]);
        assert!(read(broken.as_slice(), |_| ()).unwrap_err().0.contains("V.json"));
    }
}
