//! Packages of definitions in memory, for commands that have no database.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, OnceLock};

use super::canonical::{Canonicals, Definition};
use crate::format::json::{self, Node};
use crate::format::package::{self, Manifest, PackageError};

/// Definitions of packages that were read; each is understood when it is first asked for.
#[derive(Debug, Default)]
pub struct LoadedPackages {
    by_type: HashMap<String, HashMap<String, Vec<Loaded>>>,
}

#[derive(Debug)]
struct Loaded {
    version: String,
    text: Vec<u8>,
    read: OnceLock<Option<Definition>>,
}

impl LoadedPackages {
    /// Reads a package; what is read later comes after what was read earlier.
    ///
    /// # Errors
    /// When it is no package.
    pub fn load(&mut self, archive: impl Read) -> Result<Manifest, PackageError> {
        package::read(archive, |found| {
            let loaded = Loaded { version: found.version, text: found.body, read: OnceLock::new() };
            self.by_type.entry(found.resource_type).or_default().entry(found.url).or_default().push(loaded);
        })
    }
}

impl LoadedPackages {
    /// Takes a definition that came by itself; those of a Bundle one by one. How many were taken.
    pub fn add(&mut self, node: &Node<'_>) -> usize {
        if node.text("resourceType") == Some("Bundle") {
            return node
                .list("entry")
                .iter()
                .filter_map(|entry| entry.get("resource"))
                .map(|inner| self.add(inner))
                .sum();
        }
        let (Some(resource_type), Some(url)) = (node.text("resourceType"), node.text("url")) else { return 0 };
        let version = node.text("version").unwrap_or_default().to_owned();
        let loaded = Loaded { version, text: node.to_bytes(), read: OnceLock::new() };
        self.by_type.entry(resource_type.to_owned()).or_default().entry(url.to_owned()).or_default().insert(0, loaded);
        1
    }
}

impl Canonicals for LoadedPackages {
    fn find(&self, resource_type: &str, url: &str, version: Option<&str>) -> Option<Definition> {
        let known = self.by_type.get(resource_type)?.get(url)?;
        let fits = |loaded: &&Loaded| {
            version.is_none_or(|wanted| {
                loaded.version == wanted
                    || loaded.version.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.'))
            })
        };
        let loaded = known.iter().find(fits)?;
        let read = || json::parse(&loaded.text).ok().map(|node| Arc::new(node.into_owned()));
        loaded.read.get_or_init(read).clone()
    }

    fn list(&self, resource_type: &str) -> Vec<(String, Option<String>)> {
        let of_type = self.by_type.get(resource_type).into_iter().flatten();
        of_type
            .flat_map(|(url, all)| {
                all.iter()
                    .map(move |loaded| (url.clone(), (!loaded.version.is_empty()).then(|| loaded.version.clone())))
            })
            .collect()
    }
}
