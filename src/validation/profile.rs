//! Profiles, made ready: [`element`] reads ElementDefinitions, [`tree`] orders them, [`snapshot`]
//! completes differentials, [`mod@compile`] reduces the result to what a profile demands beyond the
//! standard's own types.

pub(crate) mod compile;
pub(crate) mod element;
pub(crate) mod snapshot;
pub(crate) mod tree;

#[cfg(test)]
#[allow(clippy::print_stdout)]
mod tests;
