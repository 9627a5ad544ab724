use super::*;
use crate::notebook::project;
use crate::validation::structure::check_resource;

#[test]
fn demonstration_data_is_valid_and_the_same_each_time() {
    let bundles = demo_bundles();
    assert_eq!(bundles.len(), 6);
    assert_eq!(bundles, demo_bundles());
    for bundle in &bundles {
        assert_eq!(check_resource(bundle, Some("Bundle")).err(), None);
    }
}

#[test]
fn every_citizen_is_on_the_notebook() {
    for bundle in demo_bundles().iter().skip(1) {
        let rows: Vec<_> = bundle
            .list("entry")
            .iter()
            .filter_map(|entry| entry.get("resource"))
            .map(|resource| project(resource.text("resourceType").unwrap(), resource))
            .collect();
        let citizen = rows.iter().find_map(|rows| rows.citizen.as_ref()).unwrap();
        assert!(citizen.name.starts_with("見本 ") && citizen.kana.starts_with("ミホン "));
        let entries: Vec<_> = rows.iter().flat_map(|rows| &rows.entries).collect();
        for category in ["diagnosis", "medication", "function", "observation", "team", "visit", "exercise", "nutrition"]
        {
            assert!(entries.iter().any(|entry| entry.category == category), "{category}");
        }
    }
}
