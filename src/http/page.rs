//! What a person at a browser sees (`Accept: text/html`): a page with the resource's own narrative, what a Bundle
//! holds, and the JSON with links where it refers to something.
//!
//! Everything is escaped but narratives, which are checked again; the Content-Security-Policy allows nothing but
//! the page's own style sheet, so that neither can run, load or send anything. No assets, no scripts.

use std::fmt::Write as _;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::format::json::{self, Node};
use crate::r4::primitives;
use crate::r4::reference::Reference;
use crate::validation::Language;

/// Larger bodies stay JSON: a page of them helps nobody.
pub(super) const MOST_BYTES: usize = 2 << 20;
/// Longest text that is shown whole.
const LONGEST: usize = 4_000;

const STYLE: &str = include_str!("page.css");

/// The policy of every page.
pub(super) fn policy() -> &'static str {
    static POLICY: OnceLock<String> = OnceLock::new();
    POLICY.get_or_init(|| {
        let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
        format!(
            "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'"
        )
    })
}

/// What the page is about beside the body.
pub(super) struct About<'a> {
    /// FHIR base, for links.
    pub(super) base: &'a str,
    /// The query of the request, as it came.
    pub(super) query: &'a str,
    pub(super) language: Language,
}

/// The page of a JSON body; `None` when there is none to be made.
pub(super) fn page(body: &[u8], about: &About<'_>) -> Option<Vec<u8>> {
    let resource = json::parse(body).ok()?;
    let mut page = Page { out: String::with_capacity(body.len() * 3), about };
    page.whole(&resource);
    Some(page.out.into_bytes())
}

/// Text of HTML, also within quotation marks.
fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
}

struct Page<'a> {
    out: String,
    about: &'a About<'a>,
}

impl Page<'_> {
    fn say(&self, english: &'static str, japanese: &'static str) -> &'static str {
        if self.about.language == Language::Japanese { japanese } else { english }
    }

    fn text(&mut self, text: &str) {
        escape(text, &mut self.out);
    }

    fn raw(&mut self, html: &str) {
        self.out.push_str(html);
    }

    fn link(&mut self, href: &str, text: &str) {
        self.raw("<a rel=\"noreferrer\" href=\"");
        self.text(href);
        self.raw("\">");
        self.text(text);
        self.raw("</a>");
    }

    /// Where a reference leads: a resource here or at another server; nowhere for anything else.
    fn target(&self, reference: &str) -> Option<String> {
        match Reference::parse(reference) {
            Reference::Local { .. } => Some(format!("{}/{reference}", self.about.base)),
            Reference::Absolute { .. } => Some(reference.to_owned()),
            _ => None,
        }
    }

    fn whole(&mut self, resource: &Node<'_>) {
        let kind = resource.text("resourceType").unwrap_or("FHIR");
        let id = resource.text("id").unwrap_or_default();
        let title = if id.is_empty() { kind.to_owned() } else { format!("{kind}/{id}") };
        let language = self.say("en", "ja");
        let _ = write!(self.out, "<!DOCTYPE html>\n<html lang=\"{language}\"><head><meta charset=\"utf-8\">");
        self.raw("<meta name=\"viewport\" content=\"width=device-width\"><title>");
        self.text(&title);
        self.raw("</title><style>");
        self.raw(STYLE);
        self.raw("</style></head><body><header><h1>");
        self.text(&title);
        self.raw("</h1><p>");
        self.stamp(resource);
        for (format, name) in [("json", "JSON"), ("xml", "XML")] {
            let separator = if self.about.query.is_empty() { "" } else { "&" };
            self.link(&format!("?{}{separator}_format={format}", self.about.query), name);
            self.raw(" ");
        }
        self.raw("</p></header><main>");
        match kind {
            "Bundle" => self.bundle(resource),
            "OperationOutcome" => self.issues(resource),
            _ => {}
        }
        self.narrative(resource);
        self.raw("<pre>");
        self.node(resource, "", kind, 0);
        self.raw("</pre></main></body></html>\n");
    }

    fn stamp(&mut self, resource: &Node<'_>) {
        let Some(meta) = resource.get("meta") else { return };
        if let Some(version) = meta.text("versionId") {
            let word = self.say("version ", "版 ");
            self.raw(word);
            self.text(version);
            self.raw(" · ");
        }
        if let Some(updated) = meta.text("lastUpdated") {
            self.text(updated);
            self.raw(" · ");
        }
    }

    /// The narrative, when it is what a narrative may be.
    fn narrative(&mut self, resource: &Node<'_>) {
        let Some(div) = resource.path(&["text", "div"]) else { return };
        if let (Some(text), Ok(())) = (div.as_str(), primitives::check("xhtml", div)) {
            self.raw("<section>");
            self.raw(text);
            self.raw("</section>");
        }
    }

    fn issues(&mut self, outcome: &Node<'_>) {
        self.raw("<ul>");
        for issue in outcome.list("issue") {
            self.raw("<li><b>");
            self.text(issue.text("severity").unwrap_or_default());
            self.raw("</b> ");
            self.text(issue.text("diagnostics").or(issue.text("code")).unwrap_or_default());
            self.raw("</li>");
        }
        self.raw("</ul>");
    }

    /// What a Bundle holds, and its other pages.
    fn bundle(&mut self, bundle: &Node<'_>) {
        self.raw("<p>");
        if let Some(Node::Number(total)) = bundle.get("total") {
            let word = self.say("in all: ", "全件数: ");
            self.raw(word);
            self.text(total);
            self.raw(" · ");
        }
        for link in bundle.list("link") {
            let (relation, url) = (link.text("relation").unwrap_or_default(), link.text("url").unwrap_or_default());
            let name = match relation {
                "first" => self.say("first page", "最初のページ"),
                "previous" => self.say("previous page", "前のページ"),
                "next" => self.say("next page", "次のページ"),
                "last" => self.say("last page", "最後のページ"),
                _ => continue,
            };
            if url.starts_with("http://") || url.starts_with("https://") {
                self.link(url, name);
                self.raw(" ");
            }
        }
        self.raw("</p><ol>");
        for entry in bundle.list("entry") {
            self.raw("<li>");
            self.entry(entry);
            self.raw("</li>");
        }
        self.raw("</ol>");
    }

    fn entry(&mut self, entry: &Node<'_>) {
        let resource = entry.get("resource");
        let kind = resource.and_then(|resource| resource.text("resourceType")).unwrap_or_default();
        let id = resource.and_then(|resource| resource.text("id")).unwrap_or_default();
        let address = match (kind, id) {
            ("", _) => entry
                .text("fullUrl")
                .or(entry.path(&["request", "url"]).and_then(Node::as_str))
                .unwrap_or("…")
                .to_owned(),
            (kind, "") => kind.to_owned(),
            (kind, id) => format!("{kind}/{id}"),
        };
        match self.target(&address) {
            Some(href) => self.link(&href, &address),
            None => self.text(&address),
        }
        if let Some(mode) = entry.path(&["search", "mode"]).and_then(Node::as_str).filter(|mode| *mode != "match") {
            self.raw(" <i>");
            self.text(mode);
            self.raw("</i>");
        }
        if let Some(label) = resource.and_then(label) {
            self.raw(" ");
            self.text(&label);
        }
    }

    fn node(&mut self, node: &Node<'_>, name: &str, kind: &str, depth: usize) {
        match node {
            Node::Object(members) if !members.is_empty() => {
                self.raw("{");
                for (place, (name, value)) in members.iter().enumerate() {
                    self.line(place, depth + 1);
                    self.raw("<b>");
                    self.text(&format!("{name:?}"));
                    self.raw("</b>: ");
                    self.node(value, name, kind, depth + 1);
                }
                self.line(0, depth);
                self.raw("}");
            }
            Node::Array(items) if !items.is_empty() => {
                self.raw("[");
                for (place, item) in items.iter().enumerate() {
                    self.line(place, depth + 1);
                    self.node(item, name, kind, depth + 1);
                }
                self.line(0, depth);
                self.raw("]");
            }
            Node::String(text) => self.string(text, name, kind),
            other => {
                self.raw("<i>");
                self.text(&String::from_utf8_lossy(&other.to_bytes()));
                self.raw("</i>");
            }
        }
    }

    fn line(&mut self, place: usize, depth: usize) {
        self.raw(if place > 0 { ",\n" } else { "\n" });
        (0..depth).for_each(|_| self.raw("  "));
    }

    fn string(&mut self, text: &str, name: &str, kind: &str) {
        // Contents are fetched by themselves; what lies elsewhere is not put into pages.
        if name == "data" {
            let word = self.say("\"…\" (data)", "\"…\" (データ)");
            return self.text(word);
        }
        let href = match name {
            "reference" | "fullUrl" => self.target(text),
            "url" if kind == "Bundle" && text.starts_with("http") => Some(text.to_owned()),
            _ => None,
        };
        let shown: String = match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
            None => text.to_owned(),
        };
        let mut quoted = Vec::new();
        json::write_string(&shown, &mut quoted);
        let quoted = String::from_utf8_lossy(&quoted).into_owned();
        match href.filter(|href| href.starts_with("http://") || href.starts_with("https://")) {
            Some(href) => self.link(&href, &quoted),
            None => {
                self.raw("<s>");
                self.text(&quoted);
                self.raw("</s>");
            }
        }
    }
}

/// A few words on a resource in a list: its name or title, its code, its date.
fn label(resource: &Node<'_>) -> Option<String> {
    let name = resource.list("name").first().map(|name| {
        let given = name.list("given").iter().filter_map(Node::as_str);
        let parts: Vec<&str> = name.text("family").into_iter().chain(given).collect();
        name.text("text").map_or_else(|| parts.join(" "), str::to_owned)
    });
    let concept = |name: &str| {
        let concept = resource.get(name)?;
        let coding = concept.list("coding").first();
        concept
            .text("text")
            .or(coding.and_then(|coding| coding.text("display").or(coding.text("code"))))
            .map(str::to_owned)
    };
    let title = ["title", "name", "display"].into_iter().find_map(|name| resource.text(name)).map(str::to_owned);
    let what = name
        .or(title)
        .or_else(|| ["code", "type", "medicationCodeableConcept", "vaccineCode"].into_iter().find_map(concept));
    let when = ["effectiveDateTime", "date", "birthDate", "authoredOn", "recordedDate"]
        .into_iter()
        .find_map(|name| resource.text(name));
    let found: Vec<&str> = what.as_deref().into_iter().chain(when).filter(|text| !text.is_empty()).collect();
    (!found.is_empty()).then(|| found.join(" · "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(body: &str, language: Language) -> String {
        let about = About { base: "http://h/fhir", query: "a=1&b=\"<", language };
        String::from_utf8(page(body.as_bytes(), &about).unwrap()).unwrap()
    }

    #[test]
    fn everything_is_escaped() {
        let page = made(
            r#"{"resourceType":"Patient","id":"<x>","text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>a</script></div>"},"<k>":"<img src=x onerror='a'>","link":[{"other":{"reference":"javascript:alert(1)"}},{"other":{"reference":"Patient/2"}}],"photo":[{"data":"QUJD"}]}"#,
            Language::English,
        );
        for evil in ["<script>", "<img", "href=\"javascript", "<k>", "<x>", "\"<\"", "QUJD", "onerror='"] {
            assert!(!page.contains(evil), "{evil}: {page}");
        }
        assert!(page.contains("href=\"http://h/fhir/Patient/2\""));
        assert!(page.contains("href=\"?a=1&amp;b=&quot;&lt;&amp;_format=json\""));
    }

    #[test]
    fn a_bundle_is_a_list_with_pages() {
        let page = made(
            r#"{"resourceType":"Bundle","type":"searchset","total":2,"link":[{"relation":"next","url":"http://h/fhir?_cursor=1&x"}],"entry":[{"resource":{"resourceType":"Patient","id":"1","name":[{"family":"見本","given":["花子"]}],"birthDate":"1941-02-03","text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">n</div>"}},"search":{"mode":"include"}}]}"#,
            Language::Japanese,
        );
        assert!(page.contains("<html lang=\"ja\">") && page.contains("全件数: 2"));
        assert!(page.contains("<a rel=\"noreferrer\" href=\"http://h/fhir?_cursor=1&amp;x\">次のページ</a>"));
        assert!(page.contains("href=\"http://h/fhir/Patient/1\">Patient/1</a> <i>include</i> 見本 花子 · 1941-02-03"));
    }

    #[test]
    fn narratives_are_shown() {
        let own = r#"{"resourceType":"Basic","text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><b>骨折</b></div>"}}"#;
        assert!(
            made(own, Language::English)
                .contains("<section><div xmlns=\"http://www.w3.org/1999/xhtml\"><b>骨折</b></div></section>")
        );
        assert!(policy().starts_with("default-src 'none'; style-src 'sha256-"));
    }
}
