//! A typed query as SQL: each condition is the set of keys that meet it.
//!
//! Cost: every set is one or a few ranges of a clustered table, except `:contains`, `system|` and
//! negations, which read all rows of their parameter.

use std::collections::{BTreeMap, HashMap};

mod filter;
mod link;
mod spans;

use super::connection::{Statement, Value};
use super::index::{fit, split_string};
use super::text;
use crate::r4::parameters::ParameterKind;
use crate::search::extract::sortable_micros;
use crate::search::query::{
    CompositeSecond, CompositeTest, Condition, DateTest, LONG_LIST, NearTest, NumberTest, Prefix, QuantityTest,
    ReferenceTest, StringTest, Test, TokenTest, UriTest,
};
use crate::search::rows::second_form;

/// The table that holds the values of a kind.
pub(super) const fn table_of(kind: ParameterKind) -> &'static str {
    match kind {
        ParameterKind::Number => "number",
        ParameterKind::Date => "date",
        ParameterKind::String => "string",
        ParameterKind::Token => "token",
        ParameterKind::Special => "position",
        ParameterKind::Reference => "reference",
        ParameterKind::Composite => "composite",
        ParameterKind::Quantity => "quantity",
        ParameterKind::Uri => "uri",
    }
}

/// `AND …` on the resource row `r`.
pub(super) fn restrict(statement: &mut Statement, condition: &Condition) {
    statement.sql(" AND ");
    predicate(statement, condition);
}

/// Whether the resource row `r` meets a condition.
fn predicate(statement: &mut Statement, condition: &Condition) {
    match condition {
        Condition::Id(ids) if ids.is_empty() => {
            statement.sql("1 = 0");
        }
        Condition::Id(ids) => {
            statement.sql("r.id IN ").bind_list(ids.iter().map(String::as_str));
        }
        Condition::LastUpdated(tests) => {
            statement.sql("(");
            any(statement, tests, |statement, test| date(statement, test, "r.updated", "r.updated"));
            statement.sql(")");
        }
        Condition::Indexed { parameter, .. } | Condition::Missing { parameter, .. } => {
            of_parameters(statement, &[*parameter], condition);
        }
        Condition::Across { parameters, condition } => of_parameters(statement, parameters, condition),
        Condition::Compartment { owner_type, owner_id, parameters, itself } => {
            statement.sql("r.key IN (");
            statement.append(link::compartment(*owner_type, owner_id, parameters, *itself)).sql(")");
        }
        Condition::Chain { parameter, targets } => {
            statement.sql("r.key IN (").append(link::referring(*parameter, targets)).sql(")");
        }
        Condition::Has { parameter, condition } => link::referred(statement, *parameter, condition),
        Condition::Naming { parameter, target, condition } => {
            statement.sql("r.key IN (").append(link::naming(*parameter, target, condition)).sql(")");
        }
        Condition::NamedBy { parameter, target, condition } => {
            statement.sql("r.key IN (").append(link::named_by(*parameter, target, condition)).sql(")");
        }
        Condition::All(list) => filter::all(statement, list),
        Condition::Any(list) => filter::any(statement, list),
        Condition::Text { in_narrative, phrase } => {
            statement.sql("r.key IN (").append(text::keys(phrase, *in_narrative)).sql(")");
        }
        Condition::Not(condition) => {
            statement.sql("NOT (");
            predicate(statement, condition);
            statement.sql(")");
        }
    }
}

/// An indexed or missing parameter, by its numbers.
fn of_parameters(statement: &mut Statement, parameters: &[i32], condition: &Condition) {
    let (keys, negated) = match condition {
        Condition::Indexed { test, negated, .. } => (keys(parameters, test), *negated),
        Condition::Missing { kind, missing, .. } => (having(parameters, *kind), *missing),
        _ => return,
    };
    statement.sql(if negated { "r.key NOT IN (" } else { "r.key IN (" }).append(keys).sql(")");
}

/// The keys that meet a condition, when they can be found without reading the resources of the
/// type. Those of `_has` may be of other types, and of resources that are not here.
pub(super) fn key_set(condition: &Condition) -> Option<Statement> {
    match condition {
        Condition::Indexed { parameter, test, negated: false } => Some(keys(&[*parameter], test)),
        Condition::Across { parameters, condition } => match condition.as_ref() {
            Condition::Indexed { test, negated: false, .. } => Some(keys(parameters, test)),
            _ => None,
        },
        Condition::Compartment { owner_type, owner_id, parameters, itself } => {
            Some(link::compartment(*owner_type, owner_id, parameters, *itself))
        }
        Condition::Chain { parameter, targets } => Some(link::referring(*parameter, targets)),
        Condition::Has { parameter, condition } => Some(link::targets(*parameter, condition)),
        Condition::Naming { parameter, target, condition } => Some(link::naming(*parameter, target, condition)),
        Condition::NamedBy { parameter, target, condition } => Some(link::named_by(*parameter, target, condition)),
        Condition::All(list) => filter::keys_of_all(list),
        Condition::Any(list) => filter::keys_of_any(list),
        Condition::Text { in_narrative, phrase } => Some(text::keys(phrase, *in_narrative)),
        Condition::Indexed { .. }
        | Condition::Missing { .. }
        | Condition::Id(_)
        | Condition::LastUpdated(_)
        | Condition::Not(_) => None,
    }
}

/// The keys for which one of the values of `test` holds.
fn keys(parameters: &[i32], test: &Test) -> Statement {
    let from = |table: &str| {
        let mut statement = from_table(table, parameters);
        statement.sql(" AND (");
        statement
    };
    let mut statement;
    match test {
        Test::Token(tests) => {
            statement = from("token");
            any(&mut statement, &by_system(tests), |statement, test| token(statement, test, "code", "system"));
        }
        Test::String(tests) => {
            statement = from("string");
            any(&mut statement, tests, string);
        }
        Test::Date(tests) => return spans::keys(parameters, &[tests]),
        Test::Number(tests) => {
            statement = from("number");
            any(&mut statement, tests, |statement, test| range(statement, test, "low", "high"));
        }
        Test::Quantity(tests) => {
            return in_both_forms(
                "quantity",
                parameters,
                tests,
                |test| test.is_canonical,
                |statement, test| {
                    quantity(statement, test, "code", "system");
                },
            );
        }
        Test::Uri(tests) => {
            statement = from("uri");
            any(&mut statement, tests, uri);
        }
        Test::Composite(tests) => {
            let is_canonical =
                |test: &CompositeTest| matches!(&test.second, CompositeSecond::Quantity(test) if test.is_canonical);
            return in_both_forms("composite", parameters, tests, is_canonical, composite);
        }
        Test::Near(tests) => {
            statement = from("position");
            any(&mut statement, tests, near);
        }
        Test::Reference(tests) => return references(parameters, tests),
        Test::Row(test) => return filter::keys(parameters, test),
    }
    statement.sql(")");
    statement
}

/// Tests on values as written and tests on their second form, which has a number of its own.
fn in_both_forms<T: Clone>(
    table: &str,
    parameters: &[i32],
    tests: &[T],
    is_second: impl Fn(&T) -> bool,
    mut write: impl FnMut(&mut Statement, &T),
) -> Statement {
    let (second, first): (Vec<T>, Vec<T>) = tests.iter().cloned().partition(is_second);
    let mut statement = Statement::default();
    let seconds: Vec<i32> = parameters.iter().map(|number| second_form(*number)).collect();
    if !second.is_empty() {
        statement.append(from_table(table, &seconds)).sql(" AND (");
        any(&mut statement, &second, &mut write);
        statement.sql(")");
    }
    if !first.is_empty() || second.is_empty() {
        if !second.is_empty() {
            statement.sql(" UNION ALL ");
        }
        statement.append(from_table(table, parameters)).sql(" AND (");
        any(&mut statement, &first, &mut write);
        statement.sql(")");
    }
    statement
}

/// `SELECT key FROM … WHERE parameter = …`
fn from_table(table: &str, parameters: &[i32]) -> Statement {
    let mut statement = Statement::new("SELECT key FROM ");
    statement.sql(table).sql(" WHERE parameter ");
    match parameters {
        [parameter] => statement.sql("= ").bind(i64::from(*parameter)),
        several => statement.sql("IN ").bind_list(several.iter().map(|number| i64::from(*number))),
    };
    statement
}

fn references(parameters: &[i32], tests: &[ReferenceTest]) -> Statement {
    let mut by_types: BTreeMap<&[u8], Vec<&str>> = BTreeMap::new();
    for test in tests {
        if let ReferenceTest::Local { types, id } = test {
            by_types.entry(types).or_default().push(id);
        }
    }
    let local: Vec<(&[u8], Vec<&str>)> = by_types.into_iter().collect();
    let elsewhere: Vec<&UriTest> = tests
        .iter()
        .filter_map(|test| match test {
            ReferenceTest::Uri(test) => Some(test),
            ReferenceTest::Local { .. } | ReferenceTest::Hierarchy { .. } => None,
        })
        .collect();
    let hierarchies = tests.iter().filter_map(|test| match test {
        ReferenceTest::Hierarchy { type_number, id, parent, below } => {
            Some(link::hierarchy(*type_number, id, *parent, *below))
        }
        _ => None,
    });
    let mut hierarchies = hierarchies.peekable();
    let mut statement = Statement::default();
    if !local.is_empty() || (elsewhere.is_empty() && hierarchies.peek().is_none()) {
        statement.append(from_table("reference", parameters)).sql(" AND target IN (");
        statement.sql("SELECT key FROM resource_name WHERE ");
        any(&mut statement, &local, |statement, (types, ids)| {
            statement.sql("type IN ").bind_list(types.iter().map(|number| i64::from(*number)));
            match ids.as_slice() {
                [id] => statement.sql(" AND id = ").bind(*id),
                ids => statement.sql(" AND id IN ").bind_list(ids.iter().copied()),
            };
        });
        statement.sql(")");
    }
    let mut is_first = local.is_empty();
    for keys in hierarchies {
        if !is_first {
            statement.sql(" UNION ");
        }
        is_first = false;
        statement.append(from_table("reference", parameters)).sql(" AND target IN (").append(keys).sql(")");
    }
    if !elsewhere.is_empty() {
        if !is_first {
            statement.sql(" UNION ");
        }
        statement.append(from_table("uri", parameters)).sql(" AND (");
        any(&mut statement, &elsewhere, |statement, test| uri(statement, test));
        statement.sql(")");
    }
    statement
}

/// The keys that have any value for a parameter.
pub(super) fn present(parameter: i32, kind: ParameterKind) -> Statement {
    having(&[parameter], kind)
}

/// The keys that have any value for one of these parameters.
fn having(parameters: &[i32], kind: ParameterKind) -> Statement {
    let mut statement = from_table(table_of(kind), parameters);
    if kind == ParameterKind::Reference {
        statement.sql(" UNION ").append(from_table("uri", parameters));
    }
    if matches!(kind, ParameterKind::Reference | ParameterKind::Token) {
        // What is there without anything to look it up by.
        let seconds: Vec<i32> = parameters.iter().map(|number| second_form(*number)).collect();
        statement.sql(" UNION ").append(from_table("token", &seconds));
    }
    statement
}

/// Alternatives, or what never holds when there are none.
fn any<T>(statement: &mut Statement, tests: &[T], mut write: impl FnMut(&mut Statement, &T)) {
    any_of(statement, tests, &mut write);
}

/// As a balanced tree: SQLite refuses expressions deeper than 1,000, and a plain chain of `OR` is as
/// deep as it is long.
fn any_of<T>(statement: &mut Statement, tests: &[T], write: &mut impl FnMut(&mut Statement, &T)) {
    match tests {
        [] => {
            statement.sql("1 = 0");
        }
        [test] => {
            statement.sql("(");
            write(statement, test);
            statement.sql(")");
        }
        _ => {
            let (left, right) = tests.split_at(tests.len() / 2);
            statement.sql("(");
            any_of(statement, left, write);
            statement.sql(" OR ");
            any_of(statement, right, write);
            statement.sql(")");
        }
    }
}

/// Tokens of one system as one list of codes: a list is one look-up a code, whatever its length.
fn by_system(tests: &[TokenTest]) -> Vec<TokenTest> {
    let mut groups: Vec<TokenTest> = Vec::new();
    let mut places: HashMap<&Option<String>, usize> = HashMap::new();
    for test in tests {
        if test.codes.is_empty() {
            groups.push(test.clone());
            continue;
        }
        match places.get(&test.system).and_then(|place| groups.get_mut(*place)) {
            Some(group) => group.codes.extend(test.codes.iter().cloned()),
            None => {
                places.insert(&test.system, groups.len());
                groups.push(test.clone());
            }
        }
    }
    groups
}

fn system(statement: &mut Statement, column: &str, uri: &str) {
    statement.sql(column);
    if uri.is_empty() {
        statement.sql(" = 0");
    } else {
        statement.sql(" = (SELECT id FROM system WHERE uri = ").bind(fit(uri)).sql(")");
    }
}

fn token(statement: &mut Statement, test: &TokenTest, code_column: &str, system_column: &str) {
    match test.codes.as_slice() {
        [] => {
            statement.sql("1 = 1");
        }
        [code] => {
            statement.sql(code_column).sql(" = ").bind(fit(code));
        }
        codes if codes.len() > LONG_LIST => {
            statement.sql(code_column).sql(" IN (").bind_texts(codes.iter().map(|code| fit(code))).sql(")");
        }
        codes => {
            statement.sql(code_column).sql(" IN ").bind_list(codes.iter().map(|code| fit(code)));
        }
    }
    if let Some(uri) = &test.system {
        statement.sql(" AND ");
        system(statement, system_column, uri);
    }
}

/// Everything that begins with `start`: a range, so that the tree is used.
fn starts_with(statement: &mut Statement, column: &str, start: &str) {
    statement
        .sql(column)
        .sql(" >= ")
        .bind(start)
        .sql(" AND ")
        .sql(column)
        .sql(" < ")
        .bind(format!("{start}\u{10ffff}"));
}

fn string(statement: &mut Statement, test: &StringTest) {
    match test {
        StringTest::StartsWith(text) => match split_string(text) {
            (start, "") => starts_with(statement, "start", start),
            (start, rest) => {
                statement.sql("start = ").bind(start).sql(" AND ");
                starts_with(statement, "rest", rest);
            }
        },
        StringTest::Contains(text) => {
            statement.sql("start || rest LIKE ").bind(like(text)).sql(" ESCAPE '\\'");
        }
        StringTest::Exact { folded, hash } => {
            let (start, _) = split_string(folded);
            statement.sql("start = ").bind(start).sql(" AND exact = ").bind(*hash);
        }
    }
}

fn like(text: &str) -> String {
    let mut pattern = String::from("%");
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

/// FHIR R4 search.html#prefix on spans: the value is `[low, high]`, the row `[low column, high column]`.
fn date(statement: &mut Statement, test: &DateTest, low: &str, high: &str) {
    span(statement, test.prefix, &Value::Integer(test.low), &Value::Integer(test.high), low, high);
}

/// The same on any values that sort like times.
fn span(statement: &mut Statement, prefix: Prefix, from: &Value, to: &Value, low: &str, high: &str) {
    let (from, to) = (|| from.clone(), || to.clone());
    match prefix {
        Prefix::Eq => {
            statement.sql(low).sql(" >= ").bind(from()).sql(" AND ").sql(low).sql(" <= ").bind(to());
            statement.sql(" AND ").sql(high).sql(" <= ").bind(to())
        }
        Prefix::Ne => statement.sql(low).sql(" < ").bind(from()).sql(" OR ").sql(high).sql(" > ").bind(to()),
        Prefix::Gt => statement.sql(high).sql(" > ").bind(to()),
        Prefix::Lt => statement.sql(low).sql(" < ").bind(from()),
        Prefix::Ge => {
            statement.sql(high).sql(" > ").bind(to()).sql(" OR (").sql(low).sql(" >= ").bind(from());
            statement.sql(" AND ").sql(high).sql(" <= ").bind(to()).sql(")")
        }
        Prefix::Le => {
            statement.sql(low).sql(" < ").bind(from()).sql(" OR (").sql(low).sql(" >= ").bind(from());
            statement.sql(" AND ").sql(high).sql(" <= ").bind(to()).sql(")")
        }
        Prefix::Sa => statement.sql(low).sql(" > ").bind(to()),
        Prefix::Eb => statement.sql(high).sql(" < ").bind(from()),
        Prefix::Ap => statement.sql(low).sql(" <= ").bind(to()).sql(" AND ").sql(high).sql(" >= ").bind(from()),
    };
}

/// FHIR R4 search.html#prefix on numbers; sortable bytes compare like the numbers.
fn range(statement: &mut Statement, test: &NumberTest, low: &str, high: &str) {
    let bytes = |bytes: &Vec<u8>| Value::Bytes(bytes.clone().into());
    match test.prefix {
        Prefix::Eq => {
            statement
                .sql(low)
                .sql(" >= ")
                .bind(bytes(&test.low))
                .sql(" AND ")
                .sql(low)
                .sql(" < ")
                .bind(bytes(&test.high));
            statement.sql(" AND ").sql(high).sql(" < ").bind(bytes(&test.high))
        }
        Prefix::Ne => statement
            .sql(low)
            .sql(" < ")
            .bind(bytes(&test.low))
            .sql(" OR ")
            .sql(high)
            .sql(" >= ")
            .bind(bytes(&test.high)),
        Prefix::Gt => statement.sql(high).sql(" > ").bind(bytes(&test.exact)),
        Prefix::Lt => statement.sql(low).sql(" < ").bind(bytes(&test.exact)),
        Prefix::Ge => statement.sql(high).sql(" >= ").bind(bytes(&test.exact)),
        Prefix::Le => statement.sql(low).sql(" <= ").bind(bytes(&test.exact)),
        Prefix::Sa => statement.sql(low).sql(" > ").bind(bytes(&test.exact)),
        Prefix::Eb => statement.sql(high).sql(" < ").bind(bytes(&test.exact)),
        Prefix::Ap => statement
            .sql(low)
            .sql(" <= ")
            .bind(bytes(&test.high))
            .sql(" AND ")
            .sql(high)
            .sql(" >= ")
            .bind(bytes(&test.low)),
    };
}

fn quantity(statement: &mut Statement, test: &QuantityTest, code_column: &str, system_column: &str) {
    statement.sql("(");
    range(statement, &test.number, "low", "high");
    statement.sql(")");
    if let Some(code) = &test.code {
        statement.sql(" AND ").sql(code_column).sql(" = ").bind(fit(code));
    }
    if let Some(uri) = &test.system {
        statement.sql(" AND ");
        system(statement, system_column, uri);
    }
}

fn uri(statement: &mut Statement, test: &UriTest) {
    match &test.version {
        Some(version) => {
            statement.sql("uri = ").bind(fit(&test.uri)).sql(" AND (version = ").bind(fit(version));
            if test.below {
                statement.sql(" OR ");
                starts_with(statement, "version", &fit(&format!("{version}.")));
            }
            statement.sql(")");
        }
        None if test.below => {
            let folder = if test.uri.ends_with('/') { test.uri.clone() } else { format!("{}/", test.uri) };
            statement.sql("(uri = ").bind(fit(&test.uri)).sql(" OR ");
            starts_with(statement, "uri", &folder);
            statement.sql(")");
        }
        None => {
            statement.sql("uri = ").bind(fit(&test.uri));
        }
    }
}

/// A cube around the place, then the distance in space: whole numbers that no square overflows.
fn near(statement: &mut Statement, test: &NearTest) {
    let NearTest { point, chord } = *test;
    for (column, middle) in [("x", point.x), ("y", point.y), ("z", point.z)] {
        statement.sql(column).sql(" >= ").bind(middle - chord).sql(" AND ").sql(column).sql(" <= ");
        statement.bind(middle + chord).sql(" AND ");
    }
    for (place, (column, middle)) in [("x", point.x), ("y", point.y), ("z", point.z)].into_iter().enumerate() {
        statement.sql(if place > 0 { " + (" } else { "(" }).sql(column).sql(" - ").bind(middle).sql(") * (");
        statement.sql(column).sql(" - ").bind(middle).sql(")");
    }
    statement.sql(" <= ").bind(chord * chord);
}

fn composite(statement: &mut Statement, test: &CompositeTest) {
    token(statement, &test.first, "code", "system");
    statement.sql(" AND (");
    match &test.second {
        CompositeSecond::Token(test) => token(statement, test, "text", "text_system"),
        CompositeSecond::String(StringTest::StartsWith(text)) => starts_with(statement, "text", &fit(text)),
        CompositeSecond::String(StringTest::Contains(text)) => {
            statement.sql("text LIKE ").bind(like(text)).sql(" ESCAPE '\\'");
        }
        CompositeSecond::String(StringTest::Exact { folded, .. }) => {
            statement.sql("text = ").bind(fit(folded));
        }
        CompositeSecond::Number(test) => range(statement, test, "low", "high"),
        CompositeSecond::Quantity(test) => quantity(statement, test, "text", "text_system"),
        CompositeSecond::Numbers(first, second) => {
            statement.sql("(");
            range(statement, first, "low", "low");
            statement.sql(") AND (");
            range(statement, second, "high", "high");
            statement.sql(")");
        }
        CompositeSecond::Date(test) => {
            let sortable = |micros: i64| Value::Bytes(sortable_micros(micros).into());
            span(statement, test.prefix, &sortable(test.low), &sortable(test.high), "low", "high");
        }
    }
    statement.sql(")");
}
