//! What an expression may ask of the world around the resource: other resources, terminology,
//! profiles, variables. All of it is given by the caller through traits, so that this floor knows
//! neither storage nor terminology nor validation. What is not given is `Unsupported` when asked.

use std::cell::OnceCell;
use std::fmt::Debug;

use super::FhirPathError;
use super::evaluate::Item;
use super::general::Entry;
use crate::format::json::Node;
use crate::r4::bundle::Entries;

/// Steps and produced items of one evaluation, unless the caller says otherwise.
pub const BUDGET: usize = 2_000_000;

/// Finds what a reference points at beyond the resource and its Bundle.
pub trait Resolver {
    /// The resource a literal reference (`Patient/1`, a URL, a canonical) names. It must live as
    /// long as the resolver: [`Shelf`] keeps what was fetched.
    fn resolve(&self, reference: &str) -> Option<&Node<'_>>;
}

/// A code to ask terminology about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code<'c> {
    /// The code system; none for the value of a `code` element, whose system the value set tells.
    pub system: Option<&'c str>,
    /// Its version, where stated.
    pub version: Option<&'c str>,
    /// The code.
    pub code: &'c str,
}

/// What `memberOf()`, `subsumes()` and `subsumedBy()` ask (FHIR R4 fhirpath.html#functions).
pub trait Terminology {
    /// Whether a code is in the value set; `None` when the value set or the code system is not known.
    fn member_of(&self, value_set: &str, code: Code<'_>) -> Option<bool>;

    /// Whether `general` subsumes `special` (or is the same); `None` when the code system is not known.
    fn subsumes(&self, system: &str, general: &str, special: &str) -> Option<bool>;
}

/// What `conformsTo()` asks.
pub trait Conformance {
    /// Whether the item, a part of `resource`, meets the profile; `None` when the profile is not known.
    fn conforms(&self, item: Item<'_>, resource: Item<'_>, profile: &str) -> Option<bool>;

    /// Whether the item belongs to a slice of the profile (`slice()`); `None` when the profile or the slice is not
    /// known.
    fn in_slice(&self, item: Item<'_>, resource: Item<'_>, profile: &str, slice: &str) -> Option<bool> {
        let _ = (item, resource, profile, slice);
        None
    }
}

/// Everything an evaluation may use beside its focus.
#[derive(Clone, Copy, Default)]
pub struct Environment<'r> {
    /// `%resource`: the resource the focus is part of; the focus itself when not given.
    pub resource: Option<Item<'r>>,
    /// `%rootResource`: what contains `%resource`; `%resource` when not given.
    pub root: Option<Item<'r>>,
    /// `%context`: the node the evaluation began at; the focus when not given.
    pub context: Option<Item<'r>>,
    /// The Bundle around the resource, and the `fullUrl` of its entry: `resolve()` looks there.
    pub bundle: Option<(&'r Entries<'r>, Option<&'r str>)>,
    /// Finds other resources.
    pub resolver: Option<&'r dyn Resolver>,
    /// Answers questions about codes.
    pub terminology: Option<&'r dyn Terminology>,
    /// Answers questions about profiles.
    pub conformance: Option<&'r dyn Conformance>,
    /// `%name` of the caller.
    pub variables: &'r [(String, Vec<Entry<'r>>)],
    /// Keeps what expressions make: `elementDefinition()` needs it.
    pub shelf: Option<&'r Shelf>,
    /// Most steps and items; [`BUDGET`] when not given.
    pub budget: Option<usize>,
}

impl Debug for Environment<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Environment").field("budget", &self.budget).finish_non_exhaustive()
    }
}

/// What an evaluation gave.
#[derive(Debug, Default)]
pub struct Evaluation<'r> {
    /// The results, in order.
    pub items: Vec<Entry<'r>>,
    /// What `trace(name)` saw, in order.
    pub traces: Vec<(String, Vec<Entry<'r>>)>,
    /// Steps taken.
    pub steps: usize,
}

/// Why an evaluation failed, and where in the expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    /// What was wrong.
    pub error: FhirPathError,
    /// Byte offset of the name or function that failed, when there is one.
    pub position: Option<usize>,
}

impl From<Failure> for FhirPathError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl From<FhirPathError> for Failure {
    fn from(error: FhirPathError) -> Self {
        let position = match &error {
            FhirPathError::Syntax { position, .. } => Some(*position),
            _ => None,
        };
        Self { error, position }
    }
}

/// Keeps fetched resources for as long as their borrowers need: a list that only grows, so that
/// what was put on it stays where it is.
#[derive(Debug, Default)]
pub struct Shelf {
    place: OnceCell<(Node<'static>, Box<Shelf>)>,
}

impl Shelf {
    /// Puts a resource at the end and lends it.
    pub fn keep(&self, node: Node<'static>) -> &Node<'static> {
        let mut end = self;
        while let Some((_, next)) = end.place.get() {
            end = next;
        }
        &end.place.get_or_init(|| (node, Box::default())).0
    }
}

impl Drop for Shelf {
    /// Iteratively: a long list would else be dropped by a deep recursion.
    fn drop(&mut self) {
        let mut next = self.place.take();
        while let Some((_, mut shelf)) = next {
            next = shelf.place.take();
        }
    }
}
