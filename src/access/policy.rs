//! The access policy: rules as data, that say what a relation lets somebody do. Pure.
//!
//! A policy restricts; it cannot open what scope, relation or the limits in here close. It is read once, at start.
//! The one built in (`policy.toml`) is written in the same form and says what the form means.

use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::{Caller, Interaction, Subject};
use crate::r4::definitions;
use crate::store::{Label, open_types};

/// The policy that is built in, as it is written.
pub const BUILT_IN: &str = include_str!("policy.toml");
/// The place of the built-in policy, for messages.
const BUILT_IN_NAME: &str = "the built-in policy";

/// What somebody has to do with whom a resource is about. Several at once are bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Relation {
    Citizen = 1,
    Family = 2,
    Team = 4,
    Liaison = 8,
    Officer = 16,
    Facility = 32,
    Emergency = 64,
    Disaster = 128,
    Everybody = 256,
    Between = 512,
    Nobody = 1024,
}

impl Relation {
    /// All, with their names in the file.
    pub const ALL: [(&'static str, Self); 11] = [
        ("citizen", Self::Citizen),
        ("family", Self::Family),
        ("team", Self::Team),
        ("liaison", Self::Liaison),
        ("officer", Self::Officer),
        ("facility", Self::Facility),
        ("emergency", Self::Emergency),
        ("disaster", Self::Disaster),
        ("everybody", Self::Everybody),
        ("between", Self::Between),
        ("nobody", Self::Nobody),
    ];

    /// Its bit.
    #[must_use]
    pub const fn bit(self) -> u16 {
        self as u16
    }

    /// The relations of a set of bits.
    pub fn of(bits: u16) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().map(|(_, relation)| relation).filter(move |relation| bits & relation.bit() != 0)
    }

    /// Its name in the file.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }
}

/// The kinds of callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Who {
    Citizen,
    Family,
    Staff,
    FacilitySystem,
    System,
}

/// How much of fracture liaison's lists and measures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LiaisonUse {
    /// Nothing.
    #[default]
    None,
    /// Sums, small ones hidden.
    Counts,
    /// By citizen.
    Rows,
}

/// Operations that are not about resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Packages of definitions are installed.
    InstallPackage,
    /// Who may do what, and who broke the glass.
    Review,
}

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::InstallPackage => "install-package",
            Self::Review => "review",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Spanned<u32>,
    #[serde(default)]
    rule: Vec<WrittenRule>,
    #[serde(default)]
    label: Vec<WrittenLabel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    id: Spanned<String>,
    relation: Spanned<Relation>,
    #[serde(default)]
    who: Vec<Who>,
    #[serde(default)]
    professions: Vec<String>,
    #[serde(default)]
    accounts: Vec<String>,
    #[serde(default)]
    types: Vec<Spanned<String>>,
    #[serde(default)]
    except: Vec<Spanned<String>>,
    #[serde(default, rename = "do")]
    interactions: Option<Spanned<String>>,
    #[serde(default)]
    liaison: Option<Spanned<LiaisonUse>>,
    #[serde(default)]
    operations: Vec<Operation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLabel {
    id: Spanned<String>,
    who: Spanned<Vec<Who>>,
    shows: Vec<Spanned<String>>,
}

/// A set of types.
type Types = [bool; 256];

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name.
    pub id: String,
    /// The line it begins on.
    pub line: usize,
    /// What the caller has to do with the citizen.
    pub relation: Relation,
    who: Vec<Who>,
    professions: Vec<String>,
    accounts: Vec<String>,
    types: Box<Types>,
    interactions: u8,
    /// What of fracture liaison.
    pub liaison: LiaisonUse,
    operations: Vec<Operation>,
}

/// What is shown in spite of labels.
#[derive(Debug, Clone)]
struct Shown {
    id: String,
    line: usize,
    who: Vec<Who>,
    labels: Vec<Label>,
}

/// A policy.
#[derive(Debug, Clone)]
pub struct Policy {
    name: String,
    rules: Vec<Rule>,
    labels: Vec<Shown>,
}

/// The labels a policy may name.
const LABELS: [(&str, Label); 6] = [
    ("UNINFORMED", Label::Uninformed),
    ("UNDELIVERED", Label::Undelivered),
    ("R", Label::Restricted),
    ("V", Label::VeryRestricted),
    ("family-private", Label::FamilyPrivate),
    ("single-recipient", Label::SingleRecipient),
];

/// The name of a label in the file.
#[must_use]
pub fn label_name(label: Label) -> &'static str {
    LABELS.iter().find(|(_, known)| *known == label).map_or("", |(name, _)| name)
}

/// What no policy shows to whom.
fn is_beyond(who: Who, label: Label) -> bool {
    match label {
        // JP-CLINS 未告知: never to the patient or family.
        Label::Uninformed => matches!(who, Who::Citizen | Who::Family),
        Label::FamilyPrivate => who == Who::Citizen,
        Label::SingleRecipient => who != Who::System,
        _ => false,
    }
}

/// Who asks, as rules see them.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// Their kind; none for nobody.
    pub who: Option<Who>,
    /// The codes of their roles that count now.
    pub professions: &'a [String],
    /// The roles of their account.
    pub accounts: &'a [String],
}

impl<'a> Asker<'a> {
    /// A caller with the codes of their roles.
    #[must_use]
    pub fn of(caller: &'a Caller, professions: &'a [String]) -> Self {
        let who = match &caller.subject {
            Subject::Person { user, .. } => Some(match user.type_name.as_str() {
                "Patient" => Who::Citizen,
                "RelatedPerson" => Who::Family,
                _ => Who::Staff,
            }),
            Subject::System { organization: Some(_), .. } => Some(Who::FacilitySystem),
            Subject::System { organization: None, .. } => Some(Who::System),
            Subject::Open | Subject::Program | Subject::Nobody => None,
        };
        Self { who, professions, accounts: &caller.roles }
    }
}

impl Rule {
    fn is_for(&self, asker: &Asker<'_>) -> bool {
        let meets = |wanted: &[String], own: &[String]| wanted.is_empty() || wanted.iter().any(|one| own.contains(one));
        asker.who.is_some_and(|who| self.who.is_empty() || self.who.contains(&who))
            && meets(&self.professions, asker.professions)
            && meets(&self.accounts, asker.accounts)
    }

    fn is_about(&self, type_number: u8) -> bool {
        self.types.get(usize::from(type_number)).copied().unwrap_or(false)
    }
}

impl Policy {
    /// The policy that is built in.
    #[must_use]
    pub fn built_in() -> Arc<Self> {
        static POLICY: std::sync::OnceLock<Arc<Policy>> = std::sync::OnceLock::new();
        let read = || Self::parse(BUILT_IN, BUILT_IN_NAME);
        // A test holds that it can be read; a policy without rules refuses everything.
        let nothing = |_| Self { name: BUILT_IN_NAME.to_owned(), rules: Vec::new(), labels: Vec::new() };
        Arc::clone(POLICY.get_or_init(|| Arc::new(read().unwrap_or_else(nothing))))
    }

    /// Reads a policy; the name is that of its file.
    ///
    /// # Errors
    /// What is wrong, and on which line.
    pub fn parse(text: &str, name: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| format!("{name}: {}", error.to_string().trim_end()))?;
        let line = |at: usize| text.get(..at).map_or(0, |before| before.matches('\n').count()) + 1;
        let wrong = |at: usize, what: String| format!("{name}, line {}: {what}", line(at));
        if *file.version.get_ref() != 1 {
            return Err(wrong(file.version.span().start, "version is wrong; right is 1".to_owned()));
        }
        let mut known: Vec<String> = Vec::new();
        let mut named = |id: &Spanned<String>| {
            let text = id.get_ref();
            let is_right = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if !is_right || known.contains(text) {
                let what = format!("the id {text:?} is wrong; right is a word of letters, digits and -, each once");
                return Err(wrong(id.span().start, what));
            }
            known.push(text.clone());
            Ok(text.clone())
        };
        let mut rules = Vec::new();
        for written in file.rule {
            let at = line(written.id.span().start);
            let id = named(&written.id)?;
            let relation = *written.relation.get_ref();
            let mut types = Box::new([false; 256]);
            for (names, is_in) in [(&written.types, true), (&written.except, false)] {
                for one in names {
                    let own = one.get_ref().as_str();
                    if own == "*" && is_in {
                        types.iter_mut().skip(1).take(definitions().resources().len()).for_each(|place| *place = true);
                        continue;
                    }
                    let place =
                        definitions().resource_number(own).and_then(|number| types.get_mut(usize::from(number)));
                    let Some(place) = place else {
                        return Err(wrong(one.span().start, format!("{own:?} is no type of FHIR R4")));
                    };
                    *place = is_in;
                }
            }
            // A type is about citizens or it is not, whatever a rule says.
            for number in open_types() {
                if let Some(place) = types.get_mut(usize::from(*number)) {
                    *place &= relation == Relation::Nobody;
                }
            }
            if relation == Relation::Nobody {
                for (number, place) in (0_u8..=255).zip(types.iter_mut()) {
                    *place &= open_types().contains(&number);
                }
            }
            let mut interactions = 0;
            if let Some(written) = &written.interactions {
                for letter in written.get_ref().chars() {
                    let found = Interaction::ALL.iter().find(|(known, _)| *known == letter);
                    let Some((_, interaction)) = found else {
                        let what = format!("{letter:?} is no interaction; right are letters of cruds");
                        return Err(wrong(written.span().start, what));
                    };
                    interactions |= *interaction as u8;
                }
            }
            let liaison = written.liaison.as_ref().map_or(LiaisonUse::None, |found| *found.get_ref());
            let is_laymen =
                matches!(relation, Relation::Citizen | Relation::Family | Relation::Between | Relation::Nobody);
            if let Some(written) = written.liaison.as_ref().filter(|_| is_laymen && liaison != LiaisonUse::None) {
                let what = format!("lists of fracture liaison are not for the relation {}", relation.name());
                return Err(wrong(written.span().start, what));
            }
            rules.push(Rule {
                id,
                line: at,
                relation,
                who: written.who,
                professions: written.professions,
                accounts: written.accounts,
                types,
                interactions,
                liaison,
                operations: written.operations,
            });
        }
        let mut labels = Vec::new();
        for written in file.label {
            let at = line(written.id.span().start);
            let id = named(&written.id)?;
            let mut shown = Vec::new();
            for one in &written.shows {
                let own = one.get_ref().as_str();
                let found: Vec<Label> =
                    LABELS.iter().filter(|(name, _)| own == "*" || *name == own).map(|(_, label)| *label).collect();
                if found.is_empty() {
                    let all: Vec<&str> = LABELS.iter().map(|(name, _)| *name).collect();
                    return Err(wrong(one.span().start, format!("{own:?} is no label; right are {}", all.join(", "))));
                }
                for label in found {
                    if let Some(who) = written.who.get_ref().iter().find(|who| is_beyond(**who, label)) {
                        let what = format!("{} is never shown to {who:?}", label_name(label));
                        return Err(wrong(one.span().start, what));
                    }
                    shown.push(label);
                }
            }
            labels.push(Shown { id, line: at, who: written.who.into_inner(), labels: shown });
        }
        Ok(Self { name: name.to_owned(), rules, labels })
    }

    /// The ids of its rules, and of what it says of labels.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.id.as_str()).chain(self.labels.iter().map(|shown| shown.id.as_str()))
    }

    /// The rule that lets somebody do one of these interactions with a type under one of these relations.
    #[must_use]
    pub fn rule(&self, asker: &Asker<'_>, relations: u16, type_number: u8, interactions: u8) -> Option<&Rule> {
        self.rules.iter().find(|rule| {
            rule.relation.bit() & relations != 0
                && rule.interactions & interactions != 0
                && rule.is_about(type_number)
                && rule.is_for(asker)
        })
    }

    /// What somebody may do with a type under one relation, as bits.
    #[must_use]
    pub fn interactions(&self, asker: &Asker<'_>, relation: Relation, type_number: u8) -> u8 {
        let rules = self.rules.iter().filter(|rule| rule.relation == relation && rule.is_about(type_number));
        rules.filter(|rule| rule.is_for(asker)).fold(0, |bits, rule| bits | rule.interactions)
    }

    /// What of fracture liaison a relation gives.
    #[must_use]
    pub fn liaison(&self, asker: &Asker<'_>, relation: Relation) -> LiaisonUse {
        let rules = self.rules.iter().filter(|rule| rule.relation == relation && rule.is_for(asker));
        rules.map(|rule| rule.liaison).max().unwrap_or_default()
    }

    /// The rule that lets somebody do an operation.
    #[must_use]
    pub fn operation(&self, asker: &Asker<'_>, operation: Operation) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.operations.contains(&operation) && rule.is_for(asker))
    }

    /// The labels that hide from somebody.
    #[must_use]
    pub fn hidden(&self, asker: &Asker<'_>) -> Vec<Label> {
        let shows = |label: Label| {
            asker.who.is_some_and(|who| {
                self.labels.iter().any(|shown| shown.who.contains(&who) && shown.labels.contains(&label))
            })
        };
        LABELS.iter().map(|(_, label)| *label).filter(|label| !shows(*label)).collect()
    }

    /// Whether a system that acts for no organization reads everything, so that nothing need be filtered.
    #[must_use]
    pub fn shows_everything(&self, asker: &Asker<'_>) -> bool {
        let reading = Interaction::Read as u8 | Interaction::Search as u8;
        let last = u8::try_from(definitions().resources().len()).unwrap_or(u8::MAX);
        let reads = |number: u8| {
            let relation = if open_types().contains(&number) { Relation::Nobody } else { Relation::Everybody };
            self.interactions(asker, relation, number) & reading == reading
        };
        asker.who == Some(Who::System) && self.hidden(asker).is_empty() && (1..=last).all(reads)
    }

    /// Where a rule stands.
    #[must_use]
    pub fn place(&self, rule: &Rule) -> String {
        format!("rule {} ({}, line {})", rule.id, self.name, rule.line)
    }

    /// What shows somebody a label, as its place in the file.
    #[must_use]
    pub fn place_of_label(&self, asker: &Asker<'_>, label: Label) -> Option<String> {
        let found = self
            .labels
            .iter()
            .find(|shown| shown.labels.contains(&label) && asker.who.is_some_and(|who| shown.who.contains(&who)))?;
        Some(format!("rule {} ({}, line {})", found.id, self.name, found.line))
    }

    /// Its name, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// An operation that no rule allows, in words.
    #[must_use]
    pub fn without(&self, operation: Operation) -> String {
        let needed: Vec<String> = self
            .rules
            .iter()
            .filter(|rule| rule.operations.contains(&operation) && !rule.accounts.is_empty())
            .map(|rule| rule.accounts.join(" or "))
            .collect();
        let role = if needed.is_empty() {
            String::new()
        } else {
            format!(": the account needs the role {}", needed.join(" or "))
        };
        format!("no rule of {} lets the caller do {}{role}", self.name, operation.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{FhirUser, Scopes};

    fn caller(user: &str) -> Caller {
        let user = FhirUser::parse(user).unwrap();
        Caller::known(Subject::Person { user, client: String::new() }, Scopes::default())
    }

    fn number(name: &str) -> u8 {
        definitions().resource_number(name).unwrap()
    }

    #[test]
    fn the_built_in_policy_is_read_and_denies_what_it_does_not_say() {
        let policy = Policy::parse(BUILT_IN, "x").unwrap();
        let (staff, citizen) = (caller("Practitioner/a"), caller("Patient/a"));
        let (staff, citizen) = (Asker::of(&staff, &[]), Asker::of(&citizen, &[]));
        assert_eq!(policy.interactions(&staff, Relation::Team, number("Observation")), 31);
        assert_eq!(policy.interactions(&staff, Relation::Team, number("Organization")), 0, "a type is about nobody");
        assert_eq!(policy.interactions(&staff, Relation::Nobody, number("Organization")), 18);
        assert_eq!(policy.interactions(&staff, Relation::Nobody, number("Observation")), 0);
        assert_eq!(policy.interactions(&citizen, Relation::Citizen, number("CareTeam")), 18);
        assert_eq!(
            policy.rule(&citizen, Relation::Citizen.bit(), number("Observation"), 1).unwrap().id,
            "citizen-writes"
        );
        assert!(
            policy.hidden(&citizen).contains(&Label::Uninformed) && !policy.hidden(&staff).contains(&Label::Uninformed)
        );
        assert_eq!(policy.liaison(&staff, Relation::Officer), LiaisonUse::Counts);
        assert!(policy.operation(&staff, Operation::InstallPackage).is_none());
        let nobody = Caller::known(Subject::Nobody, Scopes::default());
        assert_eq!(policy.interactions(&Asker::of(&nobody, &[]), Relation::Team, number("Observation")), 0);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, expected) in [
            (
                "version = 1\n[[rule]]\nid = \"a\"\nrelation = \"team\"\ntypes = [\"Observatoin\"]\ndo = \"r\"",
                "line 5: \"Observatoin\" is no type",
            ),
            ("version = 1\n[[rule]]\nid = \"a\"\nrelation = \"team\"\ndo = \"rx\"", "line 5: 'x' is no interaction"),
            ("version = 2", "line 1: version is wrong"),
            ("version = 1\n[[rule]]\nid = \"a\"\nrelation = \"cousin\"", "unknown variant `cousin`"),
            ("version = 1\n[[rule]]\nid = \"a\"\nrelation = \"team\"\nread = true", "unknown field `read`"),
            (
                "version = 1\n[[rule]]\nid = \"a\"\nrelation = \"team\"\n[[rule]]\nid = \"a\"\nrelation = \"team\"",
                "line 6: the id \"a\"",
            ),
            ("version = 1\n[[rule]]\nid = \"a\"\nrelation = \"citizen\"\nliaison = \"rows\"", "line 5: lists"),
            (
                "version = 1\n[[label]]\nid = \"l\"\nwho = [\"family\"]\nshows = [\"UNINFORMED\"]",
                "line 5: UNINFORMED is never",
            ),
            ("version = 1\n[[label]]\nid = \"l\"\nwho = [\"staff\"]\nshows = [\"*\"]", "single-recipient is never"),
        ] {
            let error = Policy::parse(text, "p.toml").unwrap_err();
            assert!(error.starts_with("p.toml") && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn rules_ask_for_professions_and_accounts() {
        let text = "version = 1\n[[rule]]\nid = \"doctors\"\nrelation = \"team\"\nprofessions = [\"doctor\"]\naccounts = [\"trained\"]\ntypes = [\"Observation\"]\ndo = \"rs\"";
        let policy = Policy::parse(text, "x").unwrap();
        let mut person = caller("Practitioner/a");
        let doctor = vec!["doctor".to_owned()];
        let may = |person: &Caller, own: &[String]| {
            policy.interactions(&Asker::of(person, own), Relation::Team, number("Observation")) == 18
        };
        assert!(!may(&person, &doctor));
        person.roles.push("trained".to_owned());
        assert!(may(&person, &doctor) && !may(&person, &["nurse".to_owned()]));
    }
}
