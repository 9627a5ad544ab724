//! JSON of the notebook API ⇄ values of an entity.

use serde_json::{Map, Value};

use super::{Cell, Field, FieldKind, Fill, Mapping};
use crate::r4::datetime::{format_instant, span};

/// What stands where who writes says nothing, and how dates are completed.
#[derive(Debug, Clone)]
pub struct Filling<'a> {
    /// `Practitioner/x`, the member who writes.
    pub member: Option<&'a str>,
    /// µs since 1970 UTC.
    pub now: i64,
    /// Seconds east of UTC of times without a zone.
    pub offset: i32,
}

impl Filling<'_> {
    /// Now, as a dateTime of the zone, to the second.
    #[must_use]
    pub fn date_time(&self) -> String {
        let local = format_instant(self.now + i64::from(self.offset) * 1_000_000);
        format!("{}{}", local.get(..19).unwrap_or_default(), zone(self.offset))
    }

    /// Today, in the zone.
    #[must_use]
    pub fn date(&self) -> String {
        let local = format_instant(self.now + i64::from(self.offset) * 1_000_000);
        local.get(..10).unwrap_or_default().to_owned()
    }

    /// A time as it must stand in FHIR: with seconds and a zone (FHIR R4 datatypes.html#dateTime).
    fn completed(&self, text: &str) -> String {
        let Some((date, time)) = text.split_once('T') else { return text.to_owned() };
        let at = time.find(['Z', '+', '-']).unwrap_or(time.len());
        let (clock, offset) = time.split_at(at);
        let seconds = if clock.len() == 5 { ":00" } else { "" };
        let own;
        let offset = if offset.is_empty() {
            own = zone(self.offset);
            &own
        } else {
            offset
        };
        format!("{date}T{clock}{seconds}{offset}")
    }
}

fn zone(offset: i32) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    let minutes = offset.abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

impl Mapping {
    /// The values of what was written, which must have been checked: what is not said is as in `base`, or
    /// without one as the field is filled.
    #[must_use]
    pub fn read(
        &self,
        source: usize,
        written: &Map<String, Value>,
        base: Option<&[Cell]>,
        filling: &Filling<'_>,
    ) -> Vec<Cell> {
        let read = |(place, field): (usize, &Field)| match written.get(field.name) {
            Some(Value::Null) => Cell::Nothing,
            Some(value) => cell(field, value, filling),
            None => match base {
                Some(base) => base.get(place).cloned().unwrap_or(Cell::Nothing),
                None if self.is_placed(source, place) => self.filled(source, place, field, filling),
                None => Cell::Nothing,
            },
        };
        self.entity.fields.iter().enumerate().map(read).collect()
    }

    fn filled(&self, source: usize, place: usize, field: &Field, filling: &Filling<'_>) -> Cell {
        match (field.fill, filling.member, field.kind) {
            (Fill::Member, Some(member), FieldKind::Reference(types))
                if types.iter().any(|known| member.split('/').next() == Some(known)) =>
            {
                Cell::Text(member.to_owned())
            }
            (Fill::Now, ..) => {
                let is_date = self.fhir_type_in(source, place) == Some("date");
                date(if is_date { filling.date() } else { filling.date_time() }, filling)
            }
            _ => Cell::Nothing,
        }
    }

    /// The FHIR type at the place of a field in a source (`dateTime`, `Reference`, …).
    #[must_use]
    pub fn fhir_type_in(&self, source: usize, field: usize) -> Option<&'static str> {
        let source = self.entity.sources.get(source)?;
        let name = self.entity.fields.get(field)?.name;
        let path = source.paths.iter().find(|(known, _)| *known == name)?.1;
        let start = crate::r4::definitions().resource(source.resource)?;
        let row = if source.per.is_empty() { start } else { super::Lens::end(start, source.per)? };
        super::Lens::end(row, path).map(|id| crate::r4::definitions().get(id).name.as_str())
    }

    /// Values as members of a JSON object; what is not stated is left out.
    #[must_use]
    pub fn write(&self, cells: &[Cell]) -> Map<String, Value> {
        let fields = self.entity.fields.iter().zip(cells);
        fields.filter_map(|(field, cell)| Some((field.name.to_owned(), value(field, cell)?))).collect()
    }

    /// One value by the name of its field.
    #[must_use]
    pub fn named<'c>(&self, cells: &'c [Cell], name: &str) -> Option<&'c Cell> {
        let place = self.entity.fields.iter().position(|field| field.name == name)?;
        cells.get(place)
    }

    /// The text of a value by the name of its field.
    #[must_use]
    pub fn text<'c>(&self, cells: &'c [Cell], name: &str) -> Option<&'c str> {
        match self.named(cells, name)? {
            Cell::Text(text) | Cell::Date(text, _) => Some(text),
            _ => None,
        }
    }

    /// Sets a value by the name of its field.
    pub fn put(&self, cells: &mut [Cell], name: &str, value: Cell) {
        let place = self.entity.fields.iter().position(|field| field.name == name);
        if let Some(cell) = place.and_then(|place| cells.get_mut(place)) {
            *cell = value;
        }
    }
}

fn date(text: String, filling: &Filling<'_>) -> Cell {
    let begins = span(&text, filling.offset).map(|span| span.low);
    Cell::Date(text, begins)
}

fn cell(field: &Field, value: &Value, filling: &Filling<'_>) -> Cell {
    let text = || value.as_str().map(str::to_owned);
    let found = match field.kind {
        FieldKind::Text | FieldKind::Code | FieldKind::Reference(_) => text().map(Cell::Text),
        FieldKind::Date => text().map(|text| date(filling.completed(&text), filling)),
        FieldKind::Decimal => value.as_number().map(|number| Cell::Text(number.to_string())),
        FieldKind::Integer => value.as_i64().map(Cell::Integer),
        FieldKind::Boolean => value.as_bool().map(|value| Cell::Integer(i64::from(value))),
        FieldKind::References(_) => {
            let all = value.as_array().into_iter().flatten().filter_map(Value::as_str);
            let all: Vec<String> = all.map(str::to_owned).collect();
            (!all.is_empty()).then_some(Cell::Texts(all))
        }
    };
    found.unwrap_or(Cell::Nothing)
}

fn value(field: &Field, cell: &Cell) -> Option<Value> {
    Some(match (cell, field.kind) {
        (Cell::Nothing, _) => return None,
        (Cell::Integer(number), FieldKind::Boolean) => Value::Bool(*number != 0),
        (Cell::Integer(number), _) => Value::from(*number),
        // Digits stay as they are.
        (Cell::Text(digits), FieldKind::Decimal) => serde_json::from_str(digits).ok()?,
        (Cell::Text(text) | Cell::Date(text, _), _) => Value::from(text.as_str()),
        (Cell::Texts(all), _) => Value::from(all.clone()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::mapping;
    use super::*;

    fn filling() -> Filling<'static> {
        Filling { member: Some("Practitioner/a"), now: 1_777_600_800_000_000, offset: 9 * 3600 }
    }

    #[test]
    fn times_get_seconds_and_a_zone() {
        let filling = filling();
        assert_eq!(filling.date_time(), "2026-05-01T11:00:00+09:00");
        assert_eq!(filling.date(), "2026-05-01");
        for (written, stored) in [
            ("2026-05-01", "2026-05-01"),
            ("2026-05-01T13:00", "2026-05-01T13:00:00+09:00"),
            ("2026-05-01T13:00:05.5", "2026-05-01T13:00:05.5+09:00"),
            ("2026-05-01T13:00Z", "2026-05-01T13:00:00Z"),
            ("2026-05-01T13:00:00-05:00", "2026-05-01T13:00:00-05:00"),
        ] {
            assert_eq!(filling.completed(written), stored);
        }
    }

    #[test]
    fn what_is_not_said_is_filled_or_kept() {
        let measurement = mapping("measurement").unwrap();
        let written: Value =
            serde_json::from_str(r#"{ "code": "29463-7", "value": 38.90, "measured": "2026-05-01" }"#).unwrap();
        let cells = measurement.read(0, written.as_object().unwrap(), None, &filling());
        let shown = Value::Object(measurement.write(&cells));
        assert_eq!(
            shown.to_string(),
            r#"{"code":"29463-7","value":38.90,"measured":"2026-05-01","performer":"Practitioner/a"}"#
        );
        let change = json!({ "value": null, "note": "x" });
        let cells = measurement.read(0, change.as_object().unwrap(), Some(&cells), &filling());
        let shown = Value::Object(measurement.write(&cells));
        assert_eq!(
            shown.to_string(),
            r#"{"code":"29463-7","measured":"2026-05-01","performer":"Practitioner/a","note":"x"}"#
        );
    }
}
