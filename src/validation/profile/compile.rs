//! Reduces a snapshot to rules: what a profile demands beyond the standard's own types, which are
//! checked whatever profiles there are. Elements about which it says nothing more are left out, so
//! a profile costs what it says, not what it repeats.
//!
//! Slices get criteria, made from their discriminators (FHIR R4 profiling.html#discriminator).

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use super::element::{
    Binding, CORE, DiscriminatorKind, ElementDef, SlicingRules, Strength, TypeRef, UNBOUNDED, full_url,
};
use super::snapshot::{ProfileError, Snapshot, Snapshots};
use super::tree::Tree;
use crate::fhirpath::{FhirPathError, Query};
use crate::format::json::Node;
use crate::r4::definitions::{Element, Invariant};
use crate::r4::{Kind, TypeId, definitions};

/// A profile ready to be held against resources.
#[derive(Debug)]
pub(crate) struct Profile {
    pub(crate) snapshot: Arc<Snapshot>,
    /// The type it constrains; `None` for logical models.
    pub(crate) type_id: Option<TypeId>,
    pub(crate) root: Rule,
    /// How messages name it.
    pub(crate) label: String,
}

/// An invariant; its expression is read when it is first needed.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) rule: Arc<Invariant>,
    query: OnceLock<Result<Query, FhirPathError>>,
}

impl Condition {
    pub(crate) const fn new(rule: Arc<Invariant>) -> Self {
        Self { rule, query: OnceLock::new() }
    }

    pub(crate) fn query(&self) -> Result<&Query, FhirPathError> {
        self.query.get_or_init(|| Query::lenient(&self.rule.expression)).as_ref().map_err(Clone::clone)
    }
}

/// What holds for an element.
#[derive(Debug, Default)]
pub(crate) struct Rule {
    /// `value` of `value[x]`.
    pub(crate) name: String,
    pub(crate) min: u32,
    pub(crate) max: u32,
    /// Where the types are fewer, or have profiles or targets of their own.
    pub(crate) types: Option<Vec<TypeRef>>,
    pub(crate) fixed: Option<Arc<Node<'static>>>,
    pub(crate) pattern: Option<Arc<Node<'static>>>,
    pub(crate) min_value: Option<Arc<Node<'static>>>,
    pub(crate) max_value: Option<Arc<Node<'static>>>,
    pub(crate) max_length: Option<usize>,
    pub(crate) binding: Option<Binding>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) must_support: bool,
    /// A primitive must have a value, not only extensions.
    pub(crate) must_have_value: bool,
    /// Extensions, one of which must stand in for a missing value.
    pub(crate) alternatives: Vec<String>,
    /// Languages a narrative must have sections in.
    pub(crate) narrative_languages: Vec<String>,
    pub(crate) slicing: Option<SlicingRule>,
    pub(crate) children: Vec<Rule>,
}

/// An element taken apart.
#[derive(Debug)]
pub(crate) struct SlicingRule {
    pub(crate) rules: SlicingRules,
    pub(crate) ordered: bool,
    pub(crate) slices: Vec<SliceRule>,
}

/// One slice.
#[derive(Debug)]
pub(crate) struct SliceRule {
    pub(crate) name: String,
    /// All must be met; `None` means that nobody can tell what belongs to the slice.
    pub(crate) criteria: Option<Vec<Criterion>>,
    pub(crate) rule: Rule,
}

/// One discriminator of one slice.
#[derive(Debug)]
pub(crate) struct Criterion {
    pub(crate) path: Vec<PathStep>,
    pub(crate) demand: Demand,
}

/// What must be found at the path.
#[derive(Debug)]
pub(crate) enum Demand {
    /// A value of one of these shapes.
    Value(Vec<Shape>),
    Exists(bool),
    /// A value of one of these types.
    Type(Vec<String>),
    /// A value that conforms to one of these profiles.
    Profile(Vec<String>),
}

/// The restricted FHIRPath of discriminators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PathStep {
    Name(String),
    Extension(String),
    Resolve,
    OfType(String),
}

/// What tells a value from others: fixed values and patterns, at any depth.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    pub(crate) fixed: Option<Arc<Node<'static>>>,
    pub(crate) pattern: Option<Arc<Node<'static>>>,
    pub(crate) value_set: Option<String>,
    pub(crate) is_required: bool,
    pub(crate) is_absent: bool,
    pub(crate) children: Vec<(String, Shape)>,
}

impl Shape {
    const fn is_empty(&self) -> bool {
        self.fixed.is_none()
            && self.pattern.is_none()
            && self.value_set.is_none()
            && !self.is_required
            && !self.is_absent
            && self.children.is_empty()
    }
}

impl Rule {
    /// A slice of this element or of those below, by its name.
    pub(crate) fn slice(&self, name: &str) -> Option<&SliceRule> {
        let slices = self.slicing.iter().flat_map(|slicing| &slicing.slices);
        let below = || self.children.iter().find_map(|child| child.slice(name));
        let within = || slices.clone().find_map(|slice| slice.rule.slice(name));
        slices.clone().find(|slice| slice.name == name).or_else(below).or_else(within)
    }

    fn says_nothing(&self, min: u32, max: u32) -> bool {
        self.min <= min
            && self.max >= max
            && self.types.is_none()
            && self.fixed.is_none()
            && self.pattern.is_none()
            && self.min_value.is_none()
            && self.max_value.is_none()
            && self.max_length.is_none()
            && self.binding.is_none()
            && self.conditions.is_empty()
            && !self.must_support
            && !self.must_have_value
            && self.alternatives.is_empty()
            && self.narrative_languages.is_empty()
            && self.slicing.is_none()
            && self.children.is_empty()
    }
}

/// Compiles a profile.
///
/// # Errors
/// When it, or what it derives from, is unknown or unusable.
pub(crate) fn compile(
    snapshots: &Snapshots,
    canonical: &str,
    with_must_support: bool,
) -> Result<Profile, ProfileError> {
    let snapshot = snapshots.get(canonical)?;
    let type_id = definitions().type_id(&snapshot.type_name);
    let compiler = Compiler { snapshots, with_must_support };
    let base = type_id.filter(|_| !snapshot.is_logical);
    let known = base.map_or(&[][..], |id| definitions().get(id).invariants.as_slice());
    let root = if snapshot.is_profile || snapshot.is_logical {
        compiler.rule(&snapshot.tree, None, base, known)
    } else {
        Rule { max: UNBOUNDED, ..Rule::default() }
    };
    let label = format!(" ({})", snapshot.url);
    Ok(Profile { type_id: base, root, label, snapshot })
}

/// Discriminators by value that lead to no element: path of the element, path of the discriminator. Only
/// plain names are looked at, on elements of one type.
pub(crate) fn blind_discriminators(snapshots: &Snapshots, tree: &Tree) -> Vec<(String, String)> {
    let compiler = Compiler { snapshots, with_must_support: false };
    let mut out = Vec::new();
    compiler.blind(tree, &mut out);
    out
}

struct Compiler<'s> {
    snapshots: &'s Snapshots,
    with_must_support: bool,
}

impl Compiler<'_> {
    /// `base` is the standard's element, `owner` the type whose elements the children are.
    fn rule(&self, tree: &Tree, base: Option<&Element>, owner: Option<TypeId>, known: &[Invariant]) -> Rule {
        let def = &tree.def;
        let is_known = |rule: &Invariant| {
            let same = |other: &Invariant| other.key == rule.key && other.expression == rule.expression;
            matches!(rule.key.as_str(), "ele-1" | "ext-1" | "ref-1" | "dom-3")
                || known.iter().any(same)
                || base.is_some_and(|base| base.invariants.iter().any(same))
        };
        let binding = def.binding.as_ref().filter(|binding| {
            let same = base.and_then(|base| base.binding.as_ref()).is_some_and(|(strength, value_set)| {
                Strength::of(strength) == binding.strength && *value_set == binding.value_set
            });
            !same && (binding.strength >= Strength::Extensible || binding.max_value_set.is_some())
        });
        let mut rule = Rule {
            name: def.name().to_owned(),
            min: def.min.unwrap_or(0),
            max: def.max.unwrap_or(UNBOUNDED),
            types: self.types(def, base),
            fixed: def.fixed.clone(),
            pattern: def.pattern.clone(),
            min_value: def.min_value.clone(),
            max_value: def.max_value.clone(),
            max_length: def.max_length,
            binding: binding.cloned(),
            conditions: def
                .constraints
                .iter()
                .filter(|rule| !is_known(rule))
                .map(|rule| Condition::new(Arc::clone(rule)))
                .collect(),
            must_support: self.with_must_support && def.must_support,
            must_have_value: def.must_have_value,
            alternatives: def.alternatives.clone(),
            narrative_languages: def.narrative_languages.clone(),
            slicing: None,
            children: tree.children.iter().filter_map(|child| self.child(child, owner)).collect(),
        };
        if !tree.slices.is_empty() {
            rule.slicing = Some(self.slicing(tree, base, owner, known));
        } else if let Some(slicing) = &def.slicing
            && slicing.rules == SlicingRules::Closed
            && !slicing.discriminators.is_empty()
            && def.slice_name.is_none()
        {
            rule.slicing = Some(SlicingRule { rules: SlicingRules::Open, ordered: false, slices: Vec::new() });
        }
        rule
    }

    fn child(&self, tree: &Tree, owner: Option<TypeId>) -> Option<Rule> {
        let base = owner.and_then(|owner| {
            let is_it = |element: &&Element| {
                element.name == tree.def.name() || element.types.iter().any(|found| found.json_name == tree.def.name())
            };
            definitions().get(owner).elements.iter().find(is_it)
        });
        let below = type_below(&tree.def, base);
        let known = below.map_or(&[][..], |id| definitions().get(id).invariants.as_slice());
        let rule = self.rule(tree, base, below, known);
        let (min, max) = match base {
            Some(base) if base.is_array => (base.min, UNBOUNDED),
            Some(base) => (base.min, 1),
            None => (0, UNBOUNDED),
        };
        (!rule.says_nothing(min, max)).then_some(rule)
    }

    /// The types, where they say more than the standard.
    fn types(&self, def: &ElementDef, base: Option<&Element>) -> Option<Vec<TypeRef>> {
        if def.types.is_empty() {
            return None;
        }
        let Some(base) = base else {
            let demanding = def.slice_name.is_some() || def.types.iter().any(|found| !found.profiles.is_empty());
            return demanding.then(|| def.types.clone());
        };
        let all = definitions();
        let says_more = base.types.len() != def.types.len()
            || def.types.iter().any(|found| {
                let same = base.types.iter().find(|old| {
                    let definition = all.get(old.type_id);
                    definition.name == found.code || definition.kind == Kind::Backbone
                });
                let Some(same) = same else { return true };
                let targets: Vec<String> = same.targets.iter().cloned().map(full_url).collect();
                let any = targets.is_empty() || targets.iter().any(|target| target.ends_with("/Resource"));
                let narrower =
                    found.targets != targets && !(any && found.targets.iter().all(|url| url.ends_with("/Resource")));
                narrower || found.profiles != same.profiles || !found.aggregation.is_empty()
            });
        says_more.then(|| def.types.clone())
    }

    fn slicing(&self, tree: &Tree, base: Option<&Element>, owner: Option<TypeId>, known: &[Invariant]) -> SlicingRule {
        let slicing = tree.def.slicing.as_ref();
        let slice = |slice: &Tree| {
            let below = if slice.def.types.len() == 1 && tree.def.types.len() != 1 {
                type_below(&slice.def, base)
            } else {
                owner
            };
            let discriminators = slicing.map_or(&[][..], |slicing| slicing.discriminators.as_slice());
            SliceRule {
                name: slice.def.slice_name.clone().unwrap_or_default(),
                criteria: self.criteria(slice, discriminators),
                rule: self.rule(slice, base, below, known),
            }
        };
        SlicingRule {
            rules: slicing.map_or(SlicingRules::Open, |slicing| slicing.rules),
            ordered: slicing.is_some_and(|slicing| slicing.ordered),
            slices: tree.slices.iter().map(slice).collect(),
        }
    }

    /// Nothing when no discriminator can tell: because the slice says nothing about it, or a profile is not known.
    fn criteria(&self, slice: &Tree, discriminators: &[(DiscriminatorKind, String)]) -> Option<Vec<Criterion>> {
        let mut criteria = Vec::new();
        for (kind, path) in discriminators {
            let path = parse_path(path)?;
            // A discriminator one slice says nothing about leaves the others to tell.
            if let Some(demand) = self.demand(slice, *kind, &path) {
                criteria.push(Criterion { path, demand });
            }
        }
        (!criteria.is_empty()).then_some(criteria)
    }

    fn blind(&self, tree: &Tree, out: &mut Vec<(String, String)>) {
        for (_, path) in tree.def.slicing.iter().flat_map(|slicing| &slicing.discriminators) {
            let steps = parse_path(path).unwrap_or_default();
            let is_plain = steps.iter().all(|step| matches!(step, PathStep::Name(_)));
            if is_plain && tree.def.types.len() == 1 && self.follow(Cow::Borrowed(tree), &steps, 0).is_empty() {
                out.push((tree.def.path.clone(), path.clone()));
            }
        }
        for below in tree.children.iter().chain(&tree.slices) {
            self.blind(below, out);
        }
    }

    fn demand(&self, slice: &Tree, kind: DiscriminatorKind, path: &[PathStep]) -> Option<Demand> {
        if matches!(kind, DiscriminatorKind::Value | DiscriminatorKind::Pattern)
            && let [PathStep::Name(name)] = path
            && name == "url"
            && let [found] = slice.def.types.as_slice()
            && found.code == "Extension"
            && !found.profiles.is_empty()
        {
            let shape = |url: &String| {
                let url = crate::r4::canonical::split(url).0.to_owned();
                Shape { fixed: Some(Arc::new(Node::string(url))), ..Shape::default() }
            };
            return Some(Demand::Value(found.profiles.iter().map(shape).collect()));
        }
        let places = self.follow(Cow::Borrowed(slice), path, 0);
        // `contentString` in a slice leaves no other type for `content[x]`.
        let types_of = |tree: &Tree| -> Vec<TypeRef> {
            let is_closed = tree.def.slicing.as_ref().is_some_and(|slicing| slicing.rules == SlicingRules::Closed);
            if tree.def.is_choice() && is_closed && tree.def.slice_name.is_none() {
                tree.slices.iter().flat_map(|slice| slice.def.types.clone()).collect()
            } else {
                tree.def.types.clone()
            }
        };
        let all_types = || places.iter().flat_map(|tree| types_of(tree));
        match kind {
            DiscriminatorKind::Value | DiscriminatorKind::Pattern => {
                let shapes: Vec<Shape> =
                    places.iter().map(|tree| shape(tree, 0)).filter(|shape| !shape.is_empty()).collect();
                (!shapes.is_empty()).then_some(Demand::Value(shapes))
            }
            DiscriminatorKind::Exists => {
                let def = &places.first()?.def;
                match (def.min, def.max) {
                    (_, Some(0)) => Some(Demand::Exists(false)),
                    (Some(min), _) if min > 0 => Some(Demand::Exists(true)),
                    _ => None,
                }
            }
            DiscriminatorKind::Type => {
                let codes: Vec<String> = all_types().map(|found| found.code).collect();
                (!codes.is_empty()).then_some(Demand::Type(codes))
            }
            DiscriminatorKind::Profile => {
                let mut profiles: Vec<String> = all_types().flat_map(|found| found.profiles).collect();
                if profiles.is_empty() {
                    profiles = all_types().map(|found| format!("{CORE}{}", found.code)).collect();
                }
                let are_known = profiles.iter().all(|profile| self.snapshots.get(profile).is_ok());
                (!profiles.is_empty() && are_known).then_some(Demand::Profile(profiles))
            }
        }
    }

    /// The elements at a path below an element, in every profile its types name.
    fn follow<'t>(&self, tree: Cow<'t, Tree>, path: &[PathStep], depth: usize) -> Vec<Cow<'t, Tree>> {
        let [step, rest @ ..] = path else { return vec![tree] };
        if depth > 20 {
            return Vec::new();
        }
        match step {
            PathStep::OfType(code) => {
                let mut tree = tree.into_owned();
                tree.def.types.retain(|found| found.code == *code);
                self.follow(Cow::Owned(tree), rest, depth + 1)
            }
            PathStep::Resolve => {
                let targets: Vec<String> = tree.def.types.iter().flat_map(|found| found.targets.clone()).collect();
                targets.iter().flat_map(|target| self.follow_profile(target, rest, depth)).collect()
            }
            PathStep::Extension(url) => {
                let children = self.children(&tree, "extension", depth);
                let is_it = |slice: &&Tree| {
                    slice.child("url").and_then(|child| child.def.fixed.as_ref()).and_then(|node| node.as_str())
                        == Some(url)
                        || slice.def.types.iter().any(|found| found.profiles.contains(url))
                };
                let slices: Vec<Tree> =
                    children.iter().flat_map(|child| child.slices.iter().find(is_it).cloned()).collect();
                slices.into_iter().flat_map(|slice| self.follow(Cow::Owned(slice), rest, depth + 1)).collect()
            }
            PathStep::Name(name) => {
                // What a slice on the way must have (`coding:SBPCode` in the vital signs) tells as well.
                let with_slices = |child: Tree| {
                    let must_be = |slice: &&Tree| slice.def.min.unwrap_or(0) > 0;
                    let slices: Vec<Tree> = child.slices.iter().filter(must_be).cloned().collect();
                    std::iter::once(child).chain(slices)
                };
                let found = self.children(&tree, name, depth).into_iter().flat_map(with_slices);
                found.flat_map(|child| self.follow(Cow::Owned(child), rest, depth + 1)).collect()
            }
        }
    }

    fn follow_profile<'t>(&self, url: &str, rest: &[PathStep], depth: usize) -> Vec<Cow<'t, Tree>> {
        let Ok(snapshot) = self.snapshots.get(url) else { return Vec::new() };
        let mut tree = snapshot.tree.clone();
        // Where the path ends at the target, its type and profile are what is asked.
        tree.def.types =
            vec![TypeRef { code: snapshot.type_name.clone(), profiles: vec![url.to_owned()], ..TypeRef::default() }];
        self.follow(Cow::Owned(tree), rest, depth + 1)
    }

    /// The child of this name: the element's own, and those in the profiles of its types.
    fn children(&self, tree: &Tree, name: &str, depth: usize) -> Vec<Tree> {
        let name = name.strip_suffix("[x]").unwrap_or(name);
        let own = tree.place_of(name).and_then(|(place, chosen)| {
            let child = tree.children.get(place)?;
            let is_slice = |slice: &&Tree| chosen.is_some() && slice.def.slice_name.as_deref() == Some(name);
            Some(child.slices.iter().find(is_slice).unwrap_or(child).clone())
        });
        // What the whole must be, its parts must be.
        let part = |whole: &Option<Arc<Node<'static>>>| {
            whole.as_ref().and_then(|whole| whole.get(name)).map(|part| Arc::new(part.clone()))
        };
        let (fixed, pattern) = (part(&tree.def.fixed), part(&tree.def.pattern));
        if fixed.is_some() || pattern.is_some() {
            let mut child = own.unwrap_or_default();
            child.def.fixed = fixed.or(child.def.fixed);
            child.def.pattern = pattern.or(child.def.pattern);
            return vec![child];
        }
        if let Some(own) = &own
            && !shape(own, 0).is_empty()
        {
            return vec![own.clone()];
        }
        let mut urls: Vec<String> = tree.def.types.iter().flat_map(|found| found.profiles.clone()).collect();
        if urls.is_empty() && own.is_none() {
            urls = tree.def.types.iter().map(|found| format!("{CORE}{}", found.code)).collect();
        }
        let mut found: Vec<Tree> = urls
            .iter()
            .filter_map(|url| self.snapshots.get(url).ok())
            .flat_map(|snapshot| {
                let root =
                    Tree { def: ElementDef::default(), children: snapshot.tree.children.clone(), slices: Vec::new() };
                if depth < 20 { self.children(&root, name, depth + 1) } else { Vec::new() }
            })
            .collect();
        if found.is_empty() {
            found.extend(own);
        }
        found
    }
}

/// The type whose elements the children of an element are.
fn type_below(def: &ElementDef, base: Option<&Element>) -> Option<TypeId> {
    let all = definitions();
    if let Some([only]) = base.map(|base| base.types.as_slice())
        && all.get(only.type_id).kind == Kind::Backbone
    {
        return Some(only.type_id);
    }
    match def.types.as_slice() {
        [] => base.and_then(|base| base.types.first()).map(|found| found.type_id),
        [first, rest @ ..] if rest.iter().all(|found| found.code == first.code) => all.type_id(&first.code),
        _ => all.type_id("Element"),
    }
}

/// What tells values at an element apart from others.
fn shape(tree: &Tree, depth: usize) -> Shape {
    let def = &tree.def;
    let mut out = Shape {
        fixed: def.fixed.clone(),
        pattern: def.pattern.clone(),
        value_set: def
            .binding
            .as_ref()
            .filter(|binding| binding.strength == Strength::Required && !binding.value_set.is_empty())
            .map(|binding| binding.value_set.clone()),
        ..Shape::default()
    };
    if depth > 8 || out.fixed.is_some() || out.pattern.is_some() {
        return out;
    }
    for child in tree.children.iter().chain(tree.children.iter().flat_map(|child| &child.slices)) {
        let is_slice = child.def.slice_name.is_some();
        if is_slice && child.def.min.unwrap_or(0) == 0 {
            continue;
        }
        let mut below = shape(child, depth + 1);
        // A binding far below is no reason to ask terminology.
        below.value_set = None;
        if !below.is_empty() {
            out.children.push((child.def.name().to_owned(), below));
        }
    }
    out
}

/// Reads a discriminator's path; `None` when it is not in the restricted language.
fn parse_path(text: &str) -> Option<Vec<PathStep>> {
    let mut steps = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let mut depth = 0usize;
        let end = rest
            .char_indices()
            .find(|(_, letter)| {
                match letter {
                    '(' => depth += 1,
                    ')' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                *letter == '.' && depth == 0
            })
            .map_or(rest.len(), |(place, _)| place);
        let step = rest.get(..end)?.trim();
        rest = rest.get(end + 1..).unwrap_or_default();
        let argument = |name: &str| {
            let inner = step.strip_prefix(name)?.trim().strip_prefix('(')?.strip_suffix(')')?;
            Some(inner.trim().trim_matches(['\'', '"']).to_owned())
        };
        if step == "$this" || step.is_empty() {
            continue;
        } else if let Some(url) = argument("extension") {
            steps.push(PathStep::Extension(url));
        } else if argument("resolve").is_some() {
            steps.push(PathStep::Resolve);
        } else if let Some(code) = argument("ofType").or_else(|| argument("as")) {
            steps.push(PathStep::OfType(code.rsplit('.').next().unwrap_or_default().to_owned()));
        } else if step.contains('(') {
            return None;
        } else {
            steps.push(PathStep::Name(step.trim_matches('`').to_owned()));
        }
    }
    Some(steps)
}
