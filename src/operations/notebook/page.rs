//! One citizen's page in one answer: who they are, who cares for them, what they have and take, what is next,
//! what needs attention, what is new.

use serde_json::{Value, json};

use super::articles::mapped;
use super::{Notebook, Told};
use crate::engine::Rejection;
use crate::r4::datetime::span;
use crate::store::EntityQuery;
use crate::store::notebook::TimelineQuery;

/// Lines of the timeline on the page.
const LATEST: u32 = 20;
const NEXT_VISITS: u32 = 5;
const MOST: u32 = 100;

impl Notebook<'_> {
    /// The page.
    ///
    /// # Errors
    /// 404 without the citizen.
    pub fn page(&self, id: &str) -> Result<Told, Rejection> {
        self.no_parameters()?;
        let (key, row) = self.citizen(id)?;
        let (latest, next) =
            self.timeline_page(TimelineQuery { citizen: key, count: LATEST, ..TimelineQuery::default() })?;
        let next = next.map(|after| format!("citizens/{id}/timeline?after={after}"));
        let team = self.team_json(key)?;
        let mut page = self.citizen_json(id, &row);
        let more = json!({
            "team": { "teams": team["teams"], "members": team["members"] },
            "careLevel": self.care_level(key)?,
            "diagnoses": self.of_kind("diagnosis", key, MOST)?,
            "medication": self.medication_json(key)?,
            "nextVisits": self.next_visits(key)?,
            "alarms": self.alarms(key)?,
            "latest": latest,
            "next": next,
            "unread": self.unread_count(key)?,
            "timeline": format!("citizens/{id}/timeline"),
            // Of the citizen's own fields, for who changes them.
            "version": self.engine.read_blocking("Patient", id)?.version,
        });
        if let (Value::Object(page), Value::Object(more)) = (&mut page, more) {
            page.extend(more);
        }
        Ok(Told::of(page))
    }

    fn of_kind(&self, entity: &str, citizen: i64, count: u32) -> Result<Vec<Value>, Rejection> {
        let mapping = mapped(entity);
        let mut query = EntityQuery::of(&mapping.table, citizen, count);
        query.ascending = false;
        Ok(self.page_of(mapping, query)?.0)
    }

    /// The certification that is valid today.
    pub(super) fn care_level(&self, citizen: i64) -> Result<Option<Value>, Rejection> {
        self.may_read_of(&["Observation"])?;
        let levels = mapped("care_level");
        let query = EntityQuery {
            order: Some("starts"),
            between: vec![("starts", None, Some(self.now))],
            ..EntityQuery::of(&levels.table, citizen, MOST)
        };
        for row in self.engine.store().entities(&query)? {
            let Some(shown) = self.shown(levels, &row.resource, row.ordinal)? else { continue };
            let ends = levels.text(&shown.cells, "ends").and_then(|text| span(text, self.offset()));
            if ends.is_none_or(|ends| ends.high >= self.now) {
                return Ok(Some(Value::Object(shown.value)));
            }
        }
        Ok(None)
    }

    fn next_visits(&self, citizen: i64) -> Result<Vec<Value>, Rejection> {
        let visits = mapped("visit");
        let query = EntityQuery {
            order: Some("starts"),
            ascending: true,
            between: vec![("starts", Some(self.today()), None)],
            ..EntityQuery::of(&visits.table, citizen, NEXT_VISITS)
        };
        let is_off = |value: &Value| {
            matches!(
                value["status"].as_str(),
                Some("cancelled" | "noshow" | "entered-in-error" | "finished" | "fulfilled")
            )
        };
        let mut next = self.page_of(visits, query)?.0;
        next.retain(|value| !is_off(value));
        Ok(next)
    }

    /// What needs attention now.
    fn alarms(&self, citizen: i64) -> Result<Vec<Value>, Rejection> {
        let is_over = |value: &Value| {
            let is_off = matches!(value["status"].as_str(), Some("inactive" | "entered-in-error" | "cancelled"));
            let ends = value["ends"].as_str().and_then(|text| span(text, self.offset()));
            is_off || ends.is_some_and(|ends| ends.high < self.now)
        };
        let mut alarms = self.of_kind("alarm", citizen, MOST)?;
        alarms.retain(|value| !is_over(value));
        Ok(alarms)
    }
}
