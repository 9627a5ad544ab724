//! The index for `_text` and `_content`: FTS5 on SQLite, `tsvector` with GIN on PostgreSQL.
//!
//! Both keep tokens that `search/text` made, in order, and make none themselves. Cost: one row a
//! resource; a lookup reads the places of the tokens of a phrase.

use std::collections::BTreeMap;

use super::StoreError;
use super::connection::{Connection, Statement};
use crate::search::text::{Phrase, TextRow};

/// Rows a statement.
const CHUNK: usize = 16;

/// What a batch changes: key, tokens before, tokens now.
pub(super) type Changes<'a> = Vec<(i64, Option<&'a TextRow>, Option<&'a TextRow>)>;

/// Writes what changed.
pub(super) fn write(connection: &mut Connection, changes: &Changes<'_>) -> Result<(), StoreError> {
    let changed = changes.iter().filter(|(_, before, now)| before != now);
    let mut added = Vec::new();
    for (key, before, now) in changed {
        if let Some(before) = before {
            let mut statement = Statement::default();
            if connection.is_postgres() {
                statement.sql("DELETE FROM full_text WHERE key = ").bind(*key);
            } else {
                statement.sql("INSERT INTO full_text (full_text, rowid, narrative, content) VALUES ('delete', ");
                statement.bind(*key).sql(", ").bind(before.narrative.as_str()).sql(", ").bind(before.content.as_str());
                statement.sql(")");
            }
            connection.execute(&statement)?;
        }
        added.extend(now.map(|now| (*key, now)));
    }
    added.sort_by_key(|(key, _)| *key);
    let is_postgres = connection.is_postgres();
    for chunk in added.chunks(CHUNK) {
        let mut statement = Statement::new("INSERT INTO full_text (");
        statement.sql(if is_postgres { "key" } else { "rowid" }).sql(", narrative, content) VALUES ");
        for (place, (key, row)) in chunk.iter().enumerate() {
            statement.sql(if place > 0 { ", (" } else { "(" }).bind(*key);
            for tokens in [&row.narrative, &row.content] {
                if is_postgres {
                    statement.sql(", CAST(").bind(tsvector(tokens)).sql(" AS TSVECTOR)");
                } else {
                    statement.sql(", ").bind(tokens.as_str());
                }
            }
            statement.sql(")");
        }
        if chunk.len() != CHUNK {
            statement.uncached();
        }
        connection.execute(&statement)?;
    }
    Ok(())
}

/// Takes everything out.
pub(super) fn clear(connection: &mut Connection) -> Result<(), StoreError> {
    if connection.is_postgres() {
        connection.batch("DELETE FROM full_text")
    } else {
        connection.batch("INSERT INTO full_text (full_text) VALUES ('delete-all')")
    }
}

/// Tokens with their places, as PostgreSQL reads them. They are letters and digits: nothing to quote.
fn tsvector(tokens: &str) -> String {
    let mut places: BTreeMap<&str, String> = BTreeMap::new();
    for (place, token) in tokens.split(' ').filter(|token| !token.is_empty()).enumerate() {
        let list = places.entry(token).or_default();
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(&(place + 1).to_string());
    }
    places.iter().map(|(token, places)| format!("'{token}':{places}")).collect::<Vec<_>>().join(" ")
}

/// The keys of resources with a phrase, in the narrative or anywhere.
pub(super) fn keys(phrase: &Phrase, in_narrative: bool) -> Statement {
    let open = |mark: &'static str| if phrase.is_open { mark } else { "" };
    let fts5 = format!("\"{}\"{}", phrase.tokens.join(" "), open("*"));
    let quoted: Vec<String> = phrase.tokens.iter().map(|token| format!("'{token}'")).collect();
    let tsquery = format!("{}{}", quoted.join(" <-> "), open(":*"));
    let mut sqlite = Statement::new("SELECT rowid AS key FROM full_text WHERE full_text MATCH ");
    sqlite.bind(if in_narrative { format!("narrative : {fts5}") } else { fts5 });
    let mut postgres = Statement::new("SELECT key FROM full_text WHERE narrative @@ CAST(");
    postgres.bind(tsquery.as_str()).sql(" AS TSQUERY)");
    if !in_narrative {
        postgres.sql(" OR content @@ CAST(").bind(tsquery).sql(" AS TSQUERY)");
    }
    let mut statement = Statement::of_each(sqlite, postgres);
    if super::view::is_restricted() {
        // The words of what is hidden are not found either, wherever this set stands.
        let mut shown = Statement::new("SELECT key FROM (");
        shown.append(statement).sql(") t WHERE key IN (SELECT key FROM resource)");
        statement = shown;
    }
    statement
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_a_token_are_listed_together() {
        assert_eq!(tsvector("山田 田太 山田"), "'山田':1,3 '田太':2");
        assert_eq!(tsvector(""), "");
    }
}
