//! Code systems too large to be one resource (HOT9, ICD-10, JLAC10): a row a concept.
//!
//! | Table | Clustered by | Holds |
//! |---|---|---|
//! | `code_system` | id | URL, version, state, what is known of it as a whole |
//! | `concept` | system, ordinal | a concept as FHIR writes it; unique by code |
//! | `concept_text` | system, ordinal | its texts, folded, for filters: read in order, narrow |
//! | `concept_above` | system, above, ordinal | every concept below another, at any depth |
//!
//! An import writes a new id in state 0, part by part, and makes it the current one at its end: until
//! then the old one answers, and one that is interrupted changes nothing. Ids are never used again:
//! the row stays in state 2, so that the sum over all rows is another number after every change.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Instant;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Binary, Text};

use super::StoreError;
use super::canonical::{PATIENCE, compare_versions};
use super::connection::{Connection, Statement, Value};
use super::index::insert;
use super::read::Store;
use crate::format::json;
use crate::terminology::{
    CodeSystem, Concept, Header, LargeSystems, LoadedConcept, LoadedSystem, Selection, Unavailable,
};

/// Concepts written in one job, and read in one statement.
const PART: usize = 1_000;

const STATE_LOADING: i64 = 0;
const STATE_CURRENT: i64 = 1;
const STATE_GONE: i64 = 2;

/// Bits of `concept_text.flags`.
const INACTIVE: i64 = 1;
const ABSTRACT: i64 = 2;

/// A code system in tables, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCodeSystem {
    /// Canonical URL.
    pub url: String,
    /// Business version; empty for none.
    pub version: String,
    /// Number of its concepts.
    pub codes: i64,
    id: i64,
    header: Vec<u8>,
}

#[derive(QueryableByName)]
struct SystemRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    url: String,
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = BigInt)]
    codes: i64,
    #[diesel(sql_type = Binary)]
    header: Vec<u8>,
}

#[derive(QueryableByName)]
struct NumberRow {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct BodyRow {
    #[diesel(sql_type = BigInt)]
    ordinal: i64,
    #[diesel(sql_type = Binary)]
    body: Vec<u8>,
}

#[derive(QueryableByName)]
struct CodeRow {
    #[diesel(sql_type = Text)]
    code: String,
}

fn systems(connection: &mut Connection, url: Option<&str>) -> Result<Vec<StoredCodeSystem>, StoreError> {
    let mut statement = Statement::new("SELECT id, url, version, codes, header FROM code_system WHERE state = ");
    statement.bind(STATE_CURRENT);
    if let Some(url) = url {
        statement.sql(" AND url = ").bind(url);
    }
    statement.sql(" ORDER BY url, version");
    let rows = connection.load::<SystemRow>(&statement)?.into_iter();
    Ok(rows
        .map(|SystemRow { id, url, version, codes, header }| StoredCodeSystem { url, version, codes, id, header })
        .collect())
}

fn one_number(connection: &mut Connection, statement: &Statement) -> Result<i64, StoreError> {
    Ok(connection.load::<NumberRow>(statement)?.first().map_or(0, |row| row.number))
}

fn set_state(connection: &mut Connection, id: i64, state: i64) -> Result<(), StoreError> {
    let mut statement = Statement::new("UPDATE code_system SET state = ");
    statement.bind(state).sql(" WHERE id = ").bind(id);
    connection.execute(&statement).map(|_| ())
}

fn empty(connection: &mut Connection, id: i64) -> Result<(), StoreError> {
    for table in ["concept_above", "concept_text", "concept"] {
        let mut statement = Statement::new("DELETE FROM ");
        statement.sql(table).sql(" WHERE system = ").bind(id);
        connection.execute(&statement)?;
    }
    set_state(connection, id, STATE_GONE)
}

impl Store {
    /// The code systems in tables. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn code_systems(&self) -> Result<Vec<StoredCodeSystem>, StoreError> {
        systems(&mut *self.reader()?, None)
    }

    /// Writes a code system; the one with the same URL and version is replaced at the end. `progress` is
    /// told how many concepts are written. `false`: it is here already, the same. Blocks.
    ///
    /// # Errors
    /// What the database says; then the old one is still there.
    pub fn load_code_system(&self, system: &LoadedSystem, progress: &mut dyn FnMut(usize)) -> Result<bool, StoreError> {
        let header = system.header_json();
        let (url, version) = (system.header.url.clone(), system.header.version.clone().unwrap_or_default());
        let before = systems(&mut *self.reader()?, Some(&url))?;
        if before.iter().any(|known| known.version == version && known.header == header) {
            return Ok(false);
        }
        let codes = i64::try_from(system.concepts.len()).unwrap_or(i64::MAX);
        let (own_url, own_version) = (url.clone(), version.clone());
        let id = self
            .write_blocking(move |transaction| {
                transaction.note_directly();
                let connection = &mut *transaction.connection;
                let mut left = Statement::new("SELECT id AS number FROM code_system WHERE state = ");
                left.bind(STATE_LOADING).sql(" AND url = ").bind(own_url.as_str());
                for interrupted in connection.load::<NumberRow>(&left)? {
                    empty(connection, interrupted.number)?;
                }
                let next = Statement::new("SELECT coalesce(max(id), 0) + 1 AS number FROM code_system");
                let id = one_number(connection, &next)?;
                let mut statement =
                    Statement::new("INSERT INTO code_system (id, url, version, state, codes, header) VALUES (");
                statement.bind(id).sql(", ").bind(own_url.as_str()).sql(", ").bind(own_version.as_str());
                statement.sql(", ").bind(STATE_LOADING).sql(", ").bind(codes).sql(", ").bind(header).sql(")");
                connection.execute(&statement)?;
                Ok::<_, StoreError>(id)
            })?
            .wait()?;
        let mut first = 0;
        for some in system.concepts.chunks(PART) {
            self.write_part(id, first, some)?;
            first += some.len();
            progress(first);
        }
        self.write_blocking(move |transaction| {
            transaction.note_directly();
            let connection = &mut *transaction.connection;
            for old in systems(connection, Some(&url))?.iter().filter(|old| old.version == version) {
                empty(connection, old.id)?;
            }
            set_state(connection, id, STATE_CURRENT)
        })?
        .wait()?;
        self.definition_clock().bump();
        Ok(true)
    }

    fn write_part(&self, id: i64, first: usize, concepts: &[LoadedConcept]) -> Result<(), StoreError> {
        let number = |place: usize| Value::Integer(i64::try_from(place).unwrap_or(i64::MAX));
        let (mut own, mut texts, mut above) = (Vec::new(), Vec::new(), Vec::new());
        for (place, concept) in (first..).zip(concepts) {
            let system = Value::Integer(id);
            let flags = i64::from(concept.is_inactive) * INACTIVE + i64::from(concept.is_abstract) * ABSTRACT;
            own.push(vec![
                system.clone(),
                number(place),
                concept.code.as_str().into(),
                concept.folded.as_str().into(),
                concept.body.clone().into(),
            ]);
            texts.push(vec![system.clone(), number(place), flags.into(), concept.text.as_str().into()]);
            above.extend(
                concept.above.iter().map(|(above, direct)| {
                    vec![system.clone(), number(*above), number(place), i64::from(*direct).into()]
                }),
            );
        }
        self.write_blocking(move |transaction| {
            transaction.note_directly();
            let connection = &mut *transaction.connection;
            insert(connection, "concept", &["system", "ordinal", "code", "folded", "body"], own)?;
            insert(connection, "concept_text", &["system", "ordinal", "flags", "text"], texts)?;
            above.sort_by_key(|row: &Vec<Value>| integer(row.get(1)));
            insert(connection, "concept_above", &["system", "above", "ordinal", "direct"], above)
        })?
        .wait()
    }

    /// Removes a code system (of one version, or all); answers how many there were. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn remove_code_system(&self, url: &str, version: Option<&str>) -> Result<usize, StoreError> {
        let (url, version) = (url.to_owned(), version.map(str::to_owned));
        let removed = self
            .write_blocking(move |transaction| {
                let found = systems(transaction.connection, Some(&url))?;
                let found = found.iter().filter(|one| version.as_ref().is_none_or(|version| one.version == *version));
                let mut removed = 0;
                for one in found {
                    transaction.note_directly();
                    empty(transaction.connection, one.id)?;
                    removed += 1;
                }
                Ok::<_, StoreError>(removed)
            })?
            .wait()?;
        self.definition_clock().bump();
        Ok(removed)
    }
}

fn integer(value: Option<&Value>) -> i64 {
    match value {
        Some(Value::Integer(number)) => *number,
        _ => 0,
    }
}

/// The code systems in tables, for terminology.
#[derive(Debug)]
pub struct StoredCodeSystems {
    store: Store,
    started: Instant,
    looked: AtomicI64,
    sum: AtomicU64,
}

impl StoredCodeSystems {
    /// Those of a store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        let store = store.unrestricted();
        Self { store, started: Instant::now(), looked: AtomicI64::new(i64::MIN / 2), sum: AtomicU64::new(0) }
    }
}

fn unavailable(error: &StoreError) -> Unavailable {
    Unavailable(format!("the code system cannot be asked: {error}"))
}

impl LargeSystems for StoredCodeSystems {
    fn find(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<dyn CodeSystem>>, Unavailable> {
        let found = self.store.reader().and_then(|mut reader| systems(&mut reader, Some(url)));
        let found = found.map_err(|error| unavailable(&error))?.into_iter();
        let best = found
            .filter(|one| version.is_none_or(|version| one.version == version))
            .max_by(|left, right| compare_versions(&left.version, &right.version));
        let Some(best) = best else { return Ok(None) };
        let header = LoadedSystem::read_header(&best.header)
            .ok_or_else(|| Unavailable(format!("what is stored of the code system {url} cannot be read")))?;
        Ok(Some(Arc::new(TableSystem { store: self.store.clone(), id: best.id, header })))
    }

    fn list(&self) -> Result<Vec<(String, Option<String>)>, Unavailable> {
        let found = self.store.code_systems().map_err(|error| unavailable(&error))?.into_iter();
        Ok(found.map(|one| (one.url, Some(one.version).filter(|version| !version.is_empty()))).collect())
    }

    /// Those of SQLite change by this process only; PostgreSQL is looked at now and then.
    fn generation(&self) -> u64 {
        let own = self.store.definition_clock().now();
        if !self.store.options().database.is_postgres() {
            return own;
        }
        let now = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        let before = self.looked.load(Ordering::Acquire);
        let is_due = now.saturating_sub(before) >= i64::try_from(PATIENCE.as_millis()).unwrap_or(i64::MAX);
        if is_due && self.looked.compare_exchange(before, now, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            let statement =
                Statement::new("SELECT CAST(coalesce(sum(id * (state + 1)), 0) AS BIGINT) AS number FROM code_system");
            match self.store.reader().and_then(|mut reader| one_number(&mut reader, &statement)) {
                Ok(sum) => self.sum.store(u64::try_from(sum).unwrap_or(0), Ordering::Release),
                Err(error) => tracing::warn!(%error, "whether code systems changed cannot be seen"),
            }
        }
        own.wrapping_add(self.sum.load(Ordering::Acquire))
    }
}

/// One code system in tables.
#[derive(Debug)]
struct TableSystem {
    store: Store,
    id: i64,
    header: Header,
}

impl TableSystem {
    fn load<T>(&self, statement: &Statement) -> Result<Vec<T>, Unavailable>
    where
        T: QueryableByName<diesel::sqlite::Sqlite> + QueryableByName<diesel::pg::Pg> + 'static,
    {
        let loaded = self.store.reader().and_then(|mut reader| reader.load::<T>(statement));
        loaded.map_err(|error| unavailable(&error))
    }

    fn row(&self, code: &str) -> Result<Option<BodyRow>, Unavailable> {
        let ask = |column: &str, value: &str| {
            let mut statement = Statement::new("SELECT ordinal, body FROM concept WHERE system = ");
            statement.bind(self.id).sql(" AND ").sql(column).sql(" = ").bind(value).sql(" ORDER BY ordinal LIMIT 1");
            self.load::<BodyRow>(&statement).map(|rows| rows.into_iter().next())
        };
        match ask("code", code)? {
            None if self.header.case_sensitive != Some(true) => ask("folded", &code.to_lowercase()),
            found => Ok(found),
        }
    }

    fn ordinal(&self, code: &str) -> Result<Option<i64>, Unavailable> {
        Ok(self.row(code)?.map(|row| row.ordinal))
    }

    fn concept(&self, body: &[u8]) -> Option<Arc<Concept>> {
        let node = json::parse(body).ok()?;
        Some(Arc::new(Concept::read(&node, &self.header)))
    }

    /// Codes of concepts related to one.
    fn related(&self, code: &str, own: &str, other: &str) -> Result<Vec<String>, Unavailable> {
        let Some(ordinal) = self.ordinal(code)? else { return Ok(Vec::new()) };
        let mut statement = Statement::new("SELECT concept.code FROM concept_above JOIN concept ON ");
        statement.sql("concept.system = concept_above.system AND concept.ordinal = concept_above.").sql(other);
        statement.sql(" WHERE concept_above.system = ").bind(self.id).sql(" AND concept_above.").sql(own);
        statement.sql(" = ").bind(ordinal).sql(" AND direct = 1 ORDER BY concept.ordinal");
        Ok(self.load::<CodeRow>(&statement)?.into_iter().map(|row| row.code).collect())
    }

    /// `FROM … WHERE …` of what is selected; `None` when that is nothing.
    fn selected(&self, selection: &Selection) -> Result<Option<Statement>, Unavailable> {
        let mut statement = Statement::new("FROM concept_text AS t WHERE t.system = ");
        statement.bind(self.id);
        if let Some((code, with_itself)) = &selection.below {
            let Some(ordinal) = self.ordinal(code)? else { return Ok(None) };
            statement.sql(" AND (t.ordinal IN (SELECT ordinal FROM concept_above WHERE system = ");
            statement.bind(self.id).sql(" AND above = ").bind(ordinal).sql(")");
            if *with_itself {
                statement.sql(" OR t.ordinal = ").bind(ordinal);
            }
            statement.sql(")");
        }
        for (flag, is_asked) in [(INACTIVE, selection.active_only), (ABSTRACT, selection.selectable_only)] {
            if is_asked {
                statement.sql(" AND (t.flags & CAST(").bind(flag).sql(" AS BIGINT)) = 0");
            }
        }
        match selection.words.as_slice() {
            [] => {}
            [word] => {
                statement.sql(" AND (");
                contains(&mut statement, word);
                // The code, folded, is what the text begins with.
                statement.sql(" OR t.text LIKE ").bind(format!("{}%", escape(word))).sql(" ESCAPE '!')");
            }
            words => {
                for word in words {
                    statement.sql(" AND ");
                    contains(&mut statement, word);
                }
            }
        }
        Ok(Some(statement))
    }
}

/// A word occurs in one of the texts, each of which stands behind a line end.
fn contains(statement: &mut Statement, word: &str) {
    statement.sql("t.text LIKE ").bind(format!("%\n%{}%", escape(word))).sql(" ESCAPE '!'");
}

fn escape(word: &str) -> String {
    word.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

impl CodeSystem for TableSystem {
    fn header(&self) -> &Header {
        &self.header
    }

    fn find(&self, code: &str) -> Result<Option<Arc<Concept>>, Unavailable> {
        Ok(self.row(code)?.and_then(|row| self.concept(&row.body)))
    }

    fn contains(&self, code: &str) -> Result<bool, Unavailable> {
        Ok(self.row(code)?.is_some())
    }

    fn is_below(&self, code: &str, ancestor: &str) -> Result<bool, Unavailable> {
        let (Some(ordinal), Some(above)) = (self.ordinal(code)?, self.ordinal(ancestor)?) else { return Ok(false) };
        let mut statement = Statement::new("SELECT ordinal AS number FROM concept_above WHERE system = ");
        statement.bind(self.id).sql(" AND above = ").bind(above).sql(" AND ordinal = ").bind(ordinal);
        Ok(!self.load::<NumberRow>(&statement)?.is_empty())
    }

    fn parents(&self, code: &str) -> Result<Vec<String>, Unavailable> {
        self.related(code, "ordinal", "above")
    }

    fn children(&self, code: &str) -> Result<Vec<String>, Unavailable> {
        self.related(code, "above", "ordinal")
    }

    fn walk(
        &self,
        selection: &Selection,
        skip: usize,
        visit: &mut dyn FnMut(&Arc<Concept>) -> ControlFlow<()>,
    ) -> Result<(), Unavailable> {
        let Some(selected) = self.selected(selection)? else { return Ok(()) };
        let (mut last, mut skip) = (-1_i64, i64::try_from(skip).unwrap_or(i64::MAX));
        // Small at first: a page is usually all that is wanted.
        let mut size = 100;
        loop {
            let mut inner = Statement::new("SELECT t.ordinal ");
            inner.append(selected.clone()).sql(" AND t.ordinal > ").bind(last).sql(" ORDER BY t.ordinal LIMIT ");
            inner.bind(size).sql(" OFFSET ").bind(skip);
            let mut statement = Statement::new("SELECT concept.ordinal, concept.body FROM (");
            statement.append(inner).sql(") AS page JOIN concept ON concept.system = ").bind(self.id);
            statement.sql(" AND concept.ordinal = page.ordinal ORDER BY concept.ordinal");
            let rows = self.load::<BodyRow>(&statement)?;
            let Some(end) = rows.last().map(|row| row.ordinal) else { return Ok(()) };
            let is_last = i64::try_from(rows.len()).unwrap_or(0) < size;
            for row in rows {
                if let Some(concept) = self.concept(&row.body)
                    && visit(&concept).is_break()
                {
                    return Ok(());
                }
            }
            if is_last {
                return Ok(());
            }
            (last, skip, size) = (end, 0, i64::try_from(PART).unwrap_or(1_000));
        }
    }

    fn count(&self, selection: &Selection) -> Result<usize, Unavailable> {
        let Some(selected) = self.selected(selection)? else { return Ok(0) };
        let mut statement = Statement::new("SELECT count(*) AS number ");
        statement.append(selected);
        let rows = self.load::<NumberRow>(&statement)?;
        Ok(rows.first().and_then(|row| usize::try_from(row.number).ok()).unwrap_or(0))
    }
}
