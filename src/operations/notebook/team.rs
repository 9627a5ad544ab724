//! Teams: who is in them, who joins, who leaves. Leaving ends a period; nobody is ever taken out, so that it
//! stays known who was there.

use serde_json::{Value, json};

use super::articles::mapped;
use super::entries::{Place, Target};
use super::{Notebook, Told};
use crate::engine::Rejection;
use crate::notebook::model::Mapping;
use crate::r4::datetime::span;
use crate::r4::outcome::IssueCode;
use crate::store::{Cell, EntityFound, EntityQuery};

/// Teams of a citizen, and members of them, that are looked at.
const MOST: u32 = 500;

impl Notebook<'_> {
    fn rows_of(&self, mapping: &'static Mapping, citizen: i64) -> Result<Vec<EntityFound>, Rejection> {
        self.may_read_of(&["CareTeam"])?;
        Ok(self.engine.store().entities(&EntityQuery::of(&mapping.table, citizen, MOST))?)
    }

    /// `CareTeam/…` of a citizen, those that are active, newest first.
    pub(super) fn teams_of(&self, citizen: &str) -> Result<Vec<String>, Rejection> {
        let (key, _) = self.citizen(citizen)?;
        let teams = mapped("team");
        let mut all = Vec::new();
        for row in self.rows_of(teams, key)? {
            if let Some(shown) = self.shown(teams, &row.resource, row.ordinal)?
                && teams.text(&shown.cells, "status").is_none_or(|status| status == "active" || status == "proposed")
            {
                all.push(format!("CareTeam/{}", row.resource.id));
            }
        }
        Ok(all)
    }

    /// The team of a citizen: who is in it, and who was.
    ///
    /// # Errors
    /// 404 without the citizen.
    pub fn team(&self, citizen: &str) -> Result<Told, Rejection> {
        self.no_parameters()?;
        let (key, _) = self.citizen(citizen)?;
        Ok(Told::of(self.team_json(key)?))
    }

    pub(super) fn team_json(&self, citizen: i64) -> Result<Value, Rejection> {
        let (teams, members) = (mapped("team"), mapped("team_member"));
        let mut all = Vec::new();
        for row in self.rows_of(teams, citizen)? {
            let shown = self.shown(teams, &row.resource, row.ordinal)?;
            all.extend(shown.map(|shown| Value::Object(shown.value)));
        }
        let (mut current, mut former) = (Vec::new(), Vec::new());
        for row in self.rows_of(members, citizen)?.into_iter().rev() {
            let Some(shown) = self.shown(members, &row.resource, row.ordinal)? else { continue };
            let to = if self.is_current(members, &shown.cells) { &mut current } else { &mut former };
            to.push(Value::Object(shown.value));
        }
        Ok(json!({ "teams": all, "members": current, "former": former }))
    }

    /// Whether somebody has joined and not left.
    pub(super) fn is_current(&self, members: &Mapping, cells: &[Cell]) -> bool {
        let at = |name: &str| members.text(cells, name).and_then(|text| span(text, self.offset()));
        at("starts").is_none_or(|starts| starts.low <= self.now) && at("ends").is_none_or(|ends| ends.high >= self.now)
    }

    /// Somebody joins: the team that is named, else the citizen's own, which is made when there is none.
    pub(super) fn join(&self, place: &Place, of: Option<&str>, cells: &[Cell]) -> Result<Told, Rejection> {
        let members = place.mapping;
        let citizen = place.citizen.as_deref().unwrap_or_default();
        let member = members.text(cells, "member").unwrap_or_default().to_owned();
        if self.local(&member).is_none_or(|(kind, id)| self.engine.read_blocking(kind, id).is_err()) {
            let ja = format!("{member:.80} はここに登録されていません");
            let refused = self.refuse(422, IssueCode::NotFound, &ja, &format!("{member:.80} is not known here"));
            return Err(refused.at_element("team_member.member"));
        }
        let teams = self.teams_of(citizen)?;
        let team = match (of, teams.as_slice()) {
            (Some(of), _) => of.to_owned(),
            (None, [team]) => team.clone(),
            (None, []) => return self.found_team(place, citizen, cells),
            (None, _) => {
                let all = teams.join(", ");
                let ja = format!("チームが複数あります。of で指定してください: {all}");
                let refused = self.refuse(
                    409,
                    IssueCode::MultipleMatches,
                    &ja,
                    &format!("there are several teams; name one by of: {all}"),
                );
                return Err(refused.at_element("team_member.of"));
            }
        };
        let Some(("CareTeam", id)) = self.local(&team) else { return Err(Rejection::not_found("CareTeam", &team)) };
        self.add_item(place, "CareTeam", id, cells, |resource| {
            let source = members.source_of("CareTeam", resource).unwrap_or(0);
            let there =
                (0..resource.list("participant").len()).filter_map(|place| members.values(source, resource, place));
            let is_there =
                |known: Vec<Cell>| members.text(&known, "member") == Some(&member) && self.is_current(members, &known);
            if there.into_iter().any(is_there) {
                let ja = format!("{member} はすでにチームの一員です");
                return Err(self.refuse(409, IssueCode::Conflict, &ja, &format!("{member} is in the team already")));
            }
            Ok(())
        })
    }

    /// A team with its first member.
    fn found_team(&self, place: &Place, citizen: &str, cells: &[Cell]) -> Result<Told, Rejection> {
        let (_, row) = self.citizen(citizen)?;
        let teams = mapped("team");
        let mut own = vec![Cell::Nothing; teams.entity.fields.len()];
        teams.put(&mut own, "name", Cell::Text(format!("{}さんのチーム", row.name)));
        let resource = teams.to_fhir(&own, citizen, None);
        let (resource, ordinal) = place.mapping.add_item(0, resource, cells);
        let answer = self.engine.create_blocking("CareTeam", &resource)?;
        let target = Target { type_name: "CareTeam", id: answer.id.clone(), ordinal };
        self.written(place, &target, &answer)
    }

    /// Somebody leaves, today.
    pub(super) fn leave(&self, place: &Place, target: &Target) -> Result<Told, Rejection> {
        let members = place.mapping;
        let today = self.filling().date();
        let conditions = self.asked.conditions.clone();
        let answer = self.engine.change_if(
            target.type_name,
            &target.id,
            |current| conditions.check_write(Some(current), false),
            |resource| {
                let source = members.source_of(target.type_name, &resource).unwrap_or(0);
                let Some(mut cells) = members.values(source, &resource, target.ordinal) else {
                    return Err(Rejection::not_found(target.type_name, &target.id));
                };
                if members.text(&cells, "ends").is_some() {
                    let ja = "すでにチームを離れています";
                    return Err(self.refuse(409, IssueCode::Conflict, ja, "they have left the team already"));
                }
                members.put(&mut cells, "ends", Cell::Date(today.clone(), None));
                Ok(members.edit(source, resource.into_owned(), target.ordinal, &cells))
            },
        )?;
        self.written(place, target, &answer)
    }
}
