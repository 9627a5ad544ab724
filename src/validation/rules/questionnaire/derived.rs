//! A Questionnaire that says how it is derived from another: what it takes over it may narrow, not widen.
//!
//! HL7's extension `questionnaire-derivationType`: what `extends` may add items, what is `compliesWith` may not; in
//! both, data that conforms to the derived one conforms to the one it is derived from.

use std::collections::HashMap;

use super::answer::same;
use super::{collect, is_true, value};
use crate::format::json::Node;
use crate::r4::outcome::IssueCode;
use crate::validation::rules::remark::Remark;

const TYPE: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-derivationType";
const MAX_DEPTH: usize = 60;

/// How a Questionnaire is derived: the canonical URL of the other, and whether items may be added.
pub(crate) fn sources<'q>(form: &'q Node<'q>) -> Vec<(&'q str, bool)> {
    let (urls, extras) = (form.list("derivedFrom"), form.list("_derivedFrom"));
    let pairs = urls.iter().enumerate().filter_map(|(index, url)| {
        let coding = super::extension(extras.get(index)?, TYPE)?.get("valueCoding")?;
        match coding.text("code")? {
            "extends" => Some((url.as_str()?, true)),
            "compliesWith" => Some((url.as_str()?, false)),
            _ => None,
        }
    });
    pairs.collect()
}

/// Checks a derived Questionnaire against the one it is derived from.
#[must_use]
pub(crate) fn check(form: &Node<'_>, base: &Node<'_>, may_add: bool) -> Vec<Remark> {
    let mut known = HashMap::new();
    collect(base.list("item"), &mut known, 0);
    let mut remarks = Vec::new();
    items(form.list("item"), &known, may_add, "", 0, &mut remarks);
    remarks
}

fn items(
    list: &[Node<'_>],
    known: &HashMap<&str, &Node<'_>>,
    may_add: bool,
    path: &str,
    depth: usize,
    remarks: &mut Vec<Remark>,
) {
    for (index, item) in list.iter().enumerate().filter(|_| depth <= MAX_DEPTH) {
        let here = format!("{path}.item[{index}]");
        let link = item.text("linkId").unwrap_or_default();
        match known.get(link) {
            Some(base) => narrowed(item, base, link, &here, remarks),
            None if !may_add => {
                remarks.push(Remark::error(IssueCode::BusinessRule, "derived-new", here.as_str()).with(link));
            }
            None => {}
        }
        items(item.list("item"), known, may_add, &here, depth + 1, remarks);
    }
}

/// One item against the one it is derived from.
fn narrowed(item: &Node<'_>, base: &Node<'_>, link: &str, path: &str, remarks: &mut Vec<Remark>) {
    let mut wider = |member: &str| {
        let remark = Remark::error(IssueCode::BusinessRule, "derived-wider", path);
        remarks.push(remark.with(link).with(member));
    };
    if let (Some(own), Some(kind)) = (item.text("type"), base.text("type"))
        && own != kind
    {
        wider("type");
    }
    if is_true(item, "repeats") && !is_true(base, "repeats") {
        wider("repeats");
    }
    if is_true(base, "required") && item.get("required").is_some() && !is_true(item, "required") {
        wider("required");
    }
    let length = |node: &Node<'_>| match node.get("maxLength") {
        Some(Node::Number(digits)) => digits.parse::<u64>().ok(),
        _ => None,
    };
    if length(base).is_some_and(|most| length(item).is_none_or(|own| own > most)) {
        wider("maxLength");
    }
    let options = base.list("answerOption");
    if !options.is_empty() {
        let is_offered = |option: &Node<'_>| {
            let Some((name, own)) = value(option) else { return true };
            options.iter().filter_map(value).any(|(known, wanted)| known == name && same(own, wanted))
        };
        let own = item.list("answerOption");
        if item.get("answerValueSet").is_some() || own.is_empty() || !own.iter().all(is_offered) {
            wider("answerOption");
        }
    }
    if base.get("answerValueSet").is_some() && !item.list("answerOption").is_empty() {
        wider("answerValueSet");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json;

    fn judge(base: &str, item: &str, may_add: bool) -> Vec<(&'static str, Vec<String>)> {
        let form = |item: &str| format!(r#"{{"resourceType":"Questionnaire","item":[{item}]}}"#);
        let (base, own) = (form(base), form(item));
        let (base, own) = (json::parse(base.as_bytes()).unwrap(), json::parse(own.as_bytes()).unwrap());
        check(&own, &base, may_add).into_iter().map(|remark| (remark.message, remark.parameters)).collect()
    }

    #[test]
    fn what_is_taken_over_may_be_narrowed() {
        let base = r#"{"linkId":"1","type":"string","required":true,"maxLength":10}"#;
        let of = |item: &str| judge(base, item, true).into_iter().map(|(_, all)| all[1].clone()).collect::<Vec<_>>();
        assert_eq!(of(r#"{"linkId":"1","type":"string","required":true,"maxLength":5}"#), [""; 0]);
        assert_eq!(of(r#"{"linkId":"1","type":"integer","maxLength":5}"#), ["type"]);
        assert_eq!(of(r#"{"linkId":"1","type":"string","required":false,"maxLength":5}"#), ["required"]);
        assert_eq!(of(r#"{"linkId":"1","type":"string","repeats":true,"maxLength":11}"#), ["repeats", "maxLength"]);
        assert_eq!(of(r#"{"linkId":"2","type":"string"}"#), [""; 0]);
        assert_eq!(judge(base, r#"{"linkId":"2","type":"string"}"#, false)[0].0, "derived-new");
    }

    #[test]
    fn options_may_be_left_out_but_not_added() {
        let base = r#"{"linkId":"1","type":"choice","answerOption":[{"valueString":"a"},{"valueCoding":{"system":"s:1","code":"b"}}]}"#;
        let of = |options: &str| judge(base, &format!(r#"{{"linkId":"1","type":"choice"{options}}}"#), true).len();
        assert_eq!(of(r#","answerOption":[{"valueString":"a"}]"#), 0);
        assert_eq!(of(r#","answerOption":[{"valueCoding":{"system":"s:1","code":"b"}}]"#), 0);
        assert_eq!(of(r#","answerOption":[{"valueString":"c"}]"#), 1);
        assert_eq!((of(""), of(r#","answerValueSet":"http://a/b""#)), (1, 1));
    }

    #[test]
    fn the_extension_says_how_it_is_derived() {
        let text = format!(
            r#"{{"derivedFrom":["http://a/1","http://a/2"],"_derivedFrom":[null,{{"extension":[{{"url":"{TYPE}",
            "valueCoding":{{"system":"http://hl7.org/fhir/questionnaire-derivationType","code":"compliesWith"}}}}]}}]}}"#
        );
        assert_eq!(sources(&json::parse(text.as_bytes()).unwrap()), [("http://a/2", false)]);
    }
}
