//! Code systems that are not here but at another terminology server: asked code by code, as FHIR R4
//! terminology-service.html says (`$lookup`, `$validate-code`, `$subsumes`), never copied.
//!
//! Only for systems unknown here. Sent are system, version and code, nothing of whose code it is. No answer is no
//! error: what cannot be told is unknown, with the reason. After a failure the server is left alone for a while, so
//! that nobody waits for it again and again.
//!
//! Must not know: how a request is made ([`TerminologyServer`]).

use std::fmt::Debug;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

use super::concept::{CodeSystem, Concept, Content, Designation, Header, Hierarchy, Property, Selection, Unavailable};
use crate::format::json::{self, Node};

/// Answers kept.
const KEPT: usize = 50_000;
/// How long an answer is good.
const FRESH: Duration = Duration::from_secs(3_600);
/// How long it is remembered that the server does not know something.
const UNKNOWN: Duration = Duration::from_secs(600);
/// How long a server that failed is left alone.
const PAUSE: Duration = Duration::from_secs(30);

/// Asks a terminology server.
pub trait TerminologyServer: Send + Sync + Debug {
    /// GET of a path below the server's base with these parameters: status and body.
    ///
    /// # Errors
    /// Why there is no answer.
    fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<(u16, Vec<u8>), String>;

    /// How messages name it.
    fn name(&self) -> &str;
}

/// What was asked: kind of question, system, version, codes.
type Question = (&'static str, String, String, String);

/// What was answered, and when.
#[derive(Clone)]
struct Kept {
    at: Instant,
    answer: Answer,
}

#[derive(Clone)]
enum Answer {
    Concept(Option<Arc<Found>>),
    Is(bool),
    Unknown(String),
}

/// A concept with what stands around it.
#[derive(Debug, Default)]
struct Found {
    concept: Arc<Concept>,
    parents: Vec<String>,
    children: Vec<String>,
}

/// Another terminology server, with what it answered lately. Cheap to share.
pub struct Remote {
    server: Arc<dyn TerminologyServer>,
    answers: Cache<Question, Kept>,
    failed: Mutex<Option<Instant>>,
}

impl Debug for Remote {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("Remote").field(&self.server.name()).finish()
    }
}

impl Remote {
    /// Over this server.
    #[must_use]
    pub fn new(server: Arc<dyn TerminologyServer>) -> Self {
        Self { server, answers: Cache::new(KEPT), failed: Mutex::new(None) }
    }

    /// A code system as that server has it; whether it has it is asked with the first code.
    pub(super) fn system(self: &Arc<Self>, url: &str, version: Option<&str>) -> Option<Arc<dyn CodeSystem>> {
        // Names that are made up in one place mean nothing elsewhere.
        let is_public = url.contains(':') && !url.starts_with("urn:uuid:");
        let header = Header {
            url: url.to_owned(),
            version: version.map(str::to_owned),
            name: None,
            title: None,
            language: None,
            case_sensitive: Some(true),
            hierarchy: Hierarchy::IsA,
            content: Content::Complete,
            properties: Vec::new(),
            compositional: false,
        };
        is_public.then(|| Arc::new(System { remote: Arc::clone(self), header }) as Arc<dyn CodeSystem>)
    }

    fn away(&self, why: &str) -> Unavailable {
        Unavailable(format!("the terminology server {} does not answer: {why}", self.server.name()))
    }

    /// One request, unless the server failed just now.
    fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<(u16, Vec<u8>), Unavailable> {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.is_some_and(|at| at.elapsed() < PAUSE) {
            return Err(self.away("it failed a moment ago and is asked again later"));
        }
        let answer = self.server.get(path, query);
        let is_failure = match &answer {
            Ok((status, _)) => *status >= 500 || *status == 429,
            Err(_) => true,
        };
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = is_failure.then(Instant::now);
        match answer {
            Ok((status, body)) if !is_failure => Ok((status, body)),
            Ok((status, _)) => Err(self.failure(&format!("status {status}"))),
            Err(why) => Err(self.failure(&why)),
        }
    }

    fn failure(&self, why: &str) -> Unavailable {
        tracing::warn!(server = self.server.name(), %why, "the terminology server fails");
        self.away(why)
    }

    /// What is known of a question, or what asking gives. Failures are not kept: `failed` stands for them.
    fn answer(
        &self,
        question: Question,
        ask: impl FnOnce() -> Result<Answer, Unavailable>,
    ) -> Result<Answer, Unavailable> {
        if let Some(kept) = self.answers.get(&question) {
            let limit = if matches!(kept.answer, Answer::Unknown(_)) { UNKNOWN } else { FRESH };
            if kept.at.elapsed() < limit {
                return Ok(kept.answer);
            }
        }
        let answer = ask()?;
        self.answers.insert(question, Kept { at: Instant::now(), answer: answer.clone() });
        Ok(answer)
    }

    /// Whether the server has a code system at all.
    fn knows(&self, url: &str) -> Result<bool, Unavailable> {
        let ask = || {
            let (status, body) = self.get("CodeSystem", &[("url", url), ("_elements", "url"), ("_count", "1")])?;
            let found = json::parse(&body).ok().filter(|_| status == 200);
            let Some(found) = found.filter(|node| node.text("resourceType") == Some("Bundle")) else {
                return Ok(Answer::Unknown(format!("status {status}")));
            };
            let entries = found.list("entry").iter();
            let is_match = |entry: &&Node<'_>| {
                entry.get("resource").and_then(|resource| resource.text("resourceType")) == Some("CodeSystem")
            };
            let total = match found.get("total") {
                Some(Node::Number(digits)) => digits.parse::<u64>().unwrap_or(0),
                _ => 0,
            };
            Ok(Answer::Is(total > 0 || entries.clone().any(|entry| is_match(&entry))))
        };
        match self.answer(("knows", url.to_owned(), String::new(), String::new()), ask)? {
            Answer::Is(known) => Ok(known),
            _ => Ok(false),
        }
    }
}

/// One code system at the other server.
#[derive(Debug)]
struct System {
    remote: Arc<Remote>,
    header: Header,
}

impl System {
    fn unknown(&self) -> Unavailable {
        Unavailable(format!(
            "the code system {} is not here, and the terminology server {} does not know it",
            self.header.url,
            self.remote.server.name()
        ))
    }

    fn question(&self, kind: &'static str, codes: String) -> Question {
        (kind, self.header.url.clone(), self.header.version.clone().unwrap_or_default(), codes)
    }

    fn with_version<'q>(&'q self, mut query: Vec<(&'q str, &'q str)>) -> Vec<(&'q str, &'q str)> {
        query.extend(self.header.version.as_deref().map(|version| ("version", version)));
        query
    }

    fn look_up(&self, code: &str) -> Result<Option<Arc<Found>>, Unavailable> {
        let ask = || {
            let url = self.header.url.as_str();
            if !self.remote.knows(url)? {
                return Ok(Answer::Unknown(String::new()));
            }
            let query = self.with_version(vec![("system", url), ("code", code)]);
            let (status, body) = self.remote.get("CodeSystem/$lookup", &query)?;
            if let Some(found) = parameters(status, &body).map(|node| found(code, &node)) {
                return Ok(Answer::Concept(Some(Arc::new(found))));
            }
            // A refusal does not say whether the code is wrong or the question.
            let query = self.with_version(vec![("url", url), ("code", code)]);
            let (status, body) = self.remote.get("CodeSystem/$validate-code", &query)?;
            let Some(node) = parameters(status, &body) else { return Ok(Answer::Unknown(format!("status {status}"))) };
            let value = |name: &str| node.list("parameter").iter().find(|part| part.text("name") == Some(name));
            match value("result").and_then(|part| part.get("valueBoolean")).and_then(Node::as_bool) {
                Some(true) => {
                    let display = value("display").and_then(|part| part.text("valueString")).map(str::to_owned);
                    let concept = Arc::new(Concept { code: code.to_owned(), display, ..Concept::default() });
                    Ok(Answer::Concept(Some(Arc::new(Found { concept, ..Found::default() }))))
                }
                Some(false) => Ok(Answer::Concept(None)),
                None => Ok(Answer::Unknown("its answer is not understood".to_owned())),
            }
        };
        match self.remote.answer(self.question("lookup", code.to_owned()), ask)? {
            Answer::Concept(found) => Ok(found),
            Answer::Unknown(why) if !why.is_empty() => Err(Unavailable(format!(
                "the terminology server {} cannot tell of {}#{code}: {why}",
                self.remote.server.name(),
                self.header.url
            ))),
            _ => Err(self.unknown()),
        }
    }
}

/// The Parameters of a good answer.
fn parameters(status: u16, body: &[u8]) -> Option<Node<'_>> {
    let node = json::parse(body).ok().filter(|_| (200..300).contains(&status))?;
    (node.text("resourceType") == Some("Parameters")).then_some(node)
}

/// FHIR R4 codesystem-operation-lookup.html: the concept in the answer.
fn found(code: &str, answer: &Node<'_>) -> Found {
    let mut concept = Concept { code: code.to_owned(), ..Concept::default() };
    let (mut parents, mut children) = (Vec::new(), Vec::new());
    for parameter in answer.list("parameter") {
        let part = |name: &str| parameter.list("part").iter().find(|part| part.text("name") == Some(name));
        match parameter.text("name") {
            Some("display") => concept.display = parameter.text("valueString").map(str::to_owned),
            Some("designation") => {
                let Some(value) = part("value").and_then(|part| part.text("valueString")) else { continue };
                let language =
                    part("language").and_then(|part| part.text("valueCode").or_else(|| part.text("valueString")));
                let usage = part("use").and_then(|part| part.get("valueCoding")).cloned().map(Node::into_owned);
                concept.designations.push(Designation {
                    language: language.map(str::to_owned),
                    usage,
                    value: value.to_owned(),
                });
            }
            Some("property") => {
                let Some(name) = part("code").and_then(|part| part.text("valueCode")) else { continue };
                let value =
                    part("value").and_then(|part| part.members().iter().find(|(name, _)| name.starts_with("value")));
                let Some((element, value)) = value else { continue };
                match (name, value.as_str()) {
                    ("parent", Some(code)) => parents.push(code.to_owned()),
                    ("child", Some(code)) => children.push(code.to_owned()),
                    ("definition", Some(text)) => concept.definition = Some(text.to_owned()),
                    _ => {
                        if name == "inactive" {
                            concept.is_inactive = value.as_bool() == Some(true) || value.as_str() == Some("true");
                        }
                        concept.properties.push(Property {
                            code: name.to_owned(),
                            element: element.to_string(),
                            value: value.clone().into_owned(),
                        });
                    }
                }
            }
            _ => {}
        }
    }
    Found { concept: Arc::new(concept), parents, children }
}

impl CodeSystem for System {
    fn header(&self) -> &Header {
        &self.header
    }

    fn is_elsewhere(&self) -> bool {
        true
    }

    fn find(&self, code: &str) -> Result<Option<Arc<Concept>>, Unavailable> {
        Ok(self.look_up(code)?.map(|found| Arc::clone(&found.concept)))
    }

    fn is_below(&self, code: &str, ancestor: &str) -> Result<bool, Unavailable> {
        if code == ancestor {
            return Ok(false);
        }
        let ask = || {
            let url = self.header.url.as_str();
            if !self.remote.knows(url)? {
                return Ok(Answer::Unknown(String::new()));
            }
            let query = self.with_version(vec![("system", url), ("codeA", ancestor), ("codeB", code)]);
            let (status, body) = self.remote.get("CodeSystem/$subsumes", &query)?;
            let node = parameters(status, &body);
            let outcome = node.as_ref().and_then(|node| {
                let part = node.list("parameter").iter().find(|part| part.text("name") == Some("outcome"))?;
                part.text("valueCode")
            });
            Ok(match outcome {
                Some(outcome) => Answer::Is(outcome == "subsumes"),
                None => Answer::Unknown(format!("status {status}")),
            })
        };
        match self.remote.answer(self.question("below", format!("{code}\n{ancestor}")), ask)? {
            Answer::Is(below) => Ok(below),
            _ => Err(self.unknown()),
        }
    }

    fn parents(&self, code: &str) -> Result<Vec<String>, Unavailable> {
        Ok(self.look_up(code)?.map(|found| found.parents.clone()).unwrap_or_default())
    }

    fn children(&self, code: &str) -> Result<Vec<String>, Unavailable> {
        Ok(self.look_up(code)?.map(|found| found.children.clone()).unwrap_or_default())
    }

    fn walk(
        &self,
        _: &Selection,
        _: usize,
        _: &mut dyn FnMut(&Arc<Concept>) -> ControlFlow<()>,
    ) -> Result<(), Unavailable> {
        Err(Unavailable(format!(
            "the code system {} is at {}; its codes can be asked about there, not listed here",
            self.header.url,
            self.remote.server.name()
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Knows one system with `a` above `b`; counts what it is asked, and can be away.
    #[derive(Debug, Default)]
    struct Fake {
        asked: AtomicUsize,
        is_away: bool,
    }

    impl TerminologyServer for Fake {
        fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<(u16, Vec<u8>), String> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            if self.is_away {
                return Err("connection refused".to_owned());
            }
            let value = |name: &str| query.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| *value);
            let known = |code: &str| matches!(code, "a" | "b");
            Ok(match path {
                "CodeSystem" => {
                    let total = u8::from(value("url") == "http://far/cs");
                    (200, format!(r#"{{"resourceType":"Bundle","type":"searchset","total":{total}}}"#).into_bytes())
                }
                "CodeSystem/$lookup" if known(value("code")) => (
                    200,
                    r#"{"resourceType":"Parameters","parameter":[{"name":"name","valueString":"Far"},{"name":"display","valueString":"Bee"},
                    {"name":"designation","part":[{"name":"language","valueCode":"ja"},{"name":"value","valueString":"蜂"}]},
                    {"name":"property","part":[{"name":"code","valueCode":"parent"},{"name":"value","valueCode":"a"}]}]}"#
                        .as_bytes().to_vec(),
                ),
                "CodeSystem/$lookup" => (404, br#"{"resourceType":"OperationOutcome","issue":[]}"#.to_vec()),
                "CodeSystem/$validate-code" => (
                    200,
                    br#"{"resourceType":"Parameters","parameter":[{"name":"result","valueBoolean":false}]}"#.to_vec(),
                ),
                _ => {
                    let outcome = if (value("codeA"), value("codeB")) == ("a", "b") { "subsumes" } else { "not-subsumed" };
                    let text = format!(r#"{{"resourceType":"Parameters","parameter":[{{"name":"outcome","valueCode":"{outcome}"}}]}}"#);
                    (200, text.into_bytes())
                }
            })
        }

        fn name(&self) -> &str {
            "http://far"
        }
    }

    fn system(fake: &Arc<Fake>, url: &str) -> Arc<dyn CodeSystem> {
        Arc::new(Remote::new(Arc::<Fake>::clone(fake))).system(url, None).unwrap()
    }

    #[test]
    fn codes_are_asked_once() {
        let fake = Arc::new(Fake::default());
        let far = system(&fake, "http://far/cs");
        let concept = far.find("b").unwrap().unwrap();
        assert_eq!(
            (concept.display.as_deref(), concept.display_in(&["ja".to_owned()], None)),
            (Some("Bee"), Some("蜂"))
        );
        assert_eq!(far.parents("b").unwrap(), ["a"]);
        assert!(
            far.is_below("b", "a").unwrap() && !far.is_below("a", "b").unwrap() && !far.is_below("a", "a").unwrap()
        );
        assert_eq!(far.find("z").unwrap(), None);
        let asked = fake.asked.load(Ordering::Relaxed);
        assert!(
            far.find("b").unwrap().is_some() && far.find("z").unwrap().is_none() && far.is_below("b", "a").unwrap()
        );
        assert_eq!(fake.asked.load(Ordering::Relaxed), asked);
        assert!(far.walk(&Selection::default(), 0, &mut |_| ControlFlow::Continue(())).is_err());
    }

    #[test]
    fn what_it_does_not_know_is_unknown() {
        let fake = Arc::new(Fake::default());
        let other = system(&fake, "http://nowhere/cs");
        assert!(other.find("b").unwrap_err().0.contains("does not know it"));
        assert!(other.find("b").is_err());
        assert_eq!(fake.asked.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_server_that_is_away_is_left_alone() {
        let fake = Arc::new(Fake { is_away: true, ..Fake::default() });
        let far = system(&fake, "http://far/cs");
        for _ in 0..100 {
            assert!(far.find("b").unwrap_err().0.contains("does not answer"));
        }
        assert_eq!(fake.asked.load(Ordering::Relaxed), 1);
    }
}
