use proptest::prelude::*;

use super::*;
use crate::format::json::parse;
use crate::validation::structure::check_resource;

#[test]
fn every_line_of_the_table_is_a_path_of_the_standard() {
    for (mapping, entity) in mappings().iter().zip(ENTITIES) {
        assert_eq!(mapping.sources.len(), entity.sources.len(), "{}", entity.name);
        for source in entity.sources {
            for (name, path) in source.paths {
                assert!(entity.fields.iter().any(|field| field.name == *name), "{}.{name} ({path})", entity.name);
            }
        }
        let first = &mapping.sources[0];
        for (field, lens) in entity.fields.iter().zip(&first.fields) {
            assert!(lens.is_some() || !field.required, "{}.{} has no place", entity.name, field.name);
        }
        let mut names: Vec<&str> = entity.fields.iter().map(|field| field.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), entity.fields.len(), "{}", entity.name);
    }
}

fn digits() -> impl Strategy<Value = String> {
    ("-?[1-9][0-9]{0,3}(\\.[0-9]{1,3})?").prop_map(|digits| digits)
}

fn cell_of(field: &'static Field, fhir_type: &str) -> BoxedStrategy<Cell> {
    let end = if fhir_type == "date" { "" } else { "T1[0-9]:00:00\\+09:00" };
    let text = match fhir_type {
        "uri" | "url" | "canonical" => "urn:x:[a-z]{1,8}",
        "base64Binary" => "(YWJj){1,3}",
        _ => "[ぁ-ん一-龥a-z][ぁ-ん一-龥a-z ]{0,8}[ぁ-ん一-龥a-z]",
    };
    let reference = |types: &'static [&'static str]| {
        (prop::sample::select(types), "[a-z0-9]{1,6}").prop_map(|(kind, id)| format!("{kind}/{id}"))
    };
    let value = match field.kind {
        FieldKind::Text => text.prop_map(Cell::Text).boxed(),
        FieldKind::Code => "[a-z][a-z0-9-]{0,8}".prop_map(Cell::Text).boxed(),
        FieldKind::Date => proptest::string::string_regex(&format!("20[0-3][1-9]-0[1-9]-[12][0-8]{end}"))
            .unwrap()
            .prop_map(|text| {
                let low = span(&text, JST_SECONDS).map(|span| span.low);
                Cell::Date(text, low)
            })
            .boxed(),
        FieldKind::Decimal => digits().prop_map(Cell::Text).boxed(),
        FieldKind::Integer => (1..100_000_i64).prop_map(Cell::Integer).boxed(),
        FieldKind::Boolean => (0..2_i64).prop_map(Cell::Integer).boxed(),
        FieldKind::Reference(types) => reference(types).prop_map(Cell::Text).boxed(),
        FieldKind::References(types) => prop::collection::vec(reference(types), 1..4).prop_map(Cell::Texts).boxed(),
    };
    if field.required { value } else { prop_oneof![1 => Just(Cell::Nothing), 3 => value].boxed() }
}

fn any_row() -> impl Strategy<Value = (usize, Vec<Cell>)> {
    (0..ENTITIES.len()).prop_flat_map(|place| {
        let mapping = &mappings()[place];
        let one = |(at, field)| {
            if mapping.is_writable(at) {
                cell_of(field, mapping.fhir_type(at).unwrap_or_default())
            } else {
                Just(Cell::Nothing).boxed()
            }
        };
        let cells: Vec<BoxedStrategy<Cell>> = ENTITIES[place].fields.iter().enumerate().map(one).collect();
        (Just(place), cells)
    })
}

/// What is written along when nothing is given comes back with the rest.
fn is_defaulted(source: &Source, field: &Field) -> bool {
    let path = source.paths.iter().find(|(name, _)| *name == field.name).map(|(_, path)| *path);
    source.defaults.iter().any(|(default, _)| Some(*default) == path)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// project(to_fhir(x)) = x
    #[test]
    fn what_is_written_is_what_is_shown((place, cells) in any_row()) {
        let mapping = &mappings()[place];
        let entity = mapping.entity;
        let source = &entity.sources[0];
        let citizen = if source.citizen.is_empty() { "" } else { "p1" };
        let resource = if source.per.is_empty() {
            mapping.to_fhir(&cells, citizen, None)
        } else {
            let mut resource = mapping.to_fhir(&vec![Cell::Nothing; cells.len()], citizen, None);
            mapping.sources[0].per.as_ref().unwrap().set(&mut resource, mapping.to_item(&cells));
            resource
        };
        let mine: Vec<EntityRow> =
            rows(source.resource, &resource).into_iter().filter(|row| row.table == &mapping.table).collect();
        prop_assert_eq!(mine.len(), 1, "{} {}", entity.name, String::from_utf8_lossy(&resource.to_bytes()));
        prop_assert_eq!(&mine[0].citizen_id, citizen);
        for ((field, written), shown) in entity.fields.iter().zip(&cells).zip(&mine[0].cells) {
            if *written == Cell::Nothing && is_defaulted(source, field) {
                continue;
            }
            prop_assert_eq!(written, shown, "{}.{} {}", entity.name, field.name, String::from_utf8_lossy(&resource.to_bytes()));
        }
        // Written again it is the same resource.
        if source.per.is_empty() {
            let again = mapping.to_fhir(&mine[0].cells, citizen, Some(resource.clone()));
            prop_assert_eq!(again, resource);
        }
    }

    /// What the notebook makes has the shape of its type, and what it has no field for stays.
    #[test]
    fn what_is_written_is_right_in_shape_and_keeps_the_rest((place, cells) in any_row()) {
        let mapping = &mappings()[place];
        let source = &mapping.entity.sources[0];
        prop_assume!(source.per.is_empty());
        let more = Node::object([
            ("resourceType", Node::string(source.resource)),
            ("language", Node::string("ja")),
            ("identifier", Node::Array(vec![Node::object([("value", Node::string("keep"))])])),
        ]);
        let citizen = if source.citizen.is_empty() { "" } else { "p1" };
        let has_list = !matches!(source.resource, "Composition");
        let base = has_list.then_some(more);
        let resource = mapping.to_fhir(&cells, citizen, base);
        if has_list {
            prop_assert_eq!(resource.text("language"), Some("ja"));
            prop_assert_eq!(resource.list("identifier")[0].text("value"), Some("keep"));
        }
        let issues = check_resource(&resource, Some(source.resource)).err().unwrap_or_default();
        // What a form does not ask for is not made up: those who write give it.
        let missing = |issue: &crate::r4::outcome::Issue| issue.code == crate::r4::outcome::IssueCode::Required;
        let wrong: Vec<_> = issues.iter().filter(|issue| !missing(issue)).collect();
        prop_assert!(wrong.is_empty(), "{} {:?} {}", mapping.entity.name, wrong, String::from_utf8_lossy(&resource.to_bytes()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    /// project(edit(r, x)) = x; what no field names stays as it was; an edit that changes nothing is none.
    #[test]
    fn an_edit_is_what_is_shown_and_touches_nothing_else((place, before) in any_row(), (other, after) in any_row()) {
        let mapping = &mappings()[place];
        // Values of the same entity: those of another one would not fit.
        let after = if other == place { after } else { before.iter().rev().cloned().collect::<Vec<_>>() };
        let after: Vec<Cell> = mapping.entity.fields.iter().enumerate().map(|(at, field)| {
            let fits = after.get(at).is_some_and(|cell| std::mem::discriminant(cell) == std::mem::discriminant(&before[at]));
            // Every second field changes, the others stay or go.
            match (at % 3, fits) {
                (0, true) => after[at].clone(),
                (1, _) if !field.required => Cell::Nothing,
                _ => before[at].clone(),
            }
        }).collect();
        let source = &mapping.entity.sources[0];
        let citizen = if source.citizen.is_empty() { "" } else { "p1" };
        let mut resource = if source.per.is_empty() {
            mapping.to_fhir(&before, citizen, None)
        } else {
            let empty = vec![Cell::Nothing; before.len()];
            mapping.add_item(0, mapping.to_fhir(&empty, citizen, None), &before).0
        };
        let keep = Node::object([("url", Node::string("urn:keep")), ("valueString", Node::string("x"))]);
        let mut extensions: Vec<Node<'static>> = resource.list("extension").to_vec();
        extensions.insert(0, keep.clone());
        resource.set("extension", Node::Array(extensions));
        resource.set("language", Node::string("ja"));
        let read = mapping.values(0, &resource, 0).unwrap();
        prop_assert_eq!(mapping.edit(0, resource.clone(), 0, &read), resource.clone(), "{}", mapping.entity.name);
        let edited = mapping.edit(0, resource, 0, &after);
        prop_assert_eq!(edited.text("language"), Some("ja"));
        prop_assert_eq!(&edited.list("extension")[0], &keep);
        let shown = mapping.values(0, &edited, 0);
        // Without what makes it one of the entity it is none any more.
        prop_assume!(shown.is_some());
        for (at, (shown, wanted)) in shown.unwrap_or_default().iter().zip(&after).enumerate() {
            let is_filled = *wanted == Cell::Nothing && is_defaulted(source, &mapping.entity.fields[at]);
            if mapping.is_placed(0, at) && !is_filled {
                prop_assert_eq!(shown, wanted, "{}.{}", mapping.entity.name, mapping.entity.fields[at].name);
            }
        }
    }
}

/// Two sources of one type in one entity would write two rows of one key: they must exclude each other.
#[test]
fn sources_of_one_type_exclude_each_other() {
    let needs =
        |source: &Source, path: &str| source.citizen == path || source.per.is_empty() && source.present.contains(&path);
    let excludes = |left: &Source, right: &Source| {
        let by_absence = left.absent.iter().any(|path| needs(right, path));
        let by_text = left
            .fixed
            .iter()
            .any(|(path, text)| right.fixed.iter().any(|(other, their)| path == other && text != their));
        by_absence || by_text
    };
    let mut pairs = 0;
    for entity in ENTITIES {
        for (place, left) in entity.sources.iter().enumerate() {
            for right in entity.sources.iter().skip(place + 1).filter(|right| right.resource == left.resource) {
                assert!(
                    excludes(left, right) || excludes(right, left),
                    "{}: two sources of {}",
                    entity.name,
                    left.resource
                );
                pairs += 1;
            }
        }
    }
    assert!(pairs > 0, "read marks have two");
}

#[test]
fn articles_and_comments_are_told_apart() {
    let communication = |more: &str| {
        let text = format!(
            r#"{{"resourceType":"Communication","status":"completed","subject":{{"reference":"Patient/p"}}{more}}}"#
        );
        let names: Vec<&str> = rows("Communication", &parse(text.as_bytes()).unwrap())
            .iter()
            .map(|row| row.table.name.trim_start_matches("notebook_"))
            .collect();
        names
    };
    assert_eq!(communication(""), ["article"]);
    assert_eq!(communication(r#","inResponseTo":[{"reference":"Communication/a"}]"#), ["comment"]);
    let read = r#","extension":[{"url":"http://renraku.example/fhir/StructureDefinition/read-receipt","extension":[{"url":"who","valueReference":{"reference":"Practitioner/d"}},{"url":"when","valueDateTime":"2026-05-02"}]}]"#;
    assert_eq!(communication(read), ["article", "read_mark"]);
}

/// The examples of our guide are what the notebook shows.
#[test]
fn the_examples_of_the_guide_are_notebook_rows() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fhir-profiles/renraku/examples");
    for (file, entity) in [
        ("notebook-article", "article"),
        ("notebook-comment", "comment"),
        ("home-media", "media"),
        ("fls-care-plan", "plan"),
        ("index-fracture", "diagnosis"),
        ("grip-strength", "measurement"),
        ("fall-event", "fall"),
        ("home-hazard", "home_hazard"),
        ("care-level", "care_level"),
        ("osteoporosis-medication-statement", "medication"),
        ("sharing-consent", "consent"),
        ("notebook-care-team", "team"),
    ] {
        let text = std::fs::read(folder.join(format!("{file}.json"))).unwrap();
        let resource = parse(&text).unwrap();
        let rows = rows(resource.text("resourceType").unwrap(), &resource);
        assert!(rows.iter().any(|row| row.table.name == format!("notebook_{entity}")), "{file}");
    }
}

const HEAD: &str = "-- Made from the table of entities (src/notebook/model/entities); rows are derived: `renraku reindex` makes them.\n\n";

/// Tables that came after the first of them, and by which migration.
const LATER: &[(&str, &str)] = &[("notebook_blood_pressure", "2026-11-25-090000_notebook_blood_pressure")];

/// The tables are written by hand in the migrations: they must be those of the model.
#[test]
fn the_migrations_have_the_tables_of_the_model() {
    for (folder, is_postgres) in [("sqlite", false), ("postgresql", true)] {
        let folder = format!("{}/migrations/{folder}", env!("CARGO_MANIFEST_DIR"));
        let citizen = std::fs::read_to_string(format!("{folder}/2026-11-25-040100_notebook_citizen/up.sql")).unwrap();
        assert!(citizen.contains("municipality") && citizen.contains("folded"));
        let definition =
            |table: &&EntityTable| format!("DROP TABLE IF EXISTS {};\n{}", table.name, table.definition(is_postgres));
        let later = |table: &&&EntityTable| LATER.iter().any(|(name, _)| *name == table.name);
        let first: Vec<&EntityTable> = tables().iter().filter(|table| !later(table)).copied().collect();
        let one = |(name, migration): &(&str, &'static str)| {
            (*migration, tables().iter().filter(|table| table.name == *name).copied().collect())
        };
        let migrations = std::iter::once(("2026-11-25-040000_notebook_entities", first)).chain(LATER.iter().map(one));
        for (migration, tables) in migrations {
            let expected: Vec<String> = tables.iter().map(definition).collect();
            let expected = format!("{HEAD}{}", expected.join("\n"));
            let file = format!("{folder}/{migration}/up.sql");
            if std::env::var_os("RENRAKU_WRITE_MIGRATIONS").is_some() {
                std::fs::write(&file, &expected).unwrap();
            }
            assert_eq!(std::fs::read_to_string(&file).unwrap(), expected, "{file}");
        }
    }
}
