//! The meaning of a search: a typed tree that `store` turns into one SQL statement.

use super::registry::FIRST_CUSTOM;

/// A search on one resource type, or on several.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Number of the resource type; 0 for a search across types.
    pub type_number: u8,
    /// Across types: those asked for; empty is all.
    pub types: Vec<u8>,
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// Only these, found to meet what is not among `conditions` any more.
    pub among: Option<Vec<Among>>,
    /// In order of precedence; empty means by key (order of creation).
    pub sort: Vec<SortKey>,
    /// `_count`; `None` when the client did not say.
    pub count: Option<u32>,
    /// `_total`.
    pub total: Total,
    /// `_summary`.
    pub summary: Summary,
    /// `_elements`; empty for all.
    pub elements: Vec<String>,
    /// `_include` and `_revinclude`.
    pub includes: Vec<Include>,
    /// `_cursor`: the opaque position where the page starts.
    pub cursor: Option<String>,
    /// What was used, decoded, in order, as it belongs in the self link (without `_cursor`).
    pub used: Vec<(String, String)>,
    /// `_explain`: how the search is done is asked, not its result.
    pub explain: bool,
    /// Parameters ignored because the client asked for lenient handling.
    pub ignored: Vec<String>,
}

impl Query {
    /// The numbers of the parameters beyond the standard whose rows it reads.
    #[must_use]
    pub fn customs(&self) -> Vec<i32> {
        fn walk(condition: &Condition, found: &mut Vec<i32>) {
            match condition {
                Condition::Id(_) | Condition::LastUpdated(_) | Condition::Text { .. } => {}
                Condition::Indexed { parameter, .. } | Condition::Missing { parameter, .. } => found.push(*parameter),
                Condition::Chain { parameter, targets } => {
                    found.push(*parameter);
                    targets.iter().for_each(|(_, condition)| walk(condition, found));
                }
                Condition::Has { parameter, condition }
                | Condition::Naming { parameter, condition, .. }
                | Condition::NamedBy { parameter, condition, .. } => {
                    found.push(*parameter);
                    walk(condition, found);
                }
                Condition::Across { parameters, condition } => {
                    found.extend(parameters);
                    walk(condition, found);
                }
                Condition::All(list) | Condition::Any(list) => list.iter().for_each(|condition| walk(condition, found)),
                Condition::Not(condition) => walk(condition, found),
                Condition::Compartment { parameters, .. } => found.extend(parameters),
            }
        }
        let mut found = Vec::new();
        self.conditions.iter().for_each(|condition| walk(condition, &mut found));
        found.extend(self.sort.iter().filter_map(|key| match key.by {
            SortBy::Parameter { parameter, .. } => Some(parameter),
            _ => None,
        }));
        // What a resource refers to is read off its body.
        found.extend(self.includes.iter().filter(|include| include.reverse).flat_map(|include| &include.parameters));
        // Second forms stand and fall with the first.
        found.iter_mut().for_each(|number| *number = number.wrapping_abs());
        found.retain(|number| *number >= FIRST_CUSTOM);
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// One AND term. Values inside are OR.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// `_id`
    Id(Vec<String>),
    /// `_lastUpdated`
    LastUpdated(Vec<DateTest>),
    /// An indexed parameter.
    Indexed {
        /// Parameter number.
        parameter: i32,
        /// What it is compared with.
        test: Test,
        /// `:not`, `ne` on everything: resources for which the test does not hold.
        negated: bool,
    },
    /// `:missing`: whether the resource has any value for the parameter.
    Missing {
        /// Parameter number.
        parameter: i32,
        /// Tables to look in.
        kind: crate::r4::parameters::ParameterKind,
        /// `true` finds resources without the value.
        missing: bool,
    },
    /// A chained parameter: resources that refer to one that meets a condition.
    Chain {
        /// Number of the reference parameter.
        parameter: i32,
        /// The types it may point at with the condition for each; one must hold.
        targets: Vec<(u8, Condition)>,
    },
    /// A chain along canonicals: resources with one that names a resource which meets the condition.
    Naming {
        /// Number of the reference parameter.
        parameter: i32,
        /// What can be named.
        target: Named,
        /// The condition on it.
        condition: Box<Condition>,
    },
    /// `_has` along canonicals: resources that are named by one which meets the condition.
    NamedBy {
        /// Number of the reference parameter, which says the type that names.
        parameter: i32,
        /// What is named.
        target: Named,
        /// The condition on what names it.
        condition: Box<Condition>,
    },
    /// `_has` and `_list`: resources that one which meets a condition refers to.
    Has {
        /// Number of the reference parameter, which says the type that refers.
        parameter: i32,
        /// The condition on what refers.
        condition: Box<Condition>,
    },
    /// Across types: a condition on a parameter that every type has, as one type writes it.
    Across {
        /// Its number at each type.
        parameters: Vec<i32>,
        /// Indexed or missing, with the number of one type.
        condition: Box<Condition>,
    },
    /// All must hold (`_filter`).
    All(Vec<Condition>),
    /// One must hold (`_filter`).
    Any(Vec<Condition>),
    /// Must not hold (`_filter`).
    Not(Box<Condition>),
    /// `_text` and `_content`: text with a phrase in it.
    Text {
        /// Only the narrative counts.
        in_narrative: bool,
        /// The phrase.
        phrase: super::text::Phrase,
    },
    /// Resources in a compartment.
    Compartment {
        /// Type of the owner.
        owner_type: u8,
        /// Its id.
        owner_id: String,
        /// The references that tie resources to it.
        parameters: Vec<i32>,
        /// Whether the owner is in there itself.
        itself: bool,
    },
}

/// A type of resource with a canonical URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// Number of the type.
    pub type_number: u8,
    /// Number of its parameter `url`.
    pub url: i32,
    /// Number of its parameter `version`.
    pub version: Option<i32>,
}

/// Alternatives of one kind.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Test {
    Token(Vec<TokenTest>),
    String(Vec<StringTest>),
    Date(Vec<DateTest>),
    Number(Vec<NumberTest>),
    Quantity(Vec<QuantityTest>),
    Reference(Vec<ReferenceTest>),
    Uri(Vec<UriTest>),
    Composite(Vec<CompositeTest>),
    Near(Vec<NearTest>),
    Row(RowTest),
}

/// A place and how far from it, both in cm (see [`super::position`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NearTest {
    /// The place.
    pub point: super::position::Point,
    /// Length of the straight line.
    pub chord: i64,
}

/// What only `_filter` asks of a value (FHIR R4 search_filter.html#ops), and what `store` makes of several
/// conditions.
#[derive(Debug, Clone, PartialEq)]
pub enum RowTest {
    /// `ne`: a value for which the test does not hold.
    Unequal(Box<Test>),
    /// Text compared as a whole; the prefix is `eq`, `ne`, `gt`, `lt`, `ge` or `le`.
    TextOrder {
        /// Comparison.
        prefix: Prefix,
        /// Folded text.
        folded: String,
    },
    /// `ew`: text that ends with this folded text.
    TextEnds(String),
    /// `co` on dates: a period that includes this one (both ends inclusive, µs).
    Around {
        /// First µs.
        low: i64,
        /// Last µs.
        high: i64,
    },
    /// `sw` on URIs.
    UriStarts(String),
    /// One date that meets one test of each list: several conditions on what has one date at most.
    Dates(Vec<Vec<DateTest>>),
}

/// Codes beyond this number in one test are one value for the database.
pub const LONG_LIST: usize = 500;

/// A code that no resource has: what an empty value set is compared with.
pub const NO_CODE: &str = "\u{1f}";

/// `code`, `system|code`, `|code`, `system|`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenTest {
    /// The forms the code may have in the index (as written, folded); empty: any code.
    pub codes: Vec<String>,
    /// `None`: any system. `Some("")`: no system.
    pub system: Option<String>,
}

/// Text tests, on folded text except `exact`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StringTest {
    /// Starts with.
    StartsWith(String),
    /// Contains.
    Contains(String),
    /// Equals as written: folded text and hash.
    Exact {
        /// Folded text.
        folded: String,
        /// Hash of the text as written.
        hash: i64,
    },
}

/// Comparisons of R4 search.html#prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Prefix {
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
    Sa,
    Eb,
    Ap,
}

/// A prefix with the span of time of the search value (both ends inclusive, µs). For `ap` the span
/// is already widened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTest {
    /// Comparison.
    pub prefix: Prefix,
    /// First µs of the value.
    pub low: i64,
    /// Last µs of the value.
    pub high: i64,
}

/// A prefix with a value: for `eq`/`ne`/`ap` the half-open range `[low, high)` it stands for by its
/// precision, for the others `exact`. Sortable bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct NumberTest {
    pub prefix: Prefix,
    pub low: Vec<u8>,
    pub high: Vec<u8>,
    pub exact: Vec<u8>,
}

/// A number with a unit: `number`, `number|system|code`, `number||code`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuantityTest {
    /// The number.
    pub number: NumberTest,
    /// `None`: any unit.
    pub code: Option<String>,
    /// `None`: any system.
    pub system: Option<String>,
    /// Whether number and code are in base units, and compared with values in base units.
    pub is_canonical: bool,
}

/// What a reference points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReferenceTest {
    /// A resource of this server; several types when only an id was given.
    Local {
        /// Numbers of the possible resource types.
        types: Vec<u8>,
        /// The id.
        id: String,
    },
    /// An absolute URL or canonical.
    Uri(UriTest),
    /// A resource of this server with all that is below or above it, and itself.
    Hierarchy {
        /// Number of the resource type.
        type_number: u8,
        /// The id.
        id: String,
        /// The parameter of the type that leads from a part to its whole.
        parent: i32,
        /// Downwards.
        below: bool,
    },
}

/// A URI, for canonicals with an optional version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UriTest {
    /// The URI.
    pub uri: String,
    /// `None`: any version.
    pub version: Option<String>,
    /// `:below`: the URI and everything under it; with a version, this one and those under it
    /// (`1.2` and `1.2.3`).
    pub below: bool,
}

/// Both components, token first (see [`super::rows::CompositeRow`]).
#[derive(Debug, Clone, PartialEq)]
pub struct CompositeTest {
    /// First component.
    pub first: TokenTest,
    /// Second component.
    pub second: CompositeSecond,
}

/// The second component's test.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum CompositeSecond {
    Token(TokenTest),
    String(StringTest),
    Date(DateTest),
    Number(NumberTest),
    Quantity(QuantityTest),
    /// Two numbers, each with a column of its own.
    Numbers(NumberTest, NumberTest),
}

/// One `_sort` key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortKey {
    /// By what.
    pub by: SortBy,
    /// `-name`.
    pub descending: bool,
}

/// What to sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortBy {
    /// `_id`
    Id,
    /// `_lastUpdated`
    LastUpdated,
    /// The lowest (descending: highest) value of an indexed parameter.
    Parameter {
        /// Parameter number.
        parameter: i32,
        /// Its kind says the table.
        kind: crate::r4::parameters::ParameterKind,
    },
}

/// A resource by its key, with the value of each sort key where that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Among {
    /// Its key.
    pub key: i64,
    /// What each sort key orders it by; `None` for what only the database knows.
    pub values: Vec<Option<Sorted>>,
}

/// A value to order by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sorted {
    /// The resource has none.
    None,
    /// A time.
    Integer(i64),
    /// A code, folded text, URI or id.
    Text(String),
    /// A number, as sortable bytes.
    Bytes(Vec<u8>),
}

/// `_total`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum Total {
    #[default]
    Unspecified,
    None,
    Estimate,
    Accurate,
}

/// `_summary`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum Summary {
    #[default]
    False,
    True,
    Text,
    Data,
    Count,
}

/// `_include` or `_revinclude`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// `_revinclude`.
    pub reverse: bool,
    /// `:iterate`.
    pub iterate: bool,
    /// Parameter numbers of the references to follow (`*` is all of the source type).
    pub parameters: Vec<i32>,
    /// Only targets of this type.
    pub target_type: Option<u8>,
    /// Number of the source resource type.
    pub source_type: u8,
}
