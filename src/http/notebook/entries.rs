//! `[citizens/{id}/]{entity}[/{id}[/history]]`: entries of every kind.

use super::Route;
use crate::notebook::model::schema::Form;
use crate::operations::notebook::Place;

pub(super) fn route(method: &str, parts: &[&str]) -> Route {
    let (citizen, parts) = match parts {
        ["citizens", id, rest @ ..] => (Some(*id), rest),
        rest => (None, rest),
    };
    let (parts, is_history) = match parts {
        [rest @ .., "history"] if rest.len() > 1 => (rest, true),
        rest => (rest, false),
    };
    let Some(place) = Place::read(citizen, parts) else { return Route::Nowhere };
    let Some(target) = place.target.clone() else {
        return match method {
            "GET" => Route::work(move |notebook| notebook.list(&place)),
            "POST" => Route::work(move |notebook| notebook.create(&place)),
            _ => Route::Method("GET, HEAD, POST"),
        };
    };
    match (method, is_history) {
        ("GET", true) => Route::work(move |notebook| notebook.history(&place, &target)),
        (_, true) => Route::Method("GET, HEAD"),
        ("GET", false) => Route::work(move |notebook| notebook.read(&place, &target)),
        ("PUT", false) => Route::work(move |notebook| notebook.change(&place, &target, Form::Whole)),
        ("PATCH", false) => Route::work(move |notebook| notebook.change(&place, &target, Form::Part)),
        ("DELETE", false) => Route::work(move |notebook| notebook.remove(&place, &target)),
        _ => Route::Method("GET, HEAD, PUT, PATCH, DELETE"),
    }
}
