//! FHIR interactions: create, read, update, patch, delete, history, search, batch, transaction.
//!
//! May use: `access`, `store`, `notebook`, `validation`, `terminology`, `search`, `r4`. Must not know: HTTP (status numbers
//! are FHIR's, headers are not its business).
//!
//! A write is prepared outside the writer (parsed, checked, indexed, projected) and decided inside
//! it, in one short transaction: preconditions, conditional criteria and versions are compared where
//! nothing can come in between.

mod answer;
mod bundle;
mod carry_out;
mod change;
mod conditional;
mod emergency;
mod entry;
mod history;
mod knowledge;
mod packaged;
mod patch;
mod plan;
mod policy;
mod prepare;
mod provenance;
mod reasons;
mod relations;
mod rewrite;
mod single;
mod subset;
mod trace;
mod value_sets;

use std::time::Duration;

pub use answer::{Answer, OperationAnswer, Payload, Rejection};
pub use bundle::{BundleAnswer, EntryAnswer, RunOperation};
pub use carry_out::Refusal;
pub use conditional::Preconditions;
pub use emergency::{BreakGlass, Disaster, EmergencyFilter, GlassReview};
pub use entry::{Link, OperationLink};
pub use history::{Historied, HistoryOf};
pub use patch::{JSON_PATCH, PatchFormat, difference};
pub use policy::{Strictness, ValidationPolicy};
pub use prepare::decode_pairs;
pub use reasons::Asked as AccessAsked;
pub use single::{SearchPlace, Searched};
pub use subset::{is_whole, subset};

use std::sync::Arc;

use crate::access::audit::{Event, Trail};
use crate::access::{Caller, Interaction, Policy};
use crate::r4::outcome::IssueCode;
use crate::search::parse::ParseOptions;
use crate::store::{AuditLog, Store};
use crate::terminology::TerminologyServer;

/// What the engine may be told.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Page size when the client does not say.
    pub default_count: u32,
    /// Largest page size; more is cut to it.
    pub max_count: u32,
    /// Most entries of one batch or transaction.
    pub max_entries: usize,
    /// Longest time a search may take.
    pub search_timeout: Duration,
    /// An update must carry If-Match.
    pub require_if_match: bool,
    /// Conditional references (`Patient?identifier=…`) that find nothing fail a transaction, as the
    /// standard says; otherwise they are stored as they are written.
    pub strict_references: bool,
    /// How strictly what is written must be valid.
    pub validation: ValidationPolicy,
    /// Every fracture opens the pathway of fracture liaison as resources.
    pub liaison: bool,
    /// Who is asked about code systems that are not here.
    pub terminology_server: Option<Arc<dyn TerminologyServer>>,
    /// What relations let callers do.
    pub access: Arc<Policy>,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            default_count: 20,
            max_count: 1000,
            max_entries: 10_000,
            search_timeout: Duration::from_secs(30),
            require_if_match: false,
            strict_references: false,
            validation: ValidationPolicy::default(),
            liaison: false,
            terminology_server: None,
            access: Policy::built_in(),
        }
    }
}

/// The engine, as one caller has it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    store: Store,
    settings: Arc<EngineSettings>,
    knowledge: Arc<knowledge::Knowledge>,
    caller: Arc<Caller>,
    views: Arc<relations::Views>,
    trail: Trail,
    audit: Option<AuditLog>,
    /// What is said of whatever is written, where that was sent along.
    provenance: Option<Arc<provenance::Draft>>,
    keeps_packages: bool,
}

impl Engine {
    /// An engine over a store, for this program itself.
    #[must_use]
    pub fn new(store: Store, settings: EngineSettings) -> Self {
        Self {
            store,
            settings: Arc::new(settings),
            knowledge: Arc::default(),
            caller: Caller::program(),
            views: Arc::default(),
            trail: Trail::default(),
            audit: None,
            provenance: None,
            keeps_packages: false,
        }
    }

    /// The same engine for what installs and removes packages: its transactions may write over their definitions,
    /// which nobody else's may.
    #[must_use]
    pub fn keeping_packages(&self) -> Self {
        Self { keeps_packages: true, ..self.clone() }
    }

    /// The same engine for a caller of whom nothing need be looked up: whom nobody asks, or who sees nothing. Others
    /// come by [`Self::for_known`].
    #[must_use]
    pub fn for_caller(&self, caller: Arc<Caller>) -> Self {
        let view = if self.sees_all(&caller) { None } else { Some(Arc::new(crate::store::View::closed())) };
        Self { store: self.store.with_view(view), caller, ..self.clone() }
    }

    /// The same engine, of which every access is written down.
    #[must_use]
    pub fn with_audit(self, audit: AuditLog) -> Self {
        Self { audit: Some(audit), ..self }
    }

    /// The audit, when one is kept.
    #[must_use]
    pub const fn audit(&self) -> Option<&AuditLog> {
        self.audit.as_ref()
    }

    /// The same engine for one request: what is noted on its trail is written down before the request is answered.
    #[must_use]
    pub fn with_trail(&self, trail: Trail) -> Self {
        Self { trail, ..self.clone() }
    }

    /// Where to note whom a request touches, and events beside it (`trail().event(Event::emergency(…))`). Takes
    /// nothing while no audit is kept.
    #[must_use]
    pub const fn trail(&self) -> &Trail {
        &self.trail
    }

    /// Writes an event down that belongs to no request.
    ///
    /// # Errors
    /// 503 when it cannot be written; what it is about must not happen then.
    pub fn record(&self, event: &Event) -> Result<(), Rejection> {
        match &self.audit {
            Some(audit) => Ok(audit.append(vec![event.to_bytes()]).map(|_| ())?),
            None => Ok(()),
        }
    }

    /// Who asks.
    #[must_use]
    pub fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }

    /// Refuses what the caller's token does not allow. An empty type name means all types.
    ///
    /// # Errors
    /// 403 with the scope that would be needed.
    pub fn permit(&self, interaction: Interaction, type_name: &str) -> Result<(), Rejection> {
        if type_name == "AuditEvent" && self.audit.is_some() {
            let text = "AuditEvents are written by this server alone; auditors read and search them at [base]/AuditEvent, \
                        not in bundles";
            return Err(Rejection::new(403, IssueCode::Forbidden, text));
        }
        if self.caller.may(interaction, type_name) {
            return self.permit_by_policy(interaction, type_name);
        }
        let name = if type_name.is_empty() { "*" } else { type_name };
        let letter = interaction.letter();
        let text = format!("the access token does not allow this; it takes a scope such as system/{name}.{letter}");
        Err(Rejection::new(403, IssueCode::Forbidden, text))
    }

    /// Refuses callers who may not read all types, for what looks at any of them.
    ///
    /// # Errors
    /// 403 with the scope that would be needed.
    pub fn permit_everything(&self) -> Result<(), Rejection> {
        self.permit(Interaction::Read, "")?;
        self.permit(Interaction::Search, "")
    }

    /// The store below.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &EngineSettings {
        &self.settings
    }

    /// How searches are read.
    #[must_use]
    pub fn parse_options(&self, lenient: bool) -> ParseOptions {
        ParseOptions {
            registry: self.store.registry(),
            lenient,
            max_count: self.settings.max_count,
            default_offset_seconds: self.store.options().default_offset_seconds,
            now_micros: jiff::Timestamp::now().as_microsecond(),
            full_text: self.store.options().full_text,
            base_url: self.store.options().base_url.clone(),
            value_sets: Some(std::sync::Arc::new(self.clone())),
        }
    }

    /// Runs blocking work away from the async workers.
    ///
    /// # Errors
    /// What the work says.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Rejection> + Send + 'static,
    ) -> Result<T, Rejection> {
        let engine = self.clone();
        tokio::task::spawn_blocking(move || work(&engine))
            .await
            .unwrap_or_else(|_| Err(Rejection::internal("an internal error was caught")))
    }
}
