//! What somebody has not read: articles, comments and posts of groups meant for them, without a read mark
//! of theirs.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};

use super::{Connection, Membership, Statement, StoreError};
use crate::store::record::VersionRecord;
use crate::store::search::Found;
use crate::store::type_of_key;

/// Who reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reader {
    /// The references that stand for them, and the teams they are in.
    pub membership: Membership,
    /// Keys of citizens they read of without being in the team: themselves, those whose family they are.
    pub own: Vec<i64>,
    /// The citizen's own account: what the family tells the team is not for them.
    pub is_citizen: bool,
}

/// What of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnreadQuery {
    /// Who reads.
    pub reader: Reader,
    /// Only of this citizen (its key).
    pub citizen: Option<i64>,
    /// Only `article`s, `comment`s or `group_post`s.
    pub only: Option<&'static str>,
    /// Most; counting ends there.
    pub count: u32,
    /// Where the page before ended: (sent, key).
    pub after: Option<(i64, i64)>,
}

/// One that is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadRow {
    /// `article`, `comment` or `group_post`.
    pub entity: String,
    /// When it was sent, µs; the order of the list.
    pub sent: i64,
    /// The Communication.
    pub resource: Found,
}

#[derive(QueryableByName)]
struct Record {
    #[diesel(sql_type = BigInt)]
    key: i64,
    #[diesel(sql_type = Text)]
    entity: String,
    #[diesel(sql_type = BigInt)]
    place: i64,
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(embed)]
    version: VersionRecord,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = Text)]
    parent: String,
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// The keys of what is not read: `SELECT entity, key, place …` of all three tables.
fn keys(query: &UnreadQuery) -> Statement {
    let mut statement = Statement::new("");
    let wanted = |entity: &&str| query.only.is_none_or(|only| only == *entity);
    for (place, entity) in ["article", "comment", "group_post"].into_iter().filter(wanted).enumerate() {
        if place > 0 {
            statement.sql(" UNION ALL ");
        }
        statement.sql("SELECT '").sql(entity).sql("' AS entity, e.key AS key, e.sent_at AS place FROM notebook_");
        statement.sql(entity).sql(" e WHERE ");
        if entity == "group_post" {
            in_groups(&mut statement, query);
        } else {
            for_reader(&mut statement, query);
        }
        statement.sql(" AND coalesce(e.sender, '') NOT IN ");
        members(&mut statement, query);
        statement.sql(" AND NOT EXISTS (SELECT 1 FROM notebook_read_mark m WHERE m.citizen = e.citizen AND m.key = e.key AND m.reader IN ");
        members(&mut statement, query);
        statement.sql(")");
        if let Some((sent, key)) = query.after {
            statement.sql(" AND (e.sent_at, e.key) < (").bind(sent).sql(", ").bind(key).sql(")");
        }
    }
    statement.uncached();
    statement
}

fn members(statement: &mut Statement, query: &UnreadQuery) {
    statement.bind_list(query.reader.membership.members.iter().map(String::as_str));
}

/// `recipients` holds references as a JSON array.
fn is_named(statement: &mut Statement, query: &UnreadQuery) {
    statement.sql("(1 = 0");
    for member in &query.reader.membership.members {
        statement.sql(" OR e.recipients LIKE ").bind(format!("%\"{member}\"%"));
    }
    statement.sql(")");
}

fn for_reader(statement: &mut Statement, query: &UnreadQuery) {
    if let Some(citizen) = query.citizen {
        statement.sql("e.citizen = ").bind(citizen).sql(" AND ");
    }
    statement.sql("(e.citizen IN ");
    query.reader.membership.citizens(statement);
    if !query.reader.own.is_empty() {
        statement.sql(" OR e.citizen IN ").bind_list(query.reader.own.iter().copied());
    }
    // What is meant for one member is for who is named.
    statement.sql(") AND (coalesce(e.audience, 'team') <> 'member' OR ");
    is_named(statement, query);
    statement.sql(")");
    if query.reader.is_citizen {
        statement.sql(" AND coalesce(e.audience, 'team') <> 'family-private'");
    }
}

fn in_groups(statement: &mut Statement, query: &UnreadQuery) {
    if query.citizen.is_some() {
        statement.sql("1 = 0");
        return;
    }
    let membership = &query.reader.membership;
    statement.sql("EXISTS (SELECT 1 FROM notebook_group_member t JOIN resource g ON g.key = t.key WHERE t.member IN ");
    members(statement, query);
    statement.sql(" AND coalesce(t.inactive, 0) = 0 AND (t.starts_at IS NULL OR t.starts_at <= ").bind(membership.now);
    statement.sql(") AND (t.ends_at IS NULL OR t.ends_at >= ").bind(membership.today);
    statement.sql(") AND e.recipients LIKE '%\"Group/' || g.id || '\"%')");
}

/// A page, newest first.
pub(in crate::store) fn unread(connection: &mut Connection, query: &UnreadQuery) -> Result<Vec<UnreadRow>, StoreError> {
    if query.reader.membership.members.is_empty() {
        return Ok(Vec::new());
    }
    let mut statement = Statement::new(
        "SELECT p.key, p.entity, p.place, r.id, r.version, r.updated, r.method, r.body FROM (SELECT * FROM (",
    );
    statement.append(keys(query));
    statement.sql(") u ORDER BY place DESC, key DESC LIMIT ").bind(i64::from(query.count));
    statement.sql(") p JOIN resource r ON r.key = p.key WHERE r.state = 1 ORDER BY p.place DESC, p.key DESC");
    let found: Vec<Record> = connection.load(&statement)?;
    let row = |record: Record| UnreadRow {
        entity: record.entity,
        sent: record.place,
        resource: Found {
            type_number: type_of_key(record.key),
            id: record.id,
            version: record.version.into(),
            key: record.key,
        },
    };
    Ok(found.into_iter().map(row).collect())
}

/// How many, at most the query's `count`.
pub(in crate::store) fn count_unread(connection: &mut Connection, query: &UnreadQuery) -> Result<u64, StoreError> {
    if query.reader.membership.members.is_empty() {
        return Ok(0);
    }
    let mut statement = Statement::new("SELECT count(*) AS n FROM (SELECT key FROM (");
    statement.append(keys(query)).sql(") u LIMIT ").bind(i64::from(query.count)).sql(") p");
    let found: Vec<Count> = connection.load(&statement)?;
    Ok(found.first().and_then(|count| u64::try_from(count.n).ok()).unwrap_or(0))
}

/// How many comments each of these articles has; those without any are not there.
pub(in crate::store) fn comment_counts(
    connection: &mut Connection,
    articles: &[String],
) -> Result<Vec<(String, i64)>, StoreError> {
    if articles.is_empty() {
        return Ok(Vec::new());
    }
    let mut statement = Statement::new("SELECT parent, count(*) AS n FROM notebook_comment WHERE parent IN ");
    statement.bind_list(articles.iter().map(String::as_str)).uncached();
    statement.sql(" GROUP BY parent");
    let found: Vec<Counted> = connection.load(&statement)?;
    Ok(found.into_iter().map(|counted| (counted.parent, counted.n)).collect())
}
