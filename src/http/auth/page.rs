//! The sign-in page, Japanese and English on one page, without scripts.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::authorize::Asked;

/// What the page shows.
pub(super) struct Page<'a> {
    pub(super) asked: &'a Asked,
    pub(super) request: &'a str,
    pub(super) failed: bool,
    pub(super) login: &'a str,
}

const STYLE: &str = "body{font:16px/1.6 system-ui,sans-serif;max-width:26em;margin:3em auto;padding:0 1em;color:#222}\
label{display:block;margin:1em 0 .2em}input{font:inherit;width:100%;padding:.5em;box-sizing:border-box}\
button{font:inherit;padding:.6em 1.2em;margin:1.5em 1em 0 0}.e{color:#a00;font-weight:bold}code{font-size:.85em}small{color:#555}";

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Scheme and host of a URL, for the Content-Security-Policy.
fn origin(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        // An application's own scheme (RFC 8252 section 7.1).
        return url.split_once(':').map_or(String::new(), |(scheme, _)| format!("{scheme}:"));
    };
    let host: String = rest
        .split(['/', '?', '#'])
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_whitespace() && *c != ';' && *c != ',')
        .collect();
    format!("{scheme}://{host}")
}

fn html(status: u16, title: &str, body: &str, form_action: &str) -> HttpResponse {
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self' {form_action}; frame-ancestors 'none'; base-uri 'none'"
    );
    HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        .insert_header(("Cache-Control", "no-store"))
        .insert_header(("Content-Security-Policy", policy.trim()))
        .insert_header(("X-Frame-Options", "DENY"))
        .insert_header(("Referrer-Policy", "no-referrer"))
        .content_type("text/html; charset=utf-8")
        .body(format!(
            "<!doctype html><html lang=\"ja\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head>\
             <body>{body}</body></html>"
        ))
}

/// Why there is nothing to sign in to.
pub(super) fn failure(status: u16, why: &str) -> HttpResponse {
    let body = format!(
        "<h1>サインインできません</h1><p>アプリからの要求が正しくありません。</p><p>The application's request is not in order: {}</p>",
        escape(why)
    );
    html(status, "renraku", &body, "")
}

/// The page with its form.
pub(super) fn sign_in(page: &Page<'_>) -> HttpResponse {
    let asked = page.asked;
    let scopes: String =
        asked.scopes.to_string().split(' ').map(|scope| format!("<li><code>{}</code></li>", escape(scope))).collect();
    let failed = if page.failed {
        "<p class=\"e\" role=\"alert\">ログインID・パスワード・確認コードのどれかが違うか、しばらくロックされています。<br>\
         The name, password or code is wrong, or the account is locked for a while.</p>"
    } else {
        ""
    };
    let patient = if asked.scopes.has("launch/patient") {
        "<label for=\"patient\">対象の方のID（ご本人は不要）<br><small>id of the Patient (not for patients themselves)</small></label>\
         <input id=\"patient\" name=\"patient\" autocomplete=\"off\">"
    } else {
        ""
    };
    let body = format!(
        "<h1>サインイン <small>Sign in</small></h1>{failed}\
         <p><b>{client}</b> が次のことを求めています。サインインすると許可します。<br><small>asks for this; signing in permits it:</small></p>\
         <ul>{scopes}</ul><form method=\"post\" action=\"authorize\"><input type=\"hidden\" name=\"request\" value=\"{request}\">\
         <label for=\"login\">ログインID <small>Name</small></label>\
         <input id=\"login\" name=\"login\" value=\"{login}\" autocomplete=\"username\" autofocus>\
         <label for=\"password\">パスワード <small>Password</small></label>\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\">\
         <label for=\"code\">確認コード（お使いの方） <small>One-time code, if you use one</small></label>\
         <input id=\"code\" name=\"code\" inputmode=\"numeric\" autocomplete=\"one-time-code\">{patient}\
         <button>サインイン Sign in</button><button name=\"deny\" value=\"1\">許可しない Deny</button></form>",
        client = escape(&asked.client.name),
        request = escape(page.request),
        login = escape(page.login),
    );
    html(if page.failed { 401 } else { 200 }, "サインイン", &body, &origin(&asked.redirect))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_write_is_text() {
        assert_eq!(escape("<b a='\"&"), "&lt;b a=&#39;&quot;&amp;");
        assert_eq!(origin("https://app.example:8443/back?x"), "https://app.example:8443");
        assert_eq!(origin("jp.example.app:/back"), "jp.example.app:");
        assert_eq!(origin("https://a.example; script-src *"), "https://a.examplescript-src*");
    }
}
