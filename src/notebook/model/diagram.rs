//! The notebook's tables as an entity-relationship diagram (Mermaid) in `docs/notebook.md`, made from the table of
//! entities: columns from their fields, lines from what their references point at.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Entity, FieldKind, citizen_mapping, describe, mappings};

/// The file's text.
#[must_use]
pub fn document() -> String {
    let mut text = String::from(HEAD);
    text.push_str("```mermaid\nerDiagram\n");
    for line in lines() {
        let _ = writeln!(text, "    {line}");
    }
    for mapping in describe::all() {
        let _ = writeln!(text, "    {} {{", table(mapping.entity));
        for column in columns(mapping.entity) {
            let _ = writeln!(text, "        {column}");
        }
        text.push_str("    }\n");
    }
    text.push_str("```\n\n| Table | | | Comes from |\n|---|---|---|---|\n");
    for mapping in describe::all() {
        let entity = mapping.entity;
        let mut types: Vec<&str> = Vec::new();
        for source in entity.sources {
            if !types.contains(&source.resource) {
                types.push(source.resource);
            }
        }
        let _ = writeln!(text, "| `{}` | {} | {} | {} |", table(entity), entity.ja, entity.en, types.join(", "));
    }
    text
}

const HEAD: &str = "# The notebook's tables

Made from the table of entities (`src/notebook/model/entities`); `RENRAKU_WRITE_DOCS=1 cargo test --lib diagram` makes it anew, and a
test fails when it is stale. How each field and FHIR go together: `GET /notebook/v1/mapping`.

Rows are derived from resources in the transaction that writes them and can be rebuilt at any time (`renraku reindex`). `key` is the
resource, `ordinal` the place of the entry in it, `citizen` the key of the Patient (0 for what is about nobody). A date is kept as it was
written, and its beginning in µs in `<name>_at`. A table finds and orders; what an entry says is read from the resource.

";

fn table(entity: &Entity) -> String {
    format!("notebook_{}", entity.name)
}

fn columns(entity: &Entity) -> Vec<String> {
    if entity.name == "citizen" {
        // The one table made by hand.
        return crate::store::CITIZEN_COLUMNS
            .iter()
            .map(|name| match *name {
                "key" => "bigint key PK".to_owned(),
                "municipality" => "text municipality FK \"id of the Organization\"".to_owned(),
                "folded" => "text folded \"names and numbers as searches see them\"".to_owned(),
                name => format!("text {name}"),
            })
            .collect();
    }
    let mut columns: Vec<String> =
        ["bigint key PK", "bigint ordinal PK", "bigint citizen PK, FK"].map(str::to_owned).to_vec();
    for field in entity.fields {
        let (kind, key) = match field.kind {
            FieldKind::Integer | FieldKind::Boolean => ("bigint", ""),
            FieldKind::Reference(_) => ("text", " FK"),
            _ => ("text", ""),
        };
        let note = match field.kind {
            FieldKind::References(_) => format!("{}: JSON array of references", field.en),
            _ => field.en.to_owned(),
        };
        columns.push(format!("{kind} {}{key} \"{}\"", field.name, note.replace('"', "'")));
        if field.kind == FieldKind::Date {
            columns.push(format!("bigint {}_at", field.name));
        }
    }
    columns
}

/// Who belongs to whom: citizens have entries, references point at what a type is first in the notebook, items of
/// one resource hang on it.
fn lines() -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for mapping in mappings() {
        let entity = mapping.entity;
        if mapping.is_about_citizen() {
            lines.insert(format!("notebook_citizen ||--o{{ {} : citizen", table(entity)));
        }
        if let Some(source) = entity.sources.first().filter(|source| !source.per.is_empty())
            && let Some(whole) = of_type(source.resource)
        {
            lines.insert(format!("{} ||--o{{ {} : items", table(whole), table(entity)));
        }
        for field in entity.fields {
            let (types, many) = match field.kind {
                FieldKind::Reference(types) => (types, "o|"),
                FieldKind::References(types) => (types, "o{"),
                _ => continue,
            };
            for target in types.iter().filter_map(|kind| of_type(kind)) {
                lines.insert(format!("{} }}o--{many} {} : {}", table(entity), table(target), field.name));
            }
        }
    }
    lines.insert("notebook_citizen }o--o| notebook_facility : municipality".to_owned());
    lines
}

/// The entity that a resource of a type is as a whole, when it is one first of all.
fn of_type(kind: &str) -> Option<&'static Entity> {
    let mut all = std::iter::once(citizen_mapping()).chain(mappings()).map(|mapping| mapping.entity);
    // Observations are entries of many kinds; none stands for them.
    if kind == "Observation" {
        return None;
    }
    all.find(|entity| entity.sources.first().is_some_and(|source| source.resource == kind && source.per.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `RENRAKU_WRITE_DOCS=1 cargo test --lib diagram` writes it.
    #[test]
    fn the_diagram_in_the_docs_is_that_of_the_tables() {
        let file = format!("{}/docs/notebook.md", env!("CARGO_MANIFEST_DIR"));
        let expected = document();
        if std::env::var_os("RENRAKU_WRITE_DOCS").is_some() {
            std::fs::write(&file, &expected).unwrap();
        }
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(found == expected, "docs/notebook.md is stale: RENRAKU_WRITE_DOCS=1 cargo test --lib diagram");
    }

    /// Each column of each table is there, and nothing else.
    #[test]
    fn the_diagram_has_the_columns_of_the_tables() {
        for mapping in mappings() {
            let shown: Vec<String> =
                columns(mapping.entity).iter().map(|column| column.split(' ').nth(1).unwrap().to_owned()).collect();
            assert_eq!(shown, mapping.table.column_names(), "{}", mapping.table.name);
        }
    }
}
