//! `_summary` and `_elements`: parts of a resource, tagged SUBSETTED (FHIR R4 search.html#summary,
//! #elements).

use crate::format::json::Node;
use crate::r4::definitions;
use crate::search::query::Summary;

/// Whether a resource must be cut before it is answered.
#[must_use]
pub fn is_whole(summary: Summary, elements: &[String]) -> bool {
    elements.is_empty() && matches!(summary, Summary::False | Summary::Count)
}

/// Keeps of a resource what was asked for. Id, meta and mandatory elements always stay.
#[must_use]
pub fn subset<'a>(resource: Node<'a>, summary: Summary, elements: &[String]) -> Node<'a> {
    let all = definitions();
    let Some(definition) = resource.text("resourceType").and_then(|name| all.find(name)) else { return resource };
    let type_name = definition.name.clone();
    let wanted: Vec<&str> = elements
        .iter()
        .filter_map(|element| match element.split_once('.') {
            Some((of, name)) if of == type_name => Some(name),
            Some(_) => None,
            None => Some(element.as_str()),
        })
        .collect();
    let keeps = |name: &str| {
        let plain = name.strip_prefix('_').unwrap_or(name);
        if matches!(plain, "resourceType" | "id" | "meta") {
            return true;
        }
        let Some(element) = definition.field(plain).map(|field| definition.element(field)) else { return false };
        if element.min > 0 || (element.is_modifier && plain != "language") {
            return true;
        }
        if !elements.is_empty() {
            return wanted.iter().any(|wanted| *wanted == plain || *wanted == element.name);
        }
        match summary {
            Summary::True => element.is_summary,
            Summary::Text => plain == "text",
            Summary::Data => plain != "text",
            Summary::False | Summary::Count => true,
        }
    };
    let Node::Object(members) = resource else { return resource };
    let mut cut = Node::Object(members.into_iter().filter(|(name, _)| keeps(name)).collect());
    let tag = Node::object([
        ("system", Node::string("http://terminology.hl7.org/CodeSystem/v3-ObservationValue")),
        ("code", Node::string("SUBSETTED")),
    ]);
    let mut meta = cut.remove("meta").unwrap_or(Node::Object(Vec::new()));
    let mut tags = match meta.remove("tag") {
        Some(Node::Array(tags)) => tags,
        _ => Vec::new(),
    };
    tags.push(tag);
    meta.set("tag", Node::Array(tags));
    cut.set("meta", meta);
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json::parse;

    const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"a","text":{"status":"generated","div":"<div/>"},"status":"final","code":{"text":"x"},"note":[{"text":"n"}],"valueQuantity":{"value":1.0}}"#;

    fn names(summary: Summary, elements: &[&str]) -> Vec<String> {
        let elements: Vec<String> = elements.iter().map(|name| (*name).to_owned()).collect();
        let cut = subset(parse(OBSERVATION.as_bytes()).unwrap(), summary, &elements);
        assert_eq!(cut.path(&["meta", "tag", "code"]).and_then(Node::as_str), Some("SUBSETTED"));
        cut.members().iter().map(|(name, _)| name.to_string()).collect()
    }

    #[test]
    fn each_mode_keeps_its_part_and_what_is_mandatory() {
        assert_eq!(names(Summary::True, &[]), ["resourceType", "id", "status", "code", "valueQuantity", "meta"]);
        assert_eq!(names(Summary::Text, &[]), ["resourceType", "id", "text", "status", "code", "meta"]);
        assert_eq!(
            names(Summary::Data, &[]),
            ["resourceType", "id", "status", "code", "note", "valueQuantity", "meta"]
        );
        assert_eq!(names(Summary::False, &["note"]), ["resourceType", "id", "status", "code", "note", "meta"]);
        assert_eq!(
            names(Summary::False, &["value"]),
            ["resourceType", "id", "status", "code", "valueQuantity", "meta"]
        );
    }
}
