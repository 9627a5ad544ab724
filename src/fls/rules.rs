//! The rules as data: which codes mean what, every figure, the pathway. Read from code systems and the
//! PlanDefinition of our guide; a site stores its own version of one and it takes the place of ours.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::format::json::Node;
use crate::r4::canonical::{Canonicals, Definition};
use crate::r4::guide::{CANONICAL, guide};
use crate::terminology::Equivalence;

/// System of the activities of a pathway.
pub const ACTIVITY: &str = "http://renraku.example/fhir/CodeSystem/fls-activity";

/// Something codes can mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// Its code in the code system of the rules.
    pub code: String,
    /// For people.
    pub display: String,
    /// For people in Japan.
    pub ja: String,
}

/// A medicine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drug {
    /// Counts as treatment.
    pub therapy: bool,
    /// Days from dose to dose.
    pub interval: i32,
    /// Days after which a dose counts as missed.
    pub grace: i32,
    /// Each dose is an event that lasts interval and grace.
    pub long_acting: bool,
    /// Longest time of treatment.
    pub maximum: Option<i32>,
    /// Another treatment must follow.
    pub needs_follow_on: bool,
}

/// What recognises the classes of one code system.
#[derive(Debug, Clone, Default)]
pub struct Classifier {
    /// In the order of the code system.
    pub classes: Vec<Class>,
    /// Code → systems (none: any) and the class.
    exact: HashMap<String, Vec<(Option<String>, usize)>>,
    /// The same for beginnings of codes.
    beginnings: Vec<(Option<String>, String, usize)>,
    /// Words, in lower case.
    words: Vec<(String, usize)>,
}

impl Classifier {
    fn read(definition: &Node<'_>, names: &Equivalence) -> Self {
        let mut classifier = Self::default();
        for concept in definition.list("concept") {
            let Some(class) = class(concept) else { continue };
            let place = classifier.classes.len();
            for property in concept.list("property") {
                match (property.text("code"), property.text("valueString")) {
                    (Some("match"), Some(text)) => classifier.add(text, place, names),
                    (Some("text"), Some(word)) => classifier.words.push((word.to_lowercase(), place)),
                    _ => {}
                }
            }
            classifier.classes.push(class);
        }
        classifier
    }

    fn add(&mut self, text: &str, place: usize, names: &Equivalence) {
        let (system, code) = text.rsplit_once('|').unwrap_or(("", text));
        // Whichever name a sender uses for the system (URL or OID).
        let mut systems: Vec<Option<String>> = vec![None];
        if !system.is_empty() {
            systems = names.of(system).into_iter().chain([system.to_owned()]).map(Some).collect();
            systems.sort_unstable();
            systems.dedup();
        }
        for system in systems {
            match code.strip_suffix('*') {
                Some(beginning) => self.beginnings.push((system, beginning.to_owned(), place)),
                None => self.exact.entry(code.to_owned()).or_default().push((system, place)),
            }
        }
    }

    /// The class a coding means.
    #[must_use]
    pub fn coding(&self, system: &str, code: &str) -> Option<usize> {
        let fits = |own: &Option<String>| own.as_deref().is_none_or(|own| own == system);
        let exact = self.exact.get(code).and_then(|all| all.iter().find(|(own, _)| fits(own)));
        exact.map(|(_, place)| *place).or_else(|| {
            let begins = |(own, beginning, _): &&(Option<String>, String, usize)| {
                fits(own) && code.starts_with(beginning.as_str())
            };
            self.beginnings.iter().find(begins).map(|(_, _, place)| *place)
        })
    }

    /// The class a CodeableConcept means: by its codings in their order, else by its words.
    #[must_use]
    pub fn concept(&self, concept: &Node<'_>) -> Option<usize> {
        let codings = concept.list("coding");
        let of = |coding: &Node<'_>| self.coding(coding.text("system").unwrap_or_default(), coding.text("code")?);
        codings.iter().find_map(of).or_else(|| {
            let texts = concept.text("text").into_iter().chain(codings.iter().filter_map(|one| one.text("display")));
            texts.into_iter().find_map(|text| self.words(text))
        })
    }

    /// The class some words mean: the first one whose word they contain.
    #[must_use]
    pub fn words(&self, text: &str) -> Option<usize> {
        let text = text.to_lowercase();
        self.words.iter().find(|(word, _)| text.contains(word.as_str())).map(|(_, place)| *place)
    }

    /// The code of a class.
    #[must_use]
    pub fn code(&self, place: usize) -> &str {
        self.classes.get(place).map_or("", |class| class.code.as_str())
    }

    /// A class by its code.
    #[must_use]
    pub fn find(&self, code: &str) -> Option<&Class> {
        self.classes.iter().find(|class| class.code == code)
    }
}

fn class(concept: &Node<'_>) -> Option<Class> {
    let code = concept.text("code")?.to_owned();
    let display = concept.text("display").unwrap_or(&code).to_owned();
    let ja = concept.list("designation").iter().find(|one| one.text("language") == Some("ja"));
    let ja = ja.and_then(|one| one.text("value")).unwrap_or(&display).to_owned();
    Some(Class { code, display, ja })
}

fn property<'n>(concept: &'n Node<'_>, code: &str, member: &str) -> Option<&'n Node<'n>> {
    concept.list("property").iter().find(|one| one.text("code") == Some(code))?.get(member)
}

fn integer(concept: &Node<'_>, code: &str) -> Option<i32> {
    match property(concept, code, "valueInteger")? {
        Node::Number(digits) => digits.parse().ok(),
        _ => None,
    }
}

fn flag(concept: &Node<'_>, code: &str) -> bool {
    property(concept, code, "valueBoolean").and_then(Node::as_bool) == Some(true)
}

/// An activity of the pathway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// A code of fls-activity.
    pub code: String,
    /// For people.
    pub title: String,
    /// For people in Japan.
    pub ja: String,
    /// Days from the fracture until it is due.
    pub days: i32,
}

macro_rules! figures {
    ($($(#[doc = $doc:literal])* $field:ident: $kind:ty = $code:literal, $default:literal;)*) => {
        /// The figures of the rules; `CodeSystem/fls-rule` says what each is.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs)]
        pub struct Figures { $($(#[doc = $doc])* pub $field: $kind,)* }

        impl Figures {
            #[allow(clippy::cast_possible_truncation, reason = "figures are small; a float becomes the next integer")]
            fn read(value: impl Fn(&str) -> Option<f64>) -> Self {
                Self { $($field: value($code).unwrap_or($default) as $kind,)* }
            }
        }
    };
}

figures! {
    minimum_age: i32 = "minimum-age", 50.0;
    recode_days: i32 = "recode-days", 30.0;
    case_days: i32 = "case-days", 730.0;
    assessment_days: i32 = "assessment-days", 90.0;
    dxa_days: i32 = "dxa-days", 90.0;
    exercise_days: i32 = "exercise-days", 112.0;
    follow_up_days: i32 = "follow-up-days", 112.0;
    start_days: i32 = "start-days", 112.0;
    year_days: i32 = "year-days", 365.0;
    follow_up_split_days: i32 = "follow-up-split-days", 238.0;
    recommendation_days: i32 = "recommendation-days", 365.0;
    secondary_days: i32 = "secondary-days", 365.0;
    statement_days: i32 = "statement-days", 400.0;
    supply_days: i32 = "supply-days", 30.0;
    completeness_percent: f64 = "completeness-percent", 20.0;
    completeness_fields: i32 = "completeness-fields", 5.0;
    overdue_grace_days: i32 = "overdue-grace-days", 0.0;
    weight_loss_percent: f64 = "weight-loss-percent", 5.0;
    weight_loss_days: i32 = "weight-loss-days", 183.0;
    grip_male: f64 = "grip-male", 28.0;
    grip_female: f64 = "grip-female", 18.0;
    gait_speed: f64 = "gait-speed", 1.0;
    fall_days: i32 = "fall-days", 30.0;
    measure_days: i32 = "measure-days", 183.0;
    certification_days: i32 = "certification-days", 60.0;
    expired_days: i32 = "expired-days", 30.0;
    new_certification_days: i32 = "new-certification-days", 1.0;
    severe_level: i32 = "severe-level", 23.0;
    insured_age: i32 = "insured-age", 65.0;
    fee_3_months: i32 = "fee-3-months", 12.0;
    fee_3_skips_first: i32 = "fee-3-skips-first", 1.0;
    small_cell: i64 = "small-cell", 10.0;
    treatment_overlap_days: i32 = "treatment-overlap-days", 0.0;
}

/// All rules.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Sites of fractures.
    pub sites: Classifier,
    /// Whether left and right are different bones, by site.
    sided: Vec<bool>,
    /// Whether a fracture there opens an episode.
    opens: Vec<bool>,
    /// Medicines.
    pub drugs: Classifier,
    /// Their rhythm, in the same order.
    rhythms: Vec<Drug>,
    /// Evidence of activities, and other things of interest.
    pub evidence: Classifier,
    /// Alarms.
    pub alarms: Classifier,
    severities: Vec<String>,
    /// Activities with their days.
    pub pathway: Vec<Planned>,
    /// The figures.
    pub figures: Figures,
    /// Another number when another rule is in force.
    pub fingerprint: u64,
}

impl Rules {
    /// The rules in force. What a definition of a site does not say is as in ours.
    #[must_use]
    pub fn read(definitions: &dyn Canonicals) -> Self {
        let names = Equivalence::read(definitions);
        let mut hasher = DefaultHasher::new();
        let mut find = |kind: &str, id: &str| -> Definition {
            let url = format!("{CANONICAL}/{kind}/{id}");
            let ours = || guide().find(kind, &url, None).unwrap_or_else(|| Definition::new(Node::Null));
            let found = definitions.find(kind, &url, None).unwrap_or_else(ours);
            // What was stored has a version and a time of its own, which change nothing.
            for (name, value) in found.members().iter().filter(|(name, _)| name != "meta" && name != "text") {
                name.hash(&mut hasher);
                value.to_bytes().hash(&mut hasher);
            }
            found
        };
        let (sites, drugs) = (find("CodeSystem", "fracture-site"), find("CodeSystem", "osteoporosis-drug"));
        let (evidence, alarms) = (find("CodeSystem", "fls-evidence"), find("CodeSystem", "fls-alarm"));
        let (figures, plan) = (find("CodeSystem", "fls-rule"), find("PlanDefinition", "fls-pathway"));
        let mut evidence = Classifier::read(&evidence, &names);
        for place in 0..evidence.classes.len() {
            let code = evidence.code(place).to_owned();
            evidence.add(&format!("{ACTIVITY}|{code}"), place, &names);
        }
        Self {
            sided: sites
                .list("concept")
                .iter()
                .filter(|one| class(one).is_some())
                .map(|one| flag(one, "sided"))
                .collect(),
            opens: sites
                .list("concept")
                .iter()
                .filter(|one| class(one).is_some())
                .map(|one| property(one, "opens", "valueBoolean").and_then(Node::as_bool) != Some(false))
                .collect(),
            rhythms: drugs.list("concept").iter().filter(|one| class(one).is_some()).map(rhythm).collect(),
            severities: alarms
                .list("concept")
                .iter()
                .filter(|one| class(one).is_some())
                .map(|one| {
                    property(one, "severity", "valueCode").and_then(Node::as_str).unwrap_or("moderate").to_owned()
                })
                .collect(),
            sites: Classifier::read(&sites, &names),
            drugs: Classifier::read(&drugs, &names),
            alarms: Classifier::read(&alarms, &names),
            evidence,
            pathway: plan.list("action").iter().filter_map(planned).collect(),
            figures: Figures::read(|code| {
                let concept = figures.list("concept").iter().find(|one| one.text("code") == Some(code))?;
                match property(concept, "value", "valueDecimal")? {
                    Node::Number(digits) => digits.parse().ok(),
                    _ => None,
                }
            }),
            fingerprint: hasher.finish(),
        }
    }

    /// The rules of our guide.
    #[must_use]
    pub fn built_in() -> Self {
        Self::read(guide().as_ref())
    }

    /// Whether left and right are different bones.
    #[must_use]
    pub fn is_sided(&self, site: &str) -> bool {
        let place = self.sites.classes.iter().position(|class| class.code == site);
        place.and_then(|place| self.sided.get(place).copied()).unwrap_or(true)
    }

    /// Whether a fracture there opens an episode.
    #[must_use]
    pub fn opens(&self, site: &str) -> bool {
        let place = self.sites.classes.iter().position(|class| class.code == site);
        place.and_then(|place| self.opens.get(place).copied()).unwrap_or(true)
    }

    /// How a medicine is given.
    #[must_use]
    pub fn drug(&self, code: &str) -> Option<&Drug> {
        let place = self.drugs.classes.iter().position(|class| class.code == code)?;
        self.rhythms.get(place)
    }

    /// How bad an alarm is: high, moderate or low.
    #[must_use]
    pub fn severity(&self, alarm: &str) -> &str {
        let place = self.alarms.classes.iter().position(|class| class.code == alarm);
        place.and_then(|place| self.severities.get(place)).map_or("moderate", String::as_str)
    }
}

fn rhythm(concept: &Node<'_>) -> Drug {
    Drug {
        therapy: flag(concept, "therapy"),
        interval: integer(concept, "interval-days").unwrap_or(1).clamp(1, 3660),
        grace: integer(concept, "grace-days").unwrap_or(0).clamp(0, 3660),
        long_acting: flag(concept, "long-acting"),
        maximum: integer(concept, "maximum-days").filter(|days| *days > 0),
        needs_follow_on: flag(concept, "needs-follow-on"),
    }
}

/// An action with a code of ours and an offset in days.
fn planned(action: &Node<'_>) -> Option<Planned> {
    let codings = action.list("code").iter().flat_map(|concept| concept.list("coding"));
    let code = codings.into_iter().find(|coding| coding.text("system") == Some(ACTIVITY))?.text("code")?.to_owned();
    let offset = action.list("relatedAction").iter().find_map(|related| related.get("offsetDuration"))?;
    let Some(Node::Number(digits)) = offset.get("value") else { return None };
    let each = match offset.text("code")? {
        "d" => 1,
        "wk" => 7,
        _ => return None,
    };
    let days: i32 = digits.parse::<i32>().ok()?.checked_mul(each).filter(|days| (0..=3660).contains(days))?;
    let title = action.text("title").unwrap_or(&code).to_owned();
    let translations = action.get("_title").map_or(&[][..], |node| node.list("extension"));
    let content = translations.iter().flat_map(|one| one.list("extension"));
    let ja = content.into_iter().find_map(|one| one.text("valueString")).unwrap_or(&title).to_owned();
    Some(Planned { code, title, ja, days })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_rules_are_whole() {
        let rules = Rules::built_in();
        assert!(rules.sites.classes.len() >= 5 && rules.drugs.classes.len() >= 15);
        assert_eq!(rules.pathway.len(), 11);
        assert_eq!(rules.drug("denosumab").map(|drug| (drug.interval, drug.long_acting)), Some((183, true)));
        assert_eq!(rules.severity("medication-gap"), "high");
        assert_eq!(rules.figures, Figures::read(|_| None), "figures and their defaults agree");
        assert!(rules.is_sided("hip") && !rules.is_sided("vertebra"));
        for planned in &rules.pathway {
            let known = rules.evidence.find(&planned.code).is_some() || planned.code == "treatment-start";
            assert!(known, "{}", planned.code);
        }
    }

    #[test]
    fn a_supplement_is_no_denosumab() {
        let rules = Rules::built_in();
        let code = |words: &str| rules.drugs.words(words).map(|place| rules.drugs.code(place));
        assert_eq!(code("デノタスチュアブル配合錠"), Some("supplement"));
        assert_eq!(code("デノスマブ皮下注60mg（6か月に1回）"), Some("denosumab"));
        assert_eq!(code("テリボン皮下注28.2μgオートインジェクター"), Some("teriparatide-weekly"));
        assert_eq!(code("アムロジピン錠5mg"), None);
        assert!(!rules.drug("supplement").unwrap().therapy);
    }

    #[test]
    fn codes_are_known_by_all_names_of_their_system() {
        let rules = Rules::built_in();
        let site = |system: &str, code: &str| rules.sites.coding(system, code).map(|place| rules.sites.code(place));
        let icd = "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full";
        assert_eq!(site(icd, "S72.10"), Some("hip"));
        assert_eq!(site(icd, "S721"), Some("hip"));
        assert_eq!(site(icd, "S72.3"), Some("other"));
        assert_eq!(site(icd, "I10"), None);
        assert_eq!(site("urn:other", "S72.1"), None);
        assert_eq!(site("http://jpfhir.jp/fhir/core/mhlw/CodeSystem/masterB-disease", "8837314"), Some("hip"));
    }
}
