//! Citizens, their pages, timelines, teams and calendars.

use super::Route;
use crate::notebook::model::schema::Form;
use crate::operations::notebook::Told;

pub(super) fn route(method: &str, parts: &[&str]) -> Route {
    let only_read = |route: Route| if method == "GET" { route } else { Route::Method("GET, HEAD") };
    match parts {
        ["categories"] => only_read(Route::work(|notebook| notebook.categories())),
        ["visits"] => only_read(Route::work(|notebook| notebook.calendar(None))),
        ["citizens"] => match method {
            "GET" => Route::work(|notebook| notebook.citizens()),
            "POST" => Route::work(|notebook| notebook.create_citizen()),
            _ => Route::Method("GET, HEAD, POST"),
        },
        ["citizens", id, rest @ ..] => {
            let id = (*id).to_owned();
            match rest {
                [] => match method {
                    "GET" => Route::work(move |notebook| notebook.page(&id)),
                    "PUT" => Route::work(move |notebook| notebook.change_citizen(&id, Form::Whole)),
                    "PATCH" => Route::work(move |notebook| notebook.change_citizen(&id, Form::Part)),
                    _ => Route::Method("GET, HEAD, PUT, PATCH"),
                },
                ["basics"] => only_read(Route::work(move |notebook| notebook.basics(&id))),
                ["history"] => only_read(Route::work(move |notebook| notebook.citizen_history(&id))),
                ["timeline"] => only_read(Route::work(move |notebook| notebook.timeline(&id))),
                ["medications"] => only_read(Route::work(move |notebook| notebook.medication(&id))),
                ["summary.html"] => only_read(Route::work(move |notebook| {
                    let page = Some(notebook.summary_page(&id)?);
                    Ok(Told { status: 200, page, ..Told::default() })
                })),
                ["visits"] => only_read(Route::work(move |notebook| notebook.calendar(Some(&id)))),
                ["team", "members"] if method == "POST" => {
                    super::entries::route("POST", &["citizens", &id, "team_member"])
                }
                ["team", "members"] => only_read(Route::work(move |notebook| notebook.team(&id))),
                _ => Route::Nowhere,
            }
        }
        _ => Route::Nowhere,
    }
}
