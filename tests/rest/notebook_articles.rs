//! Articles, comments, read marks, what is unread, and teams.

use serde_json::{Value, json};

use crate::notebook_support::{citizen, issues, join, member, notebook, notebook_with, read, unique_name, write};
use crate::support::{created, got, on_each};

struct Area {
    citizen: String,
    doctor: String,
    helper: String,
}

fn area(server: &crate::common::Server) -> Area {
    let area = Area {
        citizen: citizen(server, &unique_name()),
        doctor: member(server, "見本 医師"),
        helper: member(server, "見本 ヘルパー"),
    };
    join(server, &area.citizen, &area.doctor);
    join(server, &area.citizen, &area.helper);
    area
}

fn unread(server: &crate::common::Server, area: &Area, who: &str) -> Vec<String> {
    let list = read(server, who, &format!("citizens/{}/unread", area.citizen));
    let entries: Vec<String> =
        list["entries"].as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(list["count"], entries.len());
    entries
}

fn id(entry: &Value) -> &str {
    entry["id"].as_str().unwrap()
}

#[test]
fn an_article_is_read_by_each_member_once() {
    on_each(|server| {
        let area = area(server);
        let path = format!("citizens/{}/articles", area.citizen);
        let article = write(
            server,
            &area.helper,
            &path,
            &json!({ "title": "昼食の様子", "text": "8割ほど召し上がりました。", "category": "nutrition" }),
        );
        assert_eq!((&article["sender"], &article["audience"]), (&json!(area.helper), &json!("team")));
        assert!(article["recipients"][0].as_str().unwrap().starts_with("CareTeam/"), "{article}");
        let resource = got(server, article["resource"].as_str().unwrap());
        assert_eq!(resource["meta"]["security"][0]["code"], "team", "{resource}");
        assert_eq!(resource["meta"]["profile"][0], "http://renraku.example/fhir/StructureDefinition/notebook-article");
        let comment = write(
            server,
            &area.doctor,
            &format!("articles/{}/comments", id(&article)),
            &json!({ "text": "了解しました。" }),
        );
        assert_eq!(comment["parent"], format!("Communication/{}", id(&article)));
        assert_eq!(unread(server, &area, &area.doctor), [id(&article)]);
        assert_eq!(unread(server, &area, &area.helper), [id(&comment)]);
        for _ in 0..2 {
            let marked = notebook(server, &area.doctor, "POST", &format!("articles/{}/read", id(&article)), None);
            assert_eq!((marked.status, &marked.body["version"]), (200, &json!(2)), "{}", marked.body);
        }
        assert!(unread(server, &area, &area.doctor).is_empty());
        let whole = read(server, &area.helper, &format!("articles/{}", id(&article)));
        assert_eq!(whole["readBy"][0]["reader"], area.doctor, "{whole}");
        assert_eq!((&whole["readBy"][0]["name"], &whole["isRead"]), (&json!("見本 医師"), &json!(true)));
        assert_eq!(whole["comments"][0]["text"], "了解しました。");
        let list = read(server, &area.doctor, &path);
        assert_eq!(
            (&list["entries"][0]["comments"], &list["entries"][0]["isRead"]),
            (&json!(1), &json!(true)),
            "{list}"
        );
        assert_eq!(notebook(server, "", "POST", &format!("articles/{}/read", id(&article)), None).status, 400);
        let stranger = notebook(server, "Practitioner/nobody", "GET", "unread", None);
        assert_eq!(stranger.status, 400, "{}", stranger.body);
    });
}

/// DOMAIN: みんなにつぶやく, 先生とのやりとり, and what the family tells the team without the patient seeing it.
#[test]
fn an_article_is_for_its_audience() {
    on_each(|server| {
        let area = area(server);
        let path = format!("citizens/{}/articles", area.citizen);
        let family = created(
            server,
            &json!({ "resourceType": "RelatedPerson", "patient": { "reference": format!("Patient/{}", area.citizen) }, "name": [{ "text": "見本 娘" }] }),
        );
        let family = format!("RelatedPerson/{family}");
        let patient = format!("Patient/{}", area.citizen);
        let private = write(
            server,
            &family,
            &path,
            &json!({ "title": "相談", "text": "本人には内緒です。", "audience": "family-private" }),
        );
        let lacking = notebook(
            server,
            &family,
            "POST",
            &path,
            Some(&json!({ "title": "先生へ", "text": "x", "audience": "member" })),
        );
        assert_eq!((lacking.status, issues(&lacking)[0].0.as_str()), (422, "article.recipients"));
        let direct = write(
            server,
            &family,
            &path,
            &json!({ "title": "先生へ", "text": "x", "audience": "member", "recipients": [area.doctor] }),
        );
        let open = write(server, &area.helper, &path, &json!({ "title": "みんなへ", "text": "x" }));
        assert_eq!(unread(server, &area, &area.doctor), [id(&open), id(&direct), id(&private)]);
        assert_eq!(unread(server, &area, &area.helper), [id(&private)]);
        assert_eq!(unread(server, &area, &patient), [id(&open)]);
        assert_eq!(unread(server, &area, &family), [id(&open)]);
        let refused = notebook(server, &area.helper, "POST", &format!("articles/{}/read", id(&direct)), None);
        assert_eq!(refused.status, 403, "{}", refused.body);
        assert_eq!(notebook(server, &patient, "POST", &format!("articles/{}/read", id(&private)), None).status, 403);
        let answer =
            write(server, &area.doctor, &format!("articles/{}/comments", id(&direct)), &json!({ "text": "はい" }));
        assert_eq!((&answer["audience"], &answer["recipients"]), (&json!("member"), &json!([family])), "{answer}");
        let wide = json!({ "text": "はい", "audience": "team" });
        let refused =
            notebook(server, &area.doctor, "POST", &format!("articles/{}/comments", id(&private)), Some(&wide));
        assert_eq!((refused.status, issues(&refused)[0].0.as_str()), (422, "comment.audience"));
    });
}

#[test]
fn articles_are_edited_with_history_and_deleted_as_tombstones() {
    on_each(|server| {
        let area = area(server);
        let path = format!("citizens/{}/articles", area.citizen);
        let article = write(server, &area.helper, &path, &json!({ "title": "朝", "text": "一" }));
        let at = format!("articles/{}", id(&article));
        let change = |who: &str, tag: &str, text: &str| {
            notebook_with(server, who, "PATCH", &at, &[("If-Match", tag)], Some(&json!({ "text": text })))
        };
        assert_eq!(change(&area.doctor, "W/\"1\"", "他人").status, 403);
        // A read mark that came meanwhile is no conflict, another text is.
        assert_eq!(notebook(server, &area.doctor, "POST", &format!("{at}/read"), None).status, 200);
        let changed = change(&area.helper, "W/\"1\"", "二");
        assert_eq!((changed.status, &changed.body["text"]), (200, &json!("二")), "{}", changed.body);
        let stale = change(&area.helper, "W/\"1\"", "三");
        assert_eq!(stale.status, 412, "{}", stale.body);
        assert_eq!(read(server, "", &at)["readBy"][0]["reader"], area.doctor);
        let history = read(server, "", &format!("{at}/history"));
        let texts: Vec<&str> =
            history["versions"].as_array().unwrap().iter().map(|version| version["text"].as_str().unwrap()).collect();
        assert_eq!(texts, ["二", "一", "一"]);
        assert_eq!(notebook(server, &area.helper, "DELETE", &at, None).status, 200);
        assert_eq!(notebook(server, "", "GET", &at, None).status, 410);
        assert_eq!(read(server, "", &path)["entries"], json!([]));
        let comment = notebook(server, &area.doctor, "POST", &format!("{at}/comments"), Some(&json!({ "text": "x" })));
        assert_eq!(comment.status, 410);
    });
}

#[test]
fn attachments_are_about_the_same_person() {
    on_each(|server| {
        let area = area(server);
        let other = citizen(server, &unique_name());
        let media = |of: &str| {
            let media = json!({ "resourceType": "Media", "status": "completed", "subject": { "reference": format!("Patient/{of}") }, "content": { "contentType": "image/jpeg" } });
            format!("Media/{}", created(server, &media))
        };
        let path = format!("citizens/{}/articles", area.citizen);
        let with = |media: &str| json!({ "title": "歩行", "text": "動画です", "attachments": [media] });
        let article = write(server, &area.helper, &path, &with(&media(&area.citizen)));
        let resource = got(server, article["resource"].as_str().unwrap());
        assert!(
            resource["payload"][1]["contentReference"]["reference"].as_str().unwrap().starts_with("Media/"),
            "{resource}"
        );
        let refused = notebook(server, &area.helper, "POST", &path, Some(&with(&media(&other))));
        assert_eq!(
            (refused.status, issues(&refused)[0].0.as_str()),
            (422, "article.attachments.0"),
            "{}",
            refused.body
        );
        assert_eq!(notebook(server, &area.helper, "POST", &path, Some(&with("Media/none"))).status, 422);
        let comment = json!({ "parent": format!("Communication/{}", id(&article)), "text": "x" });
        let refused = notebook(server, &area.helper, "POST", &format!("citizens/{other}/comment"), Some(&comment));
        assert_eq!((refused.status, issues(&refused)[0].0.as_str()), (422, "comment.parent"));
    });
}

#[test]
fn members_join_and_leave_and_are_never_taken_out() {
    on_each(|server| {
        let area = area(server);
        let path = format!("citizens/{}/team_member", area.citizen);
        let again =
            notebook(server, "", "POST", &path, Some(&json!({ "member": area.doctor, "starts": "2026-01-01" })));
        assert_eq!(again.status, 409, "{}", again.body);
        let nobody = notebook(
            server,
            "",
            "POST",
            &path,
            Some(&json!({ "member": "Practitioner/nobody", "starts": "2026-01-01" })),
        );
        assert_eq!(nobody.status, 422, "{}", nobody.body);
        let article = write(
            server,
            &area.doctor,
            &format!("citizens/{}/articles", area.citizen),
            &json!({ "title": "a", "text": "b" }),
        );
        assert_eq!(unread(server, &area, &area.helper), [id(&article)]);
        let team = read(server, "", &format!("citizens/{}/team/members", area.citizen));
        assert_eq!(team["members"].as_array().unwrap().len(), 2, "{team}");
        let helper = team["members"].as_array().unwrap().iter().find(|found| found["member"] == area.helper).unwrap();
        let ended = json!({ "ends": "2026-02-01", "version": helper["version"] });
        let answer = notebook(server, "", "PATCH", helper["self"].as_str().unwrap(), Some(&ended));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let team = read(server, "", &format!("citizens/{}/team/members", area.citizen));
        assert_eq!(
            (team["members"].as_array().unwrap().len(), &team["former"][0]["ends"]),
            (1, &json!("2026-02-01")),
            "{team}"
        );
        assert!(unread(server, &area, &area.helper).is_empty(), "who left reads no more");
        let left = notebook(server, "", "DELETE", team["members"][0]["self"].as_str().unwrap(), None);
        assert!(left.status == 200 && left.body["ends"].is_string(), "{}", left.body);
        let resource = got(server, left.body["resource"].as_str().unwrap());
        assert_eq!(resource["participant"].as_array().unwrap().len(), 2, "nobody is taken out: {resource}");
    });
}

#[test]
fn groups_write_without_a_patient() {
    on_each(|server| {
        let (one, two) = (member(server, "見本 薬剤師"), member(server, "見本 栄養士"));
        let group = write(server, "", "group", &json!({ "name": "研究会" }));
        for who in [&one, &two] {
            write(server, "", "group_member", &json!({ "of": format!("Group/{}", id(&group)), "member": who }));
        }
        let post =
            json!({ "title": "勉強会", "text": "5月に行います。", "recipients": [format!("Group/{}", id(&group))] });
        let post = write(server, &one, "group_post", &post);
        assert!(got(server, post["resource"].as_str().unwrap()).get("subject").is_none());
        let list = read(server, &two, "unread");
        assert_eq!((&list["count"], &list["entries"][0]["id"]), (&json!(1), &post["id"]), "{list}");
        assert_eq!(notebook(server, &two, "POST", &format!("articles/{}/read", id(&post)), None).status, 200);
        assert_eq!(read(server, &two, "unread")["count"], 0);
        let posts = read(server, &two, &format!("group/{}/posts", id(&group)));
        assert_eq!(posts["entries"][0]["isRead"], true, "{posts}");
    });
}

/// `unread-by` names the reader; articles only, of all citizens in whose teams they are.
#[test]
fn articles_are_listed_by_who_has_not_read_them() {
    on_each(|server| {
        let (one, other) = (area(server), area(server));
        join(server, &other.citizen, &one.doctor);
        let post = |area: &Area, title: &str| {
            let path = format!("citizens/{}/articles", area.citizen);
            write(server, &area.helper, &path, &json!({ "title": title, "text": "見本" }))
        };
        let (first, second) = (post(&one, "一"), post(&other, "二"));
        let comment = json!({ "text": "コメント" });
        write(server, &one.helper, &format!("articles/{}/comments", id(&first)), &comment);
        let ids = |list: Value| -> Vec<String> {
            list["entries"].as_array().unwrap().iter().map(|entry| id(entry).to_owned()).collect()
        };
        let unread = |path: &str| ids(read(server, "", &format!("{path}unread-by={}", one.doctor)));
        assert_eq!(unread("articles?"), [id(&second), id(&first)], "newest first, without the comment");
        assert_eq!(unread(&format!("citizens/{}/articles?", one.citizen)), [id(&first)]);
        let page = read(server, "", &format!("articles?count=1&unread-by={}", one.doctor));
        assert_eq!(ids(page.clone()), [id(&second)]);
        assert_eq!(ids(read(server, "", page["next"].as_str().unwrap())), [id(&first)]);
        assert_eq!(notebook(server, &one.doctor, "POST", &format!("articles/{}/read", id(&second)), None).status, 200);
        assert_eq!(unread("articles?"), [id(&first)]);
        assert_eq!(ids(read(server, &one.doctor, "articles")), [id(&second), id(&first)], "read or not");
        assert!(
            read(server, "", &format!("articles?unread-by={}", other.helper))["entries"].as_array().unwrap().is_empty()
        );
        let nobody = notebook(server, "", "GET", "articles?unread-by=Practitioner/nobody", None);
        assert_eq!(nobody.status, 400, "{}", nobody.body);
        assert_eq!(notebook(server, "", "GET", "articles", None).status, 400);
        let wrong = notebook(server, "", "GET", &format!("articles?unread-by={}&colour=red", one.doctor), None);
        assert_eq!(wrong.status, 400, "{}", wrong.body);
    });
}

/// A post may be for several groups; who is in a group is said with the time they are in it.
#[test]
fn a_group_has_members_with_periods_and_posts_it_shares() {
    on_each(|server| {
        let who = ["見本 一", "見本 二", "見本 三", "見本 四"].map(|name| member(server, name));
        let [now, left, later, off] = &who;
        let groups = ["研究会", "勉強会"].map(|name| write(server, "", "group", &json!({ "name": name })));
        let of = groups.each_ref().map(|group| format!("Group/{}", id(group)));
        for (member, more) in [
            (now, json!({ "starts": "2026-01-01" })),
            (left, json!({ "starts": "2024-01-01", "ends": "2025-12-31" })),
            (later, json!({ "starts": "2999-01-01" })),
            (off, json!({ "inactive": true })),
        ] {
            let mut body = json!({ "of": of[0], "member": member });
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            write(server, "", "group_member", &body);
        }
        let members = read(server, "", &format!("group/{}/members", id(&groups[0])));
        assert_eq!(members["group"]["name"], "研究会", "{members}");
        let names = |list: &str| -> Vec<Value> {
            members[list].as_array().unwrap().iter().map(|entry| entry["member"].clone()).collect()
        };
        assert_eq!(names("members"), [json!(now)]);
        assert_eq!(names("others"), [json!(left), json!(later), json!(off)]);
        assert_eq!(members["others"][0]["ends"], "2025-12-31");
        let author = member(server, "見本 著者");
        let body = json!({ "title": "合同", "text": "見本", "recipients": of });
        let post = write(server, &author, "group_post", &body);
        for group in &groups {
            let posts = read(server, now, &format!("group/{}/posts", id(group)));
            assert_eq!(posts["entries"][0]["id"], post["id"], "{posts}");
            assert_eq!(posts["entries"][0]["recipients"], json!(of));
        }
        let unread = |member: &str| read(server, member, "unread")["count"].clone();
        assert_eq!([unread(now), unread(left), unread(later), unread(off)], [json!(1), json!(0), json!(0), json!(0)]);
        assert_eq!(notebook(server, "", "GET", "group/nothing/members", None).status, 404);
    });
}
