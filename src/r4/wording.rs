//! What is said of values, in English and Japanese at once: made only where something is wrong, and chosen
//! from by whoever knows who reads it.

use std::fmt;

/// One complaint in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wording {
    /// The id of the message; stays the same whatever the words.
    pub id: &'static str,
    /// In English.
    pub english: String,
    /// 日本語
    pub japanese: String,
}

impl Wording {
    /// The sentence about something: complaints about values come without their subject. In Japanese the subject
    /// is followed by what begins with its particle.
    #[must_use]
    pub fn about(self, name: &str) -> Self {
        Self { id: self.id, english: format!("{name} {}", self.english), japanese: format!("{name} {}", self.japanese) }
    }
}

impl fmt::Display for Wording {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.english)
    }
}

/// A [`Wording`] from an id and two format strings that name variables in scope.
macro_rules! say {
    ($id:literal, $english:literal, $japanese:literal) => {
        $crate::r4::wording::Wording { id: $id, english: format!($english), japanese: format!($japanese) }
    };
}
pub(crate) use say;
