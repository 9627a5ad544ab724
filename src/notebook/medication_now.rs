//! What a citizen takes now: from statements, prescriptions, dispenses and administrations to one course a
//! medicine, with the next dose, how far the supply reaches, and gaps.
//!
//! A course is what has a class of our medicines, a code or a name in common. Medicines whose dose is an event
//! (denosumab every six months) last interval and grace from each dose, whatever a prescription says; all
//! others as long as they are prescribed, dispensed or said to be taken. Intervals and grace are data
//! (`CodeSystem/osteoporosis-drug`), unless the dosage says its own.
//!
//! Pure. May use: `format`, `r4`, `fls` (days and rules). Must not know: storage, the clock.

mod course;
mod record;

pub use course::{Course, NextDose, State, courses};
pub use record::{Every, Origin, Record, read};

#[cfg(test)]
mod tests;
