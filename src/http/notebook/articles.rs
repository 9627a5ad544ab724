//! Articles with what hangs on them, and what is unread.

use super::Route;
use crate::notebook::model::schema::Form;

pub(super) fn route(method: &str, parts: &[&str]) -> Route {
    match (method, parts) {
        ("GET", ["unread"]) => Route::work(|notebook| notebook.unread(None)),
        ("GET", ["citizens", id, "unread"]) => {
            let id = (*id).to_owned();
            Route::work(move |notebook| notebook.unread(Some(&id)))
        }
        ("GET", ["articles"]) => Route::work(|notebook| notebook.all_articles()),
        ("GET", ["group", id, "members"]) => {
            let id = (*id).to_owned();
            Route::work(move |notebook| notebook.group_members(&id))
        }
        ("GET", ["citizens", id, "articles"]) => {
            let id = (*id).to_owned();
            Route::work(move |notebook| notebook.articles(&id))
        }
        ("POST", ["citizens", id, "articles"]) => super::entries::route("POST", &["citizens", id, "article"]),
        ("GET", ["group", id, "posts"]) => {
            let id = (*id).to_owned();
            Route::work(move |notebook| notebook.group_posts(&id))
        }
        (_, ["articles", id, rest @ ..]) => {
            let id = (*id).to_owned();
            match (method, rest) {
                ("GET", []) => Route::work(move |notebook| notebook.article(&id)),
                ("PUT", []) => Route::work(move |notebook| notebook.change_article(&id, Form::Whole)),
                ("PATCH", []) => Route::work(move |notebook| notebook.change_article(&id, Form::Part)),
                ("DELETE", []) => Route::work(move |notebook| notebook.remove_article(&id)),
                (_, []) => Route::Method("GET, HEAD, PUT, PATCH, DELETE"),
                ("GET", ["comments"]) => Route::work(move |notebook| notebook.comments(&id)),
                ("POST", ["comments"]) => Route::work(move |notebook| notebook.comment(&id)),
                (_, ["comments"]) => Route::Method("GET, HEAD, POST"),
                ("GET", ["history"]) => Route::work(move |notebook| notebook.article_history(&id)),
                (_, ["history"]) => Route::Method("GET, HEAD"),
                ("POST" | "PUT", ["read"]) => Route::work(move |notebook| notebook.mark_read(&id)),
                (_, ["read"]) => Route::Method("POST, PUT"),
                _ => Route::Nowhere,
            }
        }
        (_, ["unread"] | ["citizens", _, "unread"] | ["group", _, "posts"]) => Route::Method("GET, HEAD"),
        (_, ["citizens", _, "articles"]) => Route::Method("GET, HEAD, POST"),
        _ => Route::Nowhere,
    }
}
