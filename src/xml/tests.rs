//! There and back for everything the standard and Japan's guides show; refusals with their place.

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::format::json::{Node, parse};
use crate::validation::shared;

fn xml(json: &str) -> String {
    let mut out = Vec::new();
    write_xml(&parse(json.as_bytes()).unwrap(), false, &mut out).unwrap();
    String::from_utf8(out).unwrap().replacen("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "", 1)
}

fn json(xml: &str) -> String {
    String::from_utf8(parse_xml(xml.as_bytes()).unwrap().to_bytes()).unwrap()
}

/// A Patient with `content` inside.
fn patient(content: &str) -> String {
    format!("<Patient xmlns=\"http://hl7.org/fhir\">{content}</Patient>")
}

#[track_caller]
fn refused(xml: &str, says: &str, place: (usize, usize)) {
    let error = parse_xml(xml.as_bytes()).unwrap_err();
    assert!(error.message.contains(says), "{error} does not say {says:?}");
    assert_eq!((error.line, error.column), place, "{error}");
}

/// Both ways, in the order of the standard on both sides.
#[track_caller]
fn corresponds(left: &str, right: &str) {
    assert_eq!(xml(left), right);
    assert_eq!(json(right), left);
}

#[test]
fn values_are_attributes_and_elements_nest() {
    corresponds(
        r#"{"resourceType":"Patient","id":"a","active":true,"name":[{"id":"n","family":"山田","given":["太郎","T"]},{"text":"x"}],"multipleBirthInteger":2}"#,
        &patient(
            "<id value=\"a\"/><active value=\"true\"/><name id=\"n\"><family value=\"山田\"/><given value=\"太郎\"/><given value=\"T\"/></name><name><text value=\"x\"/></name><multipleBirthInteger value=\"2\"/>",
        ),
    );
}

#[test]
fn decimals_keep_their_digits() {
    corresponds(
        r#"{"resourceType":"Observation","valueQuantity":{"value":0.0100,"code":"1e"}}"#,
        r#"<Observation xmlns="http://hl7.org/fhir"><valueQuantity><value value="0.0100"/><code value="1e"/></valueQuantity></Observation>"#,
    );
    assert!(json(&patient("<multipleBirthInteger value=\"+1\"/>")).contains("\"multipleBirthInteger\":\"+1\""));
}

/// json.html#primitive: `_x` in JSON, children of the element in XML; null where one is missing.
#[test]
fn extensions_of_primitives_keep_their_place() {
    corresponds(
        r#"{"resourceType":"Patient","name":[{"given":["a",null,"c"],"_given":[null,{"id":"g","extension":[{"url":"http://e","valueCode":"x"}]},null]}],"_birthDate":{"extension":[{"url":"http://e","valueDate":"2026"}]}}"#,
        &patient(
            "<name><given value=\"a\"/><given id=\"g\"><extension url=\"http://e\"><valueCode value=\"x\"/></extension></given><given value=\"c\"/></name><birthDate><extension url=\"http://e\"><valueDate value=\"2026\"/></extension></birthDate>",
        ),
    );
}

#[test]
fn resources_nest() {
    corresponds(
        r#"{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"urn:a","resource":{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"o"}]}}]}"#,
        r#"<Bundle xmlns="http://hl7.org/fhir"><type value="collection"/><entry><fullUrl value="urn:a"/><resource><Patient><contained><Organization><id value="o"/></Organization></contained></Patient></resource></entry></Bundle>"#,
    );
    corresponds(
        r#"{"resourceType":"Parameters","parameter":[{"name":"x","resource":{"resourceType":"Patient"}}]}"#,
        r#"<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="x"/><resource><Patient/></resource></parameter></Parameters>"#,
    );
}

#[test]
fn elements_are_written_in_the_order_of_the_standard() {
    assert_eq!(
        xml(r#"{"birthDate":"2000","_active":{"id":"a"},"id":"x","resourceType":"Patient","active":false}"#),
        patient("<id value=\"x\"/><active id=\"a\" value=\"false\"/><birthDate value=\"2000\"/>")
    );
}

#[test]
fn white_space_and_markup_in_values_survive() {
    corresponds(
        r#"{"resourceType":"Patient","name":[{"text":"a\n\t\r<b> & \"c\" 'd'"}]}"#,
        &patient("<name><text value=\"a&#10;&#9;&#13;&lt;b&gt; &amp; &quot;c&quot; 'd'\"/></name>"),
    );
    // XML 1.0 section 3.3.3: a plain line end in an attribute is a space.
    assert!(json(&patient("<language value='a\nb'/>")).contains("\"a b\""));
    assert!(xml(r#"{"resourceType":"Patient","language":"\u0001\uffff"}"#).contains("\"\u{fffd}\u{fffd}\""));
}

#[test]
fn narratives_keep_their_source() {
    let div = "<div xmlns='http://www.w3.org/1999/xhtml' >\n <p  class=\"a\">&amp; &#160;<!-- c --><br />é</p></div>";
    let read = parse_xml(patient(&format!("<text><status value=\"generated\"/>{div}</text>")).as_bytes()).unwrap();
    assert_eq!(read.path(&["text", "div"]).unwrap().as_str(), Some(div));
    let mut out = Vec::new();
    write_xml(&read, true, &mut out).unwrap();
    assert!(String::from_utf8(out).unwrap().contains(div));
    // Named entities of HTML are unknown to XML.
    let written = xml(
        r#"{"resourceType":"Patient","text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a&nbsp;b &lt; <![CDATA[&nbsp;]]></div>"}}"#,
    );
    assert!(written.contains("a&#160;b &lt; <![CDATA[&nbsp;]]></div>"), "{written}");
}

#[test]
fn prefixes_are_understood() {
    let document = "<?xml version=\"1.0\"?><!-- c --><f:Patient xmlns:f=\"http://hl7.org/fhir\" xmlns:h=\"http://www.w3.org/1999/xhtml\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:schemaLocation=\"a b\"><?pi x?><f:text><h:div class='\"'>a<h:br/><h:b>c</h:b></h:div></f:text></f:Patient>";
    assert_eq!(
        json(document),
        r#"{"resourceType":"Patient","text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\" class=\"&quot;\">a<br/><b>c</b></div>"}}"#
    );
}

#[test]
fn pretty_is_the_same_resource() {
    let resource = parse(br#"{"resourceType":"Patient","contained":[{"resourceType":"Patient","active":true}],"name":[{"given":["a"]}]}"#).unwrap();
    let mut out = Vec::new();
    write_xml(&resource, true, &mut out).unwrap();
    assert_eq!(parse_xml(&out).unwrap(), resource);
    assert!(String::from_utf8(out).unwrap().contains("\n  <name>\n    <given value=\"a\"/>\n  </name>\n"));
}

#[test]
fn what_is_not_well_formed_is_refused_with_its_place() {
    refused("", "a FHIR resource in XML is expected", (1, 1));
    refused("nonsense", "text is not allowed", (1, 1));
    refused(&patient("\n <active value=\"true\">\n"), "not well-formed", (3, 1));
    refused("<Patient xmlns=\"http://hl7.org/fhir\">\n", "ends before", (2, 1));
    refused(&patient("\n<active value=\"true\" value=\"true\"/>"), "not well-formed", (2, 1));
    refused(&patient("\n<active value=true/>"), "not well-formed", (2, 1));
    refused(&patient("\n<language value=\"a<b\"/>"), "&lt;", (2, 1));
    refused(&patient("\n<language value=\"&nbsp;\"/>"), "nbsp", (2, 1));
    refused(&patient("\n  text"), "\"text\"", (2, 3));
    refused(&format!("{}\n<a/>", patient("")), "one outermost element", (2, 1));
    refused("<?xml version=\"1.0\" encoding=\"Shift_JIS\"?><a/>", "UTF-8", (1, 1));
    let error = parse_xml(b"<Patient\n\xff>").unwrap_err();
    assert_eq!((error.line, error.column), (2, 1));
    assert!(error.message.contains("UTF-8"));
}

#[test]
fn what_the_standard_does_not_know_is_refused() {
    refused("<Patient/>", "xmlns=\"http://hl7.org/fhir\"", (1, 1));
    refused("<Patient xmlns=\"http://hl7.org/fhir/\"/>", "namespace", (1, 1));
    refused("<Patent xmlns=\"http://hl7.org/fhir\"/>", "not a resource type", (1, 1));
    refused(&patient("\n <nmae/>"), "unknown element <nmae> in Patient", (2, 2));
    refused(&patient("<Active value=\"true\"/>"), "did you mean <active>", (1, 38));
    refused(&patient("<deceased value=\"true\"/>"), "deceasedBoolean, deceasedDateTime", (1, 38));
    refused(&patient("<active xmlns=\"urn:x\" value=\"true\"/>"), "namespace", (1, 38));
    refused(&patient("<active valu=\"true\"/>"), "unknown attribute 'valu'", (1, 38));
    refused(&patient("<active/>"), "empty", (1, 38));
    refused(&patient("<name><id value=\"a\"/></name>"), "attribute", (1, 44));
    refused(&patient("<contained/>"), "exactly one resource", (1, 50));
    refused(&patient("<text><div>a</div></text>"), "must be XHTML", (1, 44));
    refused(&patient("<text><div xmlns=\"http://www.w3.org/1999/xhtml\">&nbsp;</div></text>"), "nbsp", (1, 86));
}

#[test]
fn order_and_number_of_elements_are_those_of_the_standard() {
    refused(&patient("<active value=\"true\"/>\n<active value=\"true\"/>"), "given twice", (2, 1));
    refused(&patient("<gender value=\"male\"/>\n<active value=\"true\"/>"), "comes before it", (2, 1));
    refused(
        &patient("<deceasedBoolean value=\"true\"/>\n<deceasedDateTime value=\"2000\"/>"),
        "only one of them",
        (2, 1),
    );
}

/// No entity can be declared, so none can grow (FHIR R4 xml.html, security.html).
#[test]
fn document_types_are_refused() {
    let bomb = "<?xml version=\"1.0\"?>\n<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY a \"&lol;&lol;&lol;\">]><Patient xmlns=\"http://hl7.org/fhir\"><language value=\"&a;\"/></Patient>";
    refused(bomb, "DOCTYPE", (2, 1));
    refused("<!DOCTYPE Patient SYSTEM \"file:///etc/passwd\"><Patient/>", "DOCTYPE", (1, 1));
}

#[test]
fn depth_is_bounded() {
    let nested = |times: usize| {
        let (open, close) = ("<extension url=\"a\">".repeat(times), "</extension>".repeat(times));
        patient(&format!("{open}{close}"))
    };
    parse_xml(nested(60).as_bytes()).unwrap();
    let error = parse_xml(nested(10_000).as_bytes()).unwrap_err();
    assert!(error.message.contains("deeper") && error.column > 1000, "{error}");
    parse_xml("<a>".repeat(10_000).as_bytes()).unwrap_err();
    let spans = format!("{}{}", "<b>".repeat(100_000), "</b>".repeat(100_000));
    let div = patient(&format!("<text><div xmlns=\"http://www.w3.org/1999/xhtml\">{spans}</div></text>"));
    assert!(parse_xml(div.as_bytes()).unwrap_err().message.contains("nested deeper"));
}

/// Comparing each attribute with all others must not become work without end.
#[test]
fn the_number_of_attributes_is_bounded() {
    let many: String = (0..100_000).map(|place| format!(" a{place}=\"\"")).collect();
    let div = format!("<text><div xmlns=\"http://www.w3.org/1999/xhtml\"><p{many}>a</p></div></text>");
    refused(&patient(&div), "more than 128 attributes", (1, 86));
    let schema = many.replace(" a", " xsi:a");
    let root = format!(
        "<Patient xmlns=\"http://hl7.org/fhir\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"{schema}/>"
    );
    refused(&root, "more than 128 attributes", (1, 1));
}

#[test]
fn what_is_no_resource_is_not_written() {
    for json in ["1", "{}", r#"{"resourceType":"Patient","nmae":1}"#, r#"{"resourceType":"Patient","name":1}"#] {
        let written = write_xml(&parse(json.as_bytes()).unwrap(), false, &mut Vec::new());
        assert!(written.is_err() || json.contains("\"name\":1"), "{json}");
    }
}

/// The names of members sorted, everything else as it is.
fn sorted(node: Node<'_>) -> Node<'_> {
    match node {
        Node::Object(mut members) => {
            members.sort_by(|left, right| left.0.cmp(&right.0));
            Node::Object(members.into_iter().map(|(name, value)| (name, sorted(value))).collect())
        }
        Node::Array(items) => Node::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// JSON → XML → JSON is the same but for the order of members, digits and narratives included.
#[test]
fn examples_survive_the_way_there_and_back() {
    let folders = ["suites/r4-examples", "samples/ereferral", "samples/jp-clins", "samples/synthea"];
    for folder in folders.into_iter().filter_map(shared) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let bytes = fs::read(&path).unwrap();
            let Ok(resource) = parse(&bytes) else { continue };
            if crate::validation::structure::check_resource(&resource, None).is_err() {
                continue;
            }
            for is_pretty in [false, true] {
                let mut out = Vec::new();
                write_xml(&resource, is_pretty, &mut out).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let back = parse_xml(&out).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                assert!(sorted(back) == sorted(resource.clone()), "{}", path.display());
            }
        }
    }
}

proptest! {
    #[test]
    fn any_text_survives(text in "[\\x09\\x0a\\x0d\\x20-\\u{fffd}]{1,40}") {
        let resource = Node::object([("resourceType", Node::string("Patient")), ("language", Node::string(text))]);
        let mut out = Vec::new();
        write_xml(&resource, false, &mut out).unwrap();
        prop_assert_eq!(parse_xml(&out).unwrap(), resource);
    }

    #[test]
    fn never_panics(pieces in prop::collection::vec(prop::sample::select(vec![
        "<Patient xmlns=\"http://hl7.org/fhir\">", "</Patient>", "<name>", "</name>", "<given value=\"a\"/>", "<active",
        " value=\"true\"", "/>", ">", "<div xmlns=\"http://www.w3.org/1999/xhtml\">", "</div>", "<text>", "</text>",
        "&amp;", "&#0;", "&x;", "<!--", "-->", "<![CDATA[", "]]>", "<?", "?>", "<contained>", "</contained>", "é", "\"",
        "<extension url=\"a\">", "</extension>", "<!DOCTYPE", "xmlns:a=\"b\"", "<a:b>",
    ]), 0..20)) {
        let _ = parse_xml(pieces.concat().as_bytes());
        let _ = parse_xml(patient(&pieces.concat()).as_bytes());
    }
}
