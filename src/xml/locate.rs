//! Where elements are in XML that has been read: one more pass over the text for all that is asked, so that
//! reading pays nothing for it.

use std::collections::HashMap;
use std::fmt::Write as _;

use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::holds_resource;
use crate::r4::definitions::{TypeId, definitions};

/// Deepest nesting that is followed.
const MAX_DEPTH: usize = 2_000;

/// Offsets of elements by their expressions (`Patient.name[0].given[1]`); of the innermost one that is there
/// when a later one is missing.
#[must_use]
pub fn offsets(bytes: &[u8], expressions: &[&str]) -> Vec<Option<usize>> {
    let mut wanted: HashMap<&str, Option<usize>> = HashMap::new();
    for expression in expressions {
        for prefix in prefixes(expression) {
            wanted.entry(prefix).or_insert(None);
        }
    }
    let begin = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    if let Ok(text) = std::str::from_utf8(bytes.get(begin..).unwrap_or_default()) {
        walk(text, begin, &mut wanted);
    }
    let find = |expression: &&str| prefixes(expression).find_map(|prefix| wanted.get(prefix).copied().flatten());
    expressions.iter().map(find).collect()
}

/// An expression, and what is left of it step by step.
fn prefixes(expression: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(expression), |before| before.rsplit_once('.').map(|(rest, _)| rest))
}

/// An element that is open.
struct Open {
    /// Whose elements are below; none where nothing is followed (a narrative).
    type_id: Option<TypeId>,
    /// `<contained>` and its like: what is below is the resource itself.
    is_container: bool,
    /// Length of the path up to here.
    length: usize,
    counts: HashMap<&'static str, usize>,
}

fn walk(text: &str, begin: usize, wanted: &mut HashMap<&str, Option<usize>>) {
    let all = definitions();
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut path = String::new();
    let mut open: Vec<Open> = Vec::new();
    loop {
        let start = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        match reader.read_event() {
            Ok(Event::Start(tag)) => {
                let tag_name = tag.local_name();
                let name = tag_name.into_inner();
                let mut next = Open { type_id: None, is_container: false, length: path.len(), counts: HashMap::new() };
                match open.last_mut() {
                    None => {
                        path.push_str(name);
                        next.type_id = all.resource(name);
                    }
                    Some(parent) if parent.is_container => next.type_id = all.resource(name),
                    Some(parent) => {
                        let owner = parent.type_id.map(|id| all.get(id));
                        let field = owner.and_then(|owner| owner.field(name).map(|field| (owner, field)));
                        if let Some((owner, field)) = field {
                            let element = owner.element(field);
                            // Writing to a String does not fail.
                            let _ = write!(path, ".{}", element.name);
                            if field.is_array {
                                let count = parent.counts.entry(element.name.as_str()).or_insert(0);
                                let _ = write!(path, "[{count}]");
                                *count += 1;
                            }
                            next.is_container = holds_resource(all.get(field.type_id));
                            next.type_id = Some(field.type_id);
                        }
                    }
                }
                if (path.len() > next.length || open.is_empty())
                    && let Some(place @ None) = wanted.get_mut(path.as_str())
                {
                    *place = Some(begin + start);
                }
                open.push(next);
                if open.len() > MAX_DEPTH {
                    return;
                }
            }
            Ok(Event::End(_)) => {
                if let Some(closed) = open.pop() {
                    path.truncate(closed.length);
                }
            }
            Ok(Event::Eof) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json::place;
    use proptest::prelude::*;

    #[test]
    fn expressions_lead_to_elements() {
        let text = b"<?xml version=\"1.0\"?>\n<Bundle xmlns=\"http://hl7.org/fhir\">\n <type value=\"collection\"/>\n <entry/>\n <entry>\n  <resource>\n   <Observation>\n    <status value=\"final\"><extension url=\"a\"/></status>\n    <valueQuantity>\n     <unit value=\"x\"/>\n    </valueQuantity>\n   </Observation>\n  </resource>\n </entry>\n</Bundle>";
        let expressions = [
            "Bundle",
            "Bundle.entry[1]",
            "Bundle.entry[1].resource",
            "Bundle.entry[1].resource.value.unit",
            "Bundle.entry[1].resource.value.code",
            "Bundle.entry[1].resource.status.extension[0].url",
            "Bundle.entry[7]",
        ];
        let lines: Vec<(usize, usize)> =
            offsets(text, &expressions).into_iter().map(|found| place(text, found.unwrap())).collect();
        assert_eq!(lines, [(2, 1), (5, 2), (6, 3), (10, 6), (9, 5), (8, 27), (2, 1)]);
    }

    proptest! {
        #[test]
        fn never_panics(text in "(<[A-Za-z]{0,12}( [a-z]=\"x\")?/?>|</[A-Za-z]{0,12}>|.){0,40}") {
            let _ = offsets(text.as_bytes(), &["Patient.name[0].given[1]", "Bundle.entry[0].resource"]);
        }
    }
}
