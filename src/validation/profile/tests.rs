//! Snapshots made here against those that HL7's tools made of the same profiles: of JP Core, whose
//! package has both views. Where the package is absent the test says "skipped".

use std::collections::BTreeMap;
use std::sync::Arc;

use super::element::ElementDef;
use super::snapshot::Snapshots;
use super::tree::Tree;
use crate::format::json::{self, Node};
use crate::format::package;
use crate::r4::canonical::{Canonicals, Definition, Layers, standard};
use crate::validation::shared;

/// Elements that must be the same, in percent of those HL7's tools made.
const SAME: usize = 99;

#[derive(Debug, Default)]
struct Shelf(BTreeMap<String, Definition>);

impl Canonicals for Shelf {
    fn find(&self, resource_type: &str, url: &str, _: Option<&str>) -> Option<Definition> {
        self.0.get(url).filter(|found| found.text("resourceType") == Some(resource_type)).map(Arc::clone)
    }

    fn list(&self, _: &str) -> Vec<(String, Option<String>)> {
        self.0.keys().map(|url| (url.clone(), None)).collect()
    }
}

fn package() -> Option<BTreeMap<String, Definition>> {
    let path = shared("samples/packages/jp-core.r4-1.1.2.tgz")?;
    let mut definitions = BTreeMap::new();
    package::read(std::fs::File::open(path).unwrap(), |packaged| {
        let node = json::parse(&packaged.body).unwrap().into_owned();
        definitions.insert(packaged.url, Arc::new(node));
    })
    .unwrap();
    Some(definitions)
}

/// What validation takes from an element, as text.
fn essence(def: &ElementDef) -> BTreeMap<&'static str, String> {
    let mut out = BTreeMap::new();
    out.insert("min", format!("{:?}", def.min));
    out.insert("max", format!("{:?}", def.max));
    let mut types: Vec<String> = def
        .types
        .iter()
        .map(|found| {
            let (mut profiles, mut targets) = (found.profiles.clone(), found.targets.clone());
            profiles.sort();
            targets.sort();
            // The id of the type of `Extension.url` is told in two ways.
            let code = if found.code == "System.String" { "uri" } else { &found.code };
            format!("{code} {profiles:?} {targets:?}")
        })
        .collect();
    types.sort();
    out.insert("types", types.join(", "));
    out.insert("fixed", format!("{:?} {:?}", def.fixed, def.pattern));
    out.insert("binding", format!("{:?}", def.binding.as_ref().map(|binding| (binding.strength, &binding.value_set))));
    // All extensions are sliced by their URL, said or not.
    let slicing = def.slicing.as_ref().filter(|_| def.name() != "extension" || def.slice_name.is_some());
    out.insert("slicing", format!("{:?}", slicing.map(|slicing| (&slicing.discriminators, slicing.rules))));
    out
}

#[test]
fn snapshots_are_those_of_hl7s_tools() {
    let Some(package) = package() else { return };
    let stripped = |node: &Node<'static>| {
        let mut node = node.clone();
        node.remove("snapshot");
        Arc::new(node)
    };
    let shelf = Shelf(package.iter().map(|(url, node)| (url.clone(), stripped(node))).collect());
    let snapshots = Snapshots::new(Arc::new(Layers(vec![Arc::new(shelf), standard()])));
    let (mut all, mut same, mut profiles) = (0, 0, 0);
    for (url, node) in &package {
        let has_both = node.get("snapshot").is_some() && node.get("differential").is_some();
        if node.text("resourceType") != Some("StructureDefinition") || !has_both {
            continue;
        }
        profiles += 1;
        let given = node.get("snapshot").unwrap().list("element").iter().map(ElementDef::read).collect();
        let given = Tree::from_snapshot(given).unwrap();
        let made = snapshots.get(url).unwrap_or_else(|error| panic!("{error}"));
        let root = &given.def.path.clone();
        let (mut left, mut right) = (Vec::new(), Vec::new());
        given.flatten(root, &mut left);
        made.tree.flatten(root, &mut right);
        let right: BTreeMap<String, &ElementDef> = right.into_iter().collect();
        let mut differences = Vec::new();
        for (id, theirs) in left {
            all += 1;
            let Some(ours) = right.get(&id) else {
                differences.push(format!("{id} is missing"));
                continue;
            };
            let (theirs, ours) = (essence(theirs), essence(ours));
            if theirs == ours {
                same += 1;
            } else {
                let differs = theirs.iter().filter(|(key, value)| ours.get(*key) != Some(value));
                differences.extend(differs.map(|(key, value)| format!("{id} {key}: {value} here {}", ours[key])));
            }
        }
        if std::env::var_os("DIFFERENCES").is_some() {
            for difference in differences {
                println!("{url} {difference:.400}");
            }
        }
    }
    println!("{profiles} profiles, {same} of {all} elements are the same");
    assert!(profiles > 50 && same * 100 >= all * SAME, "{same} of {all} elements are the same");
}
