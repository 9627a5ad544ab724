//! Includes along canonicals: what is named by URL, with a version or without
//! (FHIR R4 references.html#canonical).

use std::collections::{BTreeMap, BTreeSet};

use super::super::StoreError;
use super::super::connection::{Connection, Statement};
use super::super::index::fit;
use super::{COLUMNS, Found, MOST_INCLUDED, Record};
use crate::format::json;
use crate::search::query::Include;
use crate::search::registry::Registry;

/// URL → versions asked for; empty is any.
pub(super) type Names = BTreeMap<String, BTreeSet<String>>;

/// Numbers of the parameters of an include that can be canonicals.
pub(super) fn canonicals(registry: &Registry, include: &Include) -> Vec<i32> {
    let can = |number: &i32| registry.by_number(*number).is_some_and(|parameter| parameter.forms.canonical);
    include.parameters.iter().copied().filter(can).collect()
}

/// Resources with these URLs, of the types that the include may lead to.
pub(super) fn targets(
    connection: &mut Connection,
    registry: &Registry,
    include: &Include,
    names: &Names,
) -> Result<Vec<Found>, StoreError> {
    let mut types = BTreeSet::new();
    for parameter in canonicals(registry, include).iter().filter_map(|number| registry.by_number(*number)) {
        types.extend(
            parameter.targets.iter().filter(|target| include.target_type.is_none_or(|wanted| wanted == **target)),
        );
        if parameter.targets.is_empty() {
            types.extend(include.target_type.map_or(1..=u8::MAX, |wanted| wanted..=wanted));
        }
    }
    let urls: Vec<i32> = types.iter().filter_map(|number| registry.named(*number)).map(|named| named.url).collect();
    let mut all = Vec::new();
    if urls.is_empty() {
        return Ok(all);
    }
    let wanted: Vec<&String> = names.keys().collect();
    for chunk in wanted.chunks(128) {
        let mut statement = Statement::new("SELECT ");
        statement
            .sql(COLUMNS)
            .sql(" FROM resource r WHERE r.state = 1 AND r.key IN (SELECT key FROM uri WHERE parameter IN ");
        statement.bind_list(urls.iter().map(|number| i64::from(*number)));
        statement.sql(" AND uri IN ").bind_list(chunk.iter().map(|uri| fit(uri)));
        statement.sql(") ORDER BY r.key LIMIT ").bind(MOST_INCLUDED as i64 + 1).uncached();
        all.extend(connection.load::<Record>(&statement)?.into_iter().map(Record::found));
    }
    all.retain(|found| {
        let Some((url, version)) = name_of(found) else { return false };
        names.get(&url).is_some_and(|versions| versions.contains("") || versions.contains(&version))
    });
    Ok(all)
}

/// Resources with a canonical that names one of `frontier`.
pub(super) fn referrers(
    connection: &mut Connection,
    registry: &Registry,
    include: &Include,
    frontier: &[Found],
) -> Result<Vec<Found>, StoreError> {
    let parameters = canonicals(registry, include);
    let mut all = Vec::new();
    if parameters.is_empty() {
        return Ok(all);
    }
    let fits = |found: &&Found| include.target_type.is_none_or(|wanted| wanted == found.type_number);
    let names: Vec<(String, String)> = frontier.iter().filter(fits).filter_map(name_of).collect();
    for chunk in names.chunks(128) {
        let mut statement = Statement::new("SELECT ");
        statement
            .sql(COLUMNS)
            .sql(" FROM resource r WHERE r.state = 1 AND r.key IN (SELECT key FROM uri WHERE parameter IN ");
        statement.bind_list(parameters.iter().map(|number| i64::from(*number)));
        for (place, (url, version)) in chunk.iter().enumerate() {
            statement.sql(if place > 0 { " OR " } else { " AND (" });
            statement.sql("(uri = ").bind(fit(url)).sql(" AND version IN ('', ").bind(fit(version)).sql("))");
        }
        statement.sql(")) ORDER BY r.key LIMIT ").bind(MOST_INCLUDED as i64 + 1).uncached();
        all.extend(connection.load::<Record>(&statement)?.into_iter().map(Record::found));
    }
    Ok(all)
}

/// URL and business version of a resource.
fn name_of(found: &Found) -> Option<(String, String)> {
    let resource = json::parse(&found.version.body).ok()?;
    Some((resource.text("url")?.to_owned(), resource.text("version").unwrap_or_default().to_owned()))
}
