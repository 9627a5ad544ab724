//! Finds what was done to the rows of the audit after they were written.
//!
//! | What was done | How it shows |
//! |---|---|
//! | a row changed | its hash is not that of the row before and its content |
//! | its hash made new as well | the next row does not follow; or, when all rows behind it were made new, a signature does not |
//! | a row removed | its number is missing |
//! | rows moved | their hashes do not follow |
//! | a row put in | no signature covers it, or the one behind it does not follow |
//! | the end cut off | the head, or a signature that was kept beside or elsewhere, is about a row that is not there |
//! | what rows are found by | differs from what their content says |

use std::collections::BTreeMap;

use super::seal::{Anchor, Hash, genesis, link};
use super::{Indexed, tables};
use crate::store::StoreError;
use crate::store::connection::Connection;

/// Most findings that are told one by one.
const MOST_FINDINGS: usize = 1000;

/// Most names that are compared one by one.
const MOST_NAMES: usize = 1_000_000;

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFinding {
    /// The name of the chain.
    pub chain: String,
    /// The number of the row.
    pub seq: i64,
    /// What is wrong with it.
    pub what: String,
}

/// What was looked at and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// Rows.
    pub rows: u64,
    /// Signatures.
    pub signatures: u64,
    /// Chains: one for each server that kept an audit.
    pub chains: u64,
    /// What is not as it was written; empty when all is well.
    pub findings: Vec<AuditFinding>,
}

struct Walk<'r> {
    chain: &'r tables::Chain,
    report: &'r mut AuditReport,
}

impl Walk<'_> {
    fn found(&mut self, seq: i64, what: impl Into<String>) {
        if self.report.findings.len() < MOST_FINDINGS {
            let chain = self.chain.name.clone();
            self.report.findings.push(AuditFinding { chain, seq, what: what.into() });
        }
    }
}

pub(super) fn verify(
    connection: &mut Connection,
    known: &[Anchor],
    indexed: Indexed,
) -> Result<AuditReport, StoreError> {
    let mut report = AuditReport::default();
    let chains = tables::chains(connection)?;
    for chain in &chains {
        report.chains += 1;
        let mut walk = Walk { chain, report: &mut report };
        verify_chain(connection, &mut walk, known, indexed)?;
    }
    for anchor in known.iter().filter(|anchor| !chains.iter().any(|chain| chain.name == anchor.chain)) {
        let what = "the whole chain is not there, and a signature says that it was".to_owned();
        let finding = AuditFinding { chain: anchor.chain.clone(), seq: anchor.seq, what };
        if !report.findings.iter().any(|other| other.chain == finding.chain) {
            report.findings.push(finding);
        }
    }
    Ok(report)
}

fn verify_chain(
    connection: &mut Connection,
    walk: &mut Walk<'_>,
    known: &[Anchor],
    indexed: Indexed,
) -> Result<(), StoreError> {
    let chain = walk.chain;
    let mut signed = tables::anchors(connection, chain)?;
    let head = tables::head(connection, chain)?;
    signed.extend(head.clone());
    signed.extend(known.iter().filter(|anchor| anchor.chain == chain.name).cloned());
    let mut start = (0, genesis(&chain.name));
    let mut anchors: BTreeMap<i64, Vec<Anchor>> = BTreeMap::new();
    for anchor in signed {
        walk.report.signatures += 1;
        if !anchor.is_signed_by(&chain.public_key) {
            walk.found(anchor.seq, "a signature for it is not that of the chain's key");
            continue;
        }
        if anchor.kind == "retention" && anchor.seq > start.0 {
            start = (anchor.seq, Hash::try_from(anchor.hash.as_slice()).unwrap_or_default());
        }
        anchors.entry(anchor.seq).or_default().push(anchor);
    }
    let mut wanted = Sum::default();
    let newest_signed = anchors.keys().next_back().copied().unwrap_or(0);
    let (mut last, mut hash) = start;
    loop {
        let rows = tables::page(connection, chain.number, last)?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            walk.report.rows += 1;
            let is_next = row.seq == last + 1;
            if !is_next {
                missing(walk, last + 1, row.seq - 1);
            }
            let is_own = row.hash == link(&hash, row.seq, &row.content);
            if is_next && !is_own {
                walk.found(row.seq, "it does not follow the row before it: it, or its hash, or that row's hash was changed, or rows were moved");
            }
            if row.seq > newest_signed {
                walk.found(row.seq, "no signature covers it: it was put in");
            }
            for anchor in anchors.get(&row.seq).into_iter().flatten() {
                if anchor.hash != row.hash {
                    walk.found(row.seq, "a signature says that it had another hash: it, or a row before it, was changed and the hashes made new");
                    break;
                }
            }
            let (at, names) = indexed(&row.content);
            if at != row.at {
                walk.found(row.seq, "its time is not the one in its content");
            }
            for name in &names {
                wanted.add(name, at, row.seq);
            }
            last = row.seq;
            hash = Hash::try_from(row.hash.as_slice()).unwrap_or_default();
        }
    }
    if newest_signed > last {
        missing(walk, last + 1, newest_signed);
    }
    let mut there = Sum::default();
    tables::each_name(connection, chain.number, |name| there.add(&name.name, name.at, name.seq))?;
    if there != wanted {
        compare_names(connection, walk, indexed)?;
    }
    if last > start.0 && head.is_none() {
        walk.found(last, "the head of the chain is not there");
    }
    Ok(())
}

/// What rows are found by, all of it in two numbers: equal sums of hashes are equal sets.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    count: u64,
    total: u128,
}

impl Sum {
    fn add(&mut self, name: &str, at: i64, seq: i64) {
        let hash = openssl::sha::sha256(format!("{name}\n{at}\n{seq}").as_bytes());
        let half = hash.first_chunk::<16>().map_or(0, |half| u128::from_be_bytes(*half));
        self.count += 1;
        self.total = self.total.wrapping_add(half);
    }
}

/// Says which rows are not found by what their content says.
fn compare_names(connection: &mut Connection, walk: &mut Walk<'_>, indexed: Indexed) -> Result<(), StoreError> {
    const WHAT: &str = "what it is found by (audit_name) is not what its content says";
    let number = walk.chain.number;
    let mut after = 0;
    loop {
        let rows = tables::page(connection, number, after)?;
        let Some(last) = rows.last() else { break };
        after = last.seq;
        for row in &rows {
            let (at, names) = indexed(&row.content);
            let mut there = 0;
            for name in &names {
                there += usize::from(tables::has_name(connection, name, at, number, row.seq)?);
            }
            if there != names.len() {
                walk.found(row.seq, WHAT);
            }
        }
    }
    let mut odd = Vec::new();
    tables::each_name(connection, number, |name| {
        if odd.len() < MOST_NAMES {
            odd.push(name);
        }
    })?;
    for name in odd {
        let row = tables::get(connection, number, name.seq)?;
        let is_own = row.is_some_and(|row| {
            let (at, names) = indexed(&row.content);
            at == name.at && names.contains(&name.name)
        });
        if !is_own {
            walk.found(name.seq, WHAT);
        }
    }
    Ok(())
}

fn missing(walk: &mut Walk<'_>, from: i64, to: i64) {
    if from == to {
        walk.found(from, "it is missing: it was removed");
    } else {
        walk.found(from, format!("it and those up to {to} are missing: they were removed"));
    }
}
