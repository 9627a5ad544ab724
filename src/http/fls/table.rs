//! Rows as JSON, NDJSON or CSV. A cell that a spreadsheet would take for a formula begins with an apostrophe.

use serde_json::{Value, json};

use super::{Form, Reply};

/// A column of a CSV file: its header, and the member it shows.
pub(super) type Column = (&'static str, &'static [&'static str]);

/// The registry's columns.
pub(super) const REGISTRY: &[Column] = &[
    ("patient", &["patient"]),
    ("fracture", &["fracture"]),
    ("site", &["site"]),
    ("side", &["side"]),
    ("sequence", &["sequence"]),
    ("age", &["age"]),
    ("state", &["state"]),
    ("ended", &["ended"]),
    ("next", &["next"]),
    ("due", &["due"]),
    ("overdue", &["overdue"]),
    ("alarms", &["alarms"]),
    ("missing", &["missing"]),
    ("medicine", &["medicine", "code"]),
    ("medicine_until", &["medicine", "to"]),
    ("facility", &["facility"]),
    ("municipality", &["municipality"]),
    ("owner", &["owner"]),
    ("episode", &["episode"]),
];

/// The columns of alarms.
pub(super) const ALARMS: &[Column] = &[
    ("patient", &["patient"]),
    ("code", &["code"]),
    ("about", &["about"]),
    ("since", &["since"]),
    ("severity", &["severity"]),
    ("text", &["text", "ja"]),
    ("acknowledged", &["acknowledged", "day"]),
    ("who", &["acknowledged", "who"]),
    ("reason", &["acknowledged", "reason"]),
    ("episode", &["episode"]),
    ("id", &["id"]),
];

/// The columns of indicators.
pub(super) const INDICATORS: &[Column] = &[
    ("measure", &["measure"]),
    ("group", &["group"]),
    ("title", &["title", "ja"]),
    ("from", &["from"]),
    ("to", &["to"]),
    ("denominator", &["denominator"]),
    ("numerator", &["numerator"]),
    ("value", &["value"]),
    ("rating", &["rating"]),
];

/// Rows in the form that is wanted.
pub(super) fn reply(form: Form, name: &str, rows: &[Value], columns: &[Column], next: Option<String>) -> Reply {
    let body = match form {
        Form::Json => json!({ name: rows, "next": next }).to_string().into_bytes(),
        Form::Ndjson => rows.iter().flat_map(|row| format!("{row}\n").into_bytes()).collect(),
        Form::Csv => csv(rows, columns),
    };
    Reply { form, body, next }
}

fn csv(rows: &[Value], columns: &[Column]) -> Vec<u8> {
    // Spreadsheets in Japan take a file without the mark for CP932.
    let mut out = "\u{feff}".to_owned();
    let header: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    out.push_str(&header.join(","));
    out.push_str("\r\n");
    for row in rows {
        for (place, (_, path)) in columns.iter().enumerate() {
            if place > 0 {
                out.push(',');
            }
            let value = path.iter().try_fold(row, |value, name| value.get(name));
            out.push_str(&cell(&words(value)));
        }
        out.push_str("\r\n");
    }
    out.into_bytes()
}

fn words(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items.iter().map(|item| words(Some(item))).collect::<Vec<_>>().join(" "),
        Some(other) => other.to_string(),
    }
}

/// One cell: quoted where it must be, and never a formula (OWASP: CSV injection).
fn cell(text: &str) -> String {
    let is_number = text.parse::<f64>().is_ok();
    let is_formula = !is_number && text.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\n', '\r']) || is_formula {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for (text, expected) in [
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("+81", "+81"),
            ("-1.5", "-1.5"),
            ("-1+cmd", "\"'-1+cmd\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("＝1", "\"'＝1\""),
            ("a,b", "\"a,b\""),
            ("見本", "見本"),
        ] {
            assert_eq!(cell(text), expected);
        }
        let rows =
            [json!({ "patient": "Patient/1", "overdue": ["dxa", "bloods"], "medicine": { "code": "denosumab" } })];
        let text = String::from_utf8(csv(&rows, &REGISTRY[..1])).unwrap();
        assert_eq!(text, "\u{feff}patient\r\nPatient/1\r\n");
    }
}
