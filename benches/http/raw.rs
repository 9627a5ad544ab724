//! The ceiling for durable writes: the same rows that renraku wrote, all tables, inserted by plain
//! prepared statements into a database of the same schema, one transaction for 64 resources, with
//! the same durability (WAL, `synchronous=FULL`). What is missing is HTTP, parsing, validation,
//! index extraction and looking for earlier versions: what renraku adds.
//!
//! It knows no table of the store: names and columns are read from the database.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use crate::sqlite::{Connection, Value};

pub(crate) const RESOURCES_PER_TRANSACTION: usize = 64;

/// Columns that say which resource a row belongs to, the preferred one first.
const RESOURCE_COLUMNS: [&str; 3] = ["key", "resource_key", "resource"];

/// What came of it.
pub(crate) struct Raw {
    pub(crate) resources: usize,
    pub(crate) rows: usize,
    pub(crate) seconds: f64,
}

struct Table {
    insert: String,
    rows: Vec<Vec<Value>>,
    /// Where in a row the resource's key is.
    key: Option<usize>,
}

/// Reads the rows of `full` that `empty`, the state before the `resources` were created, has not;
/// then inserts them into `empty`.
pub(crate) fn insert_again(full: &Path, empty: &Path, resources: usize) -> Raw {
    let tables = read_tables(&Connection::open(full), empty);
    let batches = batches(&tables, resources);
    let rows: usize = tables.iter().map(|table| table.rows.len()).sum();

    let target = Connection::open(empty);
    for trigger in target.query("SELECT name FROM sqlite_master WHERE type = 'trigger'") {
        target.execute(&format!("DROP TRIGGER {}", quoted(&text(&trigger[0]))));
    }
    target.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF");
    let before = target.changes();
    let mut inserts: Vec<_> = tables.iter().map(|table| target.prepare(&table.insert)).collect();
    let started = Instant::now();
    for batch in &batches {
        target.execute("BEGIN IMMEDIATE");
        for &(table, row) in batch {
            inserts[table].run(&tables[table].rows[row]);
        }
        target.execute("COMMIT");
    }
    let seconds = started.elapsed().as_secs_f64();
    let written = usize::try_from(target.changes() - before).expect("a count");
    assert!(written * 100 >= rows * 99, "the baseline wrote {written} of {rows} rows");
    Raw { resources, rows: written, seconds }
}

fn read_tables(full: &Connection, empty: &Path) -> Vec<Table> {
    full.execute(&format!("ATTACH '{}' AS empty", empty.display().to_string().replace('\'', "''")));
    let names = full.query(
        "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY rootpage",
    );
    names.iter().map(|name| read_table(full, &text(&name[0]))).collect()
}

fn read_table(full: &Connection, name: &str) -> Table {
    let table = quoted(name);
    // hidden: 0 for the columns that are stored as given, else generated or internal; pk: place in the primary key.
    let shape = full.query(&format!("SELECT name, pk FROM pragma_table_xinfo('{name}') WHERE hidden = 0"));
    let columns: Vec<String> = shape.iter().map(|column| text(&column[0])).collect();
    let mut primary: Vec<(i64, String)> = shape
        .iter()
        .filter_map(|column| {
            if let Value::Integer(place @ 1..) = column[1] { Some((place, quoted(&text(&column[0])))) } else { None }
        })
        .collect();
    primary.sort();
    let primary: Vec<String> = primary.into_iter().map(|(_, column)| column).collect();
    let order = if primary.is_empty() { "rowid".to_owned() } else { primary.join(", ") };
    let list = columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ");

    // What migrations put there is in the empty database already. Few rows: an anti-join is cheap.
    let seeded = matches!(full.query(&format!("SELECT EXISTS (SELECT 1 FROM empty.{table})"))[0][0], Value::Integer(1));
    let fresh = match (seeded, primary.is_empty()) {
        (false, _) => String::new(),
        (true, true) => format!("WHERE rowid NOT IN (SELECT rowid FROM empty.{table})"),
        (true, false) => format!("WHERE ({order}) NOT IN (SELECT {order} FROM empty.{table})"),
    };
    let rows = full.query(&format!("SELECT {list} FROM main.{table} {fresh} ORDER BY {order}"));
    let key = RESOURCE_COLUMNS.iter().find_map(|wanted| {
        let index = columns.iter().position(|column| column == wanted)?;
        rows.iter().all(|row| matches!(row[index], Value::Integer(_))).then_some(index)
    });
    let places = vec!["?"; columns.len()].join(", ");
    Table { insert: format!("INSERT OR IGNORE INTO {table} ({list}) VALUES ({places})"), rows, key }
}

/// Which (table, row) goes into which transaction: rows of one resource together, in the order the
/// resources came; rows of no resource spread evenly.
fn batches(tables: &[Table], resources: usize) -> Vec<Vec<(usize, usize)>> {
    let mut of_resource: BTreeMap<i64, Vec<(usize, usize)>> = BTreeMap::new();
    for (table, content) in tables.iter().enumerate() {
        let Some(key) = content.key else { continue };
        for (row, values) in content.rows.iter().enumerate() {
            if let Value::Integer(resource) = values[key] {
                of_resource.entry(resource).or_default().push((table, row));
            }
        }
    }
    let count = resources.div_ceil(RESOURCES_PER_TRANSACTION).max(1);
    let mut batches = vec![Vec::new(); count];
    for (table, content) in tables.iter().enumerate().filter(|(_, content)| content.key.is_none()) {
        for row in 0..content.rows.len() {
            batches[row * count / content.rows.len()].push((table, row));
        }
    }
    let total = of_resource.len();
    for (place, rows) in of_resource.into_values().enumerate() {
        batches[place * count / total].extend(rows);
    }
    batches
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => panic!("a name, not {other:?}"),
    }
}
