//! Which citizens: by names and numbers, municipality, facility, member of the team, care level.

use super::{CITIZEN, CitizenRecord, CitizenRow, Connection, Statement, StoreError};

/// In whose teams somebody is today.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Membership {
    /// The references that stand for them (`Practitioner/x`, `PractitionerRole/y`).
    pub members: Vec<String>,
    /// Now, µs.
    pub now: i64,
    /// When today began, µs: who left today was here today.
    pub today: i64,
}

impl Membership {
    /// `(SELECT …)`: the keys of the citizens.
    pub(in crate::store) fn citizens<'s>(&self, statement: &'s mut Statement) -> &'s mut Statement {
        statement.sql("(SELECT t.citizen FROM notebook_team_member t WHERE t.member IN ");
        statement.bind_list(self.members.iter().map(String::as_str)).uncached();
        self.is_current(statement);
        statement.sql(")")
    }

    fn is_current(&self, statement: &mut Statement) {
        statement.sql(" AND (t.starts_at IS NULL OR t.starts_at <= ").bind(self.now);
        statement.sql(") AND (t.ends_at IS NULL OR t.ends_at >= ").bind(self.today).sql(")");
    }
}

/// Which citizens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CitizenQuery {
    /// Folded texts that each occur in a name or number.
    pub words: Vec<String>,
    /// Id of the Organization that manages them.
    pub municipality: Option<String>,
    /// `Organization/x`, for which somebody of the team works.
    pub facility: Option<String>,
    /// In whose team this one is.
    pub team: Option<Membership>,
    /// Codes of the care level that is valid now.
    pub care_levels: Vec<String>,
    /// In fracture liaison: with an episode (`any`), without one (`none`), or with one in these states.
    pub liaison: Vec<String>,
    /// Now, µs.
    pub now: i64,
    /// When today began, µs.
    pub today: i64,
    /// Key of the last one on the page before.
    pub after: i64,
    /// Most.
    pub count: u32,
}

/// Citizens in the order they came: key, id, row.
pub(in crate::store) fn citizens(
    connection: &mut Connection,
    query: &CitizenQuery,
) -> Result<Vec<(i64, String, CitizenRow)>, StoreError> {
    let mut statement = Statement::new(CITIZEN);
    statement.sql("WHERE c.key > ").bind(query.after);
    for word in &query.words {
        let escaped = word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        statement.sql(" AND c.folded LIKE ").bind(format!("%{escaped}%")).sql(" ESCAPE '\\'");
    }
    if let Some(municipality) = &query.municipality {
        statement.sql(" AND c.municipality = ").bind(municipality.as_str());
    }
    if let Some(team) = &query.team {
        statement.sql(" AND c.key IN ");
        team.citizens(&mut statement);
    }
    if let Some(facility) = &query.facility {
        of_facility(&mut statement, query, facility);
    }
    if !query.care_levels.is_empty() {
        of_level(&mut statement, query);
    }
    if !query.liaison.is_empty() {
        in_liaison(&mut statement, &query.liaison);
    }
    statement.sql(" ORDER BY c.key LIMIT ").bind(i64::from(query.count));
    let found: Vec<CitizenRecord> = connection.load(&statement)?;
    Ok(found.into_iter().map(CitizenRecord::split).collect())
}

/// Somebody of the team is the facility, takes part on its behalf, or works there.
fn of_facility(statement: &mut Statement, query: &CitizenQuery, facility: &str) {
    statement.sql(" AND c.key IN (SELECT t.citizen FROM notebook_team_member t WHERE (t.facility = ").bind(facility);
    statement.sql(" OR t.member = ").bind(facility);
    statement.sql(" OR t.member IN (SELECT o.member FROM notebook_role o WHERE o.facility = ").bind(facility);
    statement.sql(") OR t.member IN (SELECT 'PractitionerRole/' || w.id FROM notebook_role o JOIN resource w ON w.key = o.key WHERE o.facility = ");
    statement.bind(facility).sql("))");
    Membership { members: Vec::new(), now: query.now, today: query.today }.is_current(statement);
    statement.sql(")");
}

/// Has an episode of fracture liaison in one of the states, any or none.
fn in_liaison(statement: &mut Statement, states: &[String]) {
    let has = |state: &str| states.iter().any(|known| known == state);
    statement.sql(" AND (1 = 0");
    if has("none") {
        statement.sql(" OR NOT EXISTS (SELECT 1 FROM fls_episode f WHERE f.citizen = c.key)");
    }
    statement.sql(" OR EXISTS (SELECT 1 FROM fls_episode f WHERE f.citizen = c.key");
    if !has("any") {
        statement.sql(" AND f.state IN ").bind_list(states.iter().map(String::as_str)).uncached();
    }
    statement.sql("))");
}

/// The certification that is valid and began last has one of the codes.
fn of_level(statement: &mut Statement, query: &CitizenQuery) {
    let valid = |statement: &mut Statement, table: &str| {
        statement.sql(" AND coalesce(").sql(table).sql(".starts_at, 0) <= ").bind(query.now);
        statement.sql(" AND (").sql(table).sql(".ends_at IS NULL OR ").sql(table).sql(".ends_at >= ").bind(query.today);
        statement.sql(")");
    };
    statement.sql(" AND EXISTS (SELECT 1 FROM notebook_care_level l WHERE l.citizen = c.key AND l.level IN ");
    statement.bind_list(query.care_levels.iter().map(String::as_str)).uncached();
    valid(statement, "l");
    statement.sql(" AND NOT EXISTS (SELECT 1 FROM notebook_care_level n WHERE n.citizen = c.key AND coalesce(n.starts_at, 0) > coalesce(l.starts_at, 0)");
    valid(statement, "n");
    statement.sql("))");
}
