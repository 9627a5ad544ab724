//! Which citizens a resource belongs to, and labels that hide it: rows beside the index, from the same values, in the
//! same transaction.
//!
//! A resource belongs to the Patients in whose compartment it is (FHIR R4 compartmentdefinition-patient.html), or, where
//! its type is not in that compartment, whom its `patient` or `subject` names. What a version said stays, marked as
//! past: a history is seen by those who may see all owners there ever were. A Provenance says where others came from:
//! it belongs to the citizens of its targets as well and has their labels (`owner/following.rs`).

mod following;

pub(super) use following::follows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Binary};

use super::StoreError;
use super::connection::{Connection, Statement, Value};
use super::write::{FastMap, WriteTransaction};
use crate::format::json;
use crate::r4::definitions;
use crate::r4::parameters::ParameterKind;
use crate::search::extract::{ExtractOptions, extract};
use crate::search::registry::registry;
use crate::search::rows::{DENIAL, IndexRows, denial};

/// Rows a statement.
const CHUNK: usize = 64;
/// Consents that are read at once.
const DENIALS: i64 = 500;
/// Tags of break-glass articles and of declared disasters: only this program writes what has them.
pub const EMERGENCY_TAGS: [&str; 2] = ["break-glass", "disaster"];
const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";

/// A label that hides a resource from some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// 未告知: never to the patient or family (JP-CLINS).
    Uninformed = 1,
    /// 未提供: not to other institutions or the patient (JP-CLINS).
    Undelivered = 2,
    /// v3 Confidentiality R.
    Restricted = 3,
    /// v3 Confidentiality V.
    VeryRestricted = 4,
    /// From the family to the team; not to the patient.
    FamilyPrivate = 5,
    /// To one member only (先生とのやりとり).
    SingleRecipient = 6,
    /// A broken glass or a disaster: hides from nobody, written by this program only.
    Emergency = 7,
}

impl Label {
    /// All.
    pub const ALL: [Self; 7] = [
        Self::Uninformed,
        Self::Undelivered,
        Self::Restricted,
        Self::VeryRestricted,
        Self::FamilyPrivate,
        Self::SingleRecipient,
        Self::Emergency,
    ];

    /// A code of a security label or tag, as it is written.
    #[must_use]
    pub fn of(code: &str, system: &str) -> Option<Self> {
        Self::read(&code.to_lowercase(), system)
    }

    /// Reads a code among the security labels and tags, which are folded to lower case in the index. Where a system
    /// is another than expected the code counts all the same: rather too much is hidden.
    fn read(code: &str, system: &str) -> Option<Self> {
        match code {
            "uninformed" => Some(Self::Uninformed),
            "undelivered" => Some(Self::Undelivered),
            "r" if system == CONFIDENTIALITY => Some(Self::Restricted),
            "v" if system == CONFIDENTIALITY => Some(Self::VeryRestricted),
            "family-private" => Some(Self::FamilyPrivate),
            "single-recipient" => Some(Self::SingleRecipient),
            "member" if system.ends_with("/notebook-audience") => Some(Self::SingleRecipient),
            tag if EMERGENCY_TAGS.contains(&tag) => Some(Self::Emergency),
            _ => None,
        }
    }
}

/// What makes an owner of a type.
#[derive(Debug, Default)]
struct Ties {
    parameters: Vec<i32>,
    is_citizen: bool,
    labels: Vec<i32>,
}

fn ties(type_number: u8) -> &'static Ties {
    static TIES: OnceLock<Vec<Ties>> = OnceLock::new();
    static NONE: Ties = Ties { parameters: Vec::new(), is_citizen: false, labels: Vec::new() };
    let all = TIES.get_or_init(|| {
        let patient = definitions().compartments.iter().find(|compartment| compartment.code == "Patient");
        let of = |number: u8| {
            let Some(found) = definitions().resource_by_number(number) else { return Ties::default() };
            let member = patient.into_iter().flat_map(|compartment| &compartment.members);
            let codes: Vec<&str> = member
                .filter(|(name, _)| *name == found.name)
                .flat_map(|(_, codes)| codes)
                .map(AsRef::as_ref)
                .collect();
            let is_citizen = found.name == "Patient";
            let codes = if codes.is_empty() { vec!["patient", "subject"] } else { codes };
            let proxy = (found.name == "Binary").then(|| crate::search::rows::security_context(number));
            let parameter = |code: &str| registry().find(number, code);
            let parameters = codes
                .iter()
                .filter_map(|code| parameter(code).filter(|found| found.kind == ParameterKind::Reference))
                .map(|found| found.number);
            Ties {
                // A Patient that another links to is a citizen of their own.
                parameters: if is_citizen { Vec::new() } else { parameters.chain(proxy).collect() },
                is_citizen,
                labels: ["_security", "_tag"]
                    .iter()
                    .filter_map(|code| parameter(code))
                    .map(|found| found.number)
                    .collect(),
            }
        };
        let last = u8::try_from(definitions().resources().len()).unwrap_or(u8::MAX);
        (0..=last).map(of).collect()
    });
    all.get(usize::from(type_number)).unwrap_or(&NONE)
}

/// The keys of the resources of a type that name a citizen of a table as the one whom they are about; for Patients
/// the citizens. All that such citizens own is among them.
pub(super) fn compartments(type_number: u8, citizens: &str, schema: &str) -> Statement {
    let ties = ties(type_number);
    if ties.is_citizen {
        return Statement::new(&format!("SELECT citizen AS key FROM {citizens}"));
    }
    if ties.parameters.is_empty() {
        return Statement::new("SELECT key FROM resource WHERE 1 = 0");
    }
    let mut statement = Statement::new(&format!("SELECT key FROM {schema}reference WHERE parameter IN "));
    statement.bind_list(ties.parameters.iter().map(|number| i64::from(*number)));
    statement.sql(&format!(" AND target IN (SELECT citizen FROM {citizens})"));
    statement
}

/// The number of the type Patient.
pub(super) fn patient() -> u8 {
    definitions().resource_number("Patient").unwrap_or(0)
}

/// The ids of the Patients that a resource with these index values belongs to; beside itself, where it is one.
pub(super) fn owners(type_number: u8, rows: &IndexRows) -> BTreeSet<&str> {
    let ties = ties(type_number);
    let patient = patient();
    let rows = rows.references.iter().filter(|row| row.target_type == patient);
    rows.filter(|row| ties.parameters.contains(&row.parameter)).map(|row| row.target_id.as_str()).collect()
}

/// Whether a resource of this type is a citizen itself.
pub(super) fn is_citizen(type_number: u8) -> bool {
    ties(type_number).is_citizen
}

/// The labels of a resource with these index values.
pub(super) fn labels(type_number: u8, rows: &IndexRows) -> BTreeSet<Label> {
    let ties = ties(type_number);
    let tokens = rows.tokens.iter().filter(|row| ties.labels.contains(&row.parameter));
    tokens.filter_map(|row| Label::read(&row.code, &row.system)).collect()
}

/// Writes the rows of what is touched.
pub(super) fn record(
    transaction: &mut WriteTransaction<'_>,
    old_rows: &FastMap<i64, IndexRows>,
) -> Result<(), StoreError> {
    let none = IndexRows::default();
    let mut owner: BTreeMap<(i64, i64), bool> = BTreeMap::new();
    let mut label: BTreeMap<(i64, i64), bool> = BTreeMap::new();
    for (key, touched) in &transaction.touched {
        let number = touched.type_number;
        let (old, new) = (old_rows.get(key).unwrap_or(&none), &touched.rows);
        let is_live = touched.head.state == super::STATE_LIVE;
        let (was, is) = (owners(number, old), owners(number, new));
        let find = |id: &str| {
            let name = (patient(), id.to_owned());
            transaction.by_id.get(&name).or_else(|| transaction.memory.keys.get(&name)).copied()
        };
        for id in was.union(&is) {
            let is_owner = is.contains(id);
            if was.contains(id) != is_owner
                && let Some(citizen) = find(id)
            {
                owner.insert((*key, citizen), is_owner);
            }
        }
        if is_citizen(number) && is_live != old_rows.contains_key(key) {
            owner.insert((*key, *key), is_live);
        }
        let (was, is) = (labels(number, old), labels(number, new));
        for kind in was.symmetric_difference(&is) {
            label.insert((*kind as i64, *key), is.contains(kind));
        }
    }
    put(transaction, "owner (key, citizen, current)", "key, citizen", &owner)?;
    put(transaction, "label (kind, key, current)", "kind, key", &label)?;
    following::record(transaction, owner.keys().map(|row| row.0).chain(label.keys().map(|row| row.1)))
}

#[derive(QueryableByName)]
struct PastRecord {
    #[diesel(sql_type = BigInt)]
    key: i64,
    #[diesel(sql_type = BigInt)]
    version: i64,
    #[diesel(sql_type = Binary)]
    body: Vec<u8>,
}

#[derive(QueryableByName)]
struct KeyRecord {
    #[diesel(sql_type = BigInt)]
    key: i64,
}

#[derive(QueryableByName)]
struct IdRecord {
    #[diesel(sql_type = diesel::sql_types::Text)]
    id: String,
}

/// Ids of the Patients that a resource belongs to now, and its labels.
pub(super) fn of(
    connection: &mut Connection,
    type_number: u8,
    id: &str,
) -> Result<(Vec<String>, Vec<Label>), StoreError> {
    let named = |start: &str| {
        let mut statement = Statement::new(start);
        statement.sql("SELECT key FROM resource WHERE type = ").bind(i64::from(type_number));
        statement.sql(" AND id = ").bind(id).sql(")");
        statement
    };
    let start =
        "SELECT r.id AS id FROM owner o JOIN resource r ON r.key = o.citizen WHERE o.current = 1 AND o.key IN (";
    let ids = connection.load::<IdRecord>(&named(start))?.into_iter().map(|record| record.id).collect();
    let start = "SELECT kind AS key FROM label WHERE current = 1 AND key IN (";
    let kinds: Vec<i64> = connection.load::<KeyRecord>(&named(start))?.into_iter().map(|record| record.key).collect();
    let labels = Label::ALL.into_iter().filter(|label| kinds.contains(&(*label as i64))).collect();
    Ok((ids, labels))
}

/// A Consent of a citizen.
#[derive(Debug, QueryableByName)]
pub struct CitizenConsent {
    /// Its key.
    #[diesel(sql_type = BigInt)]
    pub key: i64,
    /// The key of the citizen.
    #[diesel(sql_type = BigInt)]
    pub citizen: i64,
    /// Its id.
    #[diesel(sql_type = diesel::sql_types::Text)]
    pub id: String,
    /// Its body.
    #[diesel(sql_type = Binary)]
    pub body: Vec<u8>,
}

/// The next that deny something, in order of their keys, of citizens whom one of these organizations manages.
pub(super) fn denials(
    connection: &mut Connection,
    managed_by: &[i64],
    after: i64,
) -> Result<Vec<CitizenConsent>, StoreError> {
    let consent = definitions().resource_number("Consent").unwrap_or(0);
    let manager = registry().find(patient(), "organization").map_or(0, |found| found.number);
    let mut statement =
        Statement::new("SELECT t.key AS key, o.citizen AS citizen, r.id AS id, r.body AS body FROM token t");
    statement.sql(" JOIN owner o ON o.key = t.key AND o.current = 1 JOIN resource r ON r.key = t.key");
    statement.sql(" WHERE t.parameter = ").bind(i64::from(denial(consent))).sql(" AND t.code = ").bind(DENIAL);
    statement.sql(" AND t.system = 0 AND t.key > ").bind(after).sql(" AND EXISTS (SELECT 1 FROM reference m");
    statement.sql(" WHERE m.parameter = ").bind(i64::from(manager)).sql(" AND m.key = o.citizen AND m.target IN ");
    statement.bind_list(managed_by.iter().copied()).uncached().sql(") ORDER BY t.key LIMIT ").bind(DENIALS);
    connection.load(&statement)
}

/// All of some citizens, whatever they say.
pub(super) fn consents_of(connection: &mut Connection, citizens: &[i64]) -> Result<Vec<CitizenConsent>, StoreError> {
    let consent = definitions().resource_number("Consent").unwrap_or(0);
    let parameter = registry().find(consent, "patient").map_or(0, |found| found.number);
    let mut statement = Statement::new("SELECT f.key AS key, f.target AS citizen, r.id AS id, r.body AS body");
    statement.sql(" FROM reference f JOIN resource r ON r.key = f.key WHERE f.parameter = ");
    statement.bind(i64::from(parameter)).sql(" AND f.target IN ").bind_list(citizens.iter().copied()).uncached();
    connection.load(&statement)
}

/// Takes everything out, to be derived anew.
pub(super) fn clear(connection: &mut Connection) -> Result<(), StoreError> {
    connection.batch("DELETE FROM owner")?;
    connection.batch("DELETE FROM label")
}

/// Adds what past versions said, to what current ones say.
pub(super) fn add_past(connection: &mut Connection, options: &ExtractOptions) -> Result<(), StoreError> {
    let mut after = (0, 0);
    loop {
        let mut select = Statement::new("SELECT key, version, body FROM version WHERE key > ");
        select.bind(after.0).sql(" OR (key = ").bind(after.0).sql(" AND version > ").bind(after.1);
        select.sql(") ORDER BY key, version LIMIT 500");
        let found = connection.load::<PastRecord>(&select)?;
        let Some(last) = found.last() else { return Ok(()) };
        after = (last.key, last.version);
        for past in found.iter().filter(|past| !past.body.is_empty()) {
            let number = super::type_of_key(past.key);
            let damaged = |why: String| StoreError::Database(format!("a past version is damaged: {why}"));
            let body = zstd::stream::decode_all(past.body.as_slice()).map_err(|error| damaged(error.to_string()))?;
            let resource = json::parse(&body).map_err(|error| damaged(error.to_string()))?;
            let rows = extract(number, &resource, options);
            for id in owners(number, &rows) {
                let mut look_up = Statement::new("SELECT key FROM resource WHERE type = ");
                look_up.bind(i64::from(patient())).sql(" AND id = ").bind(id);
                // One that nobody refers to any more has no key: nobody has to do with them.
                let citizen = connection.load::<KeyRecord>(&look_up)?.first().map_or(0, |found| found.key);
                let mut add = Statement::new("INSERT INTO owner (key, citizen, current) VALUES ");
                add.bind_list([past.key, citizen, 0]).sql(" ON CONFLICT (key, citizen) DO NOTHING");
                connection.execute(&add)?;
            }
            if is_citizen(number) {
                let mut add = Statement::new("INSERT INTO owner (key, citizen, current) VALUES ");
                add.bind_list([past.key, past.key, 0]).sql(" ON CONFLICT (key, citizen) DO NOTHING");
                connection.execute(&add)?;
            }
            for kind in labels(number, &rows) {
                let mut add = Statement::new("INSERT INTO label (kind, key, current) VALUES ");
                add.bind_list([kind as i64, past.key, 0]).sql(" ON CONFLICT (kind, key) DO NOTHING");
                connection.execute(&add)?;
            }
            following::add_past(connection, past.key, &rows)?;
        }
    }
}

fn put(
    transaction: &mut WriteTransaction<'_>,
    table: &str,
    columns: &str,
    rows: &BTreeMap<(i64, i64), bool>,
) -> Result<(), StoreError> {
    let rows: Vec<(&(i64, i64), &bool)> = rows.iter().collect();
    for chunk in rows.chunks(CHUNK) {
        let mut statement = Statement::new(&format!("INSERT INTO {table} VALUES "));
        for (place, ((first, second), is_current)) in chunk.iter().enumerate() {
            if place > 0 {
                statement.sql(", ");
            }
            statement.bind_list([
                Value::Integer(*first),
                Value::Integer(*second),
                Value::Integer(i64::from(**is_current)),
            ]);
        }
        statement.sql(&format!(" ON CONFLICT ({columns}) DO UPDATE SET current = excluded.current"));
        if !matches!(chunk.len(), 1 | 2 | CHUNK) {
            statement.uncached();
        }
        transaction.connection.execute(&statement)?;
    }
    Ok(())
}
