//! SMART App Launch 2.x scopes: `patient/Observation.rs?category=laboratory`, and those of version 1
//! (`user/*.read`).
//!
//! SMART App Launch 2.2, scopes-and-launch-context.html: `.c .r .u .d .s` in this order; version 1's `read` is
//! `rs`, `write` is `cud`. What is no scope of this form (`openid`, `launch/patient`) is kept aside.

/// What a scope allows to do with a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Interaction {
    Create = 1,
    Read = 2,
    Update = 4,
    Delete = 8,
    Search = 16,
}

impl Interaction {
    /// All, with their letters.
    pub const ALL: [(char, Self); 5] =
        [('c', Self::Create), ('r', Self::Read), ('u', Self::Update), ('d', Self::Delete), ('s', Self::Search)];

    /// The letter in a scope.
    #[must_use]
    pub fn letter(self) -> char {
        Self::ALL.iter().find(|(_, known)| *known == self).map_or('?', |(letter, _)| *letter)
    }
}

/// Whose data a scope is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantContext {
    /// The patient in context.
    Patient,
    /// What the person may see.
    User,
    /// What the system may see.
    System,
}

/// One scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Whose data.
    pub context: GrantContext,
    /// The type; `None` for all.
    pub type_name: Option<String>,
    /// Bits of [`Interaction`].
    pub interactions: u8,
    /// Search parameters that a resource must meet.
    pub constraint: Vec<(String, String)>,
    text: String,
}

impl Grant {
    /// Reads one scope.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (context, rest) = text.split_once('/')?;
        let context = match context {
            "patient" => GrantContext::Patient,
            "user" => GrantContext::User,
            "system" => GrantContext::System,
            _ => return None,
        };
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (type_name, letters) = rest.split_once('.')?;
        let type_name = match type_name {
            "*" => None,
            name => {
                crate::r4::definitions().resource_number(name)?;
                Some(name.to_owned())
            }
        };
        let interactions = match letters {
            "read" => Interaction::Read as u8 | Interaction::Search as u8,
            "write" => Interaction::Create as u8 | Interaction::Update as u8 | Interaction::Delete as u8,
            "*" => 31,
            letters => in_order(letters)?,
        };
        let constraint = match query {
            None => Vec::new(),
            // A constraint on all types, an empty one, or one of version 1 is no scope.
            Some(_) if type_name.is_none() || matches!(letters, "read" | "write" | "*") => return None,
            Some(query) => {
                let pairs = crate::r4::url::decode_pairs(query);
                (!pairs.is_empty()).then_some(pairs)?
            }
        };
        Some(Self { context, type_name, interactions, constraint, text: text.to_owned() })
    }

    /// Whether it is about a type; an empty name means all types.
    #[must_use]
    pub fn is_about(&self, type_name: &str) -> bool {
        self.type_name.as_deref().is_none_or(|own| own == type_name)
    }

    /// Whether it allows an interaction.
    #[must_use]
    pub const fn allows(&self, interaction: Interaction) -> bool {
        self.interactions & interaction as u8 != 0
    }
}

/// The letters of `cruds`, each once and in this order.
fn in_order(letters: &str) -> Option<u8> {
    let mut bits = 0;
    let mut places = Interaction::ALL.iter();
    for letter in letters.chars() {
        let (_, interaction) = places.find(|(known, _)| *known == letter)?;
        bits |= *interaction as u8;
    }
    (bits != 0).then_some(bits)
}

/// The scopes of a token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes {
    /// Those about resources.
    pub grants: Vec<Grant>,
    /// The others, as written.
    pub others: Vec<String>,
}

impl Scopes {
    /// Reads scopes separated by spaces.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut scopes = Self::default();
        for part in text.split_ascii_whitespace() {
            match Grant::parse(part) {
                Some(grant) => scopes.grants.push(grant),
                None => scopes.others.push(part.to_owned()),
            }
        }
        scopes
    }

    /// Whether one of them allows an interaction with a type; an empty name means all types.
    #[must_use]
    pub fn allow(&self, interaction: Interaction, type_name: &str) -> bool {
        self.grants.iter().any(|grant| grant.allows(interaction) && grant.is_about(type_name))
    }

    /// Whether a scope that is not about resources is among them.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.others.iter().any(|other| other == name)
    }

    /// Those of `asked` that `self` covers: what a client that may have `self` gets.
    #[must_use]
    pub fn granted(&self, asked: &Self) -> Self {
        let covers = |wanted: &Grant| {
            let of_same = self.grants.iter().filter(|own| {
                own.context == wanted.context
                    && own.is_about(wanted.type_name.as_deref().unwrap_or_default())
                    && (own.constraint.is_empty() || own.constraint == wanted.constraint)
            });
            let bits = of_same.fold(0, |bits, own| bits | own.interactions);
            (wanted.interactions & bits != 0).then(|| wanted.limited(bits))
        };
        Self {
            grants: asked.grants.iter().filter_map(covers).collect(),
            others: asked.others.iter().filter(|name| self.has(name)).cloned().collect(),
        }
    }

    /// Whether nothing is allowed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.grants.is_empty() && self.others.is_empty()
    }
}

impl Grant {
    /// The same with fewer interactions.
    fn limited(&self, bits: u8) -> Self {
        if self.interactions & bits == self.interactions {
            return self.clone();
        }
        let interactions = self.interactions & bits;
        let letters: String = Interaction::ALL
            .iter()
            .filter(|(_, known)| *known as u8 & interactions != 0)
            .map(|(letter, _)| *letter)
            .collect();
        let before = self.text.split('.').next().unwrap_or_default();
        let query = self.text.split_once('?').map_or(String::new(), |(_, query)| format!("?{query}"));
        Self { interactions, text: format!("{before}.{letters}{query}"), ..self.clone() }
    }
}

impl std::fmt::Display for Scopes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = self.grants.iter().map(|grant| grant.text.as_str()).chain(self.others.iter().map(String::as_str));
        for (place, scope) in all.enumerate() {
            if place > 0 {
                formatter.write_str(" ")?;
            }
            formatter.write_str(scope)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(scopes: &str, interaction: Interaction, type_name: &str) -> bool {
        Scopes::parse(scopes).allow(interaction, type_name)
    }

    #[test]
    fn version_2_letters_say_what_is_allowed() {
        assert!(allow("user/Observation.rs", Interaction::Read, "Observation"));
        assert!(!allow("user/Observation.rs", Interaction::Create, "Observation"));
        assert!(!allow("user/Observation.rs", Interaction::Read, "Patient"));
        assert!(allow("system/*.cruds", Interaction::Delete, "Patient"));
        assert!(!allow("user/Observation.rs", Interaction::Search, ""), "a search of all types takes a scope of all");
    }

    #[test]
    fn version_1_words_are_letters() {
        assert!(allow("patient/*.read", Interaction::Search, "Condition"));
        assert!(!allow("patient/*.read", Interaction::Update, "Condition"));
        assert!(allow("user/Condition.write", Interaction::Delete, "Condition"));
        assert!(!allow("user/Condition.write", Interaction::Read, "Condition"));
    }

    #[test]
    fn what_is_no_scope_allows_nothing() {
        let wrong = [
            "user/Observation.sr",
            "user/Observation.rr",
            "user/Observation.",
            "user/Nothing.rs",
            "user/*.rs?category=x",
            "everybody/*.rs",
            "user/Observation.read?x=y",
            "user/Observation.rs?",
        ];
        for scope in wrong {
            assert!(Grant::parse(scope).is_none(), "{scope}");
        }
    }

    #[test]
    fn constraints_are_search_parameters() {
        let grant = Grant::parse("patient/Observation.rs?category=http://x%7Claboratory&status=final").unwrap();
        let expected = [("category", "http://x|laboratory"), ("status", "final")];
        assert_eq!(grant.constraint, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_client_gets_what_it_may_have_of_what_it_asks() {
        let may = Scopes::parse("system/*.rs system/Observation.cruds openid");
        let got = |asked: &str| may.granted(&Scopes::parse(asked)).to_string();
        assert_eq!(got("system/Observation.cruds"), "system/Observation.cruds");
        assert_eq!(got("system/Patient.cruds openid profile"), "system/Patient.rs openid");
        assert_eq!(got("system/*.cruds"), "system/*.rs");
        assert_eq!(got("user/Patient.rs"), "");
        assert_eq!(got("system/Patient.rs?gender=male"), "system/Patient.rs?gender=male");
    }
}
