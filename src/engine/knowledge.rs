//! What the engine knows besides resources: definitions by canonical URL and terminology over them.
//!
//! Sources are asked in order: what HL7 publishes with R4, then what is stored here, then our own guide as built in. Made at the
//! first use, so that who only reads and writes resources pays nothing.

use std::sync::{Arc, OnceLock};

use super::Engine;
use crate::r4::canonical::{Canonicals, Layers, standard};
use crate::r4::guide::guide;
use crate::store::{Store, StoredCodeSystems, StoredDefinitions};
use crate::terminology::Terminology;

/// Made when first asked for.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    definitions: OnceLock<Arc<dyn Canonicals>>,
    terminology: OnceLock<Arc<Terminology>>,
}

fn sources(store: &Store) -> Arc<dyn Canonicals> {
    Arc::new(Layers(vec![standard(), Arc::new(StoredDefinitions::new(store.clone())), guide()]))
}

impl Engine {
    /// Every definition that is here. Asking may block.
    #[must_use]
    pub fn definitions(&self) -> &Arc<dyn Canonicals> {
        self.knowledge.definitions.get_or_init(|| sources(&self.store))
    }

    /// Terminology over [`Self::definitions`]. Asking may block.
    #[must_use]
    pub fn terminology(&self) -> &Arc<Terminology> {
        self.knowledge.terminology.get_or_init(|| {
            let large = Arc::new(StoredCodeSystems::new(self.store.clone()));
            Arc::new(Terminology::new(Arc::clone(self.definitions())).with_large_systems(large))
        })
    }
}
