//! From a caller to what they may see: gathers teams, roles, consents and agreements, lets `access` judge them, and
//! keeps the answer until something by which it was decided is written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

use super::{Engine, Rejection};
use crate::access::consent::{Limits, verdict};
use crate::access::policy::{Asker, LiaisonUse, Operation, Relation};
use crate::access::relation::{agree, covers, is_in_team, shown_types, target};
use crate::access::{Caller, GrantContext, Interaction, Subject};
use crate::format::json::{self, Node};
use crate::r4::definitions;
use crate::r4::outcome::IssueCode;
use crate::search::parse::parse_query;
use crate::search::query::Condition;
use crate::store::{Citizens, Found, Label, Managed, SearchPage, View, ViewClause, ViewLiaison, open_types};

/// How long an answer is kept at most: periods begin and end without being written.
const KEPT: Duration = Duration::from_secs(10);
/// Resources of one kind that are gathered for one caller; whoever has to do with more needs another relation.
const MOST: u32 = 20_000;
/// How far `partOf` is followed.
const DEPTH: usize = 8;
/// Sets of types that citizens refuse one caller, at most.
const MOST_WAYS: usize = 8;
/// The code of a role (any system) that has to do with the whole area of its municipality.
pub(super) const OFFICER: &str = "municipal-officer";

/// Views by caller.
pub(super) struct Views(Cache<String, (u64, Instant, Option<Arc<View>>)>);

impl std::fmt::Debug for Views {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Views")
    }
}

impl Views {
    /// What is not written as a resource changed, or at once has to count.
    pub(super) fn forget(&self) {
        self.0.clear();
    }
}

impl Default for Views {
    fn default() -> Self {
        Self(Cache::new(10_000))
    }
}

/// A citizen a caller has to do with.
#[derive(Debug, Clone)]
struct Related {
    why: String,
    /// Bits of [`Relation`].
    relations: u16,
}

/// What a caller has to do with.
#[derive(Debug, Default)]
struct Reach {
    /// Ids of Patients.
    citizens: BTreeMap<String, Related>,
    /// Organizations whose citizens are all reached, `Organization/x`, and by which relations.
    managed_by: BTreeMap<String, u16>,
    /// References that stand for the caller.
    own: Vec<String>,
    /// The codes of their roles that count now.
    professions: Vec<String>,
    /// Relations they have by what they are, with some citizen or none.
    relations: u16,
    /// Teams that count them, `CareTeam/x`.
    teams: Vec<String>,
    /// What citizens (ids of Patients) refuse them, and by which Consents.
    limits: BTreeMap<String, (Limits, Vec<String>)>,
    /// Keys of citizens whom those organizations manage and who refuse.
    denied: BTreeSet<i64>,
    /// Citizens whom the caller would reach, and what keeps them from the caller all the same.
    kept: BTreeMap<String, String>,
}

/// A role that counts now.
#[derive(Debug)]
pub(super) struct Role {
    /// `PractitionerRole/x`.
    reference: String,
    /// `Organization/x`, or empty.
    pub(super) organization: String,
    /// The codes of what they do.
    pub(super) codes: Vec<String>,
}

/// What a caller has to do with a citizen, for explaining it.
#[derive(Debug)]
pub(super) struct Told {
    /// Why, and the bits of relations; or why not.
    pub(super) related: Result<(String, u16), String>,
    /// The codes of the caller's roles.
    pub(super) professions: Vec<String>,
    /// What the citizen refuses, and by which Consents.
    pub(super) limits: Option<(Limits, Vec<String>)>,
}

impl Reach {
    /// One more reason to have to do with a citizen; the first is the one that is told.
    fn add(&mut self, citizen: String, relation: Relation, why: impl FnOnce() -> String) {
        self.add_all(citizen, relation.bit(), why);
    }

    fn add_all(&mut self, citizen: String, relations: u16, why: impl FnOnce() -> String) {
        let related = self.citizens.entry(citizen).or_insert_with(|| Related { why: why(), relations: 0 });
        related.relations |= relations;
    }

    fn manage(&mut self, organization: String, relation: Relation) -> bool {
        let relations = self.managed_by.entry(organization).or_default();
        let before = std::mem::replace(relations, *relations | relation.bit());
        before != *relations
    }

    /// All relations there are.
    fn relations(&self) -> u16 {
        let citizens = self.citizens.values().map(|related| related.relations);
        citizens
            .chain(self.managed_by.values().copied())
            .fold(self.relations | Relation::Between.bit(), |all, one| all | one)
    }

    /// Those whom Consents may name.
    fn actors(&self) -> Vec<String> {
        self.own.iter().chain(&self.teams).cloned().collect()
    }

    /// Takes out what a Consent denies; the citizen, when nothing is left.
    fn limit(&mut self, citizen: &str, denied: Limits, consent: &str) {
        if denied.is_empty() {
            return;
        }
        let more = if denied.is_widened { ", more than it says: what it is about cannot be told here" } else { "" };
        let text = if denied.is_everything() {
            format!("{consent} denies it{more}")
        } else {
            format!("{consent} denies {}{more}", denied.words())
        };
        let (limits, texts) = self.limits.entry(citizen.to_owned()).or_default();
        limits.add(denied);
        if !texts.contains(&text) {
            texts.push(text);
        }
        if limits.is_everything() {
            let texts = texts.join("; ");
            if let Some(Related { why, .. }) = self.citizens.remove(citizen) {
                self.kept.insert(citizen.to_owned(), format!("{why}, but {texts}"));
            }
        }
    }

    /// Types that are refused are told apart in few ways; where there are more, who refuses some refuses all.
    fn settle(&mut self) {
        let ways: BTreeSet<&BTreeSet<u8>> = self.limits.values().map(|(limits, _)| &limits.types).collect();
        if ways.len() <= MOST_WAYS {
            return;
        }
        for (citizen, (limits, texts)) in &mut self.limits {
            if limits.types.is_empty() {
                continue;
            }
            limits.only(&BTreeSet::new());
            if let Some(Related { why, .. }) = self.citizens.remove(citizen) {
                let text = format!(
                    "{why}, but {}, and citizens refuse this caller too many different things",
                    texts.join("; ")
                );
                self.kept.insert(citizen.clone(), text);
            }
        }
    }

    /// The same with one citizen, who is reached.
    fn only(&self, citizen: &str, relations: u16) -> Self {
        let related = Related { why: String::new(), relations };
        let limits = self.limits.get_key_value(citizen).map(|(id, limits)| (id.clone(), limits.clone()));
        Self {
            citizens: [(citizen.to_owned(), related)].into(),
            own: self.own.clone(),
            limits: limits.into_iter().collect(),
            professions: self.professions.clone(),
            ..Self::default()
        }
    }
}

pub(super) fn number(name: &str) -> u8 {
    definitions().resource_number(name).unwrap_or(0)
}

fn parsed(found: &Found) -> Node<'_> {
    json::parse(&found.version.body).unwrap_or(Node::Null)
}

/// What a context lets be read; what it lets be written, and is then seen while writing.
const READING: u8 = Interaction::Read as u8 | Interaction::Search as u8;
const WRITING: u8 = Interaction::Create as u8 | Interaction::Update as u8 | Interaction::Delete as u8;

impl Engine {
    /// Callers without a view: nothing is hidden from a system that acts for no organization and may read all types.
    pub(super) fn sees_all(&self, caller: &Caller) -> bool {
        let is_whole = matches!(caller.subject, Subject::System { organization: None, .. });
        caller.is_trusted()
            || (is_whole
                && caller.may(Interaction::Read, "")
                && caller.may(Interaction::Search, "")
                && self.settings.access.shows_everything(&Asker::of(caller, &[])))
    }

    /// Refuses what no rule of the access policy allows with a type; all types are for the view to decide.
    pub(super) fn permit_by_policy(&self, interaction: Interaction, type_name: &str) -> Result<(), Rejection> {
        let type_number = number(type_name);
        if self.caller.is_trusted() || type_number == 0 {
            return Ok(());
        }
        let is_allowed = match self.store.view() {
            Some(view) => view.allows(type_number, interaction as u8, interaction == Interaction::Create),
            None => {
                let asker = Asker::of(&self.caller, &[]);
                let relation = if open_types().contains(&type_number) { Relation::Nobody } else { Relation::Everybody };
                self.settings.access.interactions(&asker, relation, type_number) & interaction as u8 != 0
            }
        };
        if is_allowed {
            return Ok(());
        }
        let policy = self.settings.access.name();
        let verb = format!("{interaction:?}").to_lowercase();
        let text = format!("no rule of {policy} lets the caller {verb} {type_name} resources");
        Err(Rejection::new(403, IssueCode::Forbidden, text))
    }

    /// Refuses an operation that no rule of the access policy allows.
    ///
    /// # Errors
    /// 403.
    pub fn permit_operation(&self, operation: Operation) -> Result<(), Rejection> {
        let policy = &self.settings.access;
        if self.caller.is_trusted() || policy.operation(&Asker::of(&self.caller, &[]), operation).is_some() {
            return Ok(());
        }
        Err(Rejection::new(403, IssueCode::Forbidden, policy.without(operation)))
    }

    /// Whether the caller reads AuditEvents, as an auditor whom the policy lets do it.
    #[must_use]
    pub fn is_auditor(&self, interaction: Interaction) -> bool {
        let (caller, policy) = (&self.caller, &self.settings.access);
        let asker = Asker::of(caller, &[]);
        caller.roles.iter().any(|role| role == "auditor")
            && caller.scopes.allow(interaction, "AuditEvent")
            && policy.interactions(&asker, Relation::Everybody, number("AuditEvent")) & interaction as u8 != 0
    }

    /// What of fracture liaison's lists and measures the caller sees.
    #[must_use]
    pub fn liaison_use(&self) -> LiaisonUse {
        match self.store.view().map(|view| view.liaison.as_ref()) {
            None => LiaisonUse::Rows,
            Some(None) => LiaisonUse::None,
            Some(Some(liaison)) if liaison.has_rows => LiaisonUse::Rows,
            Some(Some(_)) => LiaisonUse::Counts,
        }
    }

    /// An engine that counts more citizens than those whose rows the caller sees, where there are such. What it tells
    /// of a citizen must not be shown.
    #[must_use]
    pub fn counting(&self) -> Option<Self> {
        let view = self.store.view().filter(|view| view.liaison.as_ref().is_some_and(|own| own.counted.is_some()))?;
        Some(Self { store: self.store.with_view(Some(Arc::new(view.counting()))), ..self.clone() })
    }

    /// The same engine for a known caller, with the view that is theirs. Blocks when it is not known yet.
    ///
    /// # Errors
    /// What the database says.
    pub fn for_known(&self, caller: Arc<Caller>) -> Result<Self, Rejection> {
        let view = self.view_of(&caller)?;
        Ok(Self { store: self.store.with_view(view), caller, ..self.clone() })
    }

    /// The same when its view is known already; never blocks.
    #[must_use]
    pub fn for_known_now(&self, caller: &Arc<Caller>) -> Option<Self> {
        if self.sees_all(caller) {
            return Some(self.for_caller(Arc::clone(caller)));
        }
        // Another server may have written what decides: the database has to be asked.
        let view = self.kept_view(&name_of(caller), (!self.store.is_shared()).then(|| self.store.relation_clock())?)?;
        Some(Self { store: self.store.with_view(view), caller: Arc::clone(caller), ..self.clone() })
    }

    fn kept_view(&self, name: &str, now: u64) -> Option<Option<Arc<View>>> {
        let (clock, made, view) = self.views.0.get(name)?;
        (clock == now && made.elapsed() < KEPT).then_some(view)
    }

    /// What a caller may see; `None` for everything.
    fn view_of(&self, caller: &Caller) -> Result<Option<Arc<View>>, Rejection> {
        if self.sees_all(caller) {
            return Ok(None);
        }
        let name = name_of(caller);
        let clock =
            if self.store.is_shared() { self.store.relation_clock_of_all()? } else { self.store.relation_clock() };
        if let Some(known) = self.kept_view(&name, clock) {
            return Ok(known);
        }
        let view = self.make_view(caller, &name)?.map(Arc::new);
        self.views.0.insert(name, (clock, Instant::now(), view.clone()));
        Ok(view)
    }

    /// The same engine for a document that a system brings which acts for an organization, and that organization.
    #[must_use]
    pub fn bringing(&self) -> Option<(Self, String)> {
        let Subject::System { organization: Some(organization), .. } = &self.caller.subject else { return None };
        let view = self.store.view()?.bringing();
        Some((Self { store: self.store.with_view(Some(Arc::new(view))), ..self.clone() }, organization.clone()))
    }

    /// An engine that sees everything, to decide with.
    #[must_use]
    pub fn all_seeing(&self) -> Self {
        Self { store: self.store.unrestricted(), caller: Caller::program(), ..self.clone() }
    }

    pub(super) fn find(&self, type_name: &str, pairs: &[(&str, String)]) -> Result<Vec<Found>, Rejection> {
        let page = self.page(type_name, pairs, MOST)?;
        if page.next.is_some() {
            let text = format!("the caller has to do with more than {MOST} {type_name} resources");
            return Err(Rejection::new(403, IssueCode::TooCostly, text));
        }
        Ok(page.matches)
    }

    pub(super) fn page(&self, type_name: &str, pairs: &[(&str, String)], count: u32) -> Result<SearchPage, Rejection> {
        let pairs: Vec<(String, String)> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let query =
            parse_query(number(type_name), &pairs, &self.parse_options(false)).map_err(Rejection::bad_request)?;
        Ok(self.store.search(&query, count, false)?)
    }

    fn current_node<T>(&self, reference: &str, read: impl FnOnce(&Node<'_>) -> T) -> Result<Option<T>, Rejection> {
        let Some((type_name, id)) = reference.split_once('/') else { return Ok(None) };
        let found = self.store.current(number(type_name), id)?.filter(|found| !found.is_deleted());
        Ok(found.and_then(|found| json::parse(&found.body).ok().map(|node| read(&node))))
    }

    fn make_view(&self, caller: &Caller, name: &str) -> Result<Option<View>, Rejection> {
        let engine = self.all_seeing();
        let scopes = &caller.scopes;
        let (context, reach) = match &caller.subject {
            Subject::Open | Subject::Program => return Ok(None),
            Subject::Nobody => (GrantContext::User, Some(Reach::default())),
            Subject::System { organization: None, .. } => {
                let reach = Reach { relations: Relation::Everybody.bit(), ..Reach::default() };
                (GrantContext::System, Some(reach))
            }
            Subject::System { organization: Some(organization), .. } => {
                let reach = engine.reach_of_system(organization)?;
                (GrantContext::System, Some(reach))
            }
            Subject::Person { user, .. } => (GrantContext::User, Some(engine.reach_of(&user.to_string())?)),
        };
        let reach = reach.unwrap_or_default();
        let policy = &self.settings.access;
        let asker = Asker::of(caller, &reach.professions);
        let (mut clauses, mut writing) = (Vec::new(), Vec::new());
        let audit = number("AuditEvent");
        if caller.subject != Subject::Nobody {
            clauses.extend(engine.clauses(caller, context, &asker, &reach, READING)?);
            writing.extend(engine.clauses(caller, context, &asker, &reach, WRITING)?);
            // The patient in context, as far as the caller has to do with them.
            if let Some(patient) = &caller.patient {
                let relations = engine.relations_to(&reach, patient)?;
                let only = reach.only(patient, relations);
                clauses.extend(engine.clauses(caller, GrantContext::Patient, &asker, &only, READING)?);
                writing.extend(engine.clauses(caller, GrantContext::Patient, &asker, &only, WRITING)?);
            }
        }
        // Who looked at what is for auditors.
        for clause in clauses.iter_mut().chain(&mut writing) {
            clause.types.retain(|number| *number != audit);
        }
        let is_auditor = caller.roles.iter().any(|role| role == "auditor")
            && policy.interactions(&asker, Relation::Everybody, audit) & READING == READING;
        if is_auditor && scopes.allow(crate::access::Interaction::Read, "AuditEvent") {
            let types = vec![audit];
            clauses.push(ViewClause { types, citizens: Citizens::All, constraints: Vec::new(), is_between: false });
        }
        let liaison = engine.liaison_of(caller, &asker, &reach)?;
        let mut interactions = engine.interactions_of(&asker, reach.relations());
        if is_auditor && let Some(place) = interactions.get_mut(usize::from(audit)) {
            *place |= READING;
        }
        let (mut own, mut circles) = (Vec::new(), Vec::new());
        let mut named: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (type_name, id) in reach.own.iter().filter_map(|own| own.split_once('/')) {
            named.entry(type_name).or_default().push(id);
        }
        for (type_name, ids) in named {
            let keys = engine.store.keys_of(number(type_name), &ids)?;
            if type_name == "Organization" { circles.extend(keys) } else { own.extend(keys) }
        }
        own.sort_unstable();
        circles.sort_unstable();
        // What a Group may have as members (FHIR R4 group.html).
        let may_join = |own: &&String| {
            ["Practitioner/", "PractitionerRole/", "Patient/"].iter().any(|start| own.starts_with(start))
        };
        let members: Vec<String> = reach.own.iter().filter(may_join).cloned().collect();
        if !members.is_empty() {
            circles.extend(engine.find("Group", &[("member", members.join(","))])?.iter().map(|found| found.key));
        }
        // By these it is decided who has to do with whom: patients and families do not change them.
        let is_layman = matches!(&caller.subject, Subject::Person { user, .. } if matches!(user.type_name.as_str(), "Patient" | "RelatedPerson"));
        let mut unwritable = vec![audit];
        if is_layman {
            unwritable.extend(["CareTeam", "RelatedPerson", "EpisodeOfCare", "Patient"].map(number));
        }
        let mut view = View {
            clauses,
            hidden_of: engine.refused_labels(&reach, &policy.hidden(&asker))?,
            hidden_keys: engine.refused_resources(&reach)?,
            hidden: policy.hidden(&asker),
            own,
            circles,
            unwritable,
            interactions,
            liaison,
            writing: None,
            name: format!(" as {name}"),
            digest: OnceLock::new(),
            // A citizen's consent is theirs to give and to withdraw; a family's is not.
            consents: matches!(&caller.subject, Subject::Person { user, .. } if user.type_name == "Patient"),
            brings: false,
        };
        view.writing = Some(Arc::new(View { clauses: writing, digest: OnceLock::new(), ..view.clone() }));
        Ok(Some(view))
    }

    /// What the scopes of a context, the rules of the policy and the caller's relations show: types that are shown of
    /// the same citizens are one clause.
    fn clauses(
        &self,
        caller: &Caller,
        context: GrantContext,
        asker: &Asker<'_>,
        reach: &Reach,
        bits: u8,
    ) -> Result<Vec<ViewClause>, Rejection> {
        let policy = &self.settings.access;
        let relations = reach.relations();
        let mut groups: BTreeMap<(u16, Vec<&str>), ViewClause> = BTreeMap::new();
        let mut open = Vec::new();
        for (type_number, alternatives) in shown_types(&caller.scopes, context, bits) {
            let allowed = |relation: &Relation| policy.interactions(asker, *relation, type_number) & bits != 0;
            let group = if open_types().contains(&type_number) {
                allowed(&Relation::Nobody).then_some(0)
            } else {
                let by = Relation::of(relations).filter(allowed).fold(0, |all, relation| all | relation.bit());
                (by != 0).then_some(by)
            };
            let Some(group) = group else { continue };
            let mut constraints = Vec::new();
            if !alternatives.is_empty() {
                let mut read: Vec<Vec<Condition>> = Vec::new();
                for pairs in &alternatives {
                    let query =
                        parse_query(type_number, pairs, &self.parse_options(false)).map_err(Rejection::bad_request)?;
                    read.push(query.conditions);
                }
                constraints.push((type_number, read));
            }
            if group == 0 {
                open.push((type_number, constraints));
                continue;
            }
            let refusing = reach.limits.iter().filter(|(_, (limits, _))| limits.types.contains(&type_number));
            let refusing: Vec<&str> = refusing.map(|(id, _)| id.as_str()).collect();
            let citizens = |refusing: &[&str]| self.citizens(reach, group, refusing);
            let clause = match groups.entry((group, refusing)) {
                std::collections::btree_map::Entry::Occupied(found) => found.into_mut(),
                std::collections::btree_map::Entry::Vacant(place) => {
                    let citizens = citizens(&place.key().1)?;
                    let is_between = group & Relation::Between.bit() != 0;
                    place.insert(ViewClause { types: Vec::new(), citizens, constraints: Vec::new(), is_between })
                }
            };
            clause.types.push(type_number);
            clause.constraints.extend(constraints);
        }
        // Whose, does not matter of types that are about nobody: they go with others.
        let nobody = Citizens::Some { keys: Vec::new(), managed_by: Managed::default() };
        let mut clauses: Vec<ViewClause> = groups.into_values().collect();
        if clauses.is_empty() && !open.is_empty() {
            clauses.push(ViewClause {
                types: Vec::new(),
                citizens: nobody,
                constraints: Vec::new(),
                is_between: false,
            });
        }
        if let Some(first) = clauses.first_mut() {
            for (type_number, constraints) in open {
                first.types.push(type_number);
                first.constraints.extend(constraints);
            }
            first.types.sort_unstable();
        }
        Ok(clauses)
    }

    /// The citizens that are reached by one of these relations, but some (ids in order).
    fn citizens(&self, reach: &Reach, relations: u16, but: &[&str]) -> Result<Citizens, Rejection> {
        if relations & reach.relations & Relation::Everybody.bit() != 0 {
            return Ok(Citizens::All);
        }
        let by_them = |related: &&Related| related.relations & relations != 0;
        let ids = reach.citizens.iter().filter(|(_, related)| by_them(related)).map(|(id, _)| id.as_str());
        let ids = ids.filter(|id| but.binary_search(id).is_err());
        let mut keys = self.store.keys_of(number("Patient"), &ids.collect::<Vec<&str>>())?;
        keys.sort_unstable();
        let by = self.managers(reach, relations)?;
        let mut except: Vec<i64> = Vec::new();
        if !by.is_empty() {
            except.extend(&reach.denied);
            except.extend(self.store.keys_of(number("Patient"), but)?);
            except.sort_unstable();
            except.dedup();
        }
        Ok(Citizens::Some { keys, managed_by: Managed { by, except } })
    }

    /// The keys of the organizations whose citizens are reached by one of these relations.
    fn managers(&self, reach: &Reach, relations: u16) -> Result<Vec<i64>, Rejection> {
        let by_them = reach.managed_by.iter().filter(|(_, by)| **by & relations != 0);
        let ids: Vec<&str> = by_them.filter_map(|(name, _)| name.strip_prefix("Organization/")).collect();
        let mut keys = self.store.keys_of(number("Organization"), &ids)?;
        keys.sort_unstable();
        Ok(keys)
    }

    /// Labels that citizens refuse a caller who else would see them, with the keys of these citizens.
    fn refused_labels(&self, reach: &Reach, hidden: &[Label]) -> Result<Vec<(Label, Vec<i64>)>, Rejection> {
        let mut by_label: BTreeMap<Label, Vec<&str>> = BTreeMap::new();
        for (id, (limits, _)) in &reach.limits {
            for label in limits.labels.iter().filter(|label| !hidden.contains(label)) {
                by_label.entry(*label).or_default().push(id);
            }
        }
        let mut refused = Vec::new();
        for (label, ids) in by_label {
            let mut keys = self.store.keys_of(number("Patient"), &ids)?;
            keys.sort_unstable();
            refused.push((label, keys));
        }
        Ok(refused)
    }

    /// Keys of resources that citizens refuse a caller.
    fn refused_resources(&self, reach: &Reach) -> Result<Vec<i64>, Rejection> {
        let mut by_type: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let resources = reach.limits.values().flat_map(|(limits, _)| &limits.resources);
        for (type_name, id) in resources.filter_map(|name| name.split_once('/')) {
            by_type.entry(type_name).or_default().push(id);
        }
        let mut keys = Vec::new();
        for (type_name, ids) in by_type {
            keys.extend(self.store.keys_of(number(type_name), &ids)?);
        }
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    /// The relations of a caller to a citizen; 0 for none.
    fn relations_to(&self, reach: &Reach, patient: &str) -> Result<u16, Rejection> {
        let mut relations = reach.citizens.get(patient).map_or(0, |related| related.relations);
        relations |= reach.relations & Relation::Everybody.bit();
        let is_denied = || -> Result<bool, Rejection> {
            let key = self.store.key_of(number("Patient"), patient)?;
            Ok(key.is_some_and(|key| reach.denied.contains(&key)))
        };
        if !reach.managed_by.is_empty() && (reach.denied.is_empty() || !is_denied()?) {
            let manager = self.current_node(&format!("Patient/{patient}"), |node| {
                target(node, "managingOrganization").map(str::to_owned)
            })?;
            relations |= manager.flatten().and_then(|manager| reach.managed_by.get(&manager).copied()).unwrap_or(0);
        }
        Ok(relations)
    }

    /// What may be done with each type. Where relations differ in what they let be read, or written, what all of them
    /// let be done counts: rather too little than something under the wrong relation.
    fn interactions_of(&self, asker: &Asker<'_>, relations: u16) -> Vec<u8> {
        let policy = &self.settings.access;
        let of = |type_number: u8| {
            if open_types().contains(&type_number) {
                return policy.interactions(asker, Relation::Nobody, type_number);
            }
            let mut allowed = 0;
            for bits in [READING, WRITING] {
                let each =
                    Relation::of(relations).map(|relation| policy.interactions(asker, relation, type_number) & bits);
                allowed |= each.filter(|bits| *bits != 0).reduce(|all, one| all & one).unwrap_or(0);
            }
            allowed
        };
        (0..=u8::try_from(definitions().resources().len()).unwrap_or(u8::MAX)).map(of).collect()
    }

    /// Whose rows of fracture liaison a caller sees, and whose they see counted.
    fn liaison_of(&self, caller: &Caller, asker: &Asker<'_>, reach: &Reach) -> Result<Option<ViewLiaison>, Rejection> {
        let is_person = matches!(caller.subject, Subject::Person { .. });
        let context = if is_person { GrantContext::User } else { GrantContext::System };
        // A row is made of all these types: who does not see one of them whole sees no row.
        let shown = shown_types(&caller.scopes, context, READING);
        let sees =
            |type_number: u8| shown.iter().any(|(number, narrowed)| *number == type_number && narrowed.is_empty());
        let needed: Vec<u8> = crate::fls::facts::TYPES.iter().map(|name| number(name)).collect();
        let reads = |interaction| crate::fls::facts::TYPES.iter().all(|name| caller.may(interaction, name));
        if !(needed.iter().copied().all(sees) && reads(Interaction::Read) && reads(Interaction::Search)) {
            return Ok(None);
        }
        let policy = &self.settings.access;
        let by = |wanted: LiaisonUse| {
            let all = Relation::of(reach.relations()).filter(|relation| policy.liaison(asker, *relation) >= wanted);
            all.fold(0, |bits, relation| bits | relation.bit())
        };
        let sees_types = |relation: &Relation| {
            needed.iter().all(|number| policy.interactions(asker, *relation, *number) & READING == READING)
        };
        let rows = Relation::of(by(LiaisonUse::Rows)).filter(sees_types).fold(0, |bits, one| bits | one.bit());
        let counts = by(LiaisonUse::Counts);
        if counts == 0 {
            return Ok(None);
        }
        // Rows of those who refuse something that they are made of are not seen, nor counted.
        let refuses = |limits: &Limits| {
            !(limits.labels.is_empty() && limits.resources.is_empty())
                || needed.iter().any(|number| limits.types.contains(number))
        };
        let refusing = reach.limits.iter().filter(|(_, (limits, _))| refuses(limits)).map(|(id, _)| id.as_str());
        let refusing: Vec<&str> = refusing.collect();
        let types = needed.iter().copied().filter(|known| *known != number("Communication")).collect();
        Ok(Some(ViewLiaison {
            has_rows: rows != 0,
            rows: self.citizens(reach, rows, &refusing)?,
            counted: (counts != rows).then(|| self.citizens(reach, counts, &refusing)).transpose()?,
            types,
        }))
    }

    /// What a person has to do with.
    fn reach_of(&self, user: &str) -> Result<Reach, Rejection> {
        let (now, offset) = self.moment();
        let mut reach = Reach { own: vec![user.to_owned()], ..Reach::default() };
        let (type_name, id) = user.split_once('/').unwrap_or_default();
        match type_name {
            "Patient" => {
                reach.add(id.to_owned(), Relation::Citizen, || "it is the person themselves".to_owned());
                return Ok(reach);
            }
            "RelatedPerson" => {
                let citizen = self.current_node(user, |node| {
                    let counts =
                        node.get("active") != Some(&Node::Bool(false)) && covers(node.get("period"), now, offset);
                    target(node, "patient").filter(|_| counts).map(str::to_owned)
                })?;
                if let Some(id) = citizen.flatten().as_deref().and_then(|citizen| citizen.strip_prefix("Patient/")) {
                    reach.add(id.to_owned(), Relation::Family, || "they are family".to_owned());
                }
                return Ok(reach);
            }
            _ => {}
        }
        let mut episodes_of = Vec::new();
        for role in self.roles_of(user)? {
            if !reach.own.contains(&role.reference) {
                reach.own.push(role.reference);
            }
            reach.professions.extend(role.codes.iter().cloned());
            if role.organization.is_empty() {
                continue;
            }
            if role.codes.iter().any(|code| code == OFFICER) {
                reach.manage(role.organization.clone(), Relation::Officer);
            }
            if role.codes.iter().any(|code| code == "fls") {
                reach.relations |= Relation::Liaison.bit();
                episodes_of.push(role.organization.clone());
            }
            if !reach.own.contains(&role.organization) {
                reach.own.push(role.organization);
            }
        }
        self.by_teams(&mut reach)?;
        self.by_episodes(&mut reach, &episodes_of)?;
        self.by_consent(&mut reach)?;
        self.by_disaster(&mut reach)?;
        // An emergency goes before what keeps them from the caller; labels still hide.
        for (citizen, why) in self.glass_of(user, now)? {
            reach.kept.remove(&citizen);
            reach.limits.remove(&citizen);
            reach.add(citizen, Relation::Emergency, || why);
        }
        reach.settle();
        Ok(reach)
    }

    /// The roles of staff that count now.
    pub(super) fn roles_of(&self, user: &str) -> Result<Vec<Role>, Rejection> {
        let (now, offset) = self.moment();
        let (type_name, id) = user.split_once('/').unwrap_or_default();
        let found = match type_name {
            "Practitioner" => self.find("PractitionerRole", &[("practitioner", user.to_owned())])?,
            "PractitionerRole" => self.find("PractitionerRole", &[("_id", id.to_owned())])?,
            _ => Vec::new(),
        };
        let counts = |found: &&Found| {
            let role = parsed(found);
            role.get("active") != Some(&Node::Bool(false)) && covers(role.get("period"), now, offset)
        };
        let read = |found: &Found| {
            let role = parsed(found);
            let codings = role.list("code").iter().flat_map(|concept| concept.list("coding"));
            Role {
                reference: format!("PractitionerRole/{}", found.id),
                organization: target(&role, "organization").unwrap_or_default().to_owned(),
                codes: codings.filter_map(|coding| coding.text("code")).map(str::to_owned).collect(),
            }
        };
        Ok(found.iter().filter(counts).map(read).collect())
    }

    /// While a disaster lasts, the facilities of a municipality reach all its citizens but those who deny.
    fn by_disaster(&self, reach: &mut Reach) -> Result<(), Rejection> {
        let (now, offset) = self.moment();
        let disasters = self.disasters(now, offset)?;
        if disasters.is_empty() {
            return Ok(());
        }
        let mut areas = self.areas(reach)?;
        areas.extend(reach.own.iter().filter(|own| own.starts_with("Organization/")).cloned());
        let mut widened = false;
        for (municipality, is_wide, _) in disasters {
            let agreed = || -> Result<bool, Rejection> {
                let contracts = self.find("Contract", &[])?;
                Ok(contracts.iter().any(|found| {
                    let contract = parsed(found);
                    areas.iter().any(|area| agree(&contract, area, &municipality, now, offset))
                }))
            };
            if areas.contains(&municipality) || (is_wide && agreed()?) {
                widened |= reach.manage(municipality, Relation::Disaster);
            }
        }
        if widened { self.without_deniers(reach) } else { Ok(()) }
    }

    fn moment(&self) -> (i64, i32) {
        (jiff::Timestamp::now().as_microsecond(), self.store.options().default_offset_seconds)
    }

    /// Citizens whose active team counts the caller, or their facility, among its members.
    fn by_teams(&self, reach: &mut Reach) -> Result<(), Rejection> {
        let (now, offset) = self.moment();
        for teams in [self.find("CareTeam", &[("participant", reach.own.join(",")), ("status", "active".to_owned())])?]
        {
            for found in &teams {
                let team = parsed(found);
                if is_in_team(&team, &reach.own, now, offset)
                    && let Some(id) = target(&team, "subject").and_then(|subject| subject.strip_prefix("Patient/"))
                {
                    reach.teams.push(format!("CareTeam/{}", found.id));
                    reach.add(id.to_owned(), Relation::Team, || format!("CareTeam/{}", found.id));
                }
            }
        }
        Ok(())
    }

    /// Citizens in the fracture liaison service of these hospitals.
    fn by_episodes(&self, reach: &mut Reach, organizations: &[String]) -> Result<(), Rejection> {
        let (now, offset) = self.moment();
        if organizations.is_empty() {
            return Ok(());
        }
        let pairs = [("organization", organizations.join(",")), ("status", "active".to_owned())];
        for found in &self.find("EpisodeOfCare", &pairs)? {
            let episode = parsed(found);
            let codings = episode.list("type").iter().flat_map(|concept| concept.list("coding"));
            if codings.into_iter().any(|coding| coding.text("code") == Some("fls"))
                && covers(episode.get("period"), now, offset)
                && let Some(id) = target(&episode, "patient").and_then(|subject| subject.strip_prefix("Patient/"))
            {
                reach.add(id.to_owned(), Relation::Liaison, || format!("EpisodeOfCare/{}", found.id));
            }
        }
        Ok(())
    }

    /// Takes out whom a consent or a missing agreement keeps from the caller.
    fn by_consent(&self, reach: &mut Reach) -> Result<(), Rejection> {
        let (now, offset) = self.moment();
        let mut permitted: BTreeMap<String, BTreeSet<u8>> = BTreeMap::new();
        let actors = reach.actors();
        let ids: Vec<&str> = reach.citizens.keys().map(String::as_str).collect();
        let keys = self.store.keys_of(number("Patient"), &ids)?;
        for some in keys.chunks(500) {
            for found in &self.store.consents_of(some)? {
                let node = json::parse(&found.body).unwrap_or(Node::Null);
                let Some(id) = target(&node, "patient").and_then(|subject| subject.strip_prefix("Patient/")) else {
                    continue;
                };
                let said = verdict(&node, &actors, now, offset);
                permitted.entry(id.to_owned()).or_default().extend(said.permitted);
                reach.limit(id, said.denied, &format!("Consent/{}", found.id));
            }
        }
        if !reach.managed_by.is_empty() {
            self.without_deniers(reach)?;
        }
        let areas = self.areas(reach)?;
        if areas.is_empty() {
            return Ok(());
        }
        let mut agreements: Option<Vec<Found>> = None;
        let ids: Vec<String> = reach.citizens.keys().cloned().collect();
        for found in self.store.by_ids(number("Patient"), &ids)? {
            let Some(manager) = target(&parsed(&found), "managingOrganization").map(str::to_owned) else { continue };
            let id = found.id;
            if areas.contains(&manager) || reach.own.contains(&manager) {
                continue;
            }
            if agreements.is_none() {
                agreements = Some(self.find("Contract", &[])?);
            }
            let is_agreed = agreements.iter().flatten().any(|found| {
                let contract = parsed(found);
                areas.iter().any(|area| agree(&contract, area, &manager, now, offset))
            });
            let types = permitted.get(&id).filter(|types| !types.is_empty());
            if is_agreed && let Some(types) = types {
                // Across municipalities only what is permitted is shown.
                let mut limits = Limits::default();
                limits.only(types);
                reach.limit(&id, limits, "what no Consent of the citizen permits across municipalities");
            } else if let Some(Related { why, .. }) = reach.citizens.remove(&id) {
                let missing = if is_agreed { "no Consent of the citizen permits it" } else { "no Contract in force" };
                reach
                    .kept
                    .insert(id, format!("{why}, but the citizen is of another municipality, {manager}: {missing}"));
            }
        }
        Ok(())
    }

    /// Leaves out those who refuse of the citizens of whole areas.
    fn without_deniers(&self, reach: &mut Reach) -> Result<(), Rejection> {
        let (now, offset) = self.moment();
        let managers = self.managers(reach, u16::MAX)?;
        let actors = reach.actors();
        let mut after = 0;
        loop {
            let denials = self.store.denials(&managers, after)?;
            let Some(last) = denials.last() else { return Ok(()) };
            after = last.key;
            for denial in &denials {
                let node = json::parse(&denial.body).unwrap_or(Node::Null);
                let denied = verdict(&node, &actors, now, offset).denied;
                let id = target(&node, "patient").and_then(|citizen| citizen.strip_prefix("Patient/"));
                if !denied.is_everything()
                    && let Some(id) = id
                {
                    reach.limit(id, denied, &format!("Consent/{}", denial.id));
                    continue;
                }
                if denied.is_empty() {
                    continue;
                }
                reach.denied.insert(denial.citizen);
                if let Some(id) = id {
                    let why = || format!("they are of the caller's area, but Consent/{} denies it", denial.id);
                    reach.kept.entry(id.to_owned()).or_insert_with(why);
                }
            }
        }
    }

    /// What the caller's facilities are part of: their municipalities.
    fn areas(&self, reach: &Reach) -> Result<BTreeSet<String>, Rejection> {
        let mut areas = BTreeSet::new();
        let id = |name: &String| name.strip_prefix("Organization/").map(str::to_owned);
        let mut below: Vec<String> = reach.own.iter().filter_map(id).collect();
        for _ in 0..DEPTH {
            if below.is_empty() {
                break;
            }
            let found = self.store.by_ids(number("Organization"), &below)?;
            let above: BTreeSet<String> =
                found.iter().filter_map(|found| target(&parsed(found), "partOf").map(str::to_owned)).collect();
            below = above.difference(&areas).filter_map(id).collect();
            areas.extend(above);
        }
        Ok(areas)
    }

    /// What a caller has to do with a citizen, in words.
    pub(super) fn relation(&self, caller: &Caller, patient: &str) -> Result<Told, Rejection> {
        let engine = self.all_seeing();
        let plain = |text: &str, relation: Relation| {
            Ok(Told { related: Ok((text.to_owned(), relation.bit())), professions: Vec::new(), limits: None })
        };
        let reach = match &caller.subject {
            Subject::Open | Subject::Program => return plain("nobody is asked", Relation::Everybody),
            Subject::System { organization: None, .. } => {
                return plain("a system for all citizens", Relation::Everybody);
            }
            Subject::Person { user, .. } => engine.reach_of(&user.to_string())?,
            Subject::System { organization: Some(organization), .. } => engine.reach_of_system(organization)?,
            Subject::Nobody => {
                let related = Err("nobody is signed in".to_owned());
                return Ok(Told { related, professions: Vec::new(), limits: None });
            }
        };
        let relations = engine.relations_to(&reach, patient)?;
        if relations != 0 {
            let text = "the citizen is managed by the caller's municipality or organization, as its officer, its system, or in a disaster";
            let why = reach.citizens.get(patient).map_or(text, |related| &related.why);
            let limits = reach.limits.get(patient).cloned();
            return Ok(Told { related: Ok((why.to_owned(), relations)), professions: reach.professions, limits });
        }
        let none = || {
            "no active CareTeam counts them or their facility, and they are not family, officer or fracture liaison of the citizen".to_owned()
        };
        let related = Err(reach.kept.get(patient).cloned().unwrap_or_else(none));
        Ok(Told { related, professions: reach.professions, limits: None })
    }

    /// What a system has to do with that acts for an organization.
    fn reach_of_system(&self, organization: &str) -> Result<Reach, Rejection> {
        let mut reach = Reach { own: vec![organization.to_owned()], ..Reach::default() };
        reach.manage(organization.to_owned(), Relation::Facility);
        reach.relations |= Relation::Liaison.bit();
        self.by_teams(&mut reach)?;
        self.by_episodes(&mut reach, &[organization.to_owned()])?;
        self.by_consent(&mut reach)?;
        reach.settle();
        Ok(reach)
    }
}

/// What a view depends on beside resources.
fn name_of(caller: &Caller) -> String {
    let subject = match &caller.subject {
        Subject::Person { user, .. } => user.to_string(),
        Subject::System { client, organization } => format!("{client} {}", organization.as_deref().unwrap_or_default()),
        Subject::Open => "open".to_owned(),
        Subject::Program => "program".to_owned(),
        Subject::Nobody => "nobody".to_owned(),
    };
    let patient = caller.patient.as_deref().unwrap_or_default();
    format!("{subject} | {} | {patient} | {}", caller.scopes, caller.roles.join(" "))
}
