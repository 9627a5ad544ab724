//! The markup of narratives beyond being well-formed: which attributes there may be, what may stand in
//! what, where links lead.
//!
//! FHIR R4 narrative.html#xhtml: "the basic html formatting elements and attributes described in chapters
//! 7-11 (except section 4 of chapter 9) and 15 of the HTML 4.0 standard, `<a>` elements …, images and
//! internally contained style attributes". Entities are in [`super::values`].

use std::collections::HashSet;

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::remark::Remark;
use crate::format::json::Node;
use crate::r4::outcome::IssueCode;

/// Most remarks on one narrative.
const MAX_REMARKS: usize = 50;
/// Deepest nesting of elements that is looked at.
const MAX_DEPTH: usize = 1024;

/// Attributes of any element.
const EVERYWHERE: &[&str] = &[
    "title",
    "style",
    "class",
    "id",
    "lang",
    "xml:lang",
    "xml:space",
    "dir",
    "accesskey",
    "tabindex",
    "span",
    "width",
    "align",
    "valign",
    "char",
    "charoff",
    "abbr",
    "axis",
    "headers",
    "scope",
    "rowspan",
    "colspan",
];

/// Attributes of single elements.
const OF_ELEMENTS: &[(&str, &[&str])] = &[
    ("a", &["href", "name", "charset", "type", "hreflang", "rel", "rev", "shape", "coords"]),
    ("img", &["src", "border", "alt", "longdesc", "height", "width", "usemap", "ismap", "name", "hspace", "vspace"]),
    ("blockquote", &["cite"]),
    ("q", &["cite"]),
    ("map", &["name"]),
    ("area", &["shape", "coords", "href", "nohref", "alt"]),
    ("table", &["summary", "width", "border", "frame", "rules", "cellspacing", "cellpadding", "bgcolor"]),
    ("tr", &["bgcolor"]),
    ("td", &["nowrap", "height", "bgcolor"]),
    ("th", &["nowrap", "height", "bgcolor"]),
    ("pre", &["space"]),
    ("ol", &["start", "type", "compact"]),
    ("ul", &["type", "compact"]),
    ("dl", &["compact"]),
    ("li", &["value", "type"]),
    ("br", &["clear"]),
    ("hr", &["noshade", "size"]),
    ("font", &["size", "color", "face"]),
];

/// What only certain elements may be in.
const PARENTS: &[(&str, &[&str])] = &[
    ("tr", &["table", "thead", "tbody", "tfoot"]),
    ("td", &["tr"]),
    ("th", &["tr"]),
    ("thead", &["table"]),
    ("tbody", &["table"]),
    ("tfoot", &["table"]),
    ("caption", &["table"]),
    ("colgroup", &["table"]),
    ("col", &["colgroup", "table"]),
    ("li", &["ul", "ol"]),
    ("dt", &["dl"]),
    ("dd", &["dl"]),
];

/// Elements that hold only certain others, and no text.
const CHILDREN: &[(&str, &[&str])] = &[
    ("table", &["caption", "col", "colgroup", "thead", "tbody", "tfoot", "tr"]),
    ("thead", &["tr"]),
    ("tbody", &["tr"]),
    ("tfoot", &["tr"]),
    ("tr", &["td", "th"]),
    ("ul", &["li"]),
    ("ol", &["li"]),
    ("dl", &["dt", "dd"]),
    ("br", &[]),
    ("hr", &[]),
    ("img", &[]),
    ("area", &[]),
];

/// Elements that hold text and its formatting, no blocks.
const INLINE: &[&str] = &[
    "p", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "address", "caption", "dt", "span", "a", "b", "i", "em", "strong",
    "small", "big", "sub", "sup", "code", "tt", "dfn", "q", "var", "abbr", "acronym", "cite", "bdo", "kbd", "samp",
];

/// Blocks.
const BLOCKS: &[&str] = &["div", "table", "ul", "ol", "dl", "pre", "p", "blockquote"];

fn row<'t>(table: &'t [(&str, &'t [&'t str])], name: &str) -> Option<&'t [&'t str]> {
    table.iter().find(|(known, _)| *known == name).map(|(_, row)| *row)
}

/// What is wrong with the markup, and the fragments (`#…`) that its links and images name. Markup that is
/// not well-formed is looked at up to there: the structure has been complained of.
pub(crate) fn check(text: &str) -> (Vec<Remark>, Vec<String>) {
    let mut walk = Walk::default();
    let mut reader = Reader::from_str(text);
    while walk.remarks.len() < MAX_REMARKS && walk.open.len() < MAX_DEPTH {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                walk.element(&start);
                walk.open.push(start.local_name().into_inner().to_owned());
            }
            Ok(Event::Empty(start)) => walk.element(&start),
            Ok(Event::End(_)) => drop(walk.open.pop()),
            Ok(Event::Text(text)) => walk.text(&text),
            Ok(Event::Eof) | Err(_) => break,
            Ok(_) => {}
        }
    }
    (walk.remarks, walk.fragments)
}

#[derive(Default)]
struct Walk {
    open: Vec<String>,
    remarks: Vec<Remark>,
    fragments: Vec<String>,
}

impl Walk {
    fn report(&mut self, message: &'static str, parameters: &[&str]) {
        let remark = Remark::error(IssueCode::Invalid, message, "");
        self.remarks.push(parameters.iter().fold(remark, |remark, parameter| remark.with(*parameter)));
    }

    fn text(&mut self, text: &str) {
        let Some(parent) = self.open.last() else { return };
        if row(CHILDREN, parent).is_some() && !text.trim().is_empty() {
            let parent = parent.clone();
            self.report("narrative-text", &[&parent]);
        }
    }

    fn element(&mut self, start: &BytesStart<'_>) {
        let name = start.local_name().into_inner().to_owned();
        if matches!(name.as_str(), "ins" | "del") {
            self.report("narrative-element", &[&name]);
        }
        self.place(&name);
        for attribute in start.attributes().flatten() {
            let key = attribute.key.into_inner();
            let is_known = key == "xmlns"
                || key.starts_with("xmlns:")
                || EVERYWHERE.contains(&key)
                || row(OF_ELEMENTS, &name).is_some_and(|own| own.contains(&key));
            if !is_known {
                self.report("narrative-attribute", &[key, &name]);
            }
            if matches!((name.as_str(), key), ("a" | "area", "href") | ("img", "src")) {
                self.link(&name, &attribute.value);
            }
        }
    }

    /// The content models of HTML 4.
    fn place(&mut self, name: &str) {
        let Some(parent) = self.open.last().cloned() else { return };
        if let Some(allowed) = row(PARENTS, name).filter(|allowed| !allowed.contains(&parent.as_str())) {
            self.report("narrative-parent", &[name, &allowed.join(", "), &parent]);
        } else if let Some(allowed) = row(CHILDREN, &parent).filter(|allowed| !allowed.contains(&name)) {
            let allowed = if allowed.is_empty() { "-".to_owned() } else { allowed.join(", ") };
            self.report("narrative-child", &[name, &parent, &allowed]);
        }
        let around = self.open.iter().rev().find(|open| {
            let is_block = BLOCKS.contains(&name) && INLINE.contains(&open.as_str());
            is_block || name == "a" && open.as_str() == "a"
        });
        if let Some(around) = around.cloned() {
            self.report("narrative-block", &[name, &around]);
        }
    }

    fn link(&mut self, element: &str, target: &str) {
        let target = target.trim();
        if target.is_empty() {
            self.report("narrative-link-empty", &[element]);
            return;
        }
        if let Some(fragment) = target.strip_prefix('#') {
            if !fragment.is_empty() {
                self.fragments.push(fragment.replace("&amp;", "&"));
            }
            return;
        }
        if element == "a" && (target.starts_with("urn:") || target.starts_with("cid:")) {
            self.report("narrative-link-scheme", &[target]);
        }
        let is_wrong = |letter: &char| {
            letter.is_whitespace()
                || letter.is_control()
                || matches!(letter, '<' | '>' | '"' | '{' | '}' | '\\' | '^' | '`')
        };
        if !target.starts_with("data:") && target.chars().any(|letter| is_wrong(&letter)) {
            self.report("narrative-link-invalid", &[target]);
        }
    }
}

/// The names that links within a resource can lead to: ids of its elements and of what it contains, ids
/// and names of anchors in narratives.
pub(crate) fn anchors<'n>(node: &'n Node<'n>, out: &mut HashSet<&'n str>) {
    match node {
        Node::Object(members) => {
            for (name, value) in members {
                match (name.as_ref(), value) {
                    ("id", Node::String(id)) => drop(out.insert(id)),
                    _ => anchors(value, out),
                }
            }
        }
        Node::Array(items) => items.iter().for_each(|item| anchors(item, out)),
        Node::String(text) if text.trim_start().starts_with("<div") => in_markup(text, out),
        _ => {}
    }
}

fn in_markup<'n>(text: &'n str, out: &mut HashSet<&'n str>) {
    for attribute in ["id", "name"] {
        for rest in text.split(attribute).skip(1) {
            let Some(rest) = rest.trim_start().strip_prefix('=').map(str::trim_start) else { continue };
            let Some(quote) = rest.chars().next().filter(|first| matches!(first, '"' | '\'')) else { continue };
            out.extend(rest.get(1..).and_then(|rest| rest.split(quote).next()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn judge(content: &str) -> Vec<&'static str> {
        let text = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{content}</div>");
        check(&text).0.into_iter().map(|remark| remark.message).collect()
    }

    #[test]
    fn what_html_4_describes_is_fine() {
        for content in [
            "text <b>bold <i>and</i></b><p>para <a href=\"http://a/?b=c&amp;d=%20#e\">link</a></p>",
            "<table class=\"x\" border=\"1\"><caption>a</caption><thead><tr><th colspan=\"2\">a</th></tr></thead><tr><td nowrap=\"nowrap\">b</td></tr></table>",
            "<ul><li>a<ol start=\"3\"><li><p>b</p></li></ol></li></ul><dl><dt>a</dt><dd><p>b</p></dd></dl>",
            "<blockquote cite=\"http://a\"><p>a</p></blockquote><img src=\"data:image/png;base64,AA==\" alt=\"a\"/><br/>",
            "<a name=\"x\"></a><a href=\"#x\">患者</a><div lang=\"ja\" xml:lang=\"ja\">a</div>",
        ] {
            assert_eq!(judge(content), [""; 0], "{content}");
        }
    }

    #[test]
    fn attributes_are_those_of_formatting() {
        assert_eq!(judge("<p data-x=\"1\">a</p>"), ["narrative-attribute"]);
        assert_eq!(judge("<b href=\"http://a\">a</b>"), ["narrative-attribute"]);
        assert_eq!(judge("<a href=\"http://a\" target=\"_blank\">a</a>"), ["narrative-attribute"]);
        assert_eq!(judge("<ins>a</ins>"), ["narrative-element"]);
    }

    #[test]
    fn elements_stand_where_html_has_them() {
        assert_eq!(judge("<p>a<ul><li>b</li></ul></p>"), ["narrative-block"]);
        assert_eq!(judge("<table><td>a</td></table>"), ["narrative-parent"]);
        assert_eq!(judge("<table><tr><p>a</p></tr></table>"), ["narrative-child"]);
        assert_eq!(judge("<li>a</li>"), ["narrative-parent"]);
        assert_eq!(judge("<ul>a<li>b</li></ul>"), ["narrative-text"]);
        assert_eq!(judge("<br>a</br>"), ["narrative-text"]);
        assert_eq!(judge("<a href=\"#x\">a<b><a href=\"#y\">b</a></b></a>"), ["narrative-block"]);
    }

    #[test]
    fn links_lead_somewhere() {
        assert_eq!(judge("<a href=\"\">a</a>"), ["narrative-link-empty"]);
        assert_eq!(judge("<a href=\"http://a b\">a</a>"), ["narrative-link-invalid"]);
        assert_eq!(judge("<a href=\"urn:oid:1.2\">a</a>"), ["narrative-link-scheme"]);
        let (_, fragments) = check("<div><a href=\"#one\">a</a><img src='#two'/><a href=\"#\">top</a></div>");
        assert_eq!(fragments, ["one", "two"]);
        let node = crate::format::json::parse(
            br#"{"id":"a","text":{"div":"<div><p id='b'/><a name = \"c\"/></div>"},"contained":[{"id":"d","x":[{"id":"e"}]}]}"#,
        );
        let node = node.unwrap();
        let mut found = HashSet::new();
        anchors(&node, &mut found);
        assert_eq!(found, HashSet::from(["a", "b", "c", "d", "e"]));
    }

    proptest! {
        #[test]
        fn never_panics(content in "[<>/a-c &;='\"!#-]{0,40}|.*") {
            let _ = (check(&content), judge(&content));
            let mut found = HashSet::new();
            in_markup(&content, &mut found);
        }
    }
}
