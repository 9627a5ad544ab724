use proptest::prelude::*;

use super::{JsonPatch, MAX_OPERATIONS, same};
use crate::engine::patch::PatchError;
use crate::format::json::{Node, parse};

fn patched(document: &str, patch: &str) -> Result<String, PatchError> {
    let patch = JsonPatch::read(&parse(patch.as_bytes()).unwrap())?;
    let result = patch.apply(parse(document.as_bytes()).unwrap())?;
    Ok(String::from_utf8(result.to_bytes()).unwrap())
}

fn refused(document: &str, patch: &str) -> String {
    match patched(document, patch) {
        Err(PatchError::Unprocessable(why)) => why,
        other => panic!("{patch} on {document}: {other:?}"),
    }
}

fn malformed(patch: &str) -> String {
    match patched("{}", patch) {
        Err(PatchError::Malformed(why)) => why,
        other => panic!("{patch}: {other:?}"),
    }
}

/// RFC 6902 appendix A, those that succeed: document, patch, result.
#[test]
fn examples_of_the_rfc() {
    for (number, document, patch, result) in [
        ("A.1", r#"{"foo":"bar"}"#, r#"[{"op":"add","path":"/baz","value":"qux"}]"#, r#"{"foo":"bar","baz":"qux"}"#),
        (
            "A.2",
            r#"{"foo":["bar","baz"]}"#,
            r#"[{"op":"add","path":"/foo/1","value":"qux"}]"#,
            r#"{"foo":["bar","qux","baz"]}"#,
        ),
        ("A.3", r#"{"baz":"qux","foo":"bar"}"#, r#"[{"op":"remove","path":"/baz"}]"#, r#"{"foo":"bar"}"#),
        ("A.4", r#"{"foo":["bar","qux","baz"]}"#, r#"[{"op":"remove","path":"/foo/1"}]"#, r#"{"foo":["bar","baz"]}"#),
        (
            "A.5",
            r#"{"baz":"qux","foo":"bar"}"#,
            r#"[{"op":"replace","path":"/baz","value":"boo"}]"#,
            r#"{"baz":"boo","foo":"bar"}"#,
        ),
        (
            "A.6",
            r#"{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}"#,
            r#"[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]"#,
            r#"{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}"#,
        ),
        (
            "A.7",
            r#"{"foo":["all","grass","cows","eat"]}"#,
            r#"[{"op":"move","from":"/foo/1","path":"/foo/3"}]"#,
            r#"{"foo":["all","cows","eat","grass"]}"#,
        ),
        (
            "A.8",
            r#"{"baz":"qux","foo":["a",2,"c"]}"#,
            r#"[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]"#,
            r#"{"baz":"qux","foo":["a",2,"c"]}"#,
        ),
        (
            "A.10",
            r#"{"foo":"bar"}"#,
            r#"[{"op":"add","path":"/child","value":{"grandchild":{}}}]"#,
            r#"{"foo":"bar","child":{"grandchild":{}}}"#,
        ),
        (
            "A.11",
            r#"{"foo":"bar"}"#,
            r#"[{"op":"add","path":"/baz","value":"qux","xyz":123}]"#,
            r#"{"foo":"bar","baz":"qux"}"#,
        ),
        ("A.14", r#"{"/":9,"~1":10}"#, r#"[{"op":"test","path":"/~01","value":10}]"#, r#"{"/":9,"~1":10}"#),
        (
            "A.16",
            r#"{"foo":["bar"]}"#,
            r#"[{"op":"add","path":"/foo/-","value":["abc","def"]}]"#,
            r#"{"foo":["bar",["abc","def"]]}"#,
        ),
        (
            "copy",
            r#"{"a":{"n":1.50},"b":[]}"#,
            r#"[{"op":"copy","from":"/a","path":"/b/0"}]"#,
            r#"{"a":{"n":1.50},"b":[{"n":1.50}]}"#,
        ),
        ("whole", r#"{"a":1}"#, r#"[{"op":"replace","path":"","value":{"b":2}}]"#, r#"{"b":2}"#),
        ("move to itself", r#"{"a":1}"#, r#"[{"op":"move","from":"/a","path":"/a"}]"#, r#"{"a":1}"#),
        ("add replaces", r#"{"a":1,"b":2}"#, r#"[{"op":"add","path":"/a","value":null}]"#, r#"{"a":null,"b":2}"#),
        ("nothing", r#"{"a":0.010}"#, "[]", r#"{"a":0.010}"#),
    ] {
        assert_eq!(patched(document, patch).as_deref(), Ok(result), "{number}");
    }
}

/// RFC 6902 appendix A.9, A.12, A.15 and their like: the operation, the place and why.
#[test]
fn what_cannot_be_done_is_refused_with_its_place() {
    let why = refused(r#"{"baz":"qux"}"#, r#"[{"op":"test","path":"/baz","value":"bar"}]"#);
    assert_eq!(why, r#"operation 0 (test "/baz"): the test failed: the value is "qux", not "bar""#);
    let why = refused(r#"{"foo":"bar"}"#, r#"[{"op":"add","path":"/baz/bat","value":"qux"}]"#);
    assert_eq!(why, r#"operation 0 (add "/baz/bat"): "" has no member "baz""#);
    refused(r#"{"/":9,"~1":10}"#, r#"[{"op":"test","path":"/~01","value":"10"}]"#);
    for patch in [
        r#"[{"op":"remove","path":""}]"#,
        r#"[{"op":"remove","path":"/none"}]"#,
        r#"[{"op":"remove","path":"/list/2"}]"#,
        r#"[{"op":"remove","path":"/list/-"}]"#,
        r#"[{"op":"remove","path":"/list/00"}]"#,
        r#"[{"op":"replace","path":"/none","value":1}]"#,
        r#"[{"op":"replace","path":"/list/-","value":1}]"#,
        r#"[{"op":"add","path":"/list/3","value":1}]"#,
        r#"[{"op":"add","path":"/list/01","value":1}]"#,
        r#"[{"op":"add","path":"/list/+1","value":1}]"#,
        r#"[{"op":"add","path":"/list/99999999999999999999999","value":1}]"#,
        r#"[{"op":"add","path":"/text/0","value":1}]"#,
        r#"[{"op":"copy","from":"/none","path":"/list/0"}]"#,
        r#"[{"op":"move","from":"/none","path":"/list/0"}]"#,
        r#"[{"op":"test","path":"/none","value":null}]"#,
        r#"[{"op":"test","path":"/list","value":[2,1]}]"#,
    ] {
        refused(r#"{"list":[1,2],"text":"x"}"#, patch);
    }
}

#[test]
fn a_patch_must_be_well_formed() {
    assert!(malformed("{}").contains("array"));
    assert!(malformed(r#"[{"op":"remove","path":"/a"},{"op":"merge","path":"/a"}]"#).starts_with("operation 1"));
    for patch in [
        "[1]",
        "[{}]",
        r#"[{"op":"add","path":"/a"}]"#,
        r#"[{"op":"add","value":1}]"#,
        r#"[{"op":"move","path":"/a"}]"#,
        r#"[{"op":"copy","path":"/a","from":1}]"#,
        r#"[{"op":"remove","path":"a"}]"#,
        r#"[{"op":"remove","path":"/~2"}]"#,
        r#"[{"op":"remove","path":"/a~"}]"#,
        r#"[{"op":"move","from":"/a","path":"/a/b"}]"#,
        r#"[{"path":"/a"}]"#,
    ] {
        malformed(patch);
    }
}

/// RFC 6902 section 4.6.
#[test]
fn numbers_are_equal_by_value_and_objects_without_order() {
    for (left, right, equal) in [
        ("1.0", "1.00", true),
        ("100", "1e2", true),
        ("-0", "0", true),
        ("1", "1.0000000000000000000000001", false),
        ("1", "\"1\"", false),
        (r#"{"a":1,"b":[2]}"#, r#"{"b":[2.0],"a":1}"#, true),
        (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, false),
        (r#"{"a":1,"b":1}"#, r#"{"a":1,"c":1}"#, false),
        ("[1,2]", "[2,1]", false),
        ("null", "false", false),
    ] {
        let (one, other) = (parse(left.as_bytes()).unwrap(), parse(right.as_bytes()).unwrap());
        assert_eq!((same(&one, &other), same(&other, &one)), (equal, equal), "{left} {right}");
    }
}

/// A few operations must not make a large or deep document.
#[test]
fn growth_is_bounded() {
    let doubled = vec![r#"{"op":"copy","from":"/a","path":"/a/-"}"#; 200].join(",");
    let result = patched(r#"{"a":["x"]}"#, &format!("[{doubled}]"));
    assert!(matches!(result, Err(PatchError::TooCostly(_) | PatchError::Unprocessable(_))), "{result:?}");
    let wide = r#"{"op":"copy","from":"/a","path":"/b/-"},{"op":"copy","from":"/b","path":"/a"}"#;
    let wide = vec![wide; 200].join(",");
    assert!(patched(r#"{"a":["x"],"b":["y"]}"#, &format!("[{wide}]")).is_err());
    let many = vec![r#"{"op":"test","path":"","value":{}}"#; MAX_OPERATIONS + 1].join(",");
    assert!(matches!(patched("{}", &format!("[{many}]")), Err(PatchError::TooCostly(_))));
}

fn any_node() -> impl Strategy<Value = Node<'static>> {
    let leaf = prop_oneof![
        Just(Node::Null),
        any::<bool>().prop_map(Node::Bool),
        any::<i16>().prop_map(|number| Node::Number(number.to_string().into())),
        "[a-c]{0,2}".prop_map(Node::string),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Node::Array),
            prop::collection::btree_map("[abc]", inner, 0..4).prop_map(Node::object),
        ]
    })
}

fn any_operation() -> impl Strategy<Value = Node<'static>> {
    let pointer = || "(/([abc012-]|~0)){0,3}";
    let op = prop::sample::select(vec!["add", "remove", "replace", "move", "copy", "test"]);
    (op, pointer(), pointer(), any_node()).prop_map(|(op, path, from, value)| {
        Node::object([
            ("op", Node::string(op)),
            ("path", Node::string(path)),
            ("from", Node::string(from)),
            ("value", value),
        ])
    })
}

proptest! {
    #[test]
    fn never_panics(document in any_node(), operations in prop::collection::vec(any_operation(), 0..8)) {
        if let Ok(patch) = JsonPatch::read(&Node::Array(operations)) {
            let _ = patch.apply(document);
        }
    }

    #[test]
    fn reading_never_panics(document in any_node()) {
        let _ = JsonPatch::read(&document);
        let _ = JsonPatch::read(&Node::Array(vec![document]));
    }

    /// What was added is found by a test, and gone when it is removed again.
    #[test]
    fn add_test_remove_is_nothing(document in any_node(), value in any_node()) {
        let document = Node::object([("kept", document)]);
        let operation = |op: &'static str| {
            Node::object([("op", Node::string(op)), ("path", Node::string("/new")), ("value", value.clone())])
        };
        let patch = JsonPatch::read(&Node::Array(["add", "test", "remove"].map(operation).to_vec())).unwrap();
        prop_assert_eq!(patch.apply(document.clone()).unwrap(), document.clone());
        let whole = Node::object([("op", Node::string("test")), ("path", Node::string("")), ("value", document.clone())]);
        prop_assert!(JsonPatch::read(&Node::Array(vec![whole])).unwrap().apply(document.clone()).is_ok());
    }
}
