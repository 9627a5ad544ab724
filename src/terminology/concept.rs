//! A code system as the rest of this module sees it, wherever its concepts are kept: in memory
//! ([`super::defined`]), in tables, or only as a grammar ([`super::computed`]).

use std::fmt::Debug;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::format::fold::fold;
use crate::format::json::Node;

/// Why a question about a code system has no answer now (a database that is away, a system that can
/// only be asked about one code at a time).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// How much of a code system is here (`CodeSystem.content`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Everything: a code that is not here is wrong.
    Complete,
    /// A part: a code that is not here may be right.
    Part,
    /// Hardly more than its name: it is no ground for an expansion.
    Name,
}

/// What it means that a concept stands below another (`CodeSystem.hierarchyMeaning`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hierarchy {
    /// Not said.
    Unspecified,
    /// Subsumption.
    IsA,
    /// Something else: `grouped-by`, `part-of`, `classified-with`.
    Other(String),
}

/// A property that concepts of a system have (`CodeSystem.property`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyDefinition {
    /// Its code.
    pub code: String,
    /// What it means, when it is one of the standard.
    pub uri: Option<String>,
    /// For people.
    pub description: Option<String>,
}

/// What is known of a code system as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Canonical URL.
    pub url: String,
    /// Business version.
    pub version: Option<String>,
    /// Name for machines.
    pub name: Option<String>,
    /// Title for people.
    pub title: Option<String>,
    /// Language of its displays.
    pub language: Option<String>,
    /// `None`: not said. Then codes are accepted in any case (FHIR R4
    /// codesystem-definitions.html#CodeSystem.caseSensitive).
    pub case_sensitive: Option<bool>,
    /// Meaning of the hierarchy.
    pub hierarchy: Hierarchy,
    /// How much of it is here.
    pub content: Content,
    /// Properties of its concepts.
    pub properties: Vec<PropertyDefinition>,
    /// Codes that are not listed can be made by a grammar.
    pub compositional: bool,
}

impl Header {
    /// `url|version`, or the URL alone.
    #[must_use]
    pub fn canonical(&self) -> String {
        match &self.version {
            Some(version) => format!("{}|{version}", self.url),
            None => self.url.clone(),
        }
    }

    /// For messages: the title, the name or the URL.
    #[must_use]
    pub fn label(&self) -> &str {
        self.title.as_deref().or(self.name.as_deref()).unwrap_or(&self.url)
    }
}

/// Another text for a concept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Designation {
    /// Language of the text.
    pub language: Option<String>,
    /// What it is for, a Coding.
    pub usage: Option<Node<'static>>,
    /// The text.
    pub value: String,
}

/// A value of a property: the name of the element it came in (`valueCode`) and the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// Code of the property.
    pub code: String,
    /// `valueCode`, `valueString`, …
    pub element: String,
    /// The value.
    pub value: Node<'static>,
}

impl Property {
    /// The value as text, as filters compare it.
    #[must_use]
    pub fn text(&self) -> &str {
        match &self.value {
            Node::String(text) | Node::Number(text) => text,
            Node::Bool(true) => "true",
            Node::Bool(false) => "false",
            coding => coding.text("code").unwrap_or_default(),
        }
    }
}

/// One concept of a code system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Concept {
    /// The code as the system writes it.
    pub code: String,
    /// Its text.
    pub display: Option<String>,
    /// What it means.
    pub definition: Option<String>,
    /// Other texts.
    pub designations: Vec<Designation>,
    /// Properties, without the hierarchy.
    pub properties: Vec<Property>,
    /// Not to be chosen, only to be above others.
    pub is_abstract: bool,
    /// Not valid any more.
    pub is_inactive: bool,
    /// Its use is discouraged.
    pub is_deprecated: bool,
}

impl Concept {
    /// Whether all words of a text filter (folded already) occur in its texts, or its code begins
    /// with the whole.
    #[must_use]
    pub fn matches(&self, words: &[String]) -> bool {
        if words.is_empty() || (words.len() == 1 && fold(&self.code).starts_with(words[0].as_str())) {
            return true;
        }
        let texts = self.display.iter().chain(self.designations.iter().map(|designation| &designation.value));
        matches_text(texts.map(String::as_str), words)
    }

    /// Every text that may be shown for it in a language; without one, in any.
    pub fn displays<'a>(&'a self, language: Option<&'a str>) -> impl Iterator<Item = &'a str> {
        let own = self.display.as_deref();
        let others = self.designations.iter().filter(move |designation| {
            language.is_none_or(|wanted| {
                designation.language.as_deref().is_some_and(|language| in_language(language, wanted))
            })
        });
        own.into_iter().chain(others.map(|designation| designation.value.as_str()))
    }

    /// The text for the first of these languages that there is one in; else its display.
    #[must_use]
    pub fn display_in(&self, languages: &[String], own_language: Option<&str>) -> Option<&str> {
        choose_display(self.display.as_deref(), own_language, &self.designations, languages)
    }
}

/// Whether each word occurs in one of the texts.
pub(super) fn matches_text<'a>(texts: impl Iterator<Item = &'a str>, words: &[String]) -> bool {
    let folded: Vec<String> = texts.map(fold).collect();
    words.iter().all(|word| folded.iter().any(|text| text.contains(word.as_str())))
}

/// The words of a text filter, folded: width, case, kana (`format/fold`).
#[must_use]
pub fn filter_words(text: &str) -> Vec<String> {
    text.split_whitespace().map(fold).filter(|word| !word.is_empty()).collect()
}

/// Whether a text in `language` is one for who wants `wanted`: `ja-JP` is, for `ja`.
#[must_use]
pub fn in_language(language: &str, wanted: &str) -> bool {
    match language.get(..wanted.len()) {
        Some(start) if start.eq_ignore_ascii_case(wanted) => {
            matches!(language.as_bytes().get(wanted.len()), None | Some(b'-'))
        }
        _ => false,
    }
}

/// Picks the text to show: by language, the designation for display before others.
pub(super) fn choose_display<'a>(
    display: Option<&'a str>,
    own_language: Option<&str>,
    designations: &'a [Designation],
    languages: &[String],
) -> Option<&'a str> {
    for wanted in languages {
        let fits =
            |language: Option<&str>| language.is_some_and(|language| wanted == "*" || in_language(language, wanted));
        if fits(own_language) && display.is_some() {
            return display;
        }
        let mut fitting = designations.iter().filter(|designation| fits(designation.language.as_deref()));
        let is_display = |designation: &&Designation| {
            let usage = designation.usage.as_ref().and_then(|usage| usage.text("code"));
            matches!(usage, Some("display" | "preferredForLanguage" | "900000000000013009"))
        };
        let best = fitting.clone().find(is_display).or_else(|| fitting.next());
        if let Some(best) = best {
            return Some(&best.value);
        }
    }
    display
}

/// Which concepts of a system, in its order.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Words of a text filter, folded.
    pub words: Vec<String>,
    /// Only those below this code; with `true` it too.
    pub below: Option<(String, bool)>,
    /// Only those that are valid still.
    pub active_only: bool,
    /// Only those that can be chosen.
    pub selectable_only: bool,
}

/// A code system. Answers may need a database: they can be unavailable, and they block.
pub trait CodeSystem: Send + Sync + Debug {
    /// What is known of it as a whole.
    fn header(&self) -> &Header;

    /// A concept by its code; the code of the answer is written as the system writes it.
    ///
    /// # Errors
    /// When the answer cannot be had now.
    fn find(&self, code: &str) -> Result<Option<Arc<Concept>>, Unavailable>;

    /// Whether there is such a code.
    ///
    /// # Errors
    /// When the answer cannot be had now.
    fn contains(&self, code: &str) -> Result<bool, Unavailable> {
        Ok(self.find(code)?.is_some())
    }

    /// Whether a code that was not found is certainly none of the system.
    fn absent_is_wrong(&self, code: &str) -> bool {
        let _ = code;
        self.header().content == Content::Complete && !self.header().compositional
    }

    /// Whether `code` stands below `ancestor`, at any depth; nothing stands below itself.
    ///
    /// # Errors
    /// When the answer cannot be had now.
    fn is_below(&self, code: &str, ancestor: &str) -> Result<bool, Unavailable>;

    /// Codes directly above.
    ///
    /// # Errors
    /// When the answer cannot be had now.
    fn parents(&self, code: &str) -> Result<Vec<String>, Unavailable>;

    /// Codes directly below.
    ///
    /// # Errors
    /// When the answer cannot be had now.
    fn children(&self, code: &str) -> Result<Vec<String>, Unavailable>;

    /// Visits the selected concepts in order, after the first `skip`, until told to stop.
    ///
    /// # Errors
    /// When they cannot be had now, or at all.
    fn walk(
        &self,
        selection: &Selection,
        skip: usize,
        visit: &mut dyn FnMut(&Arc<Concept>) -> ControlFlow<()>,
    ) -> Result<(), Unavailable>;

    /// How many concepts are selected.
    ///
    /// # Errors
    /// When they cannot be counted.
    fn count(&self, selection: &Selection) -> Result<usize, Unavailable> {
        let mut count = 0;
        self.walk(selection, 0, &mut |_| {
            count += 1;
            ControlFlow::Continue(())
        })?;
        Ok(count)
    }

    /// Whether another server is asked about its codes: what properties they have is not known beforehand.
    fn is_elsewhere(&self) -> bool {
        false
    }

    /// Bytes it takes in memory, about.
    fn size(&self) -> usize {
        256
    }
}

/// Code systems that are not definitions: too large to be one resource.
pub trait LargeSystems: Send + Sync + Debug {
    /// The system with this URL; without a version the newest one.
    ///
    /// # Errors
    /// When the answer cannot be had now.
    fn find(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<dyn CodeSystem>>, Unavailable>;

    /// URL and version of each.
    ///
    /// # Errors
    /// When the answer cannot be had now.
    fn list(&self) -> Result<Vec<(String, Option<String>)>, Unavailable>;

    /// As [`crate::r4::canonical::Canonicals::generation`].
    fn generation(&self) -> u64;
}
