//! A large code system on its way into tables: rows of a CSV file, or a CodeSystem resource, checked
//! and put in order. What is wrong is told row by row.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::concept::{Concept, Content, Header, Hierarchy, PropertyDefinition};
use super::defined::DefinedSystem;
use crate::format::fold::fold;
use crate::format::json::{self, Node};

/// Longest code and URL: longer keys do not fit an index.
const MAX_KEY: usize = 512;
/// Levels of a hierarchy.
const MAX_LEVELS: usize = 64;

/// One concept, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedConcept {
    /// The code.
    pub code: String,
    /// The code in lower case.
    pub folded: String,
    /// The concept as `CodeSystem.concept` holds it, without those below.
    pub body: Vec<u8>,
    /// Its code and, each behind a line end, its texts; folded.
    pub text: String,
    /// It is not valid any more.
    pub is_inactive: bool,
    /// It is not to be chosen.
    pub is_abstract: bool,
    /// Places of all concepts above it, and whether directly.
    pub above: Vec<(usize, bool)>,
}

/// A code system, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedSystem {
    /// What is known of it as a whole.
    pub header: Header,
    /// Its concepts, in their order.
    pub concepts: Vec<LoadedConcept>,
}

/// One row as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// Where it stands in the file, for messages.
    pub line: u64,
    /// The code.
    pub code: String,
    /// Codes directly above.
    pub parents: Vec<String>,
    /// The other members of a concept (`display`, `definition`, `designation`, `property`).
    pub members: Vec<(&'static str, Node<'static>)>,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct RowError {
    /// Where it stands in the file.
    pub line: u64,
    /// What is wrong.
    pub message: String,
}

impl LoadedSystem {
    /// Puts rows in order: codes are unique, parents are there, nothing is above itself. Rows that are
    /// wrong are left out and told.
    #[must_use]
    pub fn of_rows(header: Header, rows: Vec<Row>) -> (Self, Vec<RowError>) {
        let mut errors = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::with_capacity(rows.len());
        let mut kept: Vec<Row> = Vec::with_capacity(rows.len());
        let mut wrong = |line: u64, message: String| errors.push(RowError { line, message });
        for row in rows {
            let problem = if row.code.is_empty() {
                Some("there is no code".to_owned())
            } else if row.code.len() > MAX_KEY {
                Some(format!("the code is longer than {MAX_KEY} bytes"))
            } else if row.code.trim() != row.code || row.code.contains(|letter: char| letter.is_control()) {
                Some(format!("the code {:?} begins or ends with a space, or has control characters", row.code))
            } else {
                places.get(&row.code).map(|first| {
                    let line = kept.get(*first).map_or(0, |first| first.line);
                    format!("the code {:?} is there already, in line {line}", row.code)
                })
            };
            match problem {
                Some(message) => wrong(row.line, message),
                None => {
                    places.insert(row.code.clone(), kept.len());
                    kept.push(row);
                }
            }
        }
        let mut parents: Vec<Vec<usize>> = Vec::with_capacity(kept.len());
        for (place, row) in kept.iter().enumerate() {
            let mut own = Vec::new();
            for parent in &row.parents {
                match places.get(parent) {
                    Some(parent) if *parent != place => own.push(*parent),
                    Some(_) => wrong(row.line, format!("the concept {:?} is its own parent", row.code)),
                    None => wrong(row.line, format!("the parent {parent:?} of {:?} is not in the file", row.code)),
                }
            }
            parents.push(own);
        }
        let mut concepts = Vec::with_capacity(kept.len());
        for (place, row) in kept.iter().enumerate() {
            let above = match ancestors(place, &parents) {
                Ok(above) => above,
                Err(message) => {
                    wrong(row.line, format!("{:?} {message}", row.code));
                    Vec::new()
                }
            };
            concepts.push(LoadedConcept::of(row, above, &header));
        }
        (Self { header, concepts }, errors)
    }

    /// Takes a CodeSystem resource apart.
    ///
    /// # Errors
    /// What makes it none that can be stored.
    pub fn of_resource(resource: &Node<'_>) -> Result<(Self, Vec<RowError>), String> {
        if resource.text("resourceType") != Some("CodeSystem") {
            return Err("this is no CodeSystem resource".to_owned());
        }
        if resource.text("content") == Some("supplement") {
            return Err("a supplement adds to another code system; store it as a resource".to_owned());
        }
        let header = DefinedSystem::header_of(resource);
        if header.url.is_empty() {
            return Err("the CodeSystem has no url".to_owned());
        }
        let mut rows = Vec::new();
        collect(resource.list("concept"), None, &header, &mut rows);
        Ok(Self::of_rows(header, rows))
    }

    /// What is known of it as a whole, and a digest of its concepts, as JSON: equal for equal content.
    #[must_use]
    pub fn header_json(&self) -> Vec<u8> {
        let mut digest = Sha256::new();
        for concept in &self.concepts {
            digest.update((concept.body.len() as u64).to_le_bytes());
            digest.update(&concept.body);
            for (above, _) in &concept.above {
                digest.update((*above as u64).to_le_bytes());
            }
        }
        let digest: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let header = &self.header;
        let text = |value: &Option<String>| value.clone().map(Node::string);
        let properties = header.properties.iter().map(|property| {
            let members = [
                ("code", Some(Node::string(property.code.clone()))),
                ("uri", text(&property.uri)),
                ("description", text(&property.description)),
            ];
            Node::object(members.into_iter().filter_map(|(name, value)| Some((name, value?))))
        });
        let members = [
            ("url", Some(Node::string(header.url.clone()))),
            ("version", text(&header.version)),
            ("name", text(&header.name)),
            ("title", text(&header.title)),
            ("language", text(&header.language)),
            ("caseSensitive", header.case_sensitive.map(Node::Bool)),
            (
                "hierarchyMeaning",
                match &header.hierarchy {
                    Hierarchy::Unspecified => None,
                    Hierarchy::IsA => Some(Node::string("is-a")),
                    Hierarchy::Other(meaning) => Some(Node::string(meaning.clone())),
                },
            ),
            ("content", Some(Node::string(if header.content == Content::Complete { "complete" } else { "fragment" }))),
            ("compositional", header.compositional.then_some(Node::Bool(true))),
            ("property", Some(Node::Array(properties.collect()))),
            ("digest", Some(Node::string(digest))),
        ];
        Node::object(members.into_iter().filter_map(|(name, value)| Some((name, value?)))).to_bytes()
    }

    /// Reads what [`Self::header_json`] wrote.
    #[must_use]
    pub fn read_header(bytes: &[u8]) -> Option<Header> {
        json::parse(bytes).ok().map(|node| DefinedSystem::header_of(&node))
    }
}

/// All concepts above a place, each once, with whether they are directly above.
fn ancestors(place: usize, parents: &[Vec<usize>]) -> Result<Vec<(usize, bool)>, &'static str> {
    let direct = parents.get(place).map_or(&[][..], Vec::as_slice);
    let mut found: Vec<(usize, bool)> = Vec::new();
    let mut level: Vec<usize> = direct.to_vec();
    for depth in 0..=MAX_LEVELS {
        let mut next = Vec::new();
        for above in level {
            if above == place {
                return Err("is above itself, in a circle");
            }
            if !found.iter().any(|(known, _)| *known == above) {
                found.push((above, depth == 0));
                next.extend(parents.get(above).into_iter().flatten().copied());
            }
        }
        if next.is_empty() {
            found.sort_unstable();
            return Ok(found);
        }
        level = next;
    }
    Err("stands too deep in the hierarchy")
}

impl LoadedConcept {
    fn of(row: &Row, above: Vec<(usize, bool)>, header: &Header) -> Self {
        let members = std::iter::once(("code", Node::string(row.code.clone()))).chain(row.members.iter().cloned());
        let node = Node::object(members);
        let concept = Concept::read(&node, header);
        let mut text = fold(&row.code);
        let texts = concept.display.iter().chain(concept.designations.iter().map(|designation| &designation.value));
        for own in texts {
            text.push('\n');
            text.push_str(&fold(own));
        }
        Self {
            folded: row.code.to_lowercase(),
            code: row.code.clone(),
            body: node.to_bytes(),
            text,
            is_inactive: concept.is_inactive,
            is_abstract: concept.is_abstract,
            above,
        }
    }
}

/// Rows of nested concepts; they have no lines, so they are counted.
fn collect(concepts: &[Node<'_>], parent: Option<&str>, header: &Header, rows: &mut Vec<Row>) {
    for node in concepts {
        let code = node.text("code").unwrap_or_default();
        let mut row = Row { line: rows.len() as u64 + 1, code: code.to_owned(), ..Row::default() };
        row.parents.extend(parent.map(str::to_owned));
        row.parents.extend(Concept::parents_of(node, header));
        for name in ["display", "definition", "designation", "property", "extension"] {
            row.members.extend(node.get(name).map(|value| (name, value.clone().into_owned())));
        }
        rows.push(row);
        collect(node.list("concept"), Some(code), header, rows);
    }
}

/// A property definition by its code alone.
#[must_use]
pub fn property_definition(code: &str) -> PropertyDefinition {
    PropertyDefinition { code: code.to_owned(), uri: None, description: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        DefinedSystem::header_of(&json::parse(br#"{"url":"http://x","content":"complete"}"#).unwrap())
    }

    fn row(line: u64, code: &str, parents: &[&str]) -> Row {
        Row {
            line,
            code: code.to_owned(),
            parents: parents.iter().map(|parent| (*parent).to_owned()).collect(),
            ..Row::default()
        }
    }

    #[test]
    fn what_is_wrong_is_told_row_by_row() {
        let rows = vec![
            row(2, "a", &[]),
            row(3, "a", &[]),
            row(4, "", &[]),
            row(5, "b", &["z"]),
            row(6, "c", &["c"]),
            row(7, " d", &[]),
        ];
        let (system, errors) = LoadedSystem::of_rows(header(), rows);
        assert_eq!(errors.iter().map(|error| error.line).collect::<Vec<_>>(), [3, 4, 7, 5, 6]);
        assert_eq!(system.concepts.len(), 3);
    }

    #[test]
    fn everything_above_is_known_and_circles_are_told() {
        let rows = vec![
            row(1, "a", &[]),
            row(2, "b", &["a"]),
            row(3, "c", &["b", "a"]),
            row(4, "d", &["e"]),
            row(5, "e", &["d"]),
        ];
        let (system, errors) = LoadedSystem::of_rows(header(), rows);
        assert_eq!(system.concepts[2].above, [(0, true), (1, true)]);
        assert_eq!(system.concepts[1].above, [(0, true)]);
        assert_eq!(errors.len(), 2);
    }

    #[test]
    fn the_same_content_has_the_same_header() {
        let (one, _) = LoadedSystem::of_rows(header(), vec![row(1, "a", &[])]);
        let (other, _) = LoadedSystem::of_rows(header(), vec![row(9, "a", &[])]);
        assert_eq!(one.header_json(), other.header_json());
        let (third, _) = LoadedSystem::of_rows(header(), vec![row(1, "b", &[])]);
        assert_ne!(one.header_json(), third.header_json());
        assert_eq!(LoadedSystem::read_header(&one.header_json()), Some(one.header));
    }
}
