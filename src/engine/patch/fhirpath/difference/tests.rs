//! Whatever is done to a resource, the difference as a patch does the same.

use super::super::FhirPathPatch;
use super::{difference, is_same};
use crate::format::json::{Node, parse};
use crate::r4::definitions;
use crate::validation::shared;
use crate::validation::structure::check_resource;

const SAMPLES: [&str; 3] = [
    r#"{"resourceType":"Patient","id":"a","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>"},"extension":[{"url":"urn:a","valueString":"x"},{"url":"urn:b","extension":[{"url":"c","valueDecimal":1.0}]}],"active":true,"name":[{"use":"official","family":"見本","given":["花子","g"],"_given":[null,{"extension":[{"url":"urn:e","valueCode":"x"}]}]},{"text":"T"}],"birthDate":"1941-02-03","_birthDate":{"id":"b"},"contact":[{"relationship":[{"text":"娘"}],"name":{"family":"見本"},"period":{"start":"2020"}}],"contained":[{"resourceType":"Organization","id":"o","name":"O"}]}"#,
    r#"{"resourceType":"Observation","id":"a","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8302-2"}],"text":"身長"},"valueQuantity":{"value":150.10,"unit":"cm"},"component":[{"code":{"text":"a"},"valueQuantity":{"value":1}},{"code":{"text":"b"},"valueString":"x"},{"code":{"text":"c"},"valueInteger":3}]}"#,
    r#"{"resourceType":"Questionnaire","id":"a","status":"draft","item":[{"linkId":"1","type":"group","item":[{"linkId":"1.1","type":"string","text":"何"},{"linkId":"1.2","type":"choice","answerOption":[{"valueString":"a"},{"valueCoding":{"code":"b"},"initialSelected":true}]}]},{"linkId":"2","type":"boolean"}]}"#,
];

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// One change somewhere: a text, an item gone, doubled or moved, a member gone.
fn change(node: &mut Node<'static>, dice: &mut Dice, depth: usize) {
    match node {
        Node::Object(members) if !members.is_empty() => {
            let place = dice.below(members.len());
            let is_kept = matches!(members[place].0.as_ref(), "resourceType" | "id" | "url");
            if dice.below(6) == 0 && members.len() > 1 && !is_kept && depth > 0 {
                let name = members.remove(place).0.into_owned();
                members.retain(|(other, _)| *other != format!("_{name}"));
            } else if !is_kept {
                change(&mut members[place].1, dice, depth + 1);
            }
        }
        Node::Array(items) if !items.is_empty() && !items.contains(&Node::Null) => {
            let place = dice.below(items.len());
            match dice.below(6) {
                0 if items.len() > 1 => drop(items.remove(place)),
                1 => items.insert(place, items[place].clone()),
                2 => {
                    let item = items.remove(place);
                    let to = dice.below(items.len() + 1);
                    items.insert(to, item);
                }
                3 => items.reverse(),
                _ => change(&mut items[place], dice, depth + 1),
            }
        }
        Node::String(text) => *text = format!("{text}x").into(),
        Node::Number(digits) => *digits = format!("{digits}1").into(),
        Node::Bool(value) => *value = !*value,
        _ => {}
    }
}

fn holds(left: &Node<'_>, right: &Node<'_>) {
    let root = definitions().resource(left.text("resourceType").unwrap()).unwrap();
    let operations = difference(left, right, root);
    let shown = || {
        let text = |node: &Node<'_>| String::from_utf8(node.to_bytes()).unwrap();
        let all: Vec<String> = operations.iter().map(text).collect();
        format!("{}\n{}\n{}", text(left), text(right), all.join("\n"))
    };
    let parameters = Node::object([("parameter", Node::Array(operations.clone()))]);
    let patch = FhirPathPatch::read(&parameters, root).unwrap_or_else(|error| panic!("{error}\n{}", shown()));
    let patched = patch.apply(left.clone()).unwrap_or_else(|error| panic!("{error}\n{}", shown()));
    assert!(is_same(&patched, right), "{}\n{}", String::from_utf8(patched.to_bytes()).unwrap(), shown());
    assert_eq!(operations.is_empty(), is_same(left, right));
}

#[test]
fn the_difference_is_a_patch() {
    let mut texts: Vec<Vec<u8>> = SAMPLES.iter().map(|text| text.as_bytes().to_vec()).collect();
    for path in shared("suites/r4-examples").into_iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()) {
        let text = std::fs::read(path.unwrap().path()).unwrap();
        if text.len() < 60_000 {
            texts.push(text);
        }
    }
    let mut dice = Dice(7);
    let resources = texts.iter().filter_map(|text| Some(parse(text).ok()?.into_owned()));
    for resource in resources.filter(|resource| resource.text("resourceType").is_some()) {
        for count in 0..12 {
            let mut other = resource.clone();
            for _ in 0..count {
                change(&mut other, &mut dice, 0);
            }
            holds(&resource, &other);
            holds(&other, &resource);
        }
    }
}

/// Between any two resources of a type, and what comes is a valid Parameters.
#[test]
fn from_anything_to_anything_of_a_type() {
    let all: Vec<Node<'static>> = SAMPLES.iter().map(|text| parse(text.as_bytes()).unwrap().into_owned()).collect();
    for sample in &all {
        let name = sample.text("resourceType").unwrap().to_owned();
        let bare = Node::object([("resourceType", Node::string(name.clone())), ("id", Node::string("a"))]);
        holds(sample, &bare);
        holds(&bare, sample);
        let operations = difference(&bare, sample, definitions().resource(&name).unwrap());
        let parameters =
            Node::object([("resourceType", Node::string("Parameters")), ("parameter", Node::Array(operations))]);
        assert_eq!(check_resource(&parameters, Some("Parameters")).map(|_| ()), Ok(()));
    }
}

#[test]
fn what_it_says() {
    let said = |left: &str, right: &str| -> Vec<String> {
        let (left, right) = (parse(left.as_bytes()).unwrap(), parse(right.as_bytes()).unwrap());
        let operations = difference(&left, &right, definitions().resource("Patient").unwrap());
        let said = |operation: &Node<'_>| {
            let part = |name: &str| {
                let found = operation.list("part").iter().find(|part| part.text("name") == Some(name))?;
                let (_, value) = found.members().iter().find(|(name, _)| name != "name")?;
                Some(String::from_utf8(value.to_bytes()).unwrap().replace('"', ""))
            };
            let parts = ["type", "path", "name", "index", "value"].into_iter().filter_map(part);
            parts.collect::<Vec<_>>().join(" ")
        };
        operations.iter().map(said).collect()
    };
    let patient = |rest: &str| format!(r#"{{"resourceType":"Patient","id":"a",{rest}}}"#);
    assert_eq!(
        said(
            &patient(r#""gender":"male","name":[{"family":"A","given":["x","y"]},{"family":"B"}]"#),
            &patient(r#""active":true,"name":[{"family":"A","given":["y"]},{"family":"C"},{"family":"D"}]"#)
        ),
        [
            "add Patient active true",
            "delete Patient.name[0].given[0]",
            "replace Patient.name[1].family C",
            "add Patient name {family:D}",
            "delete Patient.gender",
        ]
    );
    assert_eq!(
        said(&patient(r#""deceasedBoolean":true"#), &patient(r#""deceasedDateTime":"2024""#)),
        ["replace Patient.deceased 2024"]
    );
    let own = patient(r#""name":[{"given":["x","y"],"family":"A"}]"#);
    assert!(said(&own, &patient(r#""name":[{"family":"A","given":["x","y"]}]"#)).is_empty());
}
