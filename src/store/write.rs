//! What a job may do inside a write transaction: look up, search, put, delete.
//!
//! Nothing goes to the database while a job runs: its effects collect in an overlay that later jobs
//! of the same batch see, and are written together (`index.rs`). So a job that fails is undone by
//! forgetting, and a thousand creates become a few statements.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use foldhash::fast::RandomState;

use super::connection::{Connection, Statement};
use super::history::{self, HistoryPage, HistoryQuery};
use super::notebook::{NotebookRows, Projection};
use super::parameters::{self, defining_type};
use super::record::VersionRecord;
use super::search::{self, Found, SearchPage};
use super::view::{Citizens, InForce, Managed, View};
use super::{Content, Method, STATE_DELETED, STATE_LIVE, STATE_REFERENCED, StoreError, Version, owner};
use crate::format::json;
use crate::r4::outcome::Issue;
use crate::search::custom::Defined;
use crate::search::extract::{ExtractOptions, extract};
use crate::search::query::Query;
use crate::search::rows::IndexRows;

pub(super) type FastMap<K, V> = HashMap<K, V, RandomState>;

/// A resource with everything that is derived from it, ready to be written.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Number of the resource type.
    pub type_number: u8,
    /// Logical id.
    pub id: String,
    /// The JSON.
    pub content: Content,
    /// Index values.
    pub rows: IndexRows,
    /// The generation of the parameters that they were taken by.
    pub generation: i64,
    /// For a SearchParameter that is used: what it defines.
    pub defined: Option<Box<Defined>>,
    /// What validation has to say of it, for the answer.
    pub remarks: Vec<Issue>,
    /// Notebook rows.
    pub notebook: NotebookRows,
}

/// The outcome of a write.
#[derive(Debug, Clone)]
pub struct Written {
    /// The version that is current now.
    pub version: Version,
    /// The resource did not exist (or was deleted) before.
    pub created: bool,
    /// `false`: the content was what is stored already, no new version was made.
    pub changed: bool,
}

/// A resource as the batch sees it.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) key: i64,
    pub(super) state: i64,
    pub(super) version: i64,
    pub(super) updated: i64,
    pub(super) method: Method,
    pub(super) body: Bytes,
}

impl Head {
    fn version(&self) -> Version {
        Version { version: self.version, updated: self.updated, method: self.method, body: self.body.clone() }
    }
}

/// A resource that this batch changes: what it is now, and what the database has.
#[derive(Debug, Clone)]
pub(super) struct Touched {
    pub(super) type_number: u8,
    pub(super) id: String,
    pub(super) head: Head,
    /// No row in `resource` yet.
    pub(super) is_new: bool,
    /// The live body in the database, whose index rows are there.
    pub(super) stored_body: Option<Bytes>,
    pub(super) rows: IndexRows,
    pub(super) notebook: NotebookRows,
}

pub(super) struct PastVersion {
    pub(super) key: i64,
    pub(super) version: i64,
    pub(super) updated: i64,
    pub(super) method: Method,
    pub(super) body: Bytes,
}

pub(super) struct ChangeRow {
    pub(super) key: i64,
    pub(super) version: i64,
    pub(super) type_number: u8,
    pub(super) updated: i64,
    pub(super) method: Method,
}

/// What the writer remembers between batches; forgotten when a batch fails.
pub(super) struct Memory {
    pub(super) next_counter: i64,
    pub(super) next_seq: i64,
    pub(super) last_updated: i64,
    /// Of the search parameters in the database.
    pub(super) generation: i64,
    pub(super) systems: FastMap<String, i64>,
    /// Keys never change, so this needs no invalidation; bounded by being emptied when large.
    pub(super) keys: FastMap<(u8, String), i64>,
}

/// The overlay of one batch. See the module text.
pub struct WriteTransaction<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) memory: &'a mut Memory,
    pub(super) now: i64,
    /// How rows are written and removed.
    pub(super) extract_options: ExtractOptions,
    /// How the notebook rows of superseded versions are made again.
    pub(super) project: Projection,
    /// SearchParameters were written: what they define must be made so before the commit.
    pub(super) redefined: bool,
    /// What this batch defines, by the id of the SearchParameter.
    defined: Vec<(String, Box<Defined>)>,
    pub(super) touched: FastMap<i64, Touched>,
    pub(super) by_id: FastMap<(u8, String), i64>,
    pub(super) heads: FastMap<(u8, String), Option<Head>>,
    pub(super) past: Vec<PastVersion>,
    pub(super) changes: Vec<ChangeRow>,
    /// Everything invalidated by this batch, flushed or not.
    pub(super) invalidated: Vec<(u8, String)>,
    /// Something was written past the overlay: there is something to commit.
    pub(super) wrote_directly: bool,
    /// Index and notebook rows are written for what is touched, versions are not: a rebuild.
    pub(super) only_index: bool,
    /// What the one who asks for the running job may see.
    pub(super) view: Option<Arc<View>>,
    /// Where the running job began.
    mark: Mark,
    undo: Vec<(i64, Option<Touched>)>,
}

impl std::fmt::Debug for WriteTransaction<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("WriteTransaction").field("touched", &self.touched.len()).finish_non_exhaustive()
    }
}

#[derive(QueryableByName)]
struct HeadRecord {
    #[diesel(sql_type = BigInt)]
    key: i64,
    #[diesel(sql_type = BigInt)]
    state: i64,
    #[diesel(embed)]
    version: VersionRecord,
}

#[derive(QueryableByName)]
struct KeyRecord {
    #[diesel(sql_type = BigInt)]
    #[expect(dead_code, reason = "only whether there is one counts")]
    key: i64,
}

/// The number of Patient.organization, the managing one.
fn manager_parameter() -> i32 {
    crate::search::registry::registry().find(owner::patient(), "organization").map_or(0, |found| found.number)
}

/// A point to return to when a job fails.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    past: usize,
    changes: usize,
}

impl<'a> WriteTransaction<'a> {
    pub(super) fn new(
        connection: &'a mut Connection,
        memory: &'a mut Memory,
        now: i64,
        extract_options: ExtractOptions,
    ) -> Self {
        Self {
            redefined: false,
            defined: Vec::new(),
            connection,
            memory,
            now,
            extract_options,
            project: |_, _| NotebookRows::default(),
            touched: FastMap::default(),
            by_id: FastMap::default(),
            heads: FastMap::default(),
            past: Vec::new(),
            changes: Vec::new(),
            invalidated: Vec::new(),
            wrote_directly: false,
            only_index: false,
            view: None,
            mark: Mark::default(),
            undo: Vec::new(),
        }
    }

    /// When the versions of this transaction are written, µs since 1970 UTC.
    #[must_use]
    pub const fn now(&self) -> i64 {
        self.now
    }

    /// Says that the job writes past the overlay. It must be its last step: that cannot be undone alone.
    pub(super) fn note_directly(&mut self) {
        self.wrote_directly = true;
    }

    /// A job begins: what follows can be undone alone.
    pub(super) fn begin_job(&mut self) {
        self.undo.clear();
        self.mark = Mark { past: self.past.len(), changes: self.changes.len() };
    }

    /// Forgets what the running job did since it began or last searched.
    pub(super) fn roll_back_job(&mut self) {
        while let Some((key, before)) = self.undo.pop() {
            match before {
                Some(before) => {
                    self.touched.insert(key, before);
                }
                None => {
                    if let Some(gone) = self.touched.remove(&key) {
                        self.by_id.remove(&(gone.type_number, gone.id));
                    }
                }
            }
        }
        self.past.truncate(self.mark.past);
        self.changes.truncate(self.mark.changes);
    }

    /// Writes the overlay to the database, inside the open transaction.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        if self.touched.is_empty() {
            return Ok(());
        }
        super::index::write_overlay(self)?;
        for (_, touched) in self.touched.drain() {
            let name = (touched.type_number, touched.id);
            self.heads.insert(name.clone(), Some(touched.head));
            self.invalidated.push(name);
        }
        self.by_id.clear();
        self.begin_job();
        Ok(())
    }

    /// The current version of a resource, deleted ones included; `None` when there never was one.
    ///
    /// # Errors
    /// What the database says.
    pub fn current(&mut self, type_number: u8, id: &str) -> Result<Option<Version>, StoreError> {
        let Some(head) = self.head(type_number, id)?.filter(|head| head.state != STATE_REFERENCED) else {
            return Ok(None);
        };
        let is_shown = match self.view.clone() {
            None => true,
            Some(view) => self.shows(&view, &head)? || self.may_touch(&head)?,
        };
        Ok(is_shown.then(|| head.version()))
    }

    /// Whether the view for what is written shows a resource.
    fn may_touch(&mut self, head: &Head) -> Result<bool, StoreError> {
        match self.writing_view() {
            None => Ok(true),
            Some(view) => self.shows(&view, head),
        }
    }

    /// Whether a view shows a resource.
    fn shows(&mut self, view: &Arc<View>, head: &Head) -> Result<bool, StoreError> {
        if let Some(touched) = self.touched.get(&head.key) {
            let (type_number, rows) = (touched.type_number, touched.rows.clone());
            if owner::follows(type_number) {
                // Whose it is comes with the rows of what it is about.
                return Ok(false);
            }
            // What a citizen refuses by a label is looked at without asking whose it is: rather too much is hidden.
            let hides = |label: &owner::Label| {
                view.hidden.contains(label) || view.hidden_of.iter().any(|(refused, _)| refused == label)
            };
            let is_hidden = owner::labels(type_number, &rows).iter().any(hides) || view.hidden_keys.contains(&head.key);
            return Ok(!is_hidden
                && !view.is_narrowed(type_number)
                && self.belongs(view, type_number, head.key, &rows)?);
        }
        let mut statement = Statement::new("SELECT key FROM resource WHERE key = ");
        statement.bind(head.key);
        let _shown = InForce::of(Some(Arc::clone(view)));
        Ok(!self.connection.load::<KeyRecord>(&statement)?.is_empty())
    }

    /// The view for what is written.
    fn writing_view(&self) -> Option<Arc<View>> {
        let view = self.view.as_ref()?;
        Some(Arc::clone(view.writing.as_ref().unwrap_or(view)))
    }

    /// Whether a resource names the caller, a facility or a group of theirs as one between whom it goes.
    fn is_theirs(&mut self, view: &View, rows: &IndexRows) -> Result<bool, StoreError> {
        let named: Vec<(u8, String)> = rows
            .references
            .iter()
            .filter(|row| super::view::is_between(row.parameter))
            .map(|row| (row.target_type, row.target_id.clone()))
            .collect();
        for (type_number, id) in named {
            if self.head(type_number, &id)?.is_some_and(|head| view.is_own(head.key)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a resource with these index values belongs to citizens of the view only.
    fn belongs(&mut self, view: &View, type_number: u8, key: i64, rows: &IndexRows) -> Result<bool, StoreError> {
        let reaches: Vec<(Citizens, bool)> =
            view.clauses_of(type_number).map(|clause| (clause.citizens.clone(), clause.is_between)).collect();
        for (reach, is_between) in reaches {
            let Citizens::Some { keys, managed_by } = reach else { return Ok(true) };
            if super::open_types().contains(&type_number) {
                return Ok(true);
            }
            if owner::is_citizen(type_number) {
                if keys.contains(&key) || (!managed_by.leaves_out(key) && self.is_managed(rows, &managed_by.by)?) {
                    return Ok(true);
                }
                continue;
            }
            let owners: Vec<String> = owner::owners(type_number, rows).into_iter().map(str::to_owned).collect();
            if is_between && owners.is_empty() && self.is_theirs(view, rows)? {
                return Ok(true);
            }
            let mut all = !owners.is_empty();
            for id in owners {
                let patient = self.head(owner::patient(), &id)?;
                all &= match patient {
                    Some(patient) if keys.contains(&patient.key) => true,
                    Some(patient) if view.brings && self.is_of_this_job(patient.key) => true,
                    Some(patient) => self.is_managed_citizen(patient.key, &managed_by)?,
                    None => false,
                };
            }
            if all {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the running job made a resource.
    fn is_of_this_job(&self, key: i64) -> bool {
        self.undo.iter().any(|(touched, before)| *touched == key && before.is_none())
            && self.touched.get(&key).is_some_and(|touched| touched.is_new)
    }

    /// Whether a Patient with these index values is managed by one of these organizations.
    fn is_managed(&mut self, rows: &IndexRows, managed_by: &[i64]) -> Result<bool, StoreError> {
        let parameter = manager_parameter();
        let named: Vec<(u8, String)> = rows
            .references
            .iter()
            .filter(|row| row.parameter == parameter)
            .map(|row| (row.target_type, row.target_id.clone()))
            .collect();
        for (type_number, id) in named {
            if self.head(type_number, &id)?.is_some_and(|head| managed_by.contains(&head.key)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_managed_citizen(&mut self, citizen: i64, managed_by: &Managed) -> Result<bool, StoreError> {
        if managed_by.is_empty() || managed_by.leaves_out(citizen) {
            return Ok(false);
        }
        if let Some(touched) = self.touched.get(&citizen) {
            let rows = touched.rows.clone();
            return self.is_managed(&rows, &managed_by.by);
        }
        let mut statement = Statement::new("SELECT key FROM reference WHERE parameter = ");
        statement.bind(i64::from(manager_parameter())).sql(" AND key = ").bind(citizen).sql(" AND target IN ");
        statement.bind_list(managed_by.by.iter().copied()).uncached();
        Ok(!self.connection.load::<KeyRecord>(&statement)?.is_empty())
    }

    /// Whether a resource is the record of an emergency.
    fn is_emergency(&mut self, type_number: u8, key: i64) -> Result<bool, StoreError> {
        if let Some(touched) = self.touched.get(&key) {
            return Ok(owner::labels(type_number, &touched.rows).contains(&owner::Label::Emergency));
        }
        let mut statement = Statement::new("SELECT key FROM label WHERE kind = ");
        statement.bind(owner::Label::Emergency as i64).sql(" AND key = ").bind(key);
        Ok(!self.connection.load::<KeyRecord>(&statement)?.is_empty())
    }

    /// Refuses what the one who asks may not write.
    fn check_put(
        &mut self,
        type_number: u8,
        head: Option<&Head>,
        rows: &IndexRows,
        fresh_id: bool,
    ) -> Result<(), StoreError> {
        let Some(view) = self.writing_view() else { return Ok(()) };
        let is_emergency = owner::labels(type_number, rows).contains(&owner::Label::Emergency);
        if view.brings && !is_emergency && super::view::comes_along(type_number, fresh_id) {
            return Ok(());
        }
        if !view.may_write(type_number) {
            return Err(StoreError::Denied("resources of this type are written by administrators only".to_owned()));
        }
        if is_emergency || head.map_or(Ok(false), |head| self.is_emergency(type_number, head.key))? {
            return Err(StoreError::Denied("the record of an emergency is not written or changed by hand".to_owned()));
        }
        if view.is_narrowed(type_number) {
            return Err(StoreError::Denied("a scope with search parameters does not write".to_owned()));
        }
        match head.filter(|head| head.state != STATE_REFERENCED) {
            Some(head) if !self.may_touch(head)? => return Err(StoreError::Hidden),
            Some(_) => {}
            // Whether an id is taken by what is not visible must not be told.
            None if !fresh_id && !view.sees_everybody() && !view.brings => return Err(StoreError::Hidden),
            None => {}
        }
        let key = head.map_or(-1, |head| head.key);
        if self.belongs(&view, type_number, key, rows)? {
            return Ok(());
        }
        let text = "it must be about citizens you have to do with, and about at least one";
        Err(StoreError::Denied(text.to_owned()))
    }

    fn head(&mut self, type_number: u8, id: &str) -> Result<Option<Head>, StoreError> {
        let name = (type_number, id.to_owned());
        if let Some(touched) = self.by_id.get(&name).and_then(|key| self.touched.get(key)) {
            return Ok(Some(touched.head.clone()));
        }
        if let Some(known) = self.heads.get(&name) {
            return Ok(known.clone());
        }
        let mut statement =
            Statement::new("SELECT key, state, version, updated, method, body FROM resource WHERE type = ");
        statement.bind(i64::from(type_number)).sql(" AND id = ").bind(id);
        let head = self.connection.load::<HeadRecord>(&statement)?.into_iter().next().map(|record| Head {
            key: record.key,
            state: record.state,
            version: record.version.version,
            updated: record.version.updated,
            method: Method::from_number(record.version.method),
            body: record.version.body.into(),
        });
        self.heads.insert(name, head.clone());
        Ok(head)
    }

    /// Finds resources by a query, at most `limit`. Sees what earlier jobs and the earlier part of
    /// this job wrote — so call it before the job's own writes: what has been searched over cannot
    /// be undone alone.
    ///
    /// # Errors
    /// What the database says.
    pub fn search(&mut self, query: &Query, limit: u32) -> Result<Vec<Found>, StoreError> {
        self.flush()?;
        let _shown = InForce::of(self.view.clone());
        parameters::must_be_finished(self.connection, query)?;
        search::matches(self.connection, query, limit)
    }

    /// One page of a search, with the same caution as [`Self::search`].
    ///
    /// # Errors
    /// What the database says, or that the position is not one of ours.
    pub fn search_page(&mut self, query: &Query, count: u32, with_total: bool) -> Result<SearchPage, StoreError> {
        self.flush()?;
        let _shown = InForce::of(self.view.clone());
        search::page_within(self.connection, query, count, with_total, &self.extract_options, None)
    }

    /// A page of a history, with the same caution as [`Self::search`].
    ///
    /// # Errors
    /// What the database says, or that the position is not one of ours.
    pub fn history(&mut self, query: &HistoryQuery) -> Result<HistoryPage, StoreError> {
        self.flush()?;
        let _shown = InForce::of(self.view.clone());
        history::page(self.connection, query)
    }

    /// One version by number, with the same caution as [`Self::search`].
    ///
    /// # Errors
    /// What the database says.
    pub fn version(&mut self, type_number: u8, id: &str, version: i64) -> Result<Option<Version>, StoreError> {
        self.flush()?;
        let _shown = InForce::of(self.view.clone());
        history::version(self.connection, type_number, id, version)
    }

    /// Stores a new version.
    ///
    /// With `fresh_id` the id was made by this server just now: it cannot exist, the look-up is
    /// saved. Content equal to the current version makes no new version unless `always`.
    ///
    /// # Errors
    /// What the database says.
    pub fn put(&mut self, prepared: Prepared, method: Method, fresh_id: bool) -> Result<Written, StoreError> {
        let head = if fresh_id { None } else { self.head(prepared.type_number, &prepared.id)? };
        self.check_put(prepared.type_number, head.as_ref(), &prepared.rows, fresh_id)?;
        self.store(prepared, head, method)
    }

    /// Stores a new resource that says where others come from which this job wrote: whether the one who asks may write
    /// those was decided when they were.
    ///
    /// # Errors
    /// What the database says.
    pub fn put_beside(&mut self, prepared: Prepared) -> Result<Written, StoreError> {
        self.store(prepared, None, Method::Post)
    }

    /// Whose a resource is that this job wrote or deleted: ids of Patients, and the labels that hide it.
    #[must_use]
    pub fn whose(&self, type_number: u8, id: &str) -> (BTreeSet<String>, BTreeSet<owner::Label>) {
        let Some(key) = self.by_id.get(&(type_number, id.to_owned())) else { return Default::default() };
        let Some(touched) = self.touched.get(key) else { return Default::default() };
        let before = || {
            let body = &self.past.iter().rev().find(|past| past.key == *key)?.body;
            Some(extract(type_number, &json::parse(body).ok()?, &self.extract_options))
        };
        let past = if touched.head.state == STATE_DELETED { before() } else { None };
        let rows = past.as_ref().unwrap_or(&touched.rows);
        let mut citizens: BTreeSet<String> = owner::owners(type_number, rows).into_iter().map(str::to_owned).collect();
        if owner::is_citizen(type_number) {
            citizens.insert(id.to_owned());
        }
        (citizens, owner::labels(type_number, rows))
    }

    fn store(&mut self, prepared: Prepared, head: Option<Head>, method: Method) -> Result<Written, StoreError> {
        let Prepared { type_number, id, content, mut rows, generation, defined, notebook, remarks: _ } = prepared;
        if let Some(head) = &head
            && head.state == STATE_LIVE
            && content.render(&id, head.version, head.updated) == head.body
        {
            return Ok(Written { version: head.version(), created: false, changed: false });
        }
        let key = match &head {
            Some(head) => head.key,
            None => self.new_key(type_number),
        };
        let version = head.as_ref().map_or(0, |head| head.version) + 1;
        let next = Head {
            key,
            state: STATE_LIVE,
            version,
            updated: self.now,
            method,
            body: content.render(&id, version, self.now),
        };
        if generation != self.extract_options.registry.generation()
            && let Ok(resource) = json::parse(&next.body)
        {
            // Parameters came or went since the rows were taken.
            rows = extract(type_number, &resource, &self.extract_options);
        }
        if let Some(defined) = defined {
            self.define(&id, defined)?;
        }
        let created = head.as_ref().is_none_or(|head| head.state != STATE_LIVE);
        let written = Written { version: next.version(), created, changed: true };
        self.touch(type_number, id, head, next, rows, notebook);
        Ok(written)
    }

    /// Deletes a resource. `None` when there is nothing to delete.
    ///
    /// # Errors
    /// What the database says.
    pub fn delete(&mut self, type_number: u8, id: &str) -> Result<Option<Version>, StoreError> {
        let Some(head) = self.head(type_number, id)?.filter(|head| head.state == STATE_LIVE) else {
            return Ok(None);
        };
        if !self.may_touch(&head)? {
            return Ok(None);
        }
        if self.view.is_some() && self.is_emergency(type_number, head.key)? {
            return Err(StoreError::Denied("the record of an emergency is not deleted".to_owned()));
        }
        if self.view.as_ref().is_some_and(|view| !view.may_write(type_number)) {
            return Err(StoreError::Denied("resources of this type are deleted by administrators only".to_owned()));
        }
        let next = Head {
            key: head.key,
            state: STATE_DELETED,
            version: head.version + 1,
            updated: self.now,
            method: Method::Delete,
            body: Bytes::new(),
        };
        let version = next.version();
        self.touch(type_number, id.to_owned(), Some(head), next, IndexRows::default(), NotebookRows::default());
        Ok(Some(version))
    }

    /// A code has one definition on a type; what a stored definition says was checked, but others may
    /// have come since.
    fn define(&mut self, id: &str, new: Box<Defined>) -> Result<(), StoreError> {
        let is_other = |(other_id, other): &(String, Box<Defined>)| {
            other_id != id && other.code == new.code && other.types.iter().any(|number| new.types.contains(number))
        };
        let is_stored = |number: &u8| {
            let there = self.extract_options.registry.find(*number, &new.code);
            there.and_then(|there| there.source.as_deref()).is_some_and(|source| source != id)
        };
        if self.defined.iter().any(is_other) || new.types.iter().any(is_stored) {
            return Err(StoreError::DefinedTwice(new.code));
        }
        self.defined.push((id.to_owned(), new));
        Ok(())
    }

    fn touch(
        &mut self,
        type_number: u8,
        id: String,
        before: Option<Head>,
        next: Head,
        rows: IndexRows,
        notebook: NotebookRows,
    ) {
        let key = next.key;
        self.redefined |= type_number == defining_type();
        if let Some(before) = &before
            && before.state != STATE_REFERENCED
        {
            self.past.push(PastVersion {
                key,
                version: before.version,
                updated: before.updated,
                method: before.method,
                body: before.body.clone(),
            });
        }
        self.changes.push(ChangeRow {
            key,
            version: next.version,
            type_number,
            updated: next.updated,
            method: next.method,
        });
        let earlier = self.touched.remove(&key);
        let (is_new, stored_body) = match (&earlier, &before) {
            (Some(earlier), _) => (earlier.is_new, earlier.stored_body.clone()),
            (None, Some(before)) => (false, (before.state == STATE_LIVE).then(|| before.body.clone())),
            (None, None) => (true, None),
        };
        self.undo.push((key, earlier));
        self.by_id.insert((type_number, id.clone()), key);
        self.touched.insert(key, Touched { type_number, id, head: next, is_new, stored_body, rows, notebook });
    }

    /// Takes a stored resource up to have its rows written anew.
    pub(super) fn reindex(&mut self, key: i64, id: String, body: Bytes, rows: IndexRows, notebook: NotebookRows) {
        let head = Head { key, state: STATE_LIVE, version: 0, updated: 0, method: Method::Put, body };
        let type_number = super::type_of_key(key);
        self.by_id.insert((type_number, id.clone()), key);
        self.touched.insert(key, Touched { type_number, id, head, is_new: false, stored_body: None, rows, notebook });
    }

    pub(super) fn new_key(&mut self, type_number: u8) -> i64 {
        let key = self.memory.next_counter << 8 | i64::from(type_number);
        self.memory.next_counter += 1;
        key
    }
}
