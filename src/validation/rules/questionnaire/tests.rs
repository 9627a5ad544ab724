use super::*;
use crate::format::json;
use crate::validation::shared;

fn judge(items: &str, response: &str) -> Vec<(&'static str, String)> {
    let questionnaire = format!(r#"{{"resourceType":"Questionnaire","status":"active","item":[{items}]}}"#);
    let response = format!(r#"{{"resourceType":"QuestionnaireResponse","status":"completed","item":[{response}]}}"#);
    let (questionnaire, response) =
        (json::parse(questionnaire.as_bytes()).unwrap(), json::parse(response.as_bytes()).unwrap());
    let remarks = check(&response, &questionnaire, &|_, coding| Some(coding.text("code") == Some("a")));
    remarks.into_iter().map(|remark| (remark.message, remark.path)).collect()
}

fn one(message: &'static str, path: &str) -> Vec<(&'static str, String)> {
    vec![(message, path.to_owned())]
}

/// questionnaireresponse.html: items have the linkIds, the nesting and the order of the questionnaire.
#[test]
fn items_are_where_the_questionnaire_has_them() {
    let form = r#"{"linkId":"g","type":"group","item":[{"linkId":"1","type":"string"},{"linkId":"2","type":"integer"}]},
        {"linkId":"3","type":"boolean","item":[{"linkId":"3.1","type":"string"}]}"#;
    let fine = r#"{"linkId":"g","item":[{"linkId":"1","answer":[{"valueString":"x"}]},{"linkId":"2"}]},
        {"linkId":"3","answer":[{"valueBoolean":true,"item":[{"linkId":"3.1","answer":[{"valueString":"y"}]}]}]}"#;
    assert_eq!(judge(form, fine), []);
    assert_eq!(judge(form, r#"{"linkId":"x"}"#), one("qr-unknown", ".item[0]"));
    assert_eq!(judge(form, r#"{"linkId":"3"},{"linkId":"g"}"#), one("qr-order", ".item[1]"));
    assert_eq!(judge(form, r#"{"linkId":"1","answer":[{"valueString":"x"}]}"#), one("qr-place", ".item[0]"));
    assert_eq!(
        judge(form, r#"{"linkId":"g","answer":[{"valueString":"x"}]}"#),
        one("qr-group-answer", ".item[0].answer[0]")
    );
    assert_eq!(
        judge(form, r#"{"linkId":"3","item":[{"linkId":"3.1"}]}"#),
        one("qr-item-below-item", ".item[0].item[0]")
    );
    assert_eq!(judge(form, r#"{"linkId":"g"},{"linkId":"g"}"#), one("qr-once", ".item[1]"));
}

/// questionnaire-definitions.html: required, repeats, type, maxLength, answerOption, answerValueSet.
#[test]
fn answers_are_what_the_question_asks_for() {
    let answer = |value: &str| format!(r#"{{"linkId":"1","answer":[{value}]}}"#);
    let form = |more: &str| format!(r#"{{"linkId":"1",{more}}}"#);
    assert_eq!(judge(&form(r#""type":"string","required":true"#), r#""#), one("qr-required", ""));
    assert_eq!(judge(&form(r#""type":"string","required":true"#), r#"{"linkId":"1"}"#), one("qr-required", ".item[0]"));
    let two = answer(r#"{"valueInteger":1},{"valueInteger":2}"#);
    assert_eq!(judge(&form(r#""type":"integer""#), &two), one("qr-one-answer", ".item[0].answer[1]"));
    assert_eq!(judge(&form(r#""type":"integer","repeats":true"#), &two), []);
    assert_eq!(
        judge(&form(r#""type":"integer""#), &answer(r#"{"valueString":"1"}"#)),
        one("qr-type", ".item[0].answer[0].value")
    );
    let long = judge(&form(r#""type":"string","maxLength":2"#), &answer(r#"{"valueString":"花子花"}"#));
    assert_eq!(long, one("qr-long", ".item[0].answer[0].value"));
    let choice =
        form(r#""type":"choice","answerOption":[{"valueCoding":{"system":"http://a","code":"x"}},{"valueInteger":3}]"#);
    assert_eq!(judge(&choice, &answer(r#"{"valueCoding":{"system":"http://a","code":"x","display":"?"}}"#)), []);
    assert_eq!(judge(&choice, &answer(r#"{"valueInteger":3}"#)), []);
    assert_eq!(judge(&choice, &answer(r#"{"valueInteger":4}"#)), one("qr-option", ".item[0].answer[0].value"));
    let set = form(r#""type":"choice","answerValueSet":"http://a/set""#);
    assert_eq!(judge(&set, &answer(r#"{"valueCoding":{"code":"a"}}"#)), []);
    assert_eq!(
        judge(&set, &answer(r#"{"valueCoding":{"code":"b"}}"#)),
        one("qr-not-in-set", ".item[0].answer[0].value")
    );
    let open = form(r#""type":"open-choice","answerOption":[{"valueCoding":{"code":"x"}}]"#);
    assert_eq!(judge(&open, &answer(r#"{"valueString":"free"}"#)), []);
    let regex = form(
        r#""type":"string","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/regex","valueString":"[0-9]+"}]"#,
    );
    assert_eq!(judge(&regex, &answer(r#"{"valueString":"1a"}"#)), one("qr-pattern", ".item[0].answer[0].value"));
    let least = form(
        r#""type":"quantity","extension":[{"url":"http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-minQuantity",
        "valueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"kg"}}]"#,
    );
    let grams = |value: u32| {
        answer(&format!(r#"{{"valueQuantity":{{"value":{value},"system":"http://unitsofmeasure.org","code":"g"}}}}"#))
    };
    assert_eq!(judge(&least, &grams(1000)), []);
    assert_eq!(judge(&least, &grams(999)), one("qr-least", ".item[0].answer[0].value"));
}

/// questionnaire-definitions.html#Questionnaire.item.enableWhen: a question that is not enabled has no
/// answer and need not have one.
#[test]
fn questions_are_enabled_by_answers() {
    let form = |condition: &str| {
        format!(
            r#"{{"linkId":"1","type":"integer"}},{{"linkId":"2","type":"string","required":true,"enableWhen":[{condition}]}}"#
        )
    };
    let first = |value: u32| format!(r#"{{"linkId":"1","answer":[{{"valueInteger":{value}}}]}}"#);
    let both = |value: u32| format!(r#"{},{{"linkId":"2","answer":[{{"valueString":"x"}}]}}"#, first(value));
    let above = form(r#"{"question":"1","operator":">","answerInteger":5}"#);
    assert_eq!(judge(&above, &both(6)), []);
    assert_eq!(judge(&above, &both(5)), one("qr-disabled", ".item[1]"));
    assert_eq!(judge(&above, &first(5)), []);
    assert_eq!(judge(&above, &first(6)), one("qr-required", ""));
    let exists = form(r#"{"question":"1","operator":"exists","answerBoolean":false}"#);
    assert_eq!(judge(&exists, &first(5)), []);
    assert_eq!(judge(&exists, ""), one("qr-required", ""));
    let either =
        form(r#"{"question":"1","operator":"=","answerInteger":1},{"question":"1","operator":"=","answerInteger":2}"#);
    assert_eq!(judge(&either, &first(1)), []);
    let any = format!("{},", either.trim_end_matches('}'))
        .replace("\"required\":true,", "\"required\":true,\"enableBehavior\":\"any\",");
    let any = format!("{}}}", any.trim_end_matches(','));
    assert_eq!(judge(&any, &first(1)), one("qr-required", ""));
}

/// HL7's validator on the same pairs: whether there is an error at all.
#[test]
#[expect(clippy::print_stderr)]
fn hl7s_cases_get_the_same_verdict() {
    let Some(folder) = shared("suites/validator") else { return };
    let cases = std::fs::read(folder.join("cases.json")).unwrap();
    let cases = json::parse(&cases).unwrap();
    let (mut agreed, mut wrong) = (0, Vec::new());
    for case in cases.items() {
        let file = case.text("file").unwrap_or_default();
        let supporting: Vec<&str> = case.list("supporting").iter().filter_map(Node::as_str).collect();
        let (true, Some(form)) = (case.text("module") == Some("questionnaire"), supporting.last()) else { continue };
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
        let (response, form) = (read(file), read(form));
        let (Ok(response), Ok(form)) = (json::parse(&response), json::parse(&form)) else { continue };
        if form.text("resourceType") != Some("Questionnaire") {
            continue;
        }
        let mut errors = usize::from(crate::validation::structure::check_resource(&response, None).is_err());
        let remarks = check(&response, &form, &|_, _| None);
        errors += remarks.iter().filter(|remark| remark.severity == Severity::Error).count();
        let wanted = match case.get("errors") {
            Some(Node::Number(digits)) => digits.parse::<usize>().unwrap(),
            _ => 0,
        };
        if (errors > 0) == (wanted > 0) {
            agreed += 1;
        } else {
            wrong.push(format!("{file}: {wanted} expected: {remarks:?}"));
        }
    }
    eprintln!("{agreed} agreed, {} did not:\n{}", wrong.len(), wrong.join("\n"));
    // Those that need terminology are judged where there is one.
    assert!(wrong.len() <= 3, "{}", wrong.join("\n"));
}

/// A form contained in its response may have its value sets beside it there.
#[test]
fn contained_value_sets_are_listed_codes() {
    let form =
        r##"{"resourceType":"Questionnaire","id":"q","item":[{"linkId":"1","type":"choice","answerValueSet":"#v"}]}"##;
    let set = r#"{"resourceType":"ValueSet","id":"v","compose":{"include":[{"system":"http://a","concept":[{"code":"x"}]}]}}"#;
    let judge = |coding: &str| {
        let text = format!(
            r#"{{"resourceType":"QuestionnaireResponse","contained":[{form},{set}],"item":[{{"linkId":"1","answer":[{{"valueCoding":{coding}}}]}}]}}"#
        );
        let response = json::parse(text.as_bytes()).unwrap();
        check(&response, &response.list("contained")[0], &|_, _| None).len()
    };
    assert_eq!((judge(r#"{"system":"http://a","code":"x"}"#), judge(r#"{"code":"x"}"#)), (0, 1));
}
