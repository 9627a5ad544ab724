//! The narrative `div`: well-formed, in the XHTML namespace, only text and its formatting.
//!
//! FHIR R4 narrative.html#xhtml (`txt-1`, `txt-2`): chapters 7–11 and 15 of HTML 4.0, links, images
//! and style attributes; no scripts, forms, frames, external style sheets or event attributes.
//! What a browser would run must not get in: narratives are shown to people.

use smallvec::SmallVec;

use super::shorten;
use crate::r4::wording::{Wording, say};

const NAMESPACE: &str = "http://www.w3.org/1999/xhtml";

/// Most attributes of one element.
const MAX_ATTRIBUTES: usize = 128;

/// Checks one `div`.
///
/// # Errors
/// What is wrong and what would be right, without a subject.
pub(super) fn check(text: &str) -> Result<(), Wording> {
    let text = text.trim_ascii();
    if !text
        .strip_prefix("<div")
        .is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_whitespace() || matches!(next, '>' | '/')))
    {
        let found = shorten(text);
        return Err(say!(
            "xhtml-div",
            "must be XHTML that starts with <div xmlns=\"{NAMESPACE}\">; found {found:?}",
            "は <div xmlns=\"{NAMESPACE}\"> で始まる XHTML である必要があります。値: {found:?}"
        ));
    }
    Scan { rest: text, open: SmallVec::new(), has_namespace: false, has_content: false }.run()
}

struct Scan<'a> {
    rest: &'a str,
    open: SmallVec<[&'a str; 16]>,
    has_namespace: bool,
    has_content: bool,
}

impl<'a> Scan<'a> {
    fn run(mut self) -> Result<(), Wording> {
        loop {
            self.tag()?;
            if self.open.is_empty() {
                return self.finish();
            }
            let Some(next) = self.rest.find('<') else {
                return Err(self.unclosed());
            };
            let (content, rest) = self.rest.split_at(next);
            self.rest = rest;
            self.content(content)?;
        }
    }

    fn finish(&self) -> Result<(), Wording> {
        if !self.rest.trim_ascii().is_empty() {
            let found = shorten(self.rest);
            return Err(say!(
                "xhtml-end",
                "must end with </div>; found {found:?} after it",
                "は </div> で終わる必要があります。その後に {found:?} があります"
            ));
        }
        if !self.has_namespace {
            return Err(say!(
                "xhtml-namespace",
                "must state its namespace: <div xmlns=\"{NAMESPACE}\">",
                "には名前空間が必要です: <div xmlns=\"{NAMESPACE}\">"
            ));
        }
        if !self.has_content {
            return Err(say!(
                "xhtml-empty",
                "must hold text or an image (txt-2); leave the narrative out when there is none",
                "には文字か画像が必要です (txt-2)。内容がなければ narrative を省いてください"
            ));
        }
        Ok(())
    }

    #[cold]
    fn unclosed(&self) -> Wording {
        let name = self.open.last().copied().unwrap_or("div");
        say!(
            "xhtml-form",
            "is not well-formed XHTML: <{name}> is never closed; add </{name}>",
            "は整形式の XHTML ではありません: <{name}> が閉じられていません。</{name}> を加えてください"
        )
    }

    /// Text between tags: references complete, no control characters.
    fn content(&mut self, content: &str) -> Result<(), Wording> {
        for byte in content.bytes() {
            if byte > b' ' {
                self.has_content = true;
            } else if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Err(say!(
                    "xhtml-control",
                    "must not contain control characters except tab and line end",
                    "に制御文字は使えません (タブと改行を除く)"
                ));
            }
        }
        references(content)
    }

    /// What starts with `<`.
    fn tag(&mut self) -> Result<(), Wording> {
        if let Some(rest) = self.rest.strip_prefix("</") {
            return self.close(rest);
        }
        if let Some(rest) = self.rest.strip_prefix("<!--") {
            return self.skip(rest, "-->");
        }
        if let Some(rest) = self.rest.strip_prefix("<![CDATA[") {
            self.has_content = true;
            return self.skip(rest, "]]>");
        }
        let rest = self.rest.strip_prefix('<').unwrap_or(self.rest);
        let (name, rest) = split_name(rest);
        if !is_allowed(name) {
            return Err(refused_element(name, rest));
        }
        self.has_content |= name == "img";
        self.rest = rest;
        let is_root = self.open.is_empty();
        let mut names: SmallVec<[&str; 8]> = SmallVec::new();
        loop {
            let trimmed = self.rest.trim_ascii_start();
            if let Some(rest) = trimmed.strip_prefix("/>") {
                self.rest = rest;
                return Ok(());
            }
            if let Some(rest) = trimmed.strip_prefix('>') {
                self.rest = rest;
                self.open.push(name);
                return Ok(());
            }
            if trimmed.len() == self.rest.len() {
                return Err(say!(
                    "xhtml-form",
                    "is not well-formed XHTML: <{name}> needs a space before each attribute, and a >",
                    "は整形式の XHTML ではありません: <{name}> の各属性の前に空白が、終わりに > が必要です"
                ));
            }
            let (attribute, value, rest) = attribute(trimmed, name)?;
            self.rest = rest;
            if names.contains(&attribute) {
                return Err(say!(
                    "xhtml-form",
                    "is not well-formed XHTML: <{name}> has the attribute {attribute} twice",
                    "は整形式の XHTML ではありません: <{name}> の属性 {attribute} が重複しています"
                ));
            }
            // Each is compared with all before it.
            if names.len() == MAX_ATTRIBUTES {
                return Err(say!(
                    "xhtml-attributes",
                    "must not have more than {MAX_ATTRIBUTES} attributes on one element; <{name}> has",
                    "の 1 要素の属性は {MAX_ATTRIBUTES} 個までですが、<{name}> にはそれ以上あります"
                ));
            }
            names.push(attribute);
            if attribute == "xmlns" {
                if value != NAMESPACE {
                    let found = shorten(value);
                    return Err(say!(
                        "xhtml-namespace",
                        "must be in the namespace {NAMESPACE}; found {found:?}",
                        "の名前空間は {NAMESPACE} である必要があります。値: {found:?}"
                    ));
                }
                self.has_namespace |= is_root;
            }
            check_attribute(name, attribute, value)?;
        }
    }

    fn close(&mut self, rest: &'a str) -> Result<(), Wording> {
        let (name, rest) = split_name(rest);
        let expected = self.open.pop().unwrap_or_default();
        if name != expected {
            let found = shorten(name);
            return Err(say!(
                "xhtml-form",
                "is not well-formed XHTML: </{found}> closes <{expected}>; it should be </{expected}>",
                "は整形式の XHTML ではありません: <{expected}> が </{found}> で閉じられています。</{expected}> としてください"
            ));
        }
        match rest.trim_ascii_start().strip_prefix('>') {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(say!(
                "xhtml-form",
                "is not well-formed XHTML: </{name} lacks its >",
                "は整形式の XHTML ではありません: </{name} に > がありません"
            )),
        }
    }

    fn skip(&mut self, rest: &'a str, end: &str) -> Result<(), Wording> {
        match rest.split_once(end) {
            Some((_, rest)) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(say!(
                "xhtml-form",
                "is not well-formed XHTML: {end} is missing",
                "は整形式の XHTML ではありません: {end} がありません"
            )),
        }
    }
}

fn split_name(text: &str) -> (&str, &str) {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':' | b'.');
    let end = text.bytes().position(|byte| !is_name(byte)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Name, value and what follows.
fn attribute<'a>(text: &'a str, element: &str) -> Result<(&'a str, &'a str, &'a str), Wording> {
    let wrong = || {
        let found = shorten(text);
        say!(
            "xhtml-form",
            "is not well-formed XHTML: attributes of <{element}> are written name=\"value\"; found {found:?}",
            "は整形式の XHTML ではありません: <{element}> の属性は 名前=\"値\" と書きます。値: {found:?}"
        )
    };
    let (name, rest) = split_name(text);
    let value = rest.trim_ascii_start().strip_prefix('=').map(str::trim_ascii_start).unwrap_or_default();
    let quoted = value.strip_prefix('"').and_then(|rest| rest.split_once('"'));
    let quoted = quoted.or_else(|| value.strip_prefix('\'').and_then(|rest| rest.split_once('\'')));
    match quoted {
        Some((value, rest)) if !name.is_empty() && !value.contains('<') => {
            references(value)?;
            Ok((name, value, rest))
        }
        _ => Err(wrong()),
    }
}

fn check_attribute(element: &str, name: &str, value: &str) -> Result<(), Wording> {
    let starts =
        |text: &str, prefix: &str| text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    if starts(name, "on") || name.eq_ignore_ascii_case("srcdoc") {
        return Err(say!(
            "xhtml-script",
            "must not carry scripts: remove the attribute {name} of <{element}>",
            "にスクリプトは使えません: <{element}> の属性 {name} を削除してください"
        ));
    }
    if matches!(name, "href" | "src" | "cite" | "longdesc" | "background") || name.ends_with(":href") {
        // Browsers drop spaces and control characters in the scheme, and resolve references.
        let plain: String = value.chars().filter(|letter| !letter.is_whitespace() && !letter.is_control()).collect();
        // A reference before the path may hide a scheme (`&#106;avascript:`); `&amp;` hides none.
        let start = plain.split(['/', '?']).next().unwrap_or_default().replace("&amp;", "");
        let is_hidden = start.contains('&') && !start.starts_with('#');
        let is_data = starts(&plain, "data:") && !starts(&plain, "data:image/");
        if is_hidden || is_data || starts(&plain, "javascript:") || starts(&plain, "vbscript:") {
            let found = shorten(value);
            return Err(say!(
                "xhtml-script",
                "must not carry scripts: {name}={found:?} of <{element}> is not allowed",
                "にスクリプトは使えません: <{element}> の {name}={found:?} は許されません"
            ));
        }
    }
    Ok(())
}

#[cold]
fn refused_element(name: &str, rest: &str) -> Wording {
    if name.is_empty() {
        let found = shorten(rest);
        return say!(
            "xhtml-form",
            "is not well-formed XHTML: write &lt; for a plain <; found \"<{found}\"",
            "は整形式の XHTML ではありません: 文字としての < は &lt; と書いてください。値: \"<{found}\""
        );
    }
    let found = shorten(name);
    say!(
        "xhtml-element",
        "must hold basic HTML formatting only (txt-1): <{found}> is not allowed; use elements such as p, span, table, ul, b",
        "には基本的な HTML の書式のみ使えます (txt-1): <{found}> は許されません。p、span、table、ul、b などを使ってください"
    )
}

/// Every `&` begins a complete reference.
fn references(text: &str) -> Result<(), Wording> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('&') {
        let end = after.find(';').filter(|end| (1..=10).contains(end));
        let name = end.and_then(|end| after.get(..end)).unwrap_or_default();
        let body = name.strip_prefix('#').unwrap_or(name);
        if body.is_empty() || !body.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(say!(
                "xhtml-form",
                "is not well-formed XHTML: write &amp; for a plain &",
                "は整形式の XHTML ではありません: 文字としての & は &amp; と書いてください"
            ));
        }
        rest = after;
    }
    Ok(())
}

fn is_allowed(name: &str) -> bool {
    matches!(
        name,
        "div"
            | "p"
            | "br"
            | "span"
            | "table"
            | "tr"
            | "td"
            | "th"
            | "tbody"
            | "thead"
            | "tfoot"
            | "caption"
            | "col"
            | "colgroup"
            | "ul"
            | "ol"
            | "li"
            | "dl"
            | "dt"
            | "dd"
            | "a"
            | "b"
            | "i"
            | "u"
            | "s"
            | "em"
            | "strong"
            | "small"
            | "big"
            | "tt"
            | "sub"
            | "sup"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "hr"
            | "pre"
            | "code"
            | "samp"
            | "kbd"
            | "var"
            | "dfn"
            | "abbr"
            | "acronym"
            | "cite"
            | "q"
            | "blockquote"
            | "address"
            | "bdo"
            | "ins"
            | "del"
            | "strike"
            | "center"
            | "font"
            | "img"
            | "map"
            | "area"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn in_div(content: &str) -> String {
        format!("<div xmlns=\"{NAMESPACE}\">{content}</div>")
    }

    #[test]
    fn formatted_text_is_fine() {
        for content in [
            "text",
            "<p class='a' style=\"x\">a &amp; b &#160; &nbsp;&#xA0;</p><br/><hr />",
            "<!-- note --><a href=\"https://x/?a=1&amp;b=2\">x</a >",
            "<img src=\"#a\" alt=\"\"/>",
            "<a href=\"Patient/1\">患者</a><a href=\"#a&lt;b\">b</a>",
            "<img src=\"data:image/png;base64,AAAA\" alt=\"a\"/>",
        ] {
            assert_eq!(check(&in_div(content)), Ok(()), "{content}");
        }
    }

    #[test]
    fn it_is_a_div_in_the_xhtml_namespace() {
        for text in ["text", "<p>a</p>", "<divx>a</divx>", "<div>a</div>", "<div xmlns=\"http://x\">a</div>"] {
            assert!(check(text).is_err(), "{text}");
        }
        assert!(check(&format!("{}x", in_div("a"))).unwrap_err().english.contains("after it"));
    }

    #[test]
    fn the_number_of_attributes_is_bounded() {
        let many: String = (0..100_000).map(|place| format!(" a{place}=''")).collect();
        assert!(check(&in_div(&format!("<p{many}>a</p>"))).unwrap_err().english.contains("more than 128 attributes"));
    }

    #[test]
    fn it_is_well_formed() {
        for content in
            ["<p>", "</p>", "<b><i>a</b></i>", "a < b", "a & b", "&;", "<p a>x</p>", "<p a=b>x</p>", "<p a='1'b='2'/>"]
        {
            assert!(check(&in_div(content)).is_err(), "{content}");
        }
        assert!(check(&in_div("<p a='1' a='2'>x</p>")).unwrap_err().english.contains("twice"));
        assert!(check("<div xmlns=\"http://www.w3.org/1999/xhtml\">a").unwrap_err().english.contains("never closed"));
    }

    #[test]
    fn it_carries_no_scripts_forms_or_frames() {
        for content in [
            "<script>alert(1)</script>",
            "<SCRIPT/>",
            "<form>a</form>",
            "<iframe src='a'/>",
            "<object/>",
            "<p onclick=\"a()\">x</p>",
            "<p ONCLICK=\"a()\">x</p>",
            "<a href=\"javascript:a()\">x</a>",
            "<a href=\" Java\tScript:a()\">x</a>",
            "<a href=\"&#106;avascript:a()\">x</a>",
            "<a href=\"data:text/html,a\">x</a>",
            "<?php a ?>x",
            "<!DOCTYPE x>x",
        ] {
            assert!(check(&in_div(content)).is_err(), "{content}");
        }
    }

    #[test]
    fn it_holds_something() {
        assert!(check(&in_div(" <p/> ")).unwrap_err().english.contains("txt-2"));
    }

    proptest! {
        #[test]
        fn never_panics(content in "[<>/a-c &;='\"!-]{0,40}|.*") {
            let _ = (check(&content), check(&in_div(&content)), check(&format!("<div{content}")));
        }
    }
}
