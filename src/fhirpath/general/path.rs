//! Following names: members of elements by the tables, children, whatever stands in the way.

use super::plan::{Name, Op};
use super::{Entry, List, Run, Scope, Sink, string, value};
use crate::fhirpath::FhirPathError;
use crate::fhirpath::evaluate::{ABSENT, Item, Value};
use crate::format::json::Node;
use crate::r4::definitions::{Element, ElementType};
use crate::r4::{Kind, definitions};

impl<'r> Run<'_, 'r> {
    /// Follows names from a start, depth first.
    pub(super) fn path(
        &mut self,
        start: &'r Op,
        names: &'r [Name],
        scope: Scope<'_, 'r>,
        sink: &mut Sink<'_, 'r>,
    ) -> Result<(), FhirPathError> {
        match (start, scope.this) {
            (Op::This, Some(this)) => self.member_of(this, names, sink),
            _ => {
                for entry in &self.expression(start, scope)? {
                    self.member_of(entry, names, sink)?;
                }
                Ok(())
            }
        }
    }

    pub(super) fn member_of(
        &mut self,
        entry: &Entry<'r>,
        names: &'r [Name],
        sink: &mut Sink<'_, 'r>,
    ) -> Result<(), FhirPathError> {
        match entry {
            Entry::Part(item) => self.steps(*item, names, sink),
            Entry::Type { namespace, name: type_name } => {
                let Sink::List(list) = sink else { return Ok(()) };
                if let [name] = names {
                    list.extend(match &*name.text {
                        "namespace" => Some(string(*namespace)),
                        "name" => Some(string(*type_name)),
                        _ => None,
                    });
                }
                Ok(())
            }
            Entry::Value(_) => Ok(()),
        }
    }

    pub(super) fn steps(
        &mut self,
        item: Item<'r>,
        names: &'r [Name],
        sink: &mut Sink<'_, 'r>,
    ) -> Result<(), FhirPathError> {
        let Some((name, rest)) = names.split_first() else {
            sink.push(item);
            return Ok(());
        };
        let Some(element) = name.element(item.type_id) else { return self.spend(1) };
        if !element.is_choice {
            let Some(only) = element.types.first() else { return Ok(()) };
            return self.member(item, only, rest, sink);
        }
        // `value[x]`: the member that is there tells which type.
        let chosen = item.children().iter().find_map(|(member, _)| {
            let bare = member.strip_prefix('_').unwrap_or(member);
            let is_longer = bare.len() > element.name.len() && bare.starts_with(element.name.as_str());
            element.types.iter().find(|possible| is_longer && possible.json_name == bare)
        });
        match chosen {
            Some(chosen) => self.member(item, chosen, rest, sink),
            None => self.spend(1),
        }
    }

    /// Goes on with what one member of an item holds.
    pub(super) fn member(
        &mut self,
        item: Item<'r>,
        wanted: &'static ElementType,
        rest: &'r [Name],
        sink: &mut Sink<'_, 'r>,
    ) -> Result<(), FhirPathError> {
        let all = definitions();
        let json = wanted.json_name.as_str();
        let definition = all.get(wanted.type_id);
        let members = item.children();
        self.spend(1 + members.len() / 8)?;
        let is_primitive = matches!(definition.kind, Kind::Primitive | Kind::System);
        let (mut value, mut extra) = (None, None);
        for (name, node) in members {
            if name == json {
                value = Some(node);
            } else if is_primitive && name.len() == json.len() + 1 && name.strip_prefix('_') == Some(json) {
                extra = Some(node);
            }
        }
        // The tables say System.String; resource.html#id says `id`.
        let is_id = is_primitive && json == "id" && all.get(item.type_id).kind == Kind::Resource;
        let type_id = if is_id { value::id_type() } else { wanted.type_id };
        let mut push = |run: &mut Self, value: &'r Node<'r>, extra: Option<&'r Node<'r>>| {
            let extra = extra.filter(|extra| matches!(extra, Node::Object(_)));
            if (matches!(value, Node::Null) && extra.is_none()) || sink.is_done() {
                return Ok(());
            }
            let type_id = if definition.kind == Kind::Resource {
                match value.text("resourceType").and_then(|name| all.resource(name)) {
                    Some(id) => id,
                    None => return Ok(()),
                }
            } else {
                type_id
            };
            run.steps(Item { value: Value::Node(value), type_id, extra }, rest, sink)
        };
        match (value, extra) {
            (None, None) => Ok(()),
            (Some(Node::Array(values)), extra) => {
                self.spend(values.len())?;
                let extras = extra.map_or(&[][..], Node::items);
                values.iter().enumerate().try_for_each(|(place, value)| push(self, value, extras.get(place)))
            }
            (None, Some(Node::Array(extras))) => {
                self.spend(extras.len())?;
                extras.iter().try_for_each(|extra| push(self, &ABSENT, Some(extra)))
            }
            (value, extra) => push(self, value.unwrap_or(&ABSENT), extra),
        }
    }

    /// All children, in the order they are written.
    pub(super) fn children(&mut self, item: Item<'r>, out: &mut List<'r>) -> Result<(), FhirPathError> {
        let definition = definitions().get(item.type_id);
        let members = item.children();
        for (name, _) in members {
            let bare = match name.strip_prefix('_') {
                Some(bare) if members.iter().any(|(other, _)| other == bare) => continue,
                Some(bare) => bare,
                None => name.as_ref(),
            };
            if let Some(field) = definition.field(bare) {
                let element: &'static Element = definition.element(field);
                if let Some(wanted) = element.types.get(usize::from(field.choice)) {
                    self.member(item, wanted, &[], &mut Sink::List(out))?;
                }
            }
        }
        Ok(())
    }
}
