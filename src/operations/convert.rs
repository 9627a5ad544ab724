//! Small operations on what is at hand: `$convert` and `$versions`.

use super::call::{Call, parameters, part};
use super::table::{Level, Operation};
use crate::engine::{OperationAnswer, Rejection};
use crate::format::json::Node;

/// `[base]/$convert`, `[base]/$versions`
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::reading("http://hl7.org/fhir/OperationDefinition/Resource-convert", &[Level::System], convert),
    Operation::reading(
        "http://hl7.org/fhir/OperationDefinition/CapabilityStatement-versions",
        &[Level::System],
        |_| {
            // FHIR R4 capabilitystatement-operation-versions.html: major.minor.
            let version = |name| part(name, "valueCode", Node::string("4.0"));
            Ok(parameters(vec![version("version"), version("default")]))
        },
    ),
];

/// "In the absence of any parameters, simple format conversion is all that will occur": what came in whatever
/// representation leaves in the one that was asked for.
fn convert(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    let resource = call.inputs.checked_resource("input")?.unwrap_or(&Node::Null);
    Ok(OperationAnswer::Resource(resource.to_bytes().into()))
}
