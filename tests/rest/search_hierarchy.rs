//! `:above` and `:below` on URIs and references (FHIR R4 search.html#uri, #reference), places nearby
//! (location.html#search).

use serde_json::{Value, json};

use crate::support::{created, finds, on_each, refused, tagged, unique};

/// "only apply to URLs, and not URNs": by their segments, a slash at the end or not.
#[test]
fn urls_have_what_is_above_and_below() {
    on_each(|server| {
        let tag = unique("url");
        let list = ["", "/fhir/", "/fhir/ValueSet", "/fhir/ValueSet/123", "/fhir/ValueSet/1234"];
        let ids = list.map(|path| {
            let url = format!("http://{tag}.example{path}");
            created(server, &tagged(json!({ "resourceType": "ValueSet", "status": "draft", "url": url }), &tag))
        });
        let find = |modifier: &str, path: &str, places: &[usize]| {
            let wanted: Vec<&str> = places.iter().map(|place| ids[*place].as_str()).collect();
            finds(server, &format!("ValueSet?_tag={tag}&url{modifier}=http://{tag}.example{path}"), &wanted);
        };
        find(":above", "/fhir/ValueSet/123/_history/5", &[0, 1, 2, 3]);
        find(":above", "/fhir/ValueSet/123", &[0, 1, 2, 3]);
        find(":above", "/fhir", &[0]);
        find(":above", "/fhir/", &[0, 1]);
        find(":below", "/fhir/ValueSet", &[2, 3, 4]);
        find(":below", "/fhir/", &[1, 2, 3, 4]);
        find(":below", "/fhir/ValueSet/12", &[]);
        find("", "/fhir/ValueSet/123", &[3]);
        // A URN is below and above itself only.
        let oid = created(
            server,
            &tagged(json!({ "resourceType": "ValueSet", "status": "draft", "url": "urn:oid:1.2.3" }), &tag),
        );
        created(
            server,
            &tagged(json!({ "resourceType": "ValueSet", "status": "draft", "url": "urn:oid:1.2.3.4" }), &tag),
        );
        finds(server, &format!("ValueSet?_tag={tag}&url:below=urn:oid:1.2.3"), &[&oid]);
        finds(server, &format!("ValueSet?_tag={tag}&url:above=urn:oid:1.2.3"), &[&oid]);
        refused(&server.get("ValueSet?url:contains=x"), 400);
    });
}

/// A ward is below its hospital, at any depth; circles end.
#[test]
fn parts_are_below_their_whole() {
    on_each(|server| {
        let tag = unique("location");
        let place = |part_of: Option<&str>| {
            let mut location = json!({ "resourceType": "Location" });
            if let Some(id) = part_of {
                location["partOf"] = json!({ "reference": format!("Location/{id}") });
            }
            created(server, &tagged(location, &tag))
        };
        let hospital = place(None);
        let ward = place(Some(&hospital));
        let bed = place(Some(&ward));
        let elsewhere = place(None);
        let visit = |location: &str| {
            let encounter = json!({ "resourceType": "Encounter", "status": "finished", "class": { "code": "AMB" },
                "location": [{ "location": { "reference": format!("Location/{location}") } }] });
            created(server, &tagged(encounter, &tag))
        };
        let [at_hospital, at_ward, at_bed, _] = [&hospital, &ward, &bed, &elsewhere].map(|id| visit(id));
        let find = |query: &str, ids: &[&str]| finds(server, &format!("Encounter?_tag={tag}&{query}"), ids);
        find(&format!("location={hospital}"), &[&at_hospital]);
        find(&format!("location:below={hospital}"), &[&at_hospital, &at_ward, &at_bed]);
        find(&format!("location:below=Location/{ward}"), &[&at_ward, &at_bed]);
        find(&format!("location:above={ward}"), &[&at_hospital, &at_ward]);
        find(&format!("location:below={bed},{hospital}&location:above={bed}"), &[&at_hospital, &at_ward, &at_bed]);
        finds(server, &format!("Location?_tag={tag}&partof:below={hospital}"), &[&ward, &bed]);
        let circle =
            json!({ "resourceType": "Location", "id": hospital, "partOf": { "reference": format!("Location/{bed}") } });
        assert_eq!(server.put(&format!("Location/{hospital}"), &tagged(circle, &tag)).status, 200);
        find(&format!("location:below={ward}"), &[&at_hospital, &at_ward, &at_bed]);
        refused(&server.get("Encounter?subject:below=Patient/1"), 400);
    });
}

/// `latitude|longitude|distance|unit`; over the date line too.
#[test]
fn places_are_found_by_distance() {
    on_each(|server| {
        let tag = unique("near");
        let place = |latitude: f64, longitude: f64| {
            let position = json!({ "latitude": latitude, "longitude": longitude });
            created(server, &tagged(json!({ "resourceType": "Location", "position": position }), &tag))
        };
        // About 1.1 km, 11 km and 111 km north of the first.
        let [here, walk, drive, far] = [35.0, 35.01, 35.1, 36.0].map(|latitude| place(latitude, 137.0));
        let fiji = place(-17.0, 179.99);
        let find = |value: &str, ids: &[&str]| finds(server, &format!("Location?_tag={tag}&near={value}"), ids);
        find("35|137|0.5|km", &[&here]);
        find("35|137|1.2", &[&here, &walk]);
        find("35|137|1200|m", &[&here, &walk]);
        find("35|137", &[&here, &walk]);
        find("35.0|137.0|12|km", &[&here, &walk, &drive]);
        find("35|137|8|[mi_us]", &[&here, &walk, &drive]);
        find("35|137|100000|km", &[&here, &walk, &drive, &far, &fiji]);
        find("-17|-179.99|3|km", &[&fiji]);
        find("35|137|0.5|km,36|137|1|km", &[&here, &far]);
        for wrong in ["35", "91|0", "35|137|x", "35|137|1|kg", "35|137|-1", "a|b", "1|2|3|km|5"] {
            refused(&server.get(&format!("Location?near={wrong}")), 400);
        }
        refused(&server.get("Location?_sort=near"), 400);
        let service =
            json!({ "resourceType": "HealthcareService", "location": [{ "reference": format!("Location/{drive}") }] });
        let service = created(server, &tagged(service, &tag));
        finds(server, &format!("HealthcareService?_tag={tag}&location.near=35|137|12|km"), &[&service]);
        // It moved.
        let moved: Value =
            json!({ "resourceType": "Location", "id": here, "position": { "latitude": 43.06, "longitude": 141.35 } });
        assert_eq!(server.put(&format!("Location/{here}"), &tagged(moved, &tag)).status, 200);
        find("35|137|1.2", &[&walk]);
        finds(server, &format!("Location?_tag={tag}&near:missing=true"), &[]);
    });
}
