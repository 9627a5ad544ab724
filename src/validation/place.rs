//! The place of an element: a chain of stack frames, text only when there is something to say.

use std::fmt::Write as _;

/// One step, with the steps before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'p> {
    parent: Option<&'p Place<'p>>,
    name: &'p str,
    index: Option<usize>,
}

impl<'p> Place<'p> {
    /// The first step: the type of the resource.
    #[must_use]
    pub(crate) const fn root(name: &'p str) -> Self {
        Self { parent: None, name, index: None }
    }

    /// An element below.
    #[must_use]
    pub(crate) const fn child(&'p self, name: &'p str, index: Option<usize>) -> Place<'p> {
        Place { parent: Some(self), name, index }
    }

    /// The element this one is in.
    #[must_use]
    pub(crate) const fn parent(&self) -> Option<&'p Place<'p>> {
        self.parent
    }

    /// The name of the last step.
    #[must_use]
    pub(crate) const fn name(&self) -> &'p str {
        self.name
    }

    /// How many steps it has.
    #[must_use]
    pub(crate) fn depth(&self) -> usize {
        let mut steps = 1;
        let mut current = self.parent;
        while let Some(step) = current {
            steps += 1;
            current = step.parent;
        }
        steps
    }

    /// As a simple FHIRPath: `Patient.name[0].given[1]`.
    #[must_use]
    pub(crate) fn text(&self) -> String {
        let mut out = match self.parent {
            Some(parent) => {
                let mut out = parent.text();
                out.push('.');
                out
            }
            None => String::new(),
        };
        out.push_str(self.name);
        if let Some(index) = self.index {
            // Writing to a String does not fail.
            let _ = write!(out, "[{index}]");
        }
        out
    }
}
