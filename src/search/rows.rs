//! The index values of one resource, one list a kind; `store` writes them as they are.
//!
//! `parameter` is the number of a (resource type, search parameter) pair:
//! `resource_number << 8 | place of the code among the type's sorted codes`. Less than zero, it is the
//! second form of a parameter's values ([`second_form`]).

/// The number of the second form of a parameter's values. In each table it is another one: of tokens the
/// identifiers with their type and (without code) what has nothing to look up, of strings the texts of tokens, of quantities (alone and in
/// composites) the values in base units.
#[must_use]
pub const fn second_form(parameter: i32) -> i32 {
    -parameter
}

/// All index values of one resource. Each list is sorted and without duplicates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct IndexRows {
    pub tokens: Vec<TokenRow>,
    pub strings: Vec<StringRow>,
    pub dates: Vec<DateRow>,
    pub numbers: Vec<NumberRow>,
    pub quantities: Vec<QuantityRow>,
    pub references: Vec<ReferenceRow>,
    pub uris: Vec<UriRow>,
    pub composites: Vec<CompositeRow>,
    pub text: Option<Box<super::text::TextRow>>,
    pub positions: Vec<PositionRow>,
}

/// A place on earth.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PositionRow {
    /// Parameter number.
    pub parameter: i32,
    /// Where.
    pub point: super::position::Point,
}

/// A code, identifier, boolean or contact value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenRow {
    /// Parameter number.
    pub parameter: i32,
    /// The code: folded to lower case for codings, as written for identifiers (a folded match
    /// could take two patients for one).
    pub code: String,
    /// System URI; empty when there is none.
    pub system: String,
}

/// Text, folded for matching.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StringRow {
    /// Parameter number.
    pub parameter: i32,
    /// Folded text, whole.
    pub folded: String,
    /// Hash of the text as written, for `:exact`.
    pub exact: i64,
}

/// A span of time in µs since 1970 UTC, both ends inclusive; open ends are `i64::MIN`/`MAX`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateRow {
    /// Parameter number.
    pub parameter: i32,
    /// First µs.
    pub low: i64,
    /// Last µs.
    pub high: i64,
}

/// A decimal or a range of them, in order-preserving bytes (`r4::decimal::sortable`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NumberRow {
    /// Parameter number.
    pub parameter: i32,
    /// Lower end.
    pub low: Vec<u8>,
    /// Upper end; equals `low` for a plain number.
    pub high: Vec<u8>,
}

/// A quantity or range; ends as order-preserving bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuantityRow {
    /// Parameter number.
    pub parameter: i32,
    /// Code of the unit, or its text when there is no code; empty when there is neither.
    pub code: String,
    /// System of the code; empty when there is none.
    pub system: String,
    /// Lower end.
    pub low: Vec<u8>,
    /// Upper end; equals `low` for a plain quantity.
    pub high: Vec<u8>,
}

/// A reference to a resource of this server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReferenceRow {
    /// Parameter number.
    pub parameter: i32,
    /// Number of the target's resource type.
    pub target_type: u8,
    /// The target's id.
    pub target_id: String,
}

/// The number of the reference `Binary.securityContext`, which no search parameter of the standard is about: the last
/// place of the type's numbers.
#[must_use]
pub const fn security_context(binary: u8) -> i32 {
    (binary as i32) << 8 | 255
}

/// The number of the token that an active Consent has which denies something, for which the standard has no search
/// parameter either.
#[must_use]
pub const fn denial(consent: u8) -> i32 {
    (consent as i32) << 8 | 255
}

/// The code of that token.
pub const DENIAL: &str = "deny";

/// A URI, canonical, or absolute reference to elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UriRow {
    /// Parameter number.
    pub parameter: i32,
    /// The URI, without `|version` for canonicals.
    pub uri: String,
    /// Version of a canonical; empty when there is none.
    pub version: String,
}

/// Two values of one element that must match together, or three of which two are numbers. The token component comes first whatever
/// its place in the definition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CompositeRow {
    /// Parameter number.
    pub parameter: i32,
    /// First component: code (or `Type/id` when it is a reference).
    pub code: String,
    /// First component: system; empty when there is none.
    pub system: String,
    /// Second component: code, folded text, `Type/id` or unit; empty when it has none.
    pub text: String,
    /// Second component: system of the code or unit; empty when there is none.
    pub text_system: String,
    /// Second component: lower end as sortable bytes (decimals, or µs as 8 big-endian bytes with
    /// the sign bit flipped); empty when it has none.
    pub low: Vec<u8>,
    /// Second component: upper end; of two numbers the second.
    pub high: Vec<u8>,
}
