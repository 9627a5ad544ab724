//! Canonical references (FHIR R4 references.html#canonical): searched with and without version, along
//! chains, backwards, and included.

use serde_json::{Value, json};

use crate::common::Server;
use crate::support::{created, finds, got, ids_of, on_each, refused, tagged, unique};

fn questionnaire(tag: &str, url: &str, version: &str, name: &str) -> Value {
    tagged(
        json!({ "resourceType": "Questionnaire", "status": "active", "url": url, "version": version, "name": name }),
        tag,
    )
}

fn answered(server: &Server, tag: &str, canonical: &str) -> String {
    let response =
        json!({ "resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": canonical });
    created(server, &tagged(response, tag))
}

/// Two versions of one questionnaire, and three answers: to any version, to 2.0, to 2.0.1.
fn scene(server: &Server, tag: &str) -> (String, [String; 2], [String; 3]) {
    let url = format!("http://example.org/{tag}/Questionnaire/falls");
    let versions = [("1.0", "Old"), ("2.0", "New")];
    let questionnaires = versions.map(|(version, name)| created(server, &questionnaire(tag, &url, version, name)));
    let answers =
        [url.clone(), format!("{url}|2.0"), format!("{url}|2.0.1")].map(|canonical| answered(server, tag, &canonical));
    (url, questionnaires, answers)
}

/// Without a version any is meant; `:below` a version is it and those under it.
#[test]
fn versions_narrow_and_have_hierarchies() {
    on_each(|server| {
        let tag = unique("canonical");
        let (url, _, [any, two, patch]) = scene(server, &tag);
        let find = |query: &str, ids: &[&str]| finds(server, &format!("QuestionnaireResponse?_tag={tag}&{query}"), ids);
        find(&format!("questionnaire={url}"), &[&any, &two, &patch]);
        find(&format!("questionnaire={url}|2.0"), &[&two]);
        find(&format!("questionnaire:below={url}|2.0"), &[&two, &patch]);
        find(&format!("questionnaire:below={url}|2"), &[&two, &patch]);
        find(&format!("questionnaire:above={url}|2.0.1"), &[&two, &patch]);
        find(&format!("questionnaire:below=http://example.org/{tag}"), &[&any, &two, &patch]);
        find(&format!("questionnaire:below={url}|2.00"), &[]);
        find(&format!("questionnaire={url}|3"), &[]);
    });
}

/// A chain goes to what the canonical names: the version it says, or all.
#[test]
fn chains_follow_urls() {
    on_each(|server| {
        let tag = unique("canonical");
        let (_, _, [any, two, _]) = scene(server, &tag);
        let find = |query: &str, ids: &[&str]| finds(server, &format!("QuestionnaireResponse?_tag={tag}&{query}"), ids);
        find("questionnaire.name=new", &[&any, &two]);
        find("questionnaire:Questionnaire.name=old", &[&any]);
        find("questionnaire.name:exact=new", &[]);
        find("questionnaire.version=2.0&questionnaire.status:not=draft", &[&any, &two]);
    });
}

/// `_has` the other way.
#[test]
fn has_follows_urls_backwards() {
    on_each(|server| {
        let tag = unique("canonical");
        let (_, [old, new], [any, two, patch]) = scene(server, &tag);
        let find = |id: &str, ids: &[&str]| {
            finds(server, &format!("Questionnaire?_tag={tag}&_has:QuestionnaireResponse:questionnaire:_id={id}"), ids);
        };
        find(&any, &[&old, &new]);
        find(&two, &[&new]);
        find(&patch, &[]);
    });
}

/// `_include` and `_revinclude` follow them too.
#[test]
fn includes_follow_urls() {
    on_each(|server| {
        let tag = unique("canonical");
        let (_, [old, new], [any, two, _]) = scene(server, &tag);
        let included = |path: &str| {
            let mut ids = ids_of(&got(server, path), "include");
            ids.sort_unstable();
            ids
        };
        let sorted = |ids: &[&String]| {
            let mut ids: Vec<String> = ids.iter().map(|id| (*id).clone()).collect();
            ids.sort_unstable();
            ids
        };
        let include = "_include=QuestionnaireResponse:questionnaire";
        assert_eq!(included(&format!("QuestionnaireResponse?_id={two}&{include}")), sorted(&[&new]));
        assert_eq!(included(&format!("QuestionnaireResponse?_id={any}&{include}")), sorted(&[&old, &new]));
        assert_eq!(
            included(&format!("QuestionnaireResponse?_id={any}&{include}:Questionnaire")),
            sorted(&[&old, &new])
        );
        let reverse = "_revinclude=QuestionnaireResponse:questionnaire";
        assert_eq!(included(&format!("Questionnaire?_id={new}&{reverse}")), sorted(&[&any, &two]));
        assert_eq!(included(&format!("Questionnaire?_id={old}&{reverse}")), sorted(&[&any]));
        refused(&server.get("QuestionnaireResponse?_include=QuestionnaireResponse:status"), 400);
    });
}
