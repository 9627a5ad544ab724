//! Fracture liaison (二次性骨折予防): from what is known of a citizen to episodes, activities with due dates,
//! alarms and indicators.
//!
//! Everything here is pure. [`facts`] reads resources into a few typed facts, which are kept (`store/fls`); the
//! rest is computed from facts, [`rules`] and a day whenever it is asked for: [`treatment`] (when on which
//! medicine), [`episode`] (which records are one fracture, which fracture follows another), [`pathway`]
//! (what was done, what is due), [`alarm`], [`indicator`] (what the measures count), [`registry`] (a row an
//! episode). Facts are a set: the order in which they came changes nothing.
//!
//! Every figure and every list of codes is data: code systems of our guide that a site may replace. The
//! decision tables in `docs/fls-rules.md` are the tests.
//!
//! May use: `r4`, `format`, `terminology` (names of systems). Must not know: storage, HTTP, the clock.

pub mod alarm;
pub mod certification;
pub mod day;
pub mod episode;
pub mod era;
pub mod facts;
pub mod indicator;
pub mod pathway;
pub mod registry;
pub mod rules;
pub mod treatment;

pub use day::Day;
pub use episode::{Citizen, Episode};
pub use facts::{Fact, Facts, Kind, Person};
pub use rules::Rules;

/// The id of something that is computed: the same for the same parts, so that computing again changes nothing.
#[must_use]
pub fn stable_id(parts: &[&str]) -> String {
    /// UUIDv5 namespace of what fracture liaison makes.
    const NAMESPACE: uuid::Uuid = uuid::Uuid::from_u128(0x8a5c_2f3e_6b1d_4c77_9d20_5fb1_43e8_07a6);
    uuid::Uuid::new_v5(&NAMESPACE, parts.join("\u{1f}").as_bytes()).to_string()
}

#[cfg(test)]
#[path = "fls/tests.rs"]
mod tests;
