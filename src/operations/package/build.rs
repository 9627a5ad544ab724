//! Our own guide as a FHIR NPM package: what others install to know the notebook's profiles.
//!
//! The same guide gives the same bytes: names in order, no times, no users.

use std::io;

use flate2::{Compression, GzBuilder};

use crate::format::json::{self, Node};
use crate::r4::guide::{Guide, PACKAGE, guide};

/// Writes the package (`.tgz`); answers its name and version.
///
/// # Errors
/// What `out` says.
pub fn build_package(out: impl io::Write) -> io::Result<(String, String)> {
    let description = json::parse(PACKAGE.as_bytes()).map_err(|error| io::Error::other(error.to_string()))?;
    let name = |member: &str| description.text(member).unwrap_or_default().to_owned();
    let definitions: Vec<Node<'static>> = guide().definitions().map(|definition| Node::clone(definition)).collect();
    let mut archive = tar::Builder::new(GzBuilder::new().mtime(0).write(out, Compression::best()));
    add(&mut archive, "package/package.json", PACKAGE.as_bytes())?;
    add(&mut archive, "package/.index.json", &index(&definitions).to_bytes())?;
    for definition in &definitions {
        add(&mut archive, &format!("package/{}", file_name(definition)), &pretty(definition))?;
    }
    for example in Guide::examples() {
        add(&mut archive, &format!("package/example/{}", file_name(&example)), &pretty(&example))?;
    }
    archive.into_inner()?.finish()?;
    Ok((name("name"), name("version")))
}

fn file_name(resource: &Node<'_>) -> String {
    let part = |member: &str| resource.text(member).unwrap_or_default().to_owned();
    format!("{}-{}.json", part("resourceType"), part("id"))
}

fn pretty(resource: &Node<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    resource.write_pretty(&mut out, 0);
    out.push(b'\n');
    out
}

/// `.index.json`: what tools look a definition up in without reading all files.
fn index(definitions: &[Node<'static>]) -> Node<'static> {
    let files = definitions.iter().map(|definition| {
        let mut entry = vec![("filename".to_owned(), Node::string(file_name(definition)))];
        for member in ["resourceType", "id", "url", "version", "kind", "type", "derivation"] {
            if let Some(text) = definition.text(member) {
                entry.push((member.to_owned(), Node::string(text.to_owned())));
            }
        }
        Node::Object(entry.into_iter().map(|(name, value)| (name.into(), value)).collect())
    });
    Node::object([("index-version", Node::Number("1".into())), ("files", Node::Array(files.collect()))])
}

fn add(archive: &mut tar::Builder<impl io::Write>, name: &str, content: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_cksum();
    archive.append_data(&mut header, name, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_is_the_same_each_time() {
        let build = || {
            let mut bytes = Vec::new();
            let name = build_package(&mut bytes).unwrap();
            (name, bytes)
        };
        let (name, bytes) = build();
        assert_eq!(name.0, "renraku");
        assert!(bytes.len() > 10_000);
        assert_eq!(build().1, bytes);
    }
}
