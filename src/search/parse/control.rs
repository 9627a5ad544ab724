//! Parameters that shape the result rather than select resources (FHIR R4 search.html#return).

use crate::r4::definitions;
use crate::r4::parameters::ParameterKind;
use crate::search::query::{Include, Query, SortBy, SortKey, Summary, Total};

use super::{Parsed, Parser, malformed, unknown};

/// Most keys of `_sort`.
pub const MOST_SORT_KEYS: usize = 4;

impl Parser<'_> {
    /// Handles the pair when it is one of these; `false` when it is not.
    pub(super) fn control(&self, query: &mut Query) -> Parsed<bool> {
        let (name, modifier) = match self.name.split_once(':') {
            Some((name, modifier)) => (name, Some(modifier)),
            None => (self.name, None),
        };
        let is_include = matches!(name, "_include" | "_revinclude");
        if !is_include && (modifier.is_some() || !name.starts_with('_')) {
            return Ok(false);
        }
        match name {
            "_include" | "_revinclude" => {
                let iterate = match modifier {
                    None => false,
                    // DSTU2 and STU3 clients say recurse.
                    Some("iterate" | "recurse") => true,
                    Some(other) => return unknown(format!("{name} has the modifier :iterate, not :{other}")),
                };
                query.includes.push(self.include(name == "_revinclude", iterate)?);
            }
            "_sort" => query.sort = self.sort()?,
            "_count" => return self.count(query).map(|()| true),
            "_total" => {
                query.total = match self.value {
                    "none" => Total::None,
                    "estimate" => Total::Estimate,
                    "accurate" => Total::Accurate,
                    _ => return malformed(format!("_total is none, estimate or accurate, not {:?}", self.value)),
                }
            }
            // What fhirpy sends for a count, in the words of another server.
            "_totalMethod" => query.total = Total::Accurate,
            "_summary" => {
                query.summary = match self.value {
                    "true" => Summary::True,
                    "false" => Summary::False,
                    "text" => Summary::Text,
                    "data" => Summary::Data,
                    "count" => Summary::Count,
                    _ => {
                        let value = self.value;
                        return malformed(format!("_summary is true, false, text, data or count, not {value:?}"));
                    }
                }
            }
            "_elements" => {
                let names = self.value.split(',').map(str::trim).filter(|name| !name.is_empty());
                query.elements.extend(names.map(str::to_owned));
            }
            "_explain" => {
                query.explain = match self.value {
                    "true" => true,
                    "false" => false,
                    other => return malformed(format!("_explain is true or false, not {other:?}")),
                }
            }
            "_contained" if self.value == "false" => {}
            "_contained" | "_containedType" => {
                return unknown(format!(
                    "{}={} is not supported: resources are found by what they say themselves, not by what they \
                     contain (_contained=false); their text is searched by _content",
                    self.name, self.value
                ));
            }
            "_cursor" => {
                query.cursor = Some(self.value.to_owned());
                return Ok(true);
            }
            _ => return Ok(false),
        }
        self.keep(query);
        Ok(true)
    }

    /// `_count=0` asks for the number only (FHIR R4 search.html#count).
    fn count(&self, query: &mut Query) -> Parsed<()> {
        let text = self.value.trim();
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return malformed(format!("_count is a whole number from 0, not {:?}", self.value));
        }
        // What no integer holds is more than the largest page all the more.
        let wanted = text.parse::<u32>().unwrap_or(u32::MAX);
        if wanted == 0 {
            query.summary = Summary::Count;
        }
        let count = wanted.min(self.options.max_count);
        query.count = Some(count);
        query.used.push((self.name.to_owned(), count.to_string()));
        Ok(())
    }

    fn sort(&self) -> Parsed<Vec<SortKey>> {
        let keys = self.value.split(',').map(str::trim).filter(|key| !key.is_empty());
        let count = keys.clone().count();
        if count > MOST_SORT_KEYS {
            return malformed(format!("_sort has {count} keys; at most {MOST_SORT_KEYS} are taken"));
        }
        keys.map(|key| {
            let (code, descending) = key.strip_prefix('-').map_or((key, false), |code| (code, true));
            let by = match code {
                "_id" => SortBy::Id,
                "_lastUpdated" => SortBy::LastUpdated,
                _ => match self.registry().find(self.type_number, code) {
                    Some(parameter)
                        if matches!(parameter.kind, ParameterKind::Composite | ParameterKind::Special)
                            || parameter.is_derived =>
                    {
                        return unknown(format!("_sort by {code:?} is not possible"));
                    }
                    Some(parameter) => SortBy::Parameter { parameter: parameter.number, kind: parameter.kind },
                    None if self.type_number == 0 => {
                        return unknown(format!("_sort across types takes _id and _lastUpdated, not {code:?}"));
                    }
                    None => return self.unknown_name(code),
                },
            };
            Ok(SortKey { by, descending })
        })
        .collect()
    }

    /// `Source:parameter`, `Source:parameter:Target`, `Source:*`; `_include=*` for the type itself.
    fn include(&self, reverse: bool, iterate: bool) -> Parsed<Include> {
        let all = definitions();
        let mut parts = self.value.split(':');
        let (source, code, target) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        if parts.next().is_some() {
            return malformed(format!("{}={} is not Type:parameter:Target", self.name, self.value));
        }
        let (source_type, code) = match (source, code) {
            ("*", None) if !reverse => (self.type_number, "*"),
            (_, Some(code)) => match all.resource_number(source) {
                Some(number) => (number, code),
                None => return malformed(format!("{}={}: {source:?} is no resource type", self.name, self.value)),
            },
            _ => return malformed(format!("{}={} is not Type:parameter or Type:*", self.name, self.value)),
        };
        let target_type = match target.filter(|target| !target.is_empty()) {
            None => None,
            Some(name) => match all.resource_number(name) {
                Some(number) => Some(number),
                None => return malformed(format!("{}={}: {name:?} is no resource type", self.name, self.value)),
            },
        };
        let references =
            || self.registry().of(source_type).iter().filter(|parameter| parameter.kind == ParameterKind::Reference);
        let parameters: Vec<i32> = references()
            .filter(|parameter| code == "*" || parameter.code == code)
            .map(|parameter| parameter.number)
            .collect();
        if parameters.is_empty() && code != "*" {
            let codes: Vec<&str> = references().map(|parameter| parameter.code.as_str()).collect();
            let source = all.resource_by_number(source_type).map_or(source, |definition| definition.name.as_str());
            return unknown(format!("{source} has no reference parameter {code:?}; it has {}", codes.join(", ")));
        }
        let leads_to = |parameter: &&i32, wanted: u8| {
            let targets = self.registry().by_number(**parameter).map_or(&[][..], |found| &found.targets);
            targets.is_empty() || targets.contains(&wanted)
        };
        // Backwards from the matches, unless what was included is gone on from.
        let matched = (reverse && !iterate && self.type_number != 0).then_some(self.type_number);
        for wanted in target_type.into_iter().chain(matched).filter(|_| !parameters.is_empty()) {
            if !parameters.iter().any(|parameter| leads_to(&parameter, wanted)) {
                let wanted = all.resource_by_number(wanted).map_or("", |definition| definition.name.as_str());
                return unknown(format!("{}={}: {source}:{code} cannot refer to {wanted}", self.name, self.value));
            }
        }
        Ok(Include { reverse, iterate, parameters, target_type, source_type })
    }
}
