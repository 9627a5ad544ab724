//! What installed packages define stays as they define it.
//!
//! Asked inside the writer, where what is current is known. Installing and removing packages is what
//! [`super::Engine::keeping_packages`] is for.

use super::answer::Rejection;
use crate::format::json;
use crate::r4::definitions;
use crate::r4::outcome::IssueCode;
use crate::store::WriteTransaction;

/// Whether a resource may be written over or deleted. What an installed package defines may not: it would no longer
/// be what validation goes by, and a later version of the package would not replace it. "If the server refuses …
/// because of reasons specific to that resource … it should return the 409 Conflict" (http.html#delete).
pub(super) fn is_free(transaction: &mut WriteTransaction<'_>, number: u8, id: &str) -> Result<(), Rejection> {
    let definition = definitions().resource_by_number(number);
    let can_be_packaged = definition.is_some_and(|found| found.elements.iter().any(|element| element.name == "url"));
    if !can_be_packaged {
        return Ok(());
    }
    let Some(current) = transaction.current(number, id)?.filter(|version| !version.is_deleted()) else {
        return Ok(());
    };
    let Ok(resource) = json::parse(&current.body) else { return Ok(()) };
    let Some(package) = transaction.package_of(&resource)? else { return Ok(()) };
    let name = resource.text("resourceType").unwrap_or_default();
    Err(Rejection::new(
        409,
        IssueCode::BusinessRule,
        format!(
            "{name}/{id} is a definition of the package {package} and changes with it alone: install another version of \
             the package, or take it away with `renraku package remove {package}`; a definition of your own needs an id \
             and a url of its own"
        ),
    ))
}
