//! The calendar: visits and the activities of plans, of one citizen or of all in whose teams somebody is.

use serde_json::{Value, json};

use super::articles::mapped;
use super::{DEFAULT_COUNT, Notebook, Told};
use crate::engine::Rejection;
use crate::r4::outcome::IssueCode;
use crate::store::EntityQuery;

/// Days a calendar shows when nobody says.
const DEFAULT_DAYS: i64 = 31;
const DAY: i64 = 86_400_000_000;

impl Notebook<'_> {
    /// What is planned and was done between two days, earliest first.
    ///
    /// # Errors
    /// 400 for parameters that make no sense, and when neither a citizen nor a member is said.
    pub fn calendar(&self, citizen: Option<&str>) -> Result<Told, Rejection> {
        let (mut from, mut to, mut count) = (None, None, DEFAULT_COUNT);
        let mut citizen = citizen.map(str::to_owned);
        let mut members = self.member.as_ref().map(|member| member.all.clone());
        for (name, value) in &self.asked.pairs {
            match name.as_str() {
                "from" => from = Some(self.span(name, value)?.low),
                "to" => to = Some(self.span(name, value)?.high),
                "count" => count = self.count(value)?,
                "citizen" if citizen.is_none() => citizen = Some(value.trim_start_matches("Patient/").to_owned()),
                "member" => members = Some(self.find_member(value)?.all),
                _ => return Err(self.unknown_parameter(name, "from, to, citizen, member, count")),
            }
        }
        self.may_read_of(&["Appointment", "Encounter", "CarePlan"])?;
        let from = from.unwrap_or_else(|| self.today());
        let to = to.unwrap_or(from + DEFAULT_DAYS * DAY - 1);
        let key = citizen.as_deref().map(|id| self.citizen(id)).transpose()?.map(|(key, _)| key);
        if key.is_none() && members.is_none() {
            let ja = "誰の予定かが必要です（citizen か member、または X-Notebook-Member）";
            let en = "whose calendar? citizen, member or X-Notebook-Member is needed";
            return Err(self.refuse(400, IssueCode::Required, ja, en));
        }
        let mut rows: Vec<(i64, Value)> = Vec::new();
        let mut is_cut = false;
        // An activity stands at the day it is due, or where it begins.
        for (entity, date) in [("visit", "starts"), ("plan_activity", "due"), ("plan_activity", "starts")] {
            let mapping = mapped(entity);
            let query = EntityQuery {
                citizen: key,
                team: members.clone().map(|members| self.membership(members)),
                between: vec![(date, Some(from), Some(to))],
                order: Some(date),
                ascending: true,
                ..EntityQuery::of(&mapping.table, 0, count + 1)
            };
            let found = self.engine.store().entities(&query)?;
            is_cut |= found.len() > count as usize;
            for row in found {
                let Some(shown) = self.shown(mapping, &row.resource, row.ordinal)? else { continue };
                let has_due = mapping.text(&shown.cells, "due").is_some();
                if entity == "plan_activity" && date == "starts" && has_due {
                    continue;
                }
                let mut value = Value::Object(shown.value);
                if let Some(id) = shown.citizens.first() {
                    value["names"]["citizen"] = json!(self.name(&format!("Patient/{id}")));
                }
                value["date"] = json!(mapping.text(&shown.cells, date));
                rows.push((row.order, value));
            }
        }
        rows.sort_by_key(|(at, _)| *at);
        is_cut |= rows.len() > count as usize;
        rows.truncate(count as usize);
        let entries: Vec<Value> = rows.into_iter().map(|(_, value)| value).collect();
        Ok(Told::of(json!({ "entries": entries, "isCut": is_cut })))
    }
}
