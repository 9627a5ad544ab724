//! What one caller may see, as a filter that stands before every statement they cause.
//!
//! Searches, counts, chains, includes, histories, timelines are many statements in many files. None of them knows
//! this one: while a view is in force on a thread, [`Connection::load`](super::connection::Connection::load) puts
//! common table expressions before each statement that *shadow* the tables with rows of resources by their visible
//! rows: `WITH resource AS (SELECT * FROM main.resource WHERE …) SELECT … FROM resource …`. What is not visible is
//! not there, for whatever is asked and by whichever way; both databases flatten that into the statement.
//! A table that is neither shadowed nor known to be harmless makes a statement fail: what is new is closed.
//!
//! A resource is visible when its type may be seen and it is of a type without citizens (Organization, ValueSet …), or
//! has citizens *all* of which the caller has to do with; unless a label hides it. Statements about past versions
//! ask for all citizens and labels there ever were.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use super::connection::Statement;
use super::index::TABLES;
use super::owner::Label;
use super::query_sql::key_set;
use crate::r4::definitions;
use crate::search::query::Condition;
use crate::search::registry::registry;

/// Types that are about no citizen: who may see the type sees them all.
const OPEN: [&str; 34] = [
    "ActivityDefinition",
    "CapabilityStatement",
    "CodeSystem",
    "CompartmentDefinition",
    "ConceptMap",
    "Endpoint",
    "EventDefinition",
    "ExampleScenario",
    "GraphDefinition",
    "HealthcareService",
    "ImplementationGuide",
    "InsurancePlan",
    "Library",
    "Location",
    "Measure",
    "Medication",
    "MedicationKnowledge",
    "MessageDefinition",
    "NamingSystem",
    "ObservationDefinition",
    "OperationDefinition",
    "Organization",
    "OrganizationAffiliation",
    "PlanDefinition",
    "Practitioner",
    "PractitionerRole",
    "Questionnaire",
    "SearchParameter",
    "SpecimenDefinition",
    "StructureDefinition",
    "StructureMap",
    "Substance",
    "TerminologyCapabilities",
    "ValueSet",
];

/// Types by which access is decided, beside those of [`OPEN`]: who does not see all citizens changes none of them.
const GOVERNING: [&str; 6] = ["AuditEvent", "Bundle", "Consent", "Contract", "Device", "Provenance"];

/// Tables about no resource, or only about definitions.
const HARMLESS: [&str; 20] = [
    "setting",
    "system",
    "search_parameter",
    "code_system",
    "concept",
    "concept_text",
    "concept_above",
    "closure",
    "closure_concept",
    "closure_entry",
    "package",
    "package_definition",
    "import_progress",
    "json_each",
    "json_array_elements_text",
    "resource_name",
    "m",
    "h",
    "c",
    "v",
];

fn numbers(names: &[&str]) -> Vec<u8> {
    names.iter().filter_map(|name| definitions().resource_number(name)).collect()
}

/// The numbers of the types that are about no citizen.
#[must_use]
pub fn open_types() -> &'static [u8] {
    static NUMBERS: OnceLock<Vec<u8>> = OnceLock::new();
    NUMBERS.get_or_init(|| numbers(&OPEN))
}

/// Types of what a document is stored as, beside what it contains.
const RECORDS: [&str; 2] = ["Bundle", "Provenance"];
/// Types a document brings that are nobody's; who has an identifier already is not made anew.
const SHARED: [&str; 4] = ["HealthcareService", "Location", "Organization", "Practitioner"];

/// Whether a resource comes with a document, whoever brings it: the document itself, a new institution or person of
/// its staff, a citizen who is new. Who may do what rests on none of these.
pub(super) fn comes_along(type_number: u8, is_new: bool) -> bool {
    static NUMBERS: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    let (records, shared) = NUMBERS.get_or_init(|| (numbers(&RECORDS), numbers(&SHARED)));
    records.contains(&type_number)
        || (is_new && (shared.contains(&type_number) || type_number == super::owner::patient()))
}

fn governing_types() -> &'static [u8] {
    static NUMBERS: OnceLock<Vec<u8>> = OnceLock::new();
    NUMBERS.get_or_init(|| numbers(&GOVERNING))
}

/// Whose resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Citizens {
    /// Everybody's.
    All,
    /// Those of these citizens (keys of Patients), and of those whom some organizations manage.
    Some {
        /// Keys of Patients.
        keys: Vec<i64>,
        /// The others.
        managed_by: Managed,
    },
}

/// The citizens whom organizations manage, but some.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Managed {
    /// Keys of Organizations that are Patient.managingOrganization.
    pub by: Vec<i64>,
    /// Keys of Patients who are not meant, in order: they refuse.
    pub except: Vec<i64>,
}

impl Managed {
    /// Whether nobody is meant.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by.is_empty()
    }

    /// Whether a citizen is not meant, whoever manages them.
    #[must_use]
    pub fn leaves_out(&self, citizen: i64) -> bool {
        self.except.binary_search(&citizen).is_ok()
    }
}

/// Types, and whose resources of them.
#[derive(Debug, Clone)]
pub struct ViewClause {
    /// Numbers of types.
    pub types: Vec<u8>,
    /// Whose.
    pub citizens: Citizens,
    /// Conditions that a resource of a type must meet, one of these lists: a scope's search parameters.
    pub constraints: Vec<(u8, Vec<Vec<Condition>>)>,
    /// Whether what is about no citizen is shown where it goes between the caller and others.
    pub is_between: bool,
}

/// Whose rows of fracture liaison are seen.
#[derive(Debug, Clone)]
pub struct ViewLiaison {
    /// Whether rows are seen at all.
    pub has_rows: bool,
    /// Whose.
    pub rows: Citizens,
    /// Whose are counted, where these are others.
    pub counted: Option<Citizens>,
    /// Types rows are made of: whoever has a resource of one that is hidden from the caller has no row for them.
    pub types: Vec<u8>,
}

/// What one caller may see.
#[derive(Debug, Clone)]
pub struct View {
    /// One of these must hold.
    pub clauses: Vec<ViewClause>,
    /// Labels that hide from the caller.
    pub hidden: Vec<Label>,
    /// Labels that hide from the caller what is about some citizens (keys of Patients): they refuse it.
    pub hidden_of: Vec<(Label, Vec<i64>)>,
    /// Keys of resources that citizens refuse to show.
    pub hidden_keys: Vec<i64>,
    /// The keys of the resources that stand for the caller: what is for a single recipient is shown to them.
    pub own: Vec<i64>,
    /// The keys of their facilities, and of groups they belong to.
    pub circles: Vec<i64>,
    /// The same for what is written: what a token lets be written it need not let be read.
    pub writing: Option<Arc<View>>,
    /// Numbers of types that the caller does not write, whatever the token allows.
    pub unwritable: Vec<u8>,
    /// What may be done with each type, as bits of interactions, by its number.
    pub interactions: Vec<u8>,
    /// Whose rows of fracture liaison; nobody's without.
    pub liaison: Option<ViewLiaison>,
    /// Tells views apart where positions of pages are checked.
    pub name: String,
    /// Tells apart what views show; made when it is first asked for.
    pub digest: OnceLock<String>,
    /// A citizen's own: their Consents are theirs to write.
    pub consents: bool,
    /// For a document that a system brings: people whom it is the first to know, institutions, and the document.
    pub brings: bool,
}

/// One shadowed table.
struct Shadowed {
    name: String,
    /// The number of the type of a row `x`.
    type_of: &'static str,
    /// Rows of past versions.
    is_past: bool,
}

fn shadowed() -> &'static [Shadowed] {
    static ALL: OnceLock<Vec<Shadowed>> = OnceLock::new();
    ALL.get_or_init(|| {
        let by_key = |name: &str| Shadowed { name: name.to_owned(), type_of: "(x.key & 255)", is_past: false };
        let mut all = vec![
            Shadowed { name: "resource".to_owned(), type_of: "x.type", is_past: false },
            Shadowed { name: "version".to_owned(), type_of: "(x.key & 255)", is_past: true },
            Shadowed { name: "change".to_owned(), type_of: "(x.key & 255)", is_past: true },
            by_key("notebook_citizen"),
            by_key("notebook_entry"),
            by_key("blob_use"),
        ];
        all.extend(TABLES.iter().map(|table| by_key(table.name)));
        all
    })
}

thread_local! {
    static VIEW: RefCell<Option<Arc<View>>> = const { RefCell::new(None) };
}

/// Puts a view (or none) in force on this thread until it is dropped. It cannot go to another thread, where nothing
/// would be in force.
pub(super) struct InForce(Option<Arc<View>>, std::marker::PhantomData<*const ()>);

impl InForce {
    pub(super) fn of(view: Option<Arc<View>>) -> Self {
        Self(VIEW.with(|current| current.replace(view)), std::marker::PhantomData)
    }
}

impl Drop for InForce {
    fn drop(&mut self) {
        let before = self.0.take();
        VIEW.with(|current| *current.borrow_mut() = before);
    }
}

/// The view in force on this thread.
pub(super) fn current() -> Option<Arc<View>> {
    VIEW.with(|current| current.borrow().clone())
}

/// Whether a view is in force on this thread.
pub(super) fn is_restricted() -> bool {
    VIEW.with(|current| current.borrow().is_some())
}

/// What tells the view in force apart; empty without one.
pub(super) fn name() -> String {
    VIEW.with(|current| current.borrow().as_ref().map_or_else(String::new, |view| view.name.clone()))
}

fn list(numbers: impl IntoIterator<Item = u8>) -> String {
    let texts: Vec<String> = numbers.into_iter().map(|number| number.to_string()).collect();
    if texts.is_empty() { "(-1)".to_owned() } else { format!("({})", texts.join(", ")) }
}

/// The words of a statement that stand where a table does.
fn tables(sql: &str) -> Vec<&str> {
    let mut words =
        sql.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')).filter(|word| !word.is_empty());
    let mut found: Vec<&str> = Vec::new();
    while let Some(word) = words.next() {
        if matches!(word, "FROM" | "JOIN" | "INTO" | "UPDATE")
            && let Some(table) = words.clone().next()
            && !matches!(table, "SELECT" | "VALUES")
            && !found.contains(&table)
        {
            found.push(table);
        }
    }
    found
}

/// The same statement over what the view shows; or the table that it must not ask.
pub(super) fn restricted(view: &View, statement: &Statement, is_postgres: bool) -> Result<Statement, String> {
    let (sql, _) = statement.text(is_postgres);
    let words = || sql.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    let mut own = Vec::new();
    // A word that is only a column costs an expression nobody uses.
    let known = shadowed().iter().filter(|known| words().any(|word| word == known.name));
    let mut asked: Vec<(String, &str, bool)> =
        known.map(|known| (known.name.clone(), known.type_of, known.is_past)).collect();
    for table in tables(&sql) {
        if asked.iter().any(|(name, ..)| name == table) || HARMLESS.contains(&table) {
            continue;
        }
        match table {
            // Looking words up asks the visible resources itself.
            "full_text" => {}
            table if table.starts_with("fls_") => asked.push((table.to_owned(), LIAISON, false)),
            table if table.starts_with("notebook_") => asked.push((table.to_owned(), "(x.key & 255)", false)),
            table => return Err(table.to_owned()),
        }
    }
    if asked.is_empty() {
        return Ok(statement.clone());
    }
    let schema = if is_postgres { "" } else { "main." };
    for (place, clause) in view.clauses.iter().enumerate() {
        if let Citizens::Some { keys, managed_by } = &clause.citizens {
            own.push(permitted(place, keys, managed_by, schema, is_postgres));
        }
    }
    if view.has_circles() {
        own.push(mine(view, schema));
    }
    if asked.iter().any(|(_, type_of, _)| *type_of == LIAISON) {
        own.push(in_liaison(view, schema, is_postgres));
    }
    for (name, is_past) in [("hidden_now", false), ("hidden_ever", true)] {
        if view.hides() && asked.iter().any(|(_, _, past)| *past == is_past) {
            own.push(hidden(view, name, is_past, schema, is_postgres));
        }
    }
    for (name, type_of, is_past) in &asked {
        if *type_of == LIAISON {
            own.push(Statement::new(&format!(
                "{name} AS NOT MATERIALIZED (SELECT * FROM {schema}{name} x WHERE x.citizen IN (SELECT citizen FROM in_liaison))"
            )));
            continue;
        }
        let mut shadow = Statement::new(&format!("{name} AS NOT MATERIALIZED (SELECT * FROM {schema}{name} x WHERE ("));
        shadow.append(visible(view, type_of, *is_past, schema)).sql("))");
        own.push(shadow);
    }
    // What a database would do is asked of the whole statement.
    let explain =
        ["EXPLAIN QUERY PLAN ", "EXPLAIN "].into_iter().find(|start| sql.starts_with(start)).unwrap_or_default();
    let sql = sql.get(explain.len()..).unwrap_or_default();
    let recursive = sql.starts_with("WITH RECURSIVE ");
    if recursive && is_postgres {
        // There a name in its own definition would mean itself.
        return Err("a recursive statement".to_owned());
    }
    let mut whole = Statement::new(explain);
    whole.sql(if recursive { "WITH RECURSIVE " } else { "WITH " });
    for (place, part) in own.into_iter().enumerate() {
        if place > 0 {
            whole.sql(", ");
        }
        whole.append(part);
    }
    let skipped =
        ["WITH RECURSIVE ", "WITH "].iter().find(|start| sql.starts_with(**start)).map_or(0, |start| start.len());
    whole.sql(if skipped > 0 { ", " } else { " " });
    whole.append(statement.resolved(is_postgres).without_start(explain.len() + skipped));
    Ok(whole)
}

/// The keys of all resources of a type that a view shows, as a statement that no view may stand before.
///
/// Where the type is about citizens and all clauses name some, their compartments are gone through and not the type.
pub(super) fn all_shown(view: &View, type_number: u8, is_postgres: bool) -> Statement {
    let schema = if is_postgres { "" } else { "main." };
    let mut statement = Statement::new("WITH ");
    let mut among = Statement::default();
    let mut is_bounded = !open_types().contains(&type_number);
    for (place, clause) in view.clauses.iter().enumerate() {
        let Citizens::Some { keys, managed_by } = &clause.citizens else {
            is_bounded &= !clause.types.contains(&type_number);
            continue;
        };
        statement.append(permitted(place, keys, managed_by, schema, is_postgres)).sql(", ");
        if clause.types.contains(&type_number) {
            among.sql(if among.is_empty() { "SELECT key FROM (" } else { " UNION SELECT key FROM (" });
            among.append(super::owner::compartments(type_number, &format!("permitted{place}"), schema)).sql(") c");
        }
    }
    if view.has_circles() {
        statement.append(mine(view, schema)).sql(", ");
        among.sql(if among.is_empty() { "SELECT key FROM mine" } else { " UNION SELECT key FROM mine" });
    }
    if view.hides() {
        statement.append(hidden(view, "hidden_now", false, schema, is_postgres)).sql(", ");
    }
    if among.is_empty() {
        among.sql("SELECT key FROM resource WHERE 1 = 0");
    }
    statement.sql("among(key) AS MATERIALIZED (").append(among).sql(") SELECT x.key FROM ");
    if is_bounded {
        statement.sql(&format!("among a JOIN {schema}resource x ON x.key = a.key"));
    } else {
        statement.sql(&format!("{schema}resource x"));
    }
    statement.sql(" WHERE x.state = 1 AND x.type = ").bind(i64::from(type_number)).sql(" AND ");
    statement.append(visible(view, "x.type", false, schema)).uncached();
    statement
}

/// Marks tables of fracture liaison, whose rows are citizens'.
const LIAISON: &str = "fls";

/// `in_liaison(citizen)`: those whose rows of fracture liaison are seen, without those of whom something that rows
/// are made of is hidden.
fn in_liaison(view: &View, schema: &str, is_postgres: bool) -> Statement {
    let mut statement = Statement::new("in_liaison(citizen) AS MATERIALIZED (");
    match view.liaison.as_ref().map(|liaison| &liaison.rows) {
        None => {
            statement.sql(&format!("SELECT citizen FROM {schema}fls_citizen WHERE 1 = 0"));
        }
        Some(Citizens::All) => {
            statement.sql(&format!("SELECT citizen FROM {schema}fls_citizen WHERE 1 = 1"));
        }
        Some(Citizens::Some { keys, managed_by }) => {
            statement.sql("SELECT citizen FROM (SELECT 0 AS citizen WHERE 1 = 0 UNION ALL SELECT * FROM (");
            statement.append(permitted_keys(keys, managed_by, schema, is_postgres)).sql(") k) p WHERE 1 = 1");
        }
    }
    if let Some(liaison) = view.liaison.as_ref().filter(|_| !view.hidden.is_empty()) {
        statement.sql(" AND citizen NOT IN (SELECT o.citizen FROM ");
        statement.sql(&format!(
            "{schema}owner o JOIN {schema}label l ON l.key = o.key WHERE o.current = 1 AND l.current = 1 AND l.kind IN "
        ));
        statement.bind_list(view.hidden.iter().map(|label| *label as i64)).sql(" AND (o.key & 255) IN ");
        statement.bind_list(liaison.types.iter().map(|number| i64::from(*number))).sql(")");
    }
    statement.sql(")").uncached();
    statement
}

/// Any number of keys as rows, bound as one value.
fn listed(statement: &mut Statement, keys: &[i64], is_postgres: bool) {
    let array = serde_json::Value::from(keys.to_vec()).to_string();
    if is_postgres {
        statement.sql("SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST(").bind(array).sql(" AS json))");
    } else {
        statement.sql("SELECT value FROM json_each(").bind(array).sql(")");
    }
}

/// `permitted0(citizen)`: the citizens of a clause.
fn permitted(place: usize, keys: &[i64], managed_by: &Managed, schema: &str, is_postgres: bool) -> Statement {
    let mut statement = Statement::new(&format!("permitted{place}(citizen) AS MATERIALIZED ("));
    statement.append(permitted_keys(keys, managed_by, schema, is_postgres)).sql(")");
    statement
}

/// The keys of citizens of a clause, as rows.
fn permitted_keys(keys: &[i64], managed_by: &Managed, schema: &str, is_postgres: bool) -> Statement {
    let mut statement = Statement::default();
    listed(&mut statement, keys, is_postgres);
    if !managed_by.is_empty() {
        let parameter = registry().find(super::owner::patient(), "organization").map_or(0, |found| found.number);
        statement.sql(&format!(" UNION SELECT key FROM {schema}reference WHERE parameter = "));
        statement.bind(i64::from(parameter)).sql(" AND target IN ").bind_list(managed_by.by.iter().copied()).uncached();
        if !managed_by.except.is_empty() {
            statement.sql(" AND key NOT IN (");
            listed(&mut statement, &managed_by.except, is_postgres);
            statement.sql(")");
        }
    }
    statement
}

/// `mine(key)`: what is from the caller, or for them or a circle of theirs; counts where it is about no citizen.
fn mine(view: &View, schema: &str) -> Statement {
    let mut statement = Statement::new("mine(key) AS MATERIALIZED (SELECT key FROM ");
    statement.sql(&format!("{schema}reference WHERE parameter IN ")).bind_list(between().iter().copied());
    statement.sql(" AND target IN ").bind_list(view.own.iter().chain(&view.circles).copied()).uncached();
    statement.sql(")");
    statement
}

/// The parameters that name those between whom something goes, where it may be about no citizen.
fn between() -> &'static [i64] {
    static NUMBERS: OnceLock<Vec<i64>> = OnceLock::new();
    NUMBERS.get_or_init(|| {
        let named = [
            ("Communication", "sender"),
            ("Communication", "recipient"),
            ("Group", "member"),
            ("Task", "owner"),
            ("Task", "requester"),
            ("Appointment", "actor"),
            ("Schedule", "actor"),
            ("DocumentReference", "author"),
            ("Media", "operator"),
            ("QuestionnaireResponse", "author"),
        ];
        let number = |(name, code)| registry().find(definitions().resource_number(name)?, code);
        named.into_iter().filter_map(number).map(|found| i64::from(found.number)).collect()
    })
}

/// The parameters by which a resource names who made it or keeps it.
fn naming_authors() -> &'static [i64] {
    static NUMBERS: OnceLock<Vec<i64>> = OnceLock::new();
    NUMBERS.get_or_init(|| {
        let named = [
            ("Communication", "sender"),
            ("Composition", "author"),
            ("Condition", "asserter"),
            ("DiagnosticReport", "performer"),
            ("DocumentReference", "author"),
            ("DocumentReference", "custodian"),
            ("Encounter", "service-provider"),
            ("MedicationRequest", "requester"),
            ("Observation", "performer"),
            ("Procedure", "performer"),
        ];
        let number = |(name, code)| registry().find(definitions().resource_number(name)?, code);
        named.into_iter().filter_map(number).map(|found| i64::from(found.number)).collect()
    })
}

/// Whether a parameter is one of those.
pub(super) fn is_between(parameter: i32) -> bool {
    between().contains(&i64::from(parameter))
}

/// `hidden_now(key)`: what labels hide.
fn hidden(view: &View, name: &str, is_past: bool, schema: &str, is_postgres: bool) -> Statement {
    let counts = if is_past { "" } else { "current = 1 AND " };
    let mut statement = Statement::new(&format!("{name}(key) AS MATERIALIZED ("));
    if view.hidden.contains(&Label::SingleRecipient) {
        let kind = Label::SingleRecipient as i64;
        statement.sql(&format!("SELECT key FROM (SELECT key FROM {schema}label WHERE {counts}kind = {kind}"));
        let communication = definitions().resource_number("Communication").unwrap_or(0);
        let between: Vec<i64> = ["recipient", "sender"]
            .iter()
            .filter_map(|code| registry().find(communication, code))
            .map(|found| i64::from(found.number))
            .collect();
        if !view.own.is_empty() && !is_past {
            statement.sql(&format!(" EXCEPT SELECT key FROM {schema}reference WHERE parameter IN ")).bind_list(between);
            statement.sql(" AND target IN ").bind_list(view.own.iter().copied()).uncached();
        }
        statement.sql(") s UNION ");
    }
    if view.hidden.contains(&Label::Undelivered) {
        // Not to other institutions: those whom the resource names, as its author or in another part, are none.
        let kind = Label::Undelivered as i64;
        statement.sql(&format!("SELECT key FROM (SELECT key FROM {schema}label WHERE {counts}kind = {kind}"));
        if !is_past && view.has_circles() {
            statement.sql(&format!(" EXCEPT SELECT key FROM {schema}reference WHERE parameter IN "));
            statement.bind_list(naming_authors().iter().copied()).sql(" AND target IN ");
            statement.bind_list(view.own.iter().chain(&view.circles).copied()).uncached();
        }
        statement.sql(") u UNION ");
    }
    let kinds: Vec<String> = view
        .hidden
        .iter()
        .filter(|label| !matches!(label, Label::SingleRecipient | Label::Undelivered))
        .map(|label| (*label as i64).to_string())
        .chain(std::iter::once("-1".to_owned()))
        .collect();
    statement.sql(&format!("SELECT key FROM {schema}label WHERE {counts}kind IN ({})", kinds.join(", ")));
    for (label, citizens) in &view.hidden_of {
        let counts = if is_past { "" } else { "l.current = 1 AND o.current = 1 AND " };
        statement.sql(&format!(
            " UNION SELECT l.key FROM {schema}label l JOIN {schema}owner o ON o.key = l.key WHERE {counts}l.kind = "
        ));
        statement.bind(*label as i64).sql(" AND o.citizen IN (");
        listed(&mut statement, citizens, is_postgres);
        statement.sql(")").uncached();
    }
    if !view.hidden_keys.is_empty() {
        statement.sql(" UNION ");
        listed(&mut statement, &view.hidden_keys, is_postgres);
        statement.uncached();
    }
    statement.sql(")");
    statement
}

/// A scope's condition over all there is: it says what may be seen, and SQLite takes a name within its own
/// definition for a circle.
fn whole(keys: &Statement, schema: &str) -> Statement {
    if schema.is_empty() {
        return keys.clone();
    }
    keys.resolved(false).in_schema(schema, |table| shadowed().iter().any(|known| known.name == table))
}

/// Whether a row `x` is visible.
fn visible(view: &View, type_of: &str, is_past: bool, schema: &str) -> Statement {
    let mut statement = Statement::new("(");
    if view.clauses.is_empty() {
        statement.sql("1 = 0");
    }
    for (place, clause) in view.clauses.iter().enumerate() {
        if place > 0 {
            statement.sql(" OR ");
        }
        statement.sql(&format!("({type_of} IN {}", list(clause.types.iter().copied())));
        if matches!(clause.citizens, Citizens::Some { .. }) {
            let open = clause.types.iter().copied().filter(|number| open_types().contains(number));
            // What is deleted has no owners any more: all there were count.
            let counts = match (is_past, type_of) {
                (true, _) => "",
                (false, "x.type") => " AND (o.current = 1 OR x.state <> 1)",
                (false, _) => " AND o.current = 1",
            };
            statement.sql(&format!(
                " AND ({type_of} IN {} OR (SELECT min(CASE WHEN o.citizen IN (SELECT citizen FROM permitted{place}) THEN 1 ELSE 0 END) FROM {schema}owner o WHERE o.key = x.key{counts}) = 1",
                list(open)
            ));
            if view.has_circles() && clause.is_between {
                statement.sql(&format!(
                    " OR (x.key IN (SELECT key FROM mine) AND NOT EXISTS (SELECT 1 FROM {schema}owner o WHERE o.key = x.key))"
                ));
            }
            statement.sql(")");
        }
        for (number, alternatives) in &clause.constraints {
            statement.sql(&format!(" AND ({type_of} <> {number}"));
            for conditions in alternatives {
                statement.sql(" OR (1 = 1");
                for condition in conditions {
                    match key_set(condition).map(|keys| whole(&keys, schema)) {
                        Some(keys) => statement.sql(" AND x.key IN (").append(keys).sql(")"),
                        None => statement.sql(" AND 1 = 0"),
                    };
                }
                statement.sql(")");
            }
            statement.sql(")").uncached();
        }
        statement.sql(")");
    }
    statement.sql(")");
    if view.hides() {
        let name = if is_past { "hidden_ever" } else { "hidden_now" };
        statement.sql(&format!(" AND x.key NOT IN (SELECT key FROM {name})"));
    }
    statement
}

impl View {
    /// Whether anything of what is reached is hidden.
    fn hides(&self) -> bool {
        !(self.hidden.is_empty() && self.hidden_of.is_empty() && self.hidden_keys.is_empty())
    }

    /// Whether there is anybody whose own something can be.
    fn has_circles(&self) -> bool {
        !(self.own.is_empty() && self.circles.is_empty())
    }

    /// One that shows nothing.
    #[must_use]
    pub fn closed() -> Self {
        Self {
            clauses: Vec::new(),
            hidden: Vec::new(),
            hidden_of: Vec::new(),
            hidden_keys: Vec::new(),
            own: Vec::new(),
            circles: Vec::new(),
            writing: None,
            unwritable: Vec::new(),
            interactions: Vec::new(),
            liaison: None,
            name: " as nobody".to_owned(),
            digest: OnceLock::new(),
            consents: false,
            brings: false,
        }
    }

    /// The same for what a document brings. What is shown stays what it is.
    #[must_use]
    pub fn bringing(&self) -> Self {
        let writing = self.writing.as_ref().map(|view| Arc::new(Self { brings: true, ..(**view).clone() }));
        Self { brings: true, writing, ..self.clone() }
    }

    /// Whether rules allow one of these interactions with a type; `is_new`: something comes into being by it.
    #[must_use]
    pub fn allows(&self, type_number: u8, interactions: u8, is_new: bool) -> bool {
        (self.brings && comes_along(type_number, is_new))
            || self.interactions.get(usize::from(type_number)).is_some_and(|allowed| allowed & interactions != 0)
    }

    /// The same for counting: rows of fracture liaison of those who are counted. They must not be shown then.
    #[must_use]
    pub fn counting(&self) -> Self {
        let mut view = self.clone();
        if let Some(liaison) = &mut view.liaison
            && let Some(counted) = liaison.counted.take()
        {
            liaison.rows = counted;
        }
        view
    }

    /// The same for two views that show the same of the same resources.
    pub(super) fn digest(&self) -> &str {
        self.digest.get_or_init(|| {
            let shows = format!(
                "{:?} {:?} {:?} {:?} {:?} {:?}",
                self.clauses, self.hidden, self.hidden_of, self.hidden_keys, self.own, self.circles
            );
            openssl::sha::sha256(shows.as_bytes()).iter().fold(String::with_capacity(64), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
        })
    }

    /// The clauses about a type.
    pub(super) fn clauses_of(&self, type_number: u8) -> impl Iterator<Item = &ViewClause> {
        self.clauses.iter().filter(move |clause| clause.types.contains(&type_number))
    }

    /// Whether one of these keys is the caller, their facility or a group of theirs.
    pub(super) fn is_own(&self, key: i64) -> bool {
        self.own.contains(&key) || self.circles.contains(&key)
    }

    /// Whether all citizens are seen.
    #[must_use]
    pub fn sees_everybody(&self) -> bool {
        self.clauses.iter().all(|clause| clause.citizens == Citizens::All)
    }

    /// Whether a resource of a type may be written at all under this view.
    #[must_use]
    pub fn may_write(&self, type_number: u8) -> bool {
        !self.unwritable.contains(&type_number)
            && (self.sees_everybody()
                || (self.consents && numbers(&["Consent"]).contains(&type_number))
                || !(open_types().contains(&type_number) || governing_types().contains(&type_number)))
    }

    /// Whether a scope's search parameters narrow what is seen of a type.
    pub(super) fn is_narrowed(&self, type_number: u8) -> bool {
        let mut of_type = self.clauses.iter().filter(|clause| clause.types.contains(&type_number)).peekable();
        of_type.peek().is_some()
            && of_type.all(|clause| clause.constraints.iter().any(|(number, _)| *number == type_number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_found_where_they_stand() {
        let sql = "SELECT count(*) FROM (SELECT key FROM token WHERE x) k JOIN resource r ON 1 LEFT JOIN version v";
        assert_eq!(tables(sql), ["token", "resource", "version"]);
    }

    #[test]
    fn a_table_that_is_not_known_is_not_asked() {
        let view = View::closed();
        let asked = |sql: &str| restricted(&view, &Statement::new(sql), false);
        assert_eq!(asked("SELECT 1 FROM some_new_table").unwrap_err(), "some_new_table");
        assert_eq!(asked("SELECT 1 FROM owner").unwrap_err(), "owner");
        let (text, _) = asked("SELECT key FROM resource").unwrap().text(false);
        assert!(text.starts_with("WITH resource AS NOT MATERIALIZED (SELECT * FROM main.resource x WHERE"), "{text}");
    }
}
