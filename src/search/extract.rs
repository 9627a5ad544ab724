//! From a resource to its index rows (FHIR R4 search.html, the table of each parameter type).
//!
//! Runs for every write, so it walks the resource once a parameter with compiled expressions and
//! copies only what goes into rows. It never fails: values of a form the standard does not list for
//! the parameter's kind, and malformed ones, are left out.

use std::borrow::Cow;
use std::sync::Arc;

use crate::fhirpath::Item;
use crate::format::json::Node;
use crate::r4::parameters::ParameterKind;
use crate::r4::reference::{Reference, split_canonical};
use crate::r4::{TypeId, definitions};

use super::fold::key_form;
use super::registry::{Parameter, Registry};
use super::rows::{
    DENIAL, IndexRows, ReferenceRow, StringRow, TokenRow, UriRow, denial, second_form, security_context,
};
use super::shape::Shape;
use super::text::{FullText, text_row};
use super::values::{self, Measured, quantities, span, strings, tokens};

/// What extraction needs to know besides the resource.
#[derive(Debug, Clone)]
pub struct ExtractOptions {
    /// The parameters.
    pub registry: Arc<Registry>,
    /// Offset of the zone that dates without one are meant in, in seconds east of UTC.
    pub default_offset_seconds: i32,
    /// What is kept for `_text` and `_content`.
    pub full_text: FullText,
    /// The base URL of this server, when it is known: absolute references to it are local ones.
    pub base_url: Option<std::sync::Arc<str>>,
}

/// Rows one composite value may have; real ones have a handful.
const MAX_COMPOSITE: usize = 1_000;

/// All index values of a resource, sorted and without duplicates.
#[must_use]
pub fn extract(type_number: u8, resource: &Node<'_>, options: &ExtractOptions) -> IndexRows {
    let mut rows = extract_some(type_number, resource, options, |_| true);
    rows.text = text_row(resource, options.full_text);
    // What no search parameter of the standard says: whose content a Binary is, whether a Consent denies something.
    match definitions().resource_by_number(type_number).map(|found| found.name.as_str()) {
        Some("Binary") => {
            if let Some(text) = resource.get("securityContext").and_then(|context| context.text("reference")) {
                literal(security_context(type_number), text, false, options.base_url.as_deref(), &mut rows);
                sort(&mut rows);
            }
        }
        Some("Consent") if denies(resource) => {
            let code = DENIAL.to_owned();
            rows.tokens.push(TokenRow { parameter: denial(type_number), code, system: String::new() });
            sort(&mut rows);
        }
        _ => {}
    }
    rows
}

/// Whether an active Consent has a provision, at whatever depth, that denies, or opts out as a whole.
fn denies(resource: &Node<'_>) -> bool {
    let rules = resource.get("policyRule").map(|rule| rule.list("coding")).unwrap_or_default();
    if rules.iter().any(|coding| coding.text("code") == Some("OPTOUT")) {
        return resource.text("status") == Some("active");
    }
    let mut open: Vec<&Node<'_>> = resource.get("provision").into_iter().collect();
    while let Some(provision) = open.pop() {
        if provision.text("type") == Some("deny") {
            return resource.text("status") == Some("active");
        }
        open.extend(provision.list("provision"));
    }
    false
}

/// The index values of some parameters, sorted and without duplicates. A reference brings those of
/// its `:identifier` along.
#[must_use]
pub fn extract_some(
    type_number: u8,
    resource: &Node<'_>,
    options: &ExtractOptions,
    wanted: impl Fn(&Parameter) -> bool,
) -> IndexRows {
    let mut rows = IndexRows::default();
    let all = definitions();
    let place = usize::from(type_number).checked_sub(1);
    let Some(type_id) = place.and_then(|place| all.resources().get(place)).copied() else { return rows };
    let root = Item::new(type_id, resource);
    for parameter in options.registry.indexed(type_number) {
        // The rows of `<code>:identifier` come with its reference.
        if parameter.is_derived || !wanted(parameter) {
            continue;
        }
        let Ok(items) = parameter.compiled.evaluate(root) else { continue };
        for item in items {
            match parameter.kind {
                ParameterKind::Composite => composite(parameter, item, root, options, &mut rows),
                _ => unwrapped(item, &mut |item| single(parameter, &item, options, &mut rows)),
            }
        }
    }
    sort(&mut rows);
    rows
}

/// Some parameters of the standard select an extension and mean its value.
fn unwrapped<'r>(item: Item<'r>, take: &mut dyn FnMut(Item<'r>)) {
    if Shape::of(item.type_id) != Shape::Extension {
        return take(item);
    }
    let Some(node) = item.node() else { return };
    let definition = definitions().get(item.type_id);
    for (name, value) in node.members() {
        if let Some(field) = definition.field(name).filter(|_| name.starts_with("value")) {
            take(Item::new(field.type_id, value));
        }
    }
}

fn single(parameter: &Parameter, item: &Item<'_>, options: &ExtractOptions, rows: &mut IndexRows) {
    let number = parameter.number;
    match parameter.kind {
        ParameterKind::Token => {
            let before = rows.tokens.len();
            tokens(item, &mut |code, system| rows.tokens.push(TokenRow { parameter: number, code, system }));
            let other = second_form(number);
            if rows.tokens.len() == before {
                rows.tokens.push(present(number));
            }
            values::identifier_types(item, &mut |code, system| {
                rows.tokens.push(TokenRow { parameter: other, code, system });
            });
            values::token_texts(item, &mut |folded, exact| {
                rows.strings.push(StringRow { parameter: other, folded, exact });
            });
        }
        ParameterKind::String => strings(item, &mut |folded, exact| {
            rows.strings.push(StringRow { parameter: number, folded, exact });
        }),
        ParameterKind::Date => {
            if let Some((low, high)) = span(item, options.default_offset_seconds) {
                rows.dates.push(super::rows::DateRow { parameter: number, low, high });
            }
        }
        ParameterKind::Number => rows.numbers.extend(values::numbers(item).map(|(low, high)| super::rows::NumberRow {
            parameter: number,
            low,
            high,
        })),
        ParameterKind::Quantity => quantities(item, &mut |Measured { code, system, low, high, is_canonical }| {
            let parameter = if is_canonical { second_form(number) } else { number };
            rows.quantities.push(super::rows::QuantityRow { parameter, code, system, low, high });
        }),
        ParameterKind::Reference => {
            let before = (rows.references.len(), rows.uris.len());
            reference(parameter, item, options.base_url.as_deref(), rows);
            if before == (rows.references.len(), rows.uris.len()) {
                rows.tokens.push(present(number));
            }
        }
        ParameterKind::Uri => {
            if let Some(text) = item.text() {
                rows.uris.push(uri_row(number, text, Shape::of(item.type_id) == Shape::Canonical));
            }
        }
        ParameterKind::Special => {
            rows.positions
                .extend(values::point(item).map(|point| super::rows::PositionRow { parameter: number, point }));
        }
        ParameterKind::Composite => {}
    }
}

/// There is a value, but none of it can be looked up: a text alone, a display, what is contained. It
/// counts for `:missing`.
fn present(parameter: i32) -> TokenRow {
    TokenRow { parameter: second_form(parameter), code: String::new(), system: String::new() }
}

fn reference(parameter: &Parameter, item: &Item<'_>, own_base: Option<&str>, rows: &mut IndexRows) {
    let number = parameter.number;
    if let Some(text) = item.text() {
        return literal(number, text, Shape::of(item.type_id) == Shape::Canonical, own_base, rows);
    }
    if Shape::of(item.type_id) != Shape::Reference {
        return;
    }
    let Some(node) = item.node() else { return };
    if let Some(text) = node.text("reference") {
        literal(number, text, false, own_base, rows);
    }
    if let (Some(derived), Some(identifier)) = (parameter.identifier, node.get("identifier")) {
        values::identifier(identifier, &mut |code, system| {
            rows.tokens.push(TokenRow { parameter: derived, code, system });
        });
    }
}

/// A literal reference or canonical: of this server when relative, a URI otherwise. Contained
/// resources (`#p1`) are no targets of their own.
fn literal(number: i32, text: &str, is_canonical: bool, own_base: Option<&str>, rows: &mut IndexRows) {
    match Reference::parse(text).at_home(own_base) {
        Reference::Fragment(_) => {}
        Reference::Local { resource_type, id, .. } => {
            if let Some(target_type) = definitions().resource_number(resource_type) {
                rows.references.push(ReferenceRow { parameter: number, target_type, target_id: id.to_owned() });
            }
        }
        _ => rows.uris.push(uri_row(number, unversioned(text).as_ref(), is_canonical)),
    }
}

/// An absolute reference without `/_history/…`: a search names the resource, not its version.
pub(super) fn unversioned(text: &str) -> Cow<'_, str> {
    match Reference::parse(text) {
        Reference::Absolute { base, resource_type, id, version: Some(_) } => {
            Cow::Owned(format!("{base}/{resource_type}/{id}"))
        }
        _ => Cow::Borrowed(text),
    }
}

fn uri_row(parameter: i32, text: &str, is_canonical: bool) -> UriRow {
    if !is_canonical {
        return UriRow { parameter, uri: key_form(text), version: String::new() };
    }
    let (uri, version, _) = split_canonical(text);
    UriRow { parameter, uri: key_form(uri), version: key_form(version.unwrap_or_default()) }
}

fn composite(parameter: &Parameter, focus: Item<'_>, root: Item<'_>, options: &ExtractOptions, rows: &mut IndexRows) {
    let (first, second, third) = match parameter.components.as_slice() {
        [first, second] => (first, second, None),
        [first, second, third] => (first, second, Some(third)),
        _ => return,
    };
    let mut codes: Vec<(String, String)> = Vec::new();
    for item in select(&first.by_type, focus, root) {
        tokens(&item, &mut |code, system| codes.push((code, system)));
    }
    if codes.is_empty() {
        return;
    }
    let mut seconds: Vec<Second> = Vec::new();
    for item in select(&second.by_type, focus, root) {
        second_values(second.kind, &item, options, &mut seconds);
    }
    if let Some(third) = third {
        let thirds: Vec<Vec<u8>> = select(&third.by_type, focus, root)
            .iter()
            .filter_map(|item| values::numbers(item))
            .map(|ends| ends.0)
            .collect();
        let both = seconds.into_iter().flat_map(|second| {
            thirds.iter().map(move |high| Second { low: second.low.clone(), high: high.clone(), ..Second::default() })
        });
        seconds = both.take(MAX_COMPOSITE).collect();
    }
    let number = parameter.number;
    let pairs = codes.iter().flat_map(|code| seconds.iter().map(move |second| (code, second)));
    rows.composites.extend(pairs.take(MAX_COMPOSITE).map(|((code, system), second)| super::rows::CompositeRow {
        parameter: if second.is_canonical { second_form(number) } else { number },
        code: code.clone(),
        system: system.clone(),
        text: second.text.clone(),
        text_system: second.text_system.clone(),
        low: second.low.clone(),
        high: second.high.clone(),
    }));
}

fn select<'r>(by_type: &'r [(TypeId, crate::fhirpath::Compiled)], focus: Item<'r>, root: Item<'r>) -> Vec<Item<'r>> {
    let compiled = by_type.iter().find(|(id, _)| *id == focus.type_id).map(|(_, compiled)| compiled);
    let items = compiled.and_then(|compiled| compiled.evaluate_in(focus, root).ok());
    items.into_iter().flatten().collect()
}

/// The second component as a row keeps it.
#[derive(Default)]
struct Second {
    text: String,
    text_system: String,
    low: Vec<u8>,
    high: Vec<u8>,
    is_canonical: bool,
}

fn second_values(kind: ParameterKind, item: &Item<'_>, options: &ExtractOptions, out: &mut Vec<Second>) {
    match kind {
        ParameterKind::Token => {
            tokens(item, &mut |text, text_system| out.push(Second { text, text_system, ..Second::default() }));
        }
        ParameterKind::String => {
            strings(item, &mut |text, _| out.push(Second { text, ..Second::default() }));
        }
        ParameterKind::Date => out.extend(span(item, options.default_offset_seconds).map(|(low, high)| Second {
            low: sortable_micros(low),
            high: sortable_micros(high),
            ..Second::default()
        })),
        ParameterKind::Number => {
            out.extend(values::numbers(item).map(|(low, high)| Second { low, high, ..Second::default() }));
        }
        ParameterKind::Quantity => quantities(item, &mut |Measured { code, system, low, high, is_canonical }| {
            out.push(Second { text: code, text_system: system, low, high, is_canonical });
        }),
        ParameterKind::Reference | ParameterKind::Uri => {
            let text = item.text().or_else(|| item.node().and_then(|node| node.text("reference")));
            out.extend(text.filter(|text| !text.starts_with('#')).map(|text| Second {
                text: match Reference::parse(text).at_home(options.base_url.as_deref()) {
                    Reference::Local { resource_type, id, .. } => format!("{resource_type}/{id}"),
                    _ => key_form(text),
                },
                ..Second::default()
            }));
        }
        ParameterKind::Composite | ParameterKind::Special => {}
    }
}

/// A time as 8 bytes that sort like the number: big-endian with the sign bit flipped.
#[must_use]
pub fn sortable_micros(micros: i64) -> Vec<u8> {
    (micros ^ i64::MIN).to_be_bytes().to_vec()
}

fn sort(rows: &mut IndexRows) {
    fn tidy<T: Ord>(list: &mut Vec<T>) {
        list.sort_unstable();
        list.dedup();
    }
    tidy(&mut rows.tokens);
    tidy(&mut rows.strings);
    tidy(&mut rows.dates);
    tidy(&mut rows.numbers);
    tidy(&mut rows.quantities);
    tidy(&mut rows.references);
    tidy(&mut rows.uris);
    tidy(&mut rows.composites);
    tidy(&mut rows.positions);
}

#[cfg(test)]
mod tests;
