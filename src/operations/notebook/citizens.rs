//! Citizens: found by names, numbers, municipality, facility, member and care level; written like any entry.

use serde_json::{Value, json};

use super::entries::{Place, Target};
use super::{DEFAULT_COUNT, Notebook, Told};
use crate::engine::Rejection;
use crate::format::fold::fold;
use crate::notebook::category::{CATEGORIES, category};
use crate::notebook::model::citizen_mapping;
use crate::notebook::model::schema::Form;
use crate::r4::canonical::Canonicals;
use crate::r4::datetime::format_instant;
use crate::r4::guide::guide;
use crate::r4::reference::is_id;
use crate::store::CitizenRow;
use crate::store::notebook::{CitizenQuery, TimelineEntry, TimelineQuery};

/// Words of one search.
const MOST_WORDS: usize = 8;

/// What the filter `fls` of citizens takes: the states of an episode, `any` and `none`.
#[must_use]
pub fn liaison_states() -> Vec<String> {
    let url = format!("{}/CodeSystem/fls-exit", crate::r4::guide::CANONICAL);
    let ends = guide().find("CodeSystem", &url, None);
    let ends = ends.iter().flat_map(|system| system.list("concept")).filter_map(|end| end.text("code"));
    ["any", "none", "active"].into_iter().chain(ends).map(str::to_owned).collect()
}

impl Notebook<'_> {
    /// A page of citizens.
    ///
    /// # Errors
    /// 400 for parameters that make no sense.
    pub fn citizens(&self) -> Result<Told, Rejection> {
        let mut query =
            CitizenQuery { now: self.now, today: self.today(), count: DEFAULT_COUNT, ..CitizenQuery::default() };
        for (name, value) in &self.asked.pairs {
            match name.as_str() {
                "q" => {
                    let words = value.split_whitespace().map(fold).filter(|word| !word.is_empty());
                    query.words.extend(words.take(MOST_WORDS));
                }
                "municipality" => query.municipality = Some(value.trim_start_matches("Organization/").to_owned()),
                "facility" if is_id(value.trim_start_matches("Organization/")) => {
                    query.facility = Some(format!("Organization/{}", value.trim_start_matches("Organization/")));
                }
                "facility" => return Err(self.wrong(name, value, "Organization/id", "Organization/id is expected")),
                "member" => query.team = Some(self.membership(self.find_member(value)?.all)),
                "care_level" => {
                    let codes = value.split(',').filter(|code| !code.is_empty()).map(str::to_owned);
                    query.care_levels.extend(codes);
                }
                "fls" => query.liaison = self.liaison_states(value)?,
                "count" => query.count = self.count(value)?,
                "after" => {
                    let right = || self.wrong(name, value, "next のリンクを使ってください", "follow the link `next`");
                    query.after = value.parse().map_err(|_| right())?;
                }
                _ => {
                    let known = "q, municipality, facility, member, care_level, fls, count, after";
                    return Err(self.unknown_parameter(name, known));
                }
            }
        }
        let size = query.count as usize;
        query.count += 1;
        self.may_read_of(&["Patient"])?;
        if !query.liaison.is_empty() {
            self.may_read_of(&["EpisodeOfCare"])?;
            crate::operations::fls::catch_up(self.engine)?;
        }
        let mut rows = self.engine.store().citizens(&query)?;
        let more = rows.len() > size;
        rows.truncate(size);
        let next = rows.last().filter(|_| more).map(|(key, ..)| self.next_link("citizens", &key.to_string()));
        let list: Vec<Value> = rows.iter().map(|(_, id, row)| self.citizen_json(id, row)).collect();
        Ok(Told::of(json!({ "citizens": list, "next": next })))
    }

    /// States of episodes of fracture liaison, or `any`, or `none`.
    fn liaison_states(&self, value: &str) -> Result<Vec<String>, Rejection> {
        let known = liaison_states();
        let states: Vec<String> = value.split(',').filter(|code| !code.is_empty()).map(str::to_owned).collect();
        match states.iter().find(|state| !known.contains(state)) {
            Some(state) => {
                let known = known.join(", ");
                Err(self.wrong("fls", state, &format!("使えるもの: {known}"), &format!("one of {known} is expected")))
            }
            None => Ok(states),
        }
    }

    pub(super) fn citizen_json(&self, id: &str, row: &CitizenRow) -> Value {
        let municipality = Some(&row.municipality).filter(|id| !id.is_empty());
        let municipality = municipality.map(|id| format!("Organization/{id}"));
        json!({
            "id": id,
            "name": row.name,
            "kana": row.kana,
            "birthDate": row.birth_date,
            "gender": row.gender,
            "address": row.address,
            "identifiers": {
                "notebook": row.notebook_id,
                "hospital": row.hospital_id,
                "insured": row.insured_id,
            },
            "municipality": municipality,
            "municipalityName": municipality.as_deref().and_then(|reference| self.name(reference)),
            "fhir": format!("{}/Patient/{id}", self.asked.base),
            "self": format!("citizens/{id}"),
        })
    }

    fn citizen_place(&self, id: &str) -> Result<(Place, Target), Rejection> {
        if !is_id(id) {
            return Err(Rejection::not_found("Patient", id));
        }
        let target = Target { type_name: "Patient", id: id.to_owned(), ordinal: 0 };
        Ok((Place { citizen: None, mapping: citizen_mapping(), target: Some(target.clone()) }, target))
    }

    /// A new citizen.
    ///
    /// # Errors
    /// As [`Notebook::create`].
    pub fn create_citizen(&self) -> Result<Told, Rejection> {
        self.create(&Place { citizen: None, mapping: citizen_mapping(), target: None })
    }

    /// A citizen's own fields, with warnings of what the notebook does not show.
    ///
    /// # Errors
    /// 404, 410.
    pub fn basics(&self, id: &str) -> Result<Told, Rejection> {
        let (place, target) = self.citizen_place(id)?;
        self.read(&place, &target)
    }

    /// A citizen's own fields, changed.
    ///
    /// # Errors
    /// As [`Notebook::change`].
    pub fn change_citizen(&self, id: &str, form: Form) -> Result<Told, Rejection> {
        let (place, target) = self.citizen_place(id)?;
        self.change(&place, &target, form)
    }

    /// The versions of a citizen's own fields.
    ///
    /// # Errors
    /// As [`Notebook::history`].
    pub fn citizen_history(&self, id: &str) -> Result<Told, Rejection> {
        let (place, target) = self.citizen_place(id)?;
        self.history(&place, &target)
    }

    /// The categories of the timeline.
    ///
    /// # Errors
    /// 400 for parameters.
    pub fn categories(&self) -> Result<Told, Rejection> {
        self.no_parameters()?;
        let list = CATEGORIES.iter().map(|known| json!({ "code": known.code, "ja": known.ja, "en": known.en }));
        Ok(Told::of(json!({ "categories": list.collect::<Vec<_>>() })))
    }

    /// What happened and is planned, newest first.
    ///
    /// # Errors
    /// 404 without the citizen, 400 for parameters that make no sense.
    pub fn timeline(&self, id: &str) -> Result<Told, Rejection> {
        let mut query = TimelineQuery { count: DEFAULT_COUNT, ..TimelineQuery::default() };
        for (name, value) in &self.asked.pairs {
            match name.as_str() {
                "category" => {
                    for code in value.split(',').filter(|code| !code.is_empty()) {
                        if category(code).is_none() {
                            let known: Vec<&str> = CATEGORIES.iter().map(|known| known.code).collect();
                            let known = known.join(", ");
                            let en = format!("known categories are {known}");
                            return Err(self.wrong(name, code, &format!("使えるもの: {known}"), &en));
                        }
                        query.categories.push(code.to_owned());
                    }
                }
                "from" => query.from = Some(self.span(name, value)?.low),
                "to" => query.to = Some(self.span(name, value)?.high),
                "count" => query.count = self.count(value)?,
                "after" => query.after = Some(self.position(value)?),
                _ => return Err(self.unknown_parameter(name, "category, from, to, count, after")),
            }
        }
        let (key, row) = self.citizen(id)?;
        query.citizen = key;
        let (entries, next) = self.timeline_page(query)?;
        let next = next.map(|after| self.next_link(&format!("citizens/{id}/timeline"), &after));
        Ok(Told::of(json!({ "citizen": self.citizen_json(id, &row), "entries": entries, "next": next })))
    }

    pub(super) fn timeline_page(&self, mut query: TimelineQuery) -> Result<(Vec<Value>, Option<String>), Rejection> {
        let size = query.count as usize;
        query.count += 1;
        // A timeline is of all types.
        self.may_read_of(&[""])?;
        let mut entries = self.engine.store().timeline(&query)?;
        let more = entries.len() > size;
        entries.truncate(size);
        let after = entries
            .last()
            .filter(|_| more)
            .map(|last| format!("{}:{}:{}", last.entry.happened_low.unwrap_or(i64::MIN), last.key, last.entry.ordinal));
        Ok((entries.iter().map(|entry| self.timeline_json(entry)).collect(), after))
    }

    fn timeline_json(&self, found: &TimelineEntry) -> Value {
        let entry = &found.entry;
        let name = category(&entry.category);
        let labels: Vec<&str> = entry.labels.split(',').filter(|label| !label.is_empty()).collect();
        json!({
            "category": entry.category,
            "categoryName": { "ja": name.map(|known| known.ja), "en": name.map(|known| known.en) },
            "date": entry.date_text,
            "from": entry.happened_low.map(format_instant),
            "to": entry.happened_high.map(format_instant),
            "title": entry.title,
            "detail": entry.detail,
            "status": entry.status,
            "labels": labels,
            "resource": format!("{}/{}", found.resource_type, found.resource_id),
            "fhir": format!("{}/{}/{}", self.asked.base, found.resource_type, found.resource_id),
        })
    }
}
