//! A Provenance follows its targets: it belongs to their citizens and is hidden as they are, now and when that changes.
//!
//! Its rows are those of its targets, written where theirs are. Who may see it is then decided as for any resource, by
//! one look at its own rows. A target that is deleted counts with what it was last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Binary};

use super::{Label, labels, owners, patient, put};
use crate::format::json;
use crate::r4::definitions;
use crate::search::extract::extract;
use crate::search::registry::registry;
use crate::search::rows::IndexRows;
use crate::store::connection::{Connection, Statement};
use crate::store::write::WriteTransaction;
use crate::store::{STATE_LIVE, StoreError, type_of_key};

/// Keys a statement.
const CHUNK: usize = 500;
/// How far a Provenance of a Provenance follows.
const DEPTH: usize = 4;

#[derive(QueryableByName)]
struct KeyRecord {
    #[diesel(sql_type = BigInt)]
    key: i64,
}

#[derive(QueryableByName)]
struct BodyRecord {
    #[diesel(sql_type = Binary)]
    body: Vec<u8>,
}

/// A row of `owner` or `label`: of which resource, which citizen or kind, whether it counts now.
#[derive(QueryableByName)]
struct TieRecord {
    #[diesel(sql_type = BigInt)]
    key: i64,
    #[diesel(sql_type = BigInt)]
    to_: i64,
    #[diesel(sql_type = BigInt)]
    current: i64,
}

/// The numbers of the type that follows and of the parameter that names what it follows.
fn provenance() -> (u8, i32) {
    static NUMBERS: OnceLock<(u8, i32)> = OnceLock::new();
    *NUMBERS.get_or_init(|| {
        let number = definitions().resource_number("Provenance").unwrap_or(0);
        (number, registry().find(number, "target").map_or(-1, |found| found.number))
    })
}

/// Whether resources of a type follow others.
pub(in crate::store) fn follows(type_number: u8) -> bool {
    type_number == provenance().0
}

fn targets(rows: &IndexRows) -> impl Iterator<Item = (u8, &str)> {
    let parameter = provenance().1;
    let named = rows.references.iter().filter(move |row| row.parameter == parameter);
    named.map(|row| (row.target_type, row.target_id.as_str()))
}

/// What a Provenance says itself, and what it follows.
#[derive(Debug, Default, Clone)]
struct Said {
    targets: BTreeSet<i64>,
    owners: BTreeSet<i64>,
    labels: BTreeSet<i64>,
}

/// Writes the rows of the Provenances that are touched, and of those whose targets changed theirs.
pub(super) fn record(
    transaction: &mut WriteTransaction<'_>,
    changed: impl Iterator<Item = i64>,
) -> Result<(), StoreError> {
    // Nobody refers to what got its key just now.
    let mut changed: BTreeSet<i64> =
        changed.filter(|key| transaction.touched.get(key).is_none_or(|touched| !touched.is_new)).collect();
    // The notebook alone is rebuilt without index values.
    let without_rows = transaction.only_index;
    let touched: Vec<(i64, IndexRows)> = transaction
        .touched
        .iter()
        .filter(|(_, touched)| follows(touched.type_number) && touched.head.state == STATE_LIVE)
        .filter(|(_, touched)| !(without_rows && touched.rows.references.is_empty()))
        .map(|(key, touched)| (*key, touched.rows.clone()))
        .collect();
    let mut fresh: BTreeMap<i64, Said> = BTreeMap::new();
    for (key, rows) in touched {
        fresh.insert(key, said(transaction, &rows)?);
    }
    let mut due: BTreeMap<i64, Said> = fresh.clone();
    for _ in 0..DEPTH {
        for key in followers(transaction, &changed)? {
            if !due.contains_key(&key)
                && let Some(rows) = stored(transaction, key)?
            {
                due.insert(key, said(transaction, &rows)?);
            }
        }
        if due.is_empty() {
            return Ok(());
        }
        changed = settle(transaction, &due)?;
        due = fresh
            .iter()
            .filter(|(_, said)| !said.targets.is_disjoint(&changed))
            .map(|(k, s)| (*k, s.clone()))
            .collect();
    }
    Ok(())
}

fn said(transaction: &mut WriteTransaction<'_>, rows: &IndexRows) -> Result<Said, StoreError> {
    let number = provenance().0;
    let mut said =
        Said { labels: labels(number, rows).into_iter().map(|label| label as i64).collect(), ..Said::default() };
    for (type_number, id) in targets(rows) {
        said.targets.extend(key_of(transaction, type_number, id)?);
    }
    for id in owners(number, rows) {
        said.owners.extend(key_of(transaction, patient(), id)?);
    }
    Ok(said)
}

/// Every reference of what is touched has its key by now; those of what is stored are looked up.
fn key_of(transaction: &mut WriteTransaction<'_>, type_number: u8, id: &str) -> Result<Option<i64>, StoreError> {
    let name = (type_number, id.to_owned());
    if let Some(key) = transaction.by_id.get(&name).or_else(|| transaction.memory.keys.get(&name)) {
        return Ok(Some(*key));
    }
    let mut statement = Statement::new("SELECT key FROM resource WHERE type = ");
    statement.bind(i64::from(type_number)).sql(" AND id = ").bind(id);
    Ok(transaction.connection.load::<KeyRecord>(&statement)?.first().map(|found| found.key))
}

/// The Provenances about these, but those that are touched.
fn followers(transaction: &mut WriteTransaction<'_>, changed: &BTreeSet<i64>) -> Result<BTreeSet<i64>, StoreError> {
    let mut found = BTreeSet::new();
    let changed: Vec<i64> = changed.iter().copied().collect();
    for some in changed.chunks(CHUNK) {
        let mut statement = Statement::new("SELECT key FROM reference WHERE parameter = ");
        statement.bind(i64::from(provenance().1)).sql(" AND target IN ").bind_list(some.iter().copied()).uncached();
        found.extend(transaction.connection.load::<KeyRecord>(&statement)?.iter().map(|record| record.key));
    }
    found.retain(|key| !transaction.touched.contains_key(key));
    Ok(found)
}

/// The index values of a stored Provenance.
fn stored(transaction: &mut WriteTransaction<'_>, key: i64) -> Result<Option<IndexRows>, StoreError> {
    let mut statement = Statement::new("SELECT body FROM resource WHERE state = 1 AND key = ");
    statement.bind(key);
    let Some(record) = transaction.connection.load::<BodyRecord>(&statement)?.pop() else { return Ok(None) };
    let Ok(resource) = json::parse(&record.body) else { return Ok(None) };
    Ok(Some(extract(type_of_key(key), &resource, &transaction.extract_options)))
}

fn ties(connection: &mut Connection, table: &str, keys: &[i64]) -> Result<BTreeMap<i64, Vec<(i64, bool)>>, StoreError> {
    let mut found: BTreeMap<i64, Vec<(i64, bool)>> = BTreeMap::new();
    for some in keys.chunks(CHUNK) {
        let mut statement = match table {
            "owner" => Statement::new("SELECT key, citizen AS to_, current FROM owner WHERE key IN "),
            _ => {
                let kinds: Vec<String> = Label::ALL.iter().map(|label| (*label as i64).to_string()).collect();
                Statement::new(&format!(
                    "SELECT key, kind AS to_, current FROM label WHERE kind IN ({}) AND key IN ",
                    kinds.join(", ")
                ))
            }
        };
        statement.bind_list(some.iter().copied()).uncached();
        for record in connection.load::<TieRecord>(&statement)? {
            found.entry(record.key).or_default().push((record.to_, record.current != 0));
        }
    }
    Ok(found)
}

/// What counts of a resource's rows: what is so now; of a deleted one, what was.
fn counting(rows: Option<&Vec<(i64, bool)>>) -> impl Iterator<Item = i64> {
    let rows = rows.map_or(&[][..], Vec::as_slice);
    let any_now = rows.iter().any(|(_, current)| *current);
    rows.iter().filter(move |(_, current)| *current || !any_now).map(|(to, _)| *to)
}

/// Writes what differs for these Provenances; answers those of which something did.
fn settle(transaction: &mut WriteTransaction<'_>, due: &BTreeMap<i64, Said>) -> Result<BTreeSet<i64>, StoreError> {
    let mut keys: Vec<i64> =
        due.keys().copied().chain(due.values().flat_map(|said| said.targets.iter().copied())).collect();
    keys.sort_unstable();
    keys.dedup();
    let owned = ties(transaction.connection, "owner", &keys)?;
    let labelled = ties(transaction.connection, "label", &keys)?;
    let mut owner: BTreeMap<(i64, i64), bool> = BTreeMap::new();
    let mut label: BTreeMap<(i64, i64), bool> = BTreeMap::new();
    let mut changed = BTreeSet::new();
    let now = |rows: Option<&Vec<(i64, bool)>>| -> BTreeSet<i64> {
        rows.into_iter().flatten().filter(|(_, current)| *current).map(|(to, _)| *to).collect()
    };
    for (key, said) in due {
        let mut wanted = said.owners.clone();
        let mut hiding = said.labels.clone();
        for target in &said.targets {
            wanted.extend(counting(owned.get(target)));
            // A label that was taken off counts no more, unless the target is gone.
            let is_gone = owned.get(target).is_some_and(|rows| rows.iter().all(|(_, current)| !current));
            let rows = labelled.get(target).into_iter().flatten().filter(|(_, current)| *current || is_gone);
            hiding.extend(rows.map(|(kind, _)| *kind).filter(|kind| *kind != Label::Emergency as i64));
        }
        let (owned, labelled) = (now(owned.get(key)), now(labelled.get(key)));
        for citizen in owned.symmetric_difference(&wanted) {
            owner.insert((*key, *citizen), wanted.contains(citizen));
        }
        for kind in labelled.symmetric_difference(&hiding) {
            label.insert((*kind, *key), hiding.contains(kind));
        }
        if owned != wanted || labelled != hiding {
            changed.insert(*key);
        }
    }
    put(transaction, "owner (key, citizen, current)", "key, citizen", &owner)?;
    put(transaction, "label (kind, key, current)", "kind, key", &label)?;
    Ok(changed)
}

/// What a past version of a Provenance followed.
pub(super) fn add_past(connection: &mut Connection, key: i64, rows: &IndexRows) -> Result<(), StoreError> {
    if !follows(type_of_key(key)) {
        return Ok(());
    }
    for (type_number, id) in targets(rows) {
        let mut look_up = Statement::new("SELECT key FROM resource WHERE type = ");
        look_up.bind(i64::from(type_number)).sql(" AND id = ").bind(id);
        let Some(target) = connection.load::<KeyRecord>(&look_up)?.first().map(|found| found.key) else { continue };
        for (table, columns, tie) in [("owner", "key, citizen", "citizen"), ("label", "key, kind", "kind")] {
            let mut add = Statement::new(&format!("INSERT INTO {table} ({columns}, current) SELECT "));
            // The kinds are named because labels are clustered by them.
            let kinds: Vec<String> = Label::ALL.iter().map(|label| (*label as i64).to_string()).collect();
            let of_kind = if table == "label" { format!("kind IN ({}) AND ", kinds.join(", ")) } else { String::new() };
            add.bind(key).sql(&format!(", {tie}, 0 FROM {table} WHERE {of_kind}key = ")).bind(target);
            add.sql(&format!(" ON CONFLICT ({columns}) DO NOTHING"));
            connection.execute(&add)?;
        }
    }
    Ok(())
}
