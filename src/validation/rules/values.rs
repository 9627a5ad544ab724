//! Values whose parts must agree, or that have a form their type does not tell: attachments, units,
//! URIs, texts that look like script, entities in narratives.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::escape::resolve_xml_entity;

use super::remark::Remark;
use crate::format::json::Node;
use crate::r4::outcome::{IssueCode, Severity};
use crate::r4::ucum;

/// An Attachment: `size` and `hash` are those of `data`; the hash is a SHA-1 (FHIR R4
/// datatypes-definitions.html#Attachment.size, #Attachment.hash).
pub(crate) fn attachment(node: &Node<'_>, remarks: &mut Vec<Remark>) {
    let (size, hash) = (node.get("size"), node.text("hash"));
    if size.is_none() && hash.is_none() {
        return;
    }
    let Some(bytes) = node.text("data").and_then(decoded) else { return };
    if let Some(Node::Number(size)) = size
        && size.parse() != Ok(bytes.len())
    {
        let remark = Remark::error(IssueCode::Invalid, "attachment-size", ".size");
        remarks.push(remark.with(size.as_ref()).with(bytes.len().to_string()));
    }
    if let Some(hash) = hash {
        let right = sha1_smol::Sha1::from(&bytes).digest().bytes();
        if decoded(hash).as_deref() != Some(&right[..]) {
            let remark = Remark::error(IssueCode::Invalid, "attachment-hash", ".hash");
            remarks.push(remark.with(hash).with(STANDARD.encode(right)));
        }
    }
}

/// The bytes base64 stands for; `None` when it is none.
fn decoded(data: &str) -> Option<Vec<u8>> {
    if data.bytes().any(|byte| byte.is_ascii_whitespace()) {
        let packed: Vec<u8> = data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        return STANDARD.decode(packed).ok();
    }
    STANDARD.decode(data).ok()
}

/// A Reference: a URL has no spaces in it (references.html#literal).
pub(crate) fn reference(node: &Node<'_>, remarks: &mut Vec<Remark>) {
    let Some(reference) = node.text("reference") else { return };
    if reference.contains(char::is_whitespace) {
        remarks.push(Remark::error(IssueCode::Invalid, "reference-space", ".reference").with(reference));
    }
}

/// A Quantity: a code of UCUM is one (datatypes.html#Quantity).
pub(crate) fn quantity(node: &Node<'_>, remarks: &mut Vec<Remark>) {
    if node.text("system") != Some(ucum::SYSTEM) {
        return;
    }
    let Some(code) = node.text("code") else { return };
    if let Err(why) = ucum::check(code) {
        remarks.push(Remark::error(IssueCode::CodeInvalid, "unit-unknown", ".code").with(code).with(why));
    }
}

/// A Coding: its system is an absolute URI of a code system (datatypes-definitions.html#Coding.system).
pub(crate) fn coding(node: &Node<'_>, is_value_set: impl Fn(&str) -> bool, remarks: &mut Vec<Remark>) {
    let Some(system) = node.text("system") else { return };
    if !system.contains(':') {
        remarks.push(Remark::error(IssueCode::Invalid, "system-relative", ".system").with(system));
    } else if system.contains("ValueSet/") && is_value_set(system) {
        remarks.push(Remark::error(IssueCode::Invalid, "system-value-set", ".system").with(system));
    }
}

/// A uri, url, canonical, oid or uuid (datatypes.html#uri: RFC 3986; `urn:uuid:` in lower case).
pub(crate) fn uri(text: &str, remarks: &mut Vec<Remark>) {
    if let Some(uuid) = text.strip_prefix("urn:uuid:") {
        if !is_uuid(uuid) {
            remarks.push(Remark::error(IssueCode::Invalid, "uri-uuid", "").with(text));
        }
    } else if let Some(oid) = text.strip_prefix("urn:oid:") {
        if !is_oid(oid) {
            remarks.push(Remark::error(IssueCode::Invalid, "uri-oid", "").with(text));
        }
    } else if text.starts_with("oid:") || text.starts_with("uuid:") {
        remarks.push(Remark::error(IssueCode::Invalid, "uri-scheme", "").with(text));
    }
}

fn is_uuid(text: &str) -> bool {
    // A fragment or version may follow in canonicals.
    let text = text.split(['#', '|']).next().unwrap_or_default();
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            // "use all lowercase" (datatypes.html#uri, of UUIDs)
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

fn is_oid(text: &str) -> bool {
    let text = text.split(['#', '|']).next().unwrap_or_default();
    let mut parts = text.split('.');
    let is_first = parts.next().is_some_and(|first| matches!(first, "0" | "1" | "2"));
    let is_number = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'))
    };
    is_first && text.contains('.') && parts.all(is_number)
}

/// A text of nothing but spaces: "strings SHOULD always contain non-whitespace content" (datatypes.html#string).
pub(crate) fn blank(text: &str, remarks: &mut Vec<Remark>) {
    if text.bytes().all(|byte| byte.is_ascii_whitespace()) {
        remarks.push(Remark::warning(IssueCode::Value, "text-blank", ""));
    }
}

/// A text that would run as script where somebody shows it without care (security.html#narrative).
pub(crate) fn text(text: &str, remarks: &mut Vec<Remark>) {
    let Some(place) = text.find('<') else { return };
    let rest = text.get(place..).unwrap_or_default().to_ascii_lowercase();
    if ["<script", "<iframe", "<object", "<embed"].iter().any(|tag| rest.contains(tag)) {
        let remark = Remark::error(IssueCode::Security, "text-script", "");
        remarks.push(Remark { severity: Severity::Error, ..remark });
    }
}

/// Whether a text holds what a browser would take for HTML: a tag that is not escaped, a comment, an instruction.
pub(crate) fn has_html(text: &str) -> bool {
    text.match_indices('<').any(|(place, _)| {
        let is_escaped = text.get(..place).is_some_and(|before| before.ends_with('\\'));
        let rest = text.get(place + 1..).unwrap_or_default();
        if rest.starts_with(['!', '?']) {
            return true;
        }
        let name = rest.strip_prefix('/').unwrap_or(rest);
        let end = name.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-').unwrap_or(name.len());
        let after = name.get(end..).and_then(|after| after.chars().next());
        !is_escaped
            && name.starts_with(|first: char| first.is_ascii_alphabetic())
            && after.is_some_and(|letter| letter.is_whitespace() || matches!(letter, '>' | '/'))
    })
}

/// A narrative: only the five entities of XML and character references (narrative.html#xhtml: "there is no
/// support for HTML entities like &nbsp; or &copy; … Unicode characters SHALL be used instead").
pub(crate) fn narrative(text: &str, remarks: &mut Vec<Remark>) {
    let mut rest = text;
    while let Some(start) = rest.find(['&', '<']) {
        rest = rest.get(start..).unwrap_or_default();
        // What looks like an entity in a comment or in character data is none.
        let skipped = [("<!--", "-->"), ("<![CDATA[", "]]>")].into_iter().find(|(open, _)| rest.starts_with(open));
        if let Some((open, close)) = skipped {
            rest = rest.get(open.len()..).and_then(|inner| inner.split_once(close)).map_or("", |(_, after)| after);
            continue;
        }
        if let Some(name) = rest.strip_prefix('&').and_then(|rest| rest.split_once(';')).map(|(name, _)| name)
            && name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && resolve_xml_entity(name).is_none()
        {
            remarks.push(Remark::error(IssueCode::Invalid, "narrative-entity", "").with(name));
            return;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json;

    fn judge(check: fn(&Node<'_>, &mut Vec<Remark>), text: &str) -> Vec<&'static str> {
        let mut remarks = Vec::new();
        check(&json::parse(text.as_bytes()).unwrap(), &mut remarks);
        remarks.into_iter().map(|remark| remark.message).collect()
    }

    #[test]
    fn sizes_are_those_of_the_data() {
        assert_eq!(judge(attachment, r#"{"data":"aGVs bG8=","size":5}"#), [""; 0]);
        assert_eq!(judge(attachment, r#"{"data":"aGVsbG8=","size":6}"#), ["attachment-size"]);
        assert_eq!(judge(attachment, r#"{"url":"http://a","size":6}"#), [""; 0]);
        assert_eq!(judge(attachment, r#"{"data":"aGVsbG8=","hash":"qvTGHdzF6KLavt4PO0gs2a6pQ00="}"#), [""; 0]);
        assert_eq!(
            judge(attachment, r#"{"data":"aGVsbG8=","hash":"AAAAHdzF6KLavt4PO0gs2a6pQ00="}"#),
            ["attachment-hash"]
        );
    }

    #[test]
    fn units_are_ucum_when_they_say_so() {
        assert_eq!(judge(quantity, r#"{"value":1,"system":"http://unitsofmeasure.org","code":"mm[Hg]"}"#), [""; 0]);
        assert_eq!(
            judge(quantity, r#"{"value":1,"system":"http://unitsofmeasure.org","code":"mmHg"}"#),
            ["unit-unknown"]
        );
        assert_eq!(judge(quantity, r#"{"value":1,"unit":"錠"}"#), [""; 0]);
    }

    #[test]
    fn uris_of_known_schemes_have_their_form() {
        let judge = |text: &str| {
            let mut remarks = Vec::new();
            uri(text, &mut remarks);
            remarks.into_iter().map(|remark| remark.message).collect::<Vec<_>>()
        };
        for fine in
            ["http://a", "urn:oid:1.2.392.100495.20.3.51", "urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "#x"]
        {
            assert_eq!(judge(fine), [""; 0], "{fine}");
        }
        assert_eq!(judge("urn:uuid:c757873d-ec9a-4326-a141-556f43239520asdf"), ["uri-uuid"]);
        assert_eq!(judge("urn:uuid:C757873D-EC9A-4326-A141-556F43239520"), ["uri-uuid"]);
        assert_eq!(judge("urn:oid:1.02"), ["uri-oid"]);
        assert_eq!(judge("oid:1.2"), ["uri-scheme"]);
    }

    #[test]
    fn script_is_no_text() {
        let judge = |found: &str| {
            let mut remarks = Vec::new();
            text(found, &mut remarks);
            remarks.len()
        };
        assert_eq!((judge("x < 5 <b>y</b>"), judge("Standard <SCRIPT>x</script>")), (0, 1));
    }

    #[test]
    fn html_is_told_from_text() {
        assert!(["a <b>x</b>", "<resource type>", "<!-- x -->", "</p >", "<br/>"].iter().all(|text| has_html(text)));
        assert!(["x < 5 > 3", "\\<b>", "<id", "<3>", "a<=b", ""].iter().all(|text| !has_html(text)));
    }

    #[test]
    fn narratives_have_the_entities_of_xml() {
        let judge = |content: &str| {
            let mut remarks = Vec::new();
            narrative(&format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{content}</div>"), &mut remarks);
            remarks.into_iter().map(|remark| remark.parameters.concat()).collect::<Vec<_>>()
        };
        assert_eq!(judge("a &amp; b &lt; &#160;&#xA0; <!-- &reg; --><![CDATA[&reg;]]>"), [""; 0]);
        assert_eq!(judge("CPT&reg; &amp; more"), ["reg"]);
        assert_eq!(judge("<a title='&nbsp;'>x</a>"), ["nbsp"]);
    }
}
