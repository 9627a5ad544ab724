//! What fracture liaison keeps: the facts of each citizen, and rows made of them.
//!
//! All of it is derived. `fls_citizen` has a row for every Patient: the facts, and the next day on which anything
//! computed from them changes by itself. `fls_episode` and `fls_alarm` are what is computed for today.
//!
//! It follows the change log: who keeps it reads what changed after a position, computes the citizens concerned
//! anew and writes rows and position in one transaction. So writes pay nothing for it, nothing is lost when the
//! server stops in between, and of several servers on one database only one gets its step in.

use bytes::Bytes;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};

use super::connection::{Connection, Statement};
use super::read::Store;
use super::{STATE_LIVE, StoreError, type_of_key};
use crate::r4::definitions;

/// Sorts after every day.
const NEVER: i64 = i64::MAX;
/// Rows of one statement.
const CHUNK: usize = 200;

/// How far everything is computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiaisonState {
    /// The last change that was taken into account; -1 when nothing was ever computed.
    pub position: i64,
    /// The last change there is.
    pub head: i64,
    /// The rules and the day everything is computed by.
    pub basis: String,
}

/// A resource that changed: as it is now and as it was before that change.
#[derive(Debug, Clone)]
pub struct LiaisonChange {
    /// Number of its type.
    pub type_number: u8,
    /// Its key.
    pub key: i64,
    /// Its body; `None` when it is gone.
    pub now: Option<Bytes>,
    /// The body before.
    pub before: Option<Bytes>,
}

/// Computed rows of a citizen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiaisonRows {
    /// Key of the Patient.
    pub citizen: i64,
    /// The facts; `None` leaves them as they are.
    pub facts: Option<Vec<u8>>,
    /// The Patient is gone: so are the rows.
    pub gone: bool,
    /// The next day on which something changes.
    pub next: Option<i64>,
    /// Its episodes.
    pub episodes: Vec<EpisodeRow>,
    /// Its alarms.
    pub alarms: Vec<AlarmRow>,
}

/// A row of the registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct EpisodeRow {
    pub id: String,
    pub fracture: i64,
    pub site: String,
    pub state: String,
    pub facility: String,
    pub municipality: String,
    pub owner: String,
    /// What is to be done next.
    pub activity: String,
    /// Until when.
    pub due: Option<i64>,
    /// Activities that are late.
    pub overdue: i64,
    /// Alarms nobody took note of.
    pub alarms: i64,
    /// The row as JSON.
    pub body: Vec<u8>,
}

/// An alarm.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct AlarmRow {
    pub id: String,
    pub code: String,
    pub since: i64,
    pub acknowledged: bool,
    /// The alarm as JSON.
    pub body: Vec<u8>,
}

/// The order of the registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RegistryOrder {
    /// What is due first.
    #[default]
    Due,
    /// The oldest fracture first.
    Fracture,
    /// The latest fracture first.
    LatestFracture,
}

/// Which rows of the registry.
#[derive(Debug, Clone, Default)]
pub struct RegistryQuery {
    /// Column and text it equals.
    pub equal: Vec<(&'static str, String)>,
    /// Due on or before this day.
    pub due_by: Option<i64>,
    /// Fractures on or after, on or before.
    pub fractured: (Option<i64>, Option<i64>),
    /// With something late, or nothing.
    pub is_overdue: Option<bool>,
    /// With an alarm nobody took note of, or none.
    pub has_alarm: Option<bool>,
    /// Key of the Patient.
    pub citizen: Option<i64>,
    /// In which order.
    pub order: RegistryOrder,
    /// Most rows.
    pub count: u32,
    /// Where the page before ended: (value, citizen, ordinal).
    pub after: Option<(i64, i64, i64)>,
}

/// A row that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Where it stands: (value, citizen, ordinal).
    pub place: (i64, i64, i64),
    /// The row as JSON.
    pub body: Vec<u8>,
}

#[derive(QueryableByName)]
struct StateRecord {
    #[diesel(sql_type = Nullable<Text>)]
    position: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    basis: Option<String>,
    #[diesel(sql_type = BigInt)]
    head: i64,
}

#[derive(QueryableByName)]
struct ChangeRecord {
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = BigInt)]
    key: i64,
    #[diesel(sql_type = BigInt)]
    state: i64,
    #[diesel(sql_type = Binary)]
    body: Vec<u8>,
    #[diesel(sql_type = Nullable<Binary>)]
    before: Option<Vec<u8>>,
}

#[derive(QueryableByName)]
struct KeyRecord {
    #[diesel(sql_type = BigInt)]
    key: i64,
}

#[derive(QueryableByName)]
struct BodyRecord {
    #[diesel(sql_type = BigInt)]
    citizen: i64,
    #[diesel(sql_type = BigInt)]
    key: i64,
    #[diesel(sql_type = Binary)]
    body: Vec<u8>,
}

#[derive(QueryableByName)]
struct PlacedRecord {
    #[diesel(sql_type = BigInt)]
    place: i64,
    #[diesel(sql_type = BigInt)]
    citizen: i64,
    #[diesel(sql_type = BigInt)]
    ordinal: i64,
    #[diesel(sql_type = Binary)]
    body: Vec<u8>,
}

const STATE: &str = "SELECT (SELECT value FROM setting WHERE name = 'fls_position') AS position, (SELECT value FROM setting WHERE name = 'fls_basis') AS basis, coalesce((SELECT max(seq) FROM change), 0) AS head";

fn state(connection: &mut Connection) -> Result<LiaisonState, StoreError> {
    let found = connection.load::<StateRecord>(&Statement::new(STATE))?.into_iter().next();
    Ok(found.map_or_else(
        || LiaisonState { position: -1, head: 0, basis: String::new() },
        |record| LiaisonState {
            position: record.position.and_then(|text| text.parse().ok()).unwrap_or(-1),
            head: record.head,
            basis: record.basis.unwrap_or_default(),
        },
    ))
}

impl Store {
    /// How far fracture liaison is computed. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn liaison_state(&self) -> Result<LiaisonState, StoreError> {
        state(&mut *self.reader()?)
    }

    /// What changed after a position, of these types; also the position where this ends. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn liaison_changes(
        &self,
        after: i64,
        count: u32,
        types: &[u8],
    ) -> Result<(i64, Vec<LiaisonChange>), StoreError> {
        let mut statement = Statement::new("SELECT c.seq, c.key, r.state, CASE WHEN c.type IN ");
        let numbers = || types.iter().map(|number| i64::from(*number));
        statement.bind_list(numbers()).sql(" THEN r.body ELSE ");
        statement.append(Statement::of_each(Statement::new("x''"), Statement::new("''::bytea")));
        statement.sql(" END AS body, v.body AS before FROM change c JOIN resource r ON r.key = c.key LEFT JOIN version v ON v.key = c.key AND v.version = c.version - 1 AND c.type IN ");
        statement.bind_list(numbers()).sql(" WHERE c.seq > ").bind(after);
        statement.sql(" ORDER BY c.seq LIMIT ").bind(i64::from(count));
        let records: Vec<ChangeRecord> = self.reader()?.load(&statement)?;
        let position = records.last().map_or(after, |record| record.seq);
        let mut changes = Vec::new();
        for record in records {
            let type_number = type_of_key(record.key);
            if !types.contains(&type_number) {
                continue;
            }
            let before = record.before.map(|body| expand(&body)).transpose()?;
            let now = (record.state == STATE_LIVE).then(|| Bytes::from(record.body));
            changes.push(LiaisonChange { type_number, key: record.key, now, before });
        }
        Ok((position, changes))
    }

    /// Keys of Patients by their ids. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn liaison_keys(&self, ids: &[String]) -> Result<Vec<i64>, StoreError> {
        let patient = definitions().resource_number("Patient").unwrap_or(0);
        let mut keys = Vec::new();
        for some in ids.chunks(500) {
            let mut statement = Statement::new("SELECT key FROM resource WHERE type = ");
            statement.bind(i64::from(patient)).sql(" AND id IN (").bind_texts(some.iter().map(String::as_str)).sql(")");
            keys.extend(self.reader()?.load::<KeyRecord>(&statement)?.into_iter().map(|record| record.key));
        }
        Ok(keys)
    }

    /// Bodies of live resources that refer to one of these by one of these parameters. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn liaison_referring(&self, targets: &[i64], parameters: &[i32]) -> Result<Vec<Bytes>, StoreError> {
        let mut bodies = Vec::new();
        for some in targets.chunks(500) {
            let mut statement = Statement::new(
                "SELECT f.target AS citizen, r.key, r.body FROM reference f JOIN resource r ON r.key = f.key WHERE f.parameter IN ",
            );
            statement.bind_list(parameters.iter().map(|number| i64::from(*number)));
            statement.sql(" AND f.target IN ").bind_list(some.iter().copied()).sql(" AND r.state = 1").uncached();
            bodies.extend(self.reader()?.load::<BodyRecord>(&statement)?.into_iter().map(|record| record.body.into()));
        }
        Ok(bodies)
    }

    /// Keys of live Patients after a key, in order. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn liaison_patients(&self, after: i64, count: u32) -> Result<Vec<i64>, StoreError> {
        let mut statement = Statement::new("SELECT key FROM notebook_citizen WHERE key > ");
        statement.bind(after).sql(" ORDER BY key LIMIT ").bind(i64::from(count));
        Ok(self.reader()?.load::<KeyRecord>(&statement)?.into_iter().map(|record| record.key).collect())
    }

    /// The bodies of Patients and of what is about them, by these reference parameters: citizen, type and body,
    /// in no order; on one snapshot. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn liaison_load(&self, citizens: &[i64], parameters: &[i32]) -> Result<Vec<(i64, u8, Bytes)>, StoreError> {
        self.reader()?.snapshot(|connection| {
            let mut statement = Statement::new("SELECT key AS citizen, key, body FROM resource WHERE state = 1 AND key IN ");
            statement.bind_list(citizens.iter().copied());
            statement.uncached();
            let mut records: Vec<BodyRecord> = connection.load(&statement)?;
            let mut statement = Statement::new("SELECT f.target AS citizen, r.key, r.body FROM reference f JOIN resource r ON r.key = f.key WHERE f.parameter IN ");
            statement.bind_list(parameters.iter().map(|number| i64::from(*number)));
            statement.sql(" AND f.target IN ").bind_list(citizens.iter().copied()).sql(" AND r.state = 1");
            statement.uncached();
            records.extend(connection.load::<BodyRecord>(&statement)?);
            Ok(records.into_iter().map(|record| (record.citizen, type_of_key(record.key), record.body.into())).collect())
        })
    }

    /// The facts of citizens after a key: of all, or of those for whom something changes by a day. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn liaison_facts(&self, after: i64, count: u32, due: Option<i64>) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
        let mut statement =
            Statement::new("SELECT citizen, citizen AS key, facts AS body FROM fls_citizen WHERE citizen > ");
        statement.bind(after);
        if let Some(due) = due {
            statement.sql(" AND next <= ").bind(due);
        }
        statement.sql(" ORDER BY citizen LIMIT ").bind(i64::from(count));
        let records: Vec<BodyRecord> = self.reader()?.load(&statement)?;
        Ok(records.into_iter().map(|record| (record.key, record.body)).collect())
    }

    /// The facts of one citizen. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn liaison_facts_of(&self, citizen: i64) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self
            .liaison_facts(citizen - 1, 1, None)?
            .into_iter()
            .find(|(key, _)| *key == citizen)
            .map(|(_, facts)| facts))
    }

    /// Writes computed rows, and how far they go: (the position they were computed from, the new one and the
    /// basis). Answers `false`, and writes nothing, when somebody else got further meanwhile. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn liaison_save(
        &self,
        expected: i64,
        position: i64,
        basis: &str,
        rows: Vec<LiaisonRows>,
    ) -> Result<bool, StoreError> {
        let basis = basis.to_owned();
        self.write_blocking(move |transaction| {
            let now = state(transaction.connection)?;
            if now.position != expected {
                return Ok(false);
            }
            transaction.note_directly();
            let connection = &mut *transaction.connection;
            save(connection, &rows)?;
            set(connection, "fls_position", &position.to_string())?;
            set(connection, "fls_basis", &basis)?;
            Ok::<bool, StoreError>(true)
        })?
        .wait()
    }

    /// Takes out rows of Patients that are no more. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn liaison_prune(&self) -> Result<(), StoreError> {
        self.write_blocking(move |transaction| {
            transaction.note_directly();
            for table in ["fls_episode", "fls_alarm", "fls_citizen"] {
                let mut statement = Statement::new("DELETE FROM ");
                statement.sql(table).sql(" WHERE citizen NOT IN (SELECT key FROM notebook_citizen)");
                transaction.connection.execute(&statement)?;
            }
            Ok::<(), StoreError>(())
        })?
        .wait()
    }

    /// A page of the registry. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn registry_page(&self, query: &RegistryQuery) -> Result<Vec<Registered>, StoreError> {
        let (column, up) = match query.order {
            RegistryOrder::Due => ("due", true),
            RegistryOrder::Fracture => ("fracture", true),
            RegistryOrder::LatestFracture => ("fracture", false),
        };
        let mut statement = Statement::new("SELECT ");
        statement.sql(column).sql(" AS place, citizen, ordinal, body FROM fls_episode WHERE ordinal >= 0");
        for (column, text) in &query.equal {
            statement.sql(" AND ").sql(column).sql(" = ").bind(text.as_str());
        }
        let mut bound = |text: &str, value: Option<i64>| {
            if let Some(value) = value {
                statement.sql(text).bind(value);
            }
        };
        bound(" AND due <= ", query.due_by);
        bound(" AND fracture >= ", query.fractured.0);
        bound(" AND fracture <= ", query.fractured.1);
        bound(" AND citizen = ", query.citizen);
        for (column, wanted) in [("overdue", query.is_overdue), ("alarms", query.has_alarm)] {
            if let Some(wanted) = wanted {
                statement.sql(" AND ").sql(column).sql(if wanted { " > 0" } else { " = 0" });
            }
        }
        let direction = if up { "" } else { " DESC" };
        if let Some((place, citizen, ordinal)) = query.after {
            statement.sql(" AND (").sql(column).sql(", citizen, ordinal) ").sql(if up { "> (" } else { "< (" });
            statement.bind(place).sql(", ").bind(citizen).sql(", ").bind(ordinal).sql(")");
        }
        statement
            .sql(" ORDER BY ")
            .sql(column)
            .sql(direction)
            .sql(", citizen")
            .sql(direction)
            .sql(", ordinal")
            .sql(direction);
        statement.sql(" LIMIT ").bind(i64::from(query.count));
        let records: Vec<PlacedRecord> = self.reader()?.load(&statement)?;
        Ok(records.into_iter().map(registered).collect())
    }

    /// Alarms: of a citizen, of this id, or all; newest first. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn alarm_page(
        &self,
        citizen: Option<i64>,
        id: Option<&str>,
        acknowledged: Option<bool>,
        count: u32,
        after: Option<(i64, i64)>,
    ) -> Result<Vec<Registered>, StoreError> {
        let mut statement = Statement::new(
            "SELECT since AS place, citizen, CAST(0 AS BIGINT) AS ordinal, body FROM fls_alarm WHERE citizen >= 0",
        );
        if let Some(citizen) = citizen {
            statement.sql(" AND citizen = ").bind(citizen);
        }
        if let Some(id) = id {
            statement.sql(" AND id = ").bind(id);
        }
        if let Some(acknowledged) = acknowledged {
            statement.sql(" AND acknowledged = ").bind(i64::from(acknowledged));
        }
        // A citizen's alarms of one day are never torn apart: a page may be longer for it.
        if let Some((since, citizen)) = after {
            statement.sql(" AND (since, citizen) < (").bind(since).sql(", ").bind(citizen).sql(")");
        }
        statement.sql(" ORDER BY since DESC, citizen DESC, id LIMIT ").bind(i64::from(count));
        let records: Vec<PlacedRecord> = self.reader()?.load(&statement)?;
        Ok(records.into_iter().map(registered).collect())
    }
}

/// A superseded body.
fn expand(body: &[u8]) -> Result<Bytes, StoreError> {
    if body.is_empty() {
        return Ok(Bytes::new());
    }
    let expanded = zstd::stream::decode_all(body).map_err(|error| StoreError::Database(error.to_string()))?;
    Ok(expanded.into())
}

fn registered(record: PlacedRecord) -> Registered {
    Registered { place: (record.place, record.citizen, record.ordinal), body: record.body }
}

fn set(connection: &mut Connection, name: &str, value: &str) -> Result<(), StoreError> {
    let mut statement = Statement::new("INSERT INTO setting (name, value) VALUES (");
    statement.bind(name).sql(", ").bind(value).sql(") ON CONFLICT (name) DO UPDATE SET value = ").bind(value);
    connection.execute(&statement).map(|_| ())
}

fn save(connection: &mut Connection, rows: &[LiaisonRows]) -> Result<(), StoreError> {
    for some in rows.chunks(CHUNK) {
        for table in ["fls_episode", "fls_alarm"] {
            let mut statement = Statement::new("DELETE FROM ");
            statement.sql(table).sql(" WHERE citizen IN ").bind_list(some.iter().map(|row| row.citizen));
            connection.execute(statement.uncached())?;
        }
        let gone: Vec<i64> = some.iter().filter(|row| row.gone).map(|row| row.citizen).collect();
        if !gone.is_empty() {
            let mut statement = Statement::new("DELETE FROM fls_citizen WHERE citizen IN ");
            statement.bind_list(gone);
            connection.execute(statement.uncached())?;
        }
        let with_facts: Vec<(&LiaisonRows, &Vec<u8>)> =
            some.iter().filter(|row| !row.gone).filter_map(|row| Some((row, row.facts.as_ref()?))).collect();
        if !with_facts.is_empty() {
            let mut statement = Statement::new("INSERT INTO fls_citizen (citizen, next, facts) VALUES ");
            for (place, (row, facts)) in with_facts.iter().enumerate() {
                statement.sql(if place > 0 { ", (" } else { "(" }).bind(row.citizen).sql(", ");
                statement.bind(row.next.unwrap_or(NEVER)).sql(", ").bind(facts.as_slice().to_vec()).sql(")");
            }
            statement.sql(" ON CONFLICT (citizen) DO UPDATE SET next = excluded.next, facts = excluded.facts");
            connection.execute(statement.uncached())?;
        }
        for row in some.iter().filter(|row| !row.gone && row.facts.is_none()) {
            let mut statement = Statement::new("UPDATE fls_citizen SET next = ");
            statement.bind(row.next.unwrap_or(NEVER)).sql(" WHERE citizen = ").bind(row.citizen);
            connection.execute(&statement)?;
        }
        save_episodes(connection, some)?;
        save_alarms(connection, some)?;
    }
    Ok(())
}

fn save_episodes(connection: &mut Connection, rows: &[LiaisonRows]) -> Result<(), StoreError> {
    let all: Vec<(i64, i64, &EpisodeRow)> = rows
        .iter()
        .flat_map(|row| (0_i64..).zip(&row.episodes).map(|(ordinal, episode)| (row.citizen, ordinal, episode)))
        .collect();
    for some in all.chunks(CHUNK) {
        let mut statement = Statement::new(
            "INSERT INTO fls_episode (citizen, ordinal, id, fracture, site, state, facility, municipality, owner, activity, due, overdue, alarms, body) VALUES ",
        );
        for (place, (citizen, ordinal, row)) in some.iter().enumerate() {
            statement.sql(if place > 0 { ", (" } else { "(" }).bind(*citizen).sql(", ").bind(*ordinal);
            statement.sql(", ").bind(row.id.as_str()).sql(", ").bind(row.fracture);
            for text in [&row.site, &row.state, &row.facility, &row.municipality, &row.owner, &row.activity] {
                statement.sql(", ").bind(text.as_str());
            }
            statement.sql(", ").bind(row.due.unwrap_or(NEVER)).sql(", ").bind(row.overdue).sql(", ").bind(row.alarms);
            statement.sql(", ").bind(row.body.clone()).sql(")");
        }
        connection.execute(statement.uncached())?;
    }
    Ok(())
}

fn save_alarms(connection: &mut Connection, rows: &[LiaisonRows]) -> Result<(), StoreError> {
    let all: Vec<(i64, &AlarmRow)> =
        rows.iter().flat_map(|row| row.alarms.iter().map(|alarm| (row.citizen, alarm))).collect();
    for some in all.chunks(CHUNK) {
        let mut statement =
            Statement::new("INSERT INTO fls_alarm (citizen, id, code, since, acknowledged, body) VALUES ");
        for (place, (citizen, row)) in some.iter().enumerate() {
            statement.sql(if place > 0 { ", (" } else { "(" }).bind(*citizen).sql(", ").bind(row.id.as_str());
            statement.sql(", ").bind(row.code.as_str()).sql(", ").bind(row.since);
            statement.sql(", ").bind(i64::from(row.acknowledged)).sql(", ").bind(row.body.clone()).sql(")");
        }
        connection.execute(statement.uncached())?;
    }
    Ok(())
}
