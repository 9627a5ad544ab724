//! Conditions that are no parameter with a path: words of texts, places, value sets, hierarchies.

use serde_json::{Value, json};

use crate::maker::Maker;
use crate::naive::World;
use crate::values::{self, Token};

/// The code system with a hierarchy that the world knows, and its codes with their parents.
pub(crate) const TREE: &str = "http://example.org/cs";
pub(crate) const TREE_CODES: &[(&str, Option<&str>)] = &[
    ("root", None),
    ("a", Some("root")),
    ("a1", Some("a")),
    ("a2", Some("a")),
    ("a2a", Some("a2")),
    ("b", Some("root")),
];

/// Value sets by URL with their codes.
pub(crate) const VALUE_SETS: &[(&str, &[(&str, &str)])] = &[
    ("http://example.org/vs/some", &[(TREE, "a1"), (TREE, "b")]),
    ("http://example.org/vs/tree", &[(TREE, "a"), (TREE, "a1"), (TREE, "a2"), (TREE, "a2a")]),
    ("http://example.org/vs/loinc", &[("http://loinc.org", "8480-6"), ("http://loinc.org", "8462-4")]),
    ("http://example.org/vs/both", &[(TREE, "b"), (TREE, "a1"), ("http://loinc.org", "8480-6")]),
];

/// The CodeSystem as a resource, and the value sets: one says its codes by the hierarchy, one by another.
pub(crate) fn terminology() -> Vec<Value> {
    fn concepts(below: Option<&str>) -> Vec<Value> {
        let children = TREE_CODES.iter().filter(|(_, parent)| *parent == below);
        let concept = |code: &str| match concepts(Some(code)) {
            inner if inner.is_empty() => json!({ "code": code }),
            inner => json!({ "code": code, "concept": inner }),
        };
        children.map(|(code, _)| concept(code)).collect()
    }
    let listed = |codes: &[(&str, &str)]| {
        let concept = |(_, code): &(&str, &str)| json!({ "code": code });
        json!({ "system": codes[0].0, "concept": codes.iter().map(concept).collect::<Vec<_>>() })
    };
    let include = |url: &str, codes: &[(&str, &str)]| match url.rsplit('/').next().unwrap() {
        "tree" => json!([{ "system": TREE, "filter": [{ "property": "concept", "op": "is-a", "value": "a" }] }]),
        "both" => json!([listed(&codes[2..]), { "valueSet": ["http://example.org/vs/some"] }]),
        _ => json!([listed(codes)]),
    };
    let set = |(url, codes): &(&str, &[(&str, &str)])| {
        let id = format!("vs-{}", url.rsplit('/').next().unwrap());
        json!({ "resourceType": "ValueSet", "id": id, "url": url, "status": "active", "compose": { "include": include(url, codes) } })
    };
    let system = json!({
        "resourceType": "CodeSystem", "id": "cs", "url": TREE, "status": "active", "content": "complete",
        "caseSensitive": true, "hierarchyMeaning": "is-a", "concept": concepts(None)
    });
    [system].into_iter().chain(VALUE_SETS.iter().map(set)).collect()
}

/// FHIR R4 search.html#token, `:in`.
pub(crate) fn in_value_set(token: &Token, url: &str) -> bool {
    let (_, codes) = VALUE_SETS.iter().find(|(known, _)| *known == url).unwrap();
    codes.iter().any(|(system, code)| is_code(token, system, code))
}

/// `:below` (or `:above`): the code itself and what it subsumes (or what subsumes it).
pub(crate) fn is_along(token: &Token, code: &str, below: bool) -> bool {
    fn subsumes(upper: &str, lower: &str) -> bool {
        let parent = TREE_CODES.iter().find(|(code, _)| *code == lower).and_then(|(_, parent)| *parent);
        upper == lower || parent.is_some_and(|parent| subsumes(upper, parent))
    }
    let fits = |other: &str| if below { subsumes(code, other) } else { subsumes(other, code) };
    TREE_CODES.iter().any(|(other, _)| fits(other) && is_code(token, TREE, other))
}

fn is_code(token: &Token, system: &str, code: &str) -> bool {
    token.code.to_lowercase() == code && token.system.as_deref().is_none_or(|own| own == system)
}

/// What `_text` and `_content` ask for (FHIR R4 search.html#text).
#[derive(Debug, Clone)]
pub(crate) enum Words {
    Word(String),
    /// Two Latin words that follow each other.
    Phrase(String, String),
    All(Vec<Words>),
    Any(Vec<Words>),
    Not(Box<Words>),
}

impl Words {
    pub(crate) fn text(&self) -> String {
        let joined =
            |list: &[Self], word: &str| format!("({})", list.iter().map(Self::text).collect::<Vec<_>>().join(word));
        match self {
            Self::Word(word) => word.clone(),
            Self::Phrase(first, second) => format!("\"{first} {second}\""),
            Self::All(list) => joined(list, " AND "),
            Self::Any(list) => joined(list, " OR "),
            Self::Not(inner) => format!("NOT {}", inner.text()),
        }
    }

    fn are_in(&self, texts: &[String]) -> bool {
        match self {
            // A Japanese word stands anywhere, others begin where a word begins.
            Self::Word(word) => {
                let word = values::fold(word);
                texts.iter().any(|text| {
                    let starts = text.match_indices(&word).map(|(place, _)| text[..place].chars().next_back());
                    starts.into_iter().any(|before| {
                        !word.starts_with(|letter: char| letter.is_ascii())
                            || before.is_none_or(|letter| !letter.is_ascii_alphanumeric())
                    })
                })
            }
            Self::Phrase(first, second) => texts.iter().any(|text| {
                let words: Vec<&str> =
                    text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
                words.windows(2).any(|pair| pair == [first, second])
            }),
            Self::All(list) => list.iter().all(|inner| inner.are_in(texts)),
            Self::Any(list) => list.iter().any(|inner| inner.are_in(texts)),
            Self::Not(inner) => !inner.are_in(texts),
        }
    }
}

/// Words that stand in texts, and in no address, code or time.
const WORDS: &[&str] = &[
    "骨折",
    "大腿骨",
    "転倒",
    "骨",
    "ロコモ",
    "ろこもてぃぶ",
    "fracture",
    "frac",
    "kitchen",
    "racture",
    "シンドローム",
];

impl World {
    /// The narrative, or every text of a resource.
    pub(crate) fn has_words(&self, resource: &Value, in_narrative: bool, words: &Words) -> bool {
        fn strings<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
            match value {
                Value::String(text) => found.push(text),
                Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
                Value::Object(members) => members.values().for_each(|value| strings(value, found)),
                _ => {}
            }
        }
        let narrative = resource["text"]["div"].as_str().map(|div| {
            let text = div.split_once('>').map_or("", |(_, rest)| rest);
            values::fold(text.strip_suffix("</div>").unwrap_or(text))
        });
        let mut texts: Vec<String> = narrative.into_iter().collect();
        if !in_narrative {
            let mut found = Vec::new();
            for (name, value) in resource.as_object().unwrap() {
                if name != "text" {
                    strings(value, &mut found);
                }
            }
            texts.extend(found.into_iter().map(values::fold));
        }
        words.are_in(&texts)
    }

    /// Great circle on a sphere, in metres (FHIR R4 location.html#search).
    pub(crate) fn is_near(&self, resource: &Value, place: (f64, f64), metres: f64) -> bool {
        distance(resource, place).is_some_and(|distance| distance <= metres)
    }

    /// The whole something is part of, along one parameter to the end (`:above`, `:below`).
    pub(crate) fn is_part(&self, lower: &str, upper: &str, code: &str) -> bool {
        let mut at = vec![lower.to_owned()];
        let mut seen = std::collections::BTreeSet::new();
        while let Some(address) = at.pop() {
            if address == upper {
                return true;
            }
            let Some((kind, id)) = address.split_once('/') else { continue };
            let parameter = crate::parameters::find(kind, code).unwrap();
            if let (Some(resource), true) = (self.get(kind, id), seen.insert(address.clone())) {
                at.extend(crate::naive::links(resource, parameter));
            }
        }
        false
    }
}

fn distance(resource: &Value, (latitude, longitude): (f64, f64)) -> Option<f64> {
    let (north, east) = (resource["position"]["latitude"].as_f64()?, resource["position"]["longitude"].as_f64()?);
    let (from, to) = (latitude.to_radians(), north.to_radians());
    let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let haversine = half(north - latitude) + from.cos() * to.cos() * half(east - longitude);
    Some(2.0 * 6_371_008.8 * haversine.sqrt().min(1.0).asin())
}

/// Places of the generator.
pub(crate) const PLACES: &[(f64, f64)] = &[
    (35.01, 136.96),
    (35.02, 136.97),
    (35.18, 136.91),
    (47.37, 8.54),
    (0.0, 179.99),
    (0.0, -179.99),
    (89.99, 10.0),
    (89.99, -170.0),
];

impl Maker<'_> {
    pub(crate) fn words(&mut self, depth: usize, in_narrative: bool) -> Words {
        match self.random.below(10) {
            0 | 1 if depth < 2 => {
                Words::All(vec![self.words(depth + 1, in_narrative), self.words(depth + 1, in_narrative)])
            }
            2 | 3 if depth < 2 => {
                Words::Any(vec![self.words(depth + 1, in_narrative), self.words(depth + 1, in_narrative)])
            }
            4 if depth < 2 => Words::Not(Box::new(self.words(depth + 1, in_narrative))),
            5 if in_narrative => {
                let (first, second) =
                    self.random.pick(&[("fracture", "of"), ("of", "hip"), ("closed", "fracture"), ("hip", "of")]);
                Words::Phrase(first.to_owned(), second.to_owned())
            }
            _ => Words::Word(self.random.pick(WORDS).to_owned()),
        }
    }

    /// A place with a distance at whose edge nothing lies: the shape of the earth is left to the server.
    pub(crate) fn near(&mut self) -> (String, (f64, f64), f64) {
        loop {
            let place = self.random.pick(PLACES);
            let (number, unit, metres) = self.random.pick(&[
                ("3", "km", 3_000.0),
                ("500", "m", 500.0),
                ("30", "", 30_000.0),
                ("0.1", "km", 100.0),
                ("10000", "km", 1e7),
                ("", "", 10_000.0),
            ]);
            let is_clear = |resource: &Value| {
                distance(resource, place).is_none_or(|distance| (distance - metres).abs() > metres / 50.0)
            };
            if self.world.of_type("Location").all(is_clear) {
                let text = match (number, unit) {
                    ("", _) => format!("{}|{}", place.0, place.1),
                    (number, "") => format!("{}|{}|{number}", place.0, place.1),
                    (number, unit) => format!("{}|{}|{number}|{unit}", place.0, place.1),
                };
                return (text, place, metres);
            }
        }
    }
}
