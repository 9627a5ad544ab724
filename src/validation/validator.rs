//! Validation beyond structure: invariants, bindings, references, extensions and profiles.
//!
//! [`base`] walks a resource once by the standard's tables; [`conform`] holds it against each profile,
//! whose rules say only what the standard does not. Both ask terminology through
//! [`CodeChecker`] and definitions through [`Canonicals`], and report [`Finding`]s with their place.
//!
//! What is made from definitions is kept until the source's generation changes.

mod base;
mod binding;
mod conform;
mod extension;
mod refer;
mod slices;
mod values;

use std::collections::{HashMap, HashSet};
use std::marker::PhantomData;
use std::sync::{Arc, RwLock};

use super::codes::{CodeChecker, CodeRef, Verdict};
use super::instance::node_of;
use super::message::Finding;
use super::place::Place;
use super::profile::compile::{self, Condition, Profile};
use super::profile::snapshot::{ProfileError, Snapshots};
use super::rules::remark::Remark;
use super::{instance, rules, schema, structure};
use crate::fhirpath::{Code, Conformance, Environment, Item, Terminology};
use crate::format::json::Node;
use crate::r4::canonical::{Canonicals, Definition};
use crate::r4::outcome::{IssueCode, Severity};
use crate::r4::{Kind, definitions};

pub(crate) use refer::{Scope, Target};

/// A run stops after this many findings.
const MAX_FINDINGS: usize = 1000;
/// Elements held against rules in one run, whatever the profiles ask.
const BUDGET: usize = 5_000_000;
/// Deepest nesting of profiles that need each other.
const MAX_DEPTH: usize = 60;

/// How to validate. The defaults are what R4 says; the rest is for who wants more of what is sent.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)]
pub struct Options {
    /// What it is when a profile that a resource claims is not known here.
    pub unknown_profile: Severity,
    /// Whether elements that must be supported and are absent are told of.
    pub must_support: bool,
    /// Whether the profiles in `meta.profile` are checked.
    pub claimed_profiles: bool,
    /// What it is when the definition of an extension is not known here. Names made for examples are told
    /// of as warnings whatever this says.
    pub unknown_extension: Severity,
    /// Whether URLs of examples (`example.org`, `acme.com`) may stand in resources.
    pub allow_examples: bool,
    /// Whether Markdown may hold HTML (FHIR R4 datatypes.html#markdown leaves it to the context).
    pub allow_html_in_markdown: bool,
    /// Whether texts that are no narrative must be free of HTML (FHIR R4 security.html#narrative).
    pub security_checks: bool,
    /// Whether references must lead to something at hand: in the resource, its Bundle or its Parameters.
    pub resolve_references: bool,
    /// What is not told: ids of messages, or `id@path` with the path of an element without indexes.
    pub ignored: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            unknown_profile: Severity::Warning,
            must_support: false,
            claimed_profiles: true,
            unknown_extension: Severity::Warning,
            allow_examples: true,
            allow_html_in_markdown: true,
            security_checks: false,
            resolve_references: false,
            ignored: Vec::new(),
        }
    }
}

impl Options {
    fn is_ignored(&self, finding: &Finding) -> bool {
        self.ignored.iter().any(|ignored| match ignored.split_once('@') {
            None => ignored == finding.message,
            Some((id, path)) => {
                id == finding.message && finding.expression.as_deref().map(bare).as_deref() == Some(path)
            }
        })
    }
}

/// A path without indexes.
fn bare(path: &str) -> String {
    path.split('.').map(|step| step.split('[').next().unwrap_or_default()).collect::<Vec<_>>().join(".")
}

/// Whether a URL is one of those that are made for examples (RFC 2606, and what HL7's examples use).
pub(crate) fn is_example(url: &str) -> bool {
    ["example.org", "example.com", "example.net", "acme.com"].iter().any(|name| url.contains(name))
}

/// Checks resources; shared between threads.
#[derive(Debug)]
pub struct Validator {
    source: Arc<dyn Canonicals>,
    codes: Arc<dyn CodeChecker>,
    made: RwLock<Made>,
}

/// What was made from definitions, and of which generation.
#[derive(Debug)]
struct Made {
    generation: u64,
    snapshots: Arc<Snapshots>,
    profiles: HashMap<(String, bool), Result<Arc<Profile>, ProfileError>>,
    /// Profiles that guides want all resources of a type to conform to, by type.
    global: Option<Arc<HashMap<String, Vec<String>>>>,
}

impl Validator {
    /// A validator over these definitions and this terminology.
    #[must_use]
    pub fn new(source: Arc<dyn Canonicals>, codes: Arc<dyn CodeChecker>) -> Self {
        let made = Made {
            generation: source.generation(),
            snapshots: Arc::new(Snapshots::new(Arc::clone(&source))),
            profiles: HashMap::new(),
            global: None,
        };
        Self { source, codes, made: RwLock::new(made) }
    }

    /// Checks a whole resource against the standard, the profiles it claims, and `profiles`
    /// (canonical URLs). Errors first, else in the order they were met.
    #[must_use]
    pub fn validate(&self, node: &Node<'_>, profiles: &[&str], options: &Options) -> Vec<Finding> {
        let mut findings = structure::check(node, None).err().unwrap_or_default();
        let Some(type_id) = instance::resource_type(node) else { return findings };
        let item = Item::new(type_id, node);
        let mut run = Run::new(self, options);
        let place = Place::root(&definitions().get(type_id).name);
        let scope = Scope::root(item);
        run.resource(item, &place, &scope);
        for profile in profiles {
            run.profile(profile, item, &place, &scope);
        }
        run.forget_accepted_displays();
        findings.append(&mut run.findings);
        if !options.ignored.is_empty() {
            findings.retain(|finding| !options.is_ignored(finding));
        }
        findings.sort_by_key(|finding| match finding.severity {
            Severity::Error => 0,
            Severity::Warning => 1,
            Severity::Information => 2,
        });
        findings
    }

    /// The profiles that guides want for all resources of a type (ImplementationGuide.global).
    pub(crate) fn global_profiles(&self) -> Arc<HashMap<String, Vec<String>>> {
        let generation = self.source.generation();
        if let Ok(made) = self.made.read()
            && made.generation == generation
            && let Some(global) = &made.global
        {
            return Arc::clone(global);
        }
        let mut global: HashMap<String, Vec<String>> = HashMap::new();
        for (url, version) in self.source.list("ImplementationGuide") {
            let Some(guide) = self.source.find("ImplementationGuide", &url, version.as_deref()) else { continue };
            for rule in guide.list("global") {
                if let (Some(type_name), Some(profile)) = (rule.text("type"), rule.text("profile")) {
                    global.entry(type_name.to_owned()).or_default().push(profile.to_owned());
                }
            }
        }
        let global = Arc::new(global);
        if let Ok(mut made) = self.made.write()
            && made.generation == generation
        {
            made.global = Some(Arc::clone(&global));
        }
        global
    }

    /// The JSON Schema of a profile (canonical URL): the schema of its type and what the profile adds, as far as
    /// JSON Schema can say it. `codes` gives the codes of value sets that are few.
    ///
    /// # Errors
    /// When the profile is unknown, cannot be used, or is about what is no resource.
    pub fn json_schema(
        &self,
        canonical: &str,
        codes: &dyn Fn(&str) -> Option<Vec<String>>,
    ) -> Result<serde_json::Value, ProfileError> {
        let profile = self.profile(canonical, false)?;
        schema::of_profile(&profile, codes).ok_or_else(|| ProfileError::Unusable {
            url: canonical.to_owned(),
            reason: "it is about no type of resource".to_owned(),
        })
    }

    /// A definition by its URL.
    pub(crate) fn definition(&self, resource_type: &str, url: &str) -> Option<Definition> {
        self.source.find(resource_type, url, None)
    }

    /// Discriminators of a profile that is itself looked at which lead nowhere: path of the element, path of
    /// the discriminator.
    pub(crate) fn blind_discriminators(&self, definition: &Node<'_>) -> Result<Vec<(String, String)>, ProfileError> {
        let snapshots = Snapshots::new(Arc::clone(&self.source));
        let tree = snapshots.derive_from(definition)?;
        Ok(compile::blind_discriminators(&snapshots, &tree))
    }

    /// Where definitions come from.
    pub(crate) fn source(&self) -> &dyn Canonicals {
        self.source.as_ref()
    }

    /// As [`Self::source`], to be kept.
    pub(crate) fn shared_source(&self) -> Arc<dyn Canonicals> {
        Arc::clone(&self.source)
    }

    /// The terminology.
    pub(crate) fn codes(&self) -> &dyn CodeChecker {
        self.codes.as_ref()
    }

    /// A compiled profile.
    ///
    /// # Errors
    /// When it is unknown or cannot be used.
    pub(crate) fn profile(&self, canonical: &str, must_support: bool) -> Result<Arc<Profile>, ProfileError> {
        let generation = self.source.generation();
        let key = (canonical.to_owned(), must_support);
        let snapshots = {
            let made = self.made.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            if made.generation == generation {
                if let Some(found) = made.profiles.get(&key) {
                    return found.clone();
                }
                Some(Arc::clone(&made.snapshots))
            } else {
                None
            }
        };
        let snapshots = snapshots.unwrap_or_else(|| Arc::new(Snapshots::new(Arc::clone(&self.source))));
        let profile = compile::compile(&snapshots, canonical, must_support).map(Arc::new);
        let mut made = self.made.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if made.generation != generation {
            *made = Made { generation, snapshots, profiles: HashMap::new(), global: None };
        }
        made.profiles.insert(key, profile.clone());
        profile
    }
}

/// One validation under way.
pub(crate) struct Run<'v, 'r> {
    pub(crate) validator: &'v Validator,
    pub(crate) options: &'v Options,
    findings: Vec<Finding>,
    /// Place, message and parameters of what was reported, so that it is said once.
    seen: HashSet<(String, &'static str, String)>,
    /// (profile, element) pairs already reported on.
    done: HashSet<(usize, usize)>,
    /// (profile, element) pairs being looked at.
    active: Vec<(usize, usize)>,
    /// Above 0 findings are only counted: somebody asks whether something conforms.
    quiet: usize,
    /// Displays of codes that a value set accepts: place, code, display.
    accepted: HashSet<(String, String, String)>,
    /// Ids of elements, each with the resource it is in.
    ids: HashSet<(usize, &'r str)>,
    /// What links in narratives may lead to, by resource.
    anchors: HashMap<usize, HashSet<&'r str>>,
    budget: usize,
    _resource: PhantomData<&'r ()>,
}

impl<'v, 'r> Run<'v, 'r> {
    fn new(validator: &'v Validator, options: &'v Options) -> Self {
        Self {
            validator,
            options,
            findings: Vec::new(),
            seen: HashSet::new(),
            done: HashSet::new(),
            active: Vec::new(),
            quiet: 0,
            accepted: HashSet::new(),
            ids: HashSet::new(),
            anchors: HashMap::new(),
            budget: BUDGET,
            _resource: PhantomData,
        }
    }

    pub(crate) fn report(
        &mut self,
        severity: Severity,
        code: IssueCode,
        message: &'static str,
        parameters: Vec<String>,
        place: &Place<'_>,
    ) {
        self.report_at(severity, code, message, parameters, || place.text());
    }

    fn report_at(
        &mut self,
        severity: Severity,
        code: IssueCode,
        message: &'static str,
        parameters: Vec<String>,
        at: impl FnOnce() -> String,
    ) {
        if self.quiet > 0 {
            if severity == Severity::Error {
                self.findings.push(Finding { severity, code, message, parameters: Vec::new(), expression: None });
            }
            return;
        }
        if self.findings.len() >= MAX_FINDINGS {
            return;
        }
        let expression = at();
        if self.seen.insert((expression.clone(), message, parameters.concat())) {
            self.findings.push(Finding { severity, code, message, parameters, expression: Some(expression) });
        }
    }

    /// Reports what a room of [`rules`] found on the element at `place`.
    pub(crate) fn remark(&mut self, remark: Remark, place: &Place<'_>) {
        let Remark { severity, code, message, parameters, path } = remark;
        self.report_at(severity, code, message, parameters, || place.text() + &path);
    }

    /// Whether an id is met for the first time in a resource.
    pub(crate) fn is_new_id(&mut self, resource: &Node<'_>, id: &'r str) -> bool {
        self.ids.insert((std::ptr::from_ref(resource) as usize, id))
    }

    /// Whether a link `#…` in a narrative finds something: in the resource, or in the bundle it is in.
    pub(crate) fn has_anchor(&mut self, fragment: &str, scope: &Scope<'_, 'r>) -> bool {
        let bundle = scope.bundle.map(refer::BundleScope::node);
        [Some(node_of(&scope.root)), bundle].into_iter().flatten().any(|node| {
            let known = self.anchors.entry(std::ptr::from_ref(node) as usize).or_insert_with(|| {
                let mut found = HashSet::new();
                rules::anchors(node, &mut found);
                found
            });
            known.contains(fragment)
        })
    }

    /// Whether there is still time; says once that there is not.
    fn spend(&mut self, place: &Place<'_>) -> bool {
        if self.budget == 0 {
            self.report(Severity::Error, IssueCode::TooCostly, "too-costly", Vec::new(), place);
            return false;
        }
        self.budget -= 1;
        true
    }

    /// Asks a question whose findings nobody wants to read.
    fn quietly(&mut self, ask: impl FnOnce(&mut Self)) -> bool {
        let before = std::mem::take(&mut self.findings);
        self.quiet += 1;
        ask(self);
        self.quiet -= 1;
        let is_fine = self.findings.is_empty();
        self.findings = before;
        is_fine
    }

    /// Holds an element against a profile that somebody named.
    fn profile(&mut self, canonical: &str, item: Item<'r>, place: &Place<'_>, scope: &Scope<'_, 'r>) {
        match self.validator.profile(canonical, self.options.must_support) {
            Ok(profile) => self.conform(item, &profile, place, scope),
            Err(error) => {
                let severity = self.options.unknown_profile;
                self.report(
                    severity,
                    IssueCode::NotFound,
                    "profile-unknown",
                    vec![canonical.to_owned(), error.to_string()],
                    place,
                );
            }
        }
    }

    /// Evaluates invariants on an element.
    fn conditions(
        &mut self,
        conditions: &[Condition],
        item: Item<'r>,
        place: &Place<'_>,
        scope: &Scope<'_, 'r>,
        of: &str,
    ) {
        for condition in conditions {
            let rule = &condition.rule;
            let codes = Terms(self.validator.codes.as_ref());
            let environment =
                Environment { terminology: Some(&codes), conformance: Some(self.validator), ..scope.environment() };
            let outcome = condition.query().and_then(|query| query.holds(item, &environment));
            let severity = if rule.is_error { Severity::Error } else { Severity::Warning };
            match outcome {
                Ok(Some(true)) => {}
                Ok(_) => self.report(
                    severity,
                    IssueCode::Invariant,
                    "invariant",
                    vec![rule.key.clone(), rule.human.clone(), of.to_owned()],
                    place,
                ),
                Err(error) => self.report(
                    Severity::Warning,
                    IssueCode::Processing,
                    "invariant-failed",
                    vec![rule.key.clone(), error.to_string(), rule.human.clone()],
                    place,
                ),
            }
        }
    }
}

/// Terminology as expressions ask it.
struct Terms<'c>(&'c dyn CodeChecker);

impl Terminology for Terms<'_> {
    fn member_of(&self, value_set: &str, code: Code<'_>) -> Option<bool> {
        let code = CodeRef { system: code.system, version: code.version, code: code.code, display: None };
        match self.0.in_value_set(value_set, code) {
            Verdict::Yes | Verdict::WrongDisplay(_) => Some(true),
            Verdict::No(_) => Some(false),
            Verdict::Unknown(_) => None,
        }
    }

    fn subsumes(&self, system: &str, general: &str, special: &str) -> Option<bool> {
        self.0.subsumes(system, general, special)
    }
}

impl Conformance for Validator {
    fn conforms(&self, item: Item<'_>, resource: Item<'_>, profile: &str) -> Option<bool> {
        let compiled = self.profile(profile, false).ok()?;
        let options = Options::default();
        let place = Place::root(&definitions().get(item.type_id).name);
        let is_resource = definitions().get(item.type_id).kind == Kind::Resource;
        let scope = Scope::root(if is_resource { item } else { resource });
        let mut run = Run::new(self, &options);
        Some(run.quietly(|run| run.conform(item, &compiled, &place, &scope)))
    }

    fn in_slice(&self, item: Item<'_>, resource: Item<'_>, profile: &str, slice: &str) -> Option<bool> {
        let compiled = self.profile(profile, false).ok()?;
        let slice = compiled.root.slice(slice)?;
        let options = Options::default();
        let place = Place::root(&definitions().get(item.type_id).name);
        let scope = Scope::root(resource);
        let mut run = Run::new(self, &options);
        Some(run.is_in_slice(item, slice, &place, &scope))
    }
}
