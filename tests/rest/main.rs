//! The REST API as a specification (FHIR R4 http.html, search.html): one file a topic, one
//! behaviour a test, each on every database that can be had here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;
mod support;

mod bad_input;
mod batch;
mod bundle_reads;
mod coding;
mod conditional_create;
mod conditional_delete;
mod conditional_update;
mod convert;
mod create;
mod delete;
mod discharge;
mod document;
mod everything;
mod fhirpath;
mod fuzz;
mod graphql;
mod guide;
mod headers;
mod history;
mod lastn;
mod list_find;
mod meta;
mod metadata;
mod negotiation;
mod openapi;
mod operations;
mod packages;
mod patch;
mod patient_match;
mod read;
mod samples;
mod schema;
mod search_across;
mod search_canonical;
mod search_chain;
mod search_compartment;
mod search_composite;
mod search_date;
mod search_explain;
mod search_filter;
mod search_has;
mod search_hierarchy;
mod search_number;
mod search_paging;
mod search_parameter;
mod search_quantity;
mod search_reference;
mod search_results;
mod search_string;
mod search_terminology;
mod search_text;
mod search_token;
mod search_uri;
mod terminology;
mod transaction;
mod transaction_links;
mod update;
mod validate;
mod validation_policy;
mod xml;
