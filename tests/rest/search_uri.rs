//! Uri parameters (FHIR R4 search.html#uri).

use serde_json::{Value, json};

use crate::support::{created, finds, on_each, refused, tagged, unique};

fn value_set(url: &str, tag: &str) -> Value {
    tagged(json!({ "resourceType": "ValueSet", "status": "draft", "url": url, "version": "1" }), tag)
}

/// The whole uri, case and all.
#[test]
fn is_compared_whole() {
    on_each(|server| {
        let tag = unique("uri");
        let id = created(server, &value_set(&format!("http://example.org/{tag}/Vs"), &tag));
        finds(server, &format!("ValueSet?_tag={tag}&url=http://example.org/{tag}/Vs"), &[&id]);
        finds(server, &format!("ValueSet?_tag={tag}&url=http://example.org/{tag}/vs"), &[]);
        finds(server, &format!("ValueSet?_tag={tag}&url=http://example.org/{tag}"), &[]);
        finds(server, &format!("ValueSet?_tag={tag}&url=http://example.org/x,http://example.org/{tag}/Vs"), &[&id]);
    });
}

/// `:below`: everything under a path.
#[test]
fn below_is_everything_under_a_path() {
    on_each(|server| {
        let tag = unique("uri");
        let a = created(server, &value_set(&format!("http://example.org/{tag}"), &tag));
        let b = created(server, &value_set(&format!("http://example.org/{tag}/a/b"), &tag));
        created(server, &value_set(&format!("http://example.org/{tag}x"), &tag));
        finds(server, &format!("ValueSet?_tag={tag}&url:below=http://example.org/{tag}"), &[&a, &b]);
        finds(server, &format!("ValueSet?_tag={tag}&url:below=http://example.org/{tag}/a"), &[&b]);
        refused(&server.get("ValueSet?url:exact=x"), 400);
    });
}
