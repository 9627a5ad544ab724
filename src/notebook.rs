//! stub
use crate::format::json::Node;
use crate::store::NotebookRows;
/// stub
#[must_use]
pub fn project(_type_name: &str, _resource: &Node<'_>) -> NotebookRows {
    NotebookRows::default()
}
