//! What the engine knows besides resources: definitions by canonical URL, terminology over them, and the
//! validator over both.
//!
//! Sources are asked in order: what HL7 publishes with R4, what is stored here, installed packages, then
//! our own guide as built in. Made at the first use, so that who only reads and writes resources pays nothing.

use std::sync::{Arc, OnceLock};

use super::Engine;
use crate::r4::canonical::{Canonicals, Layers, standard};
use crate::r4::guide::guide;
use crate::store::{PackagedDefinitions, StoredCodeSystems, StoredDefinitions};
use crate::terminology::Terminology;
use crate::validation::Validator;

/// Made when first asked for.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    packages: OnceLock<Arc<PackagedDefinitions>>,
    definitions: OnceLock<Arc<dyn Canonicals>>,
    terminology: OnceLock<Arc<Terminology>>,
    validator: OnceLock<Arc<Validator>>,
}

impl Engine {
    /// The definitions of installed packages.
    #[must_use]
    pub fn packages(&self) -> &Arc<PackagedDefinitions> {
        self.knowledge.packages.get_or_init(|| Arc::new(PackagedDefinitions::new(self.store.clone())))
    }

    /// Every definition that is here. Asking may block.
    #[must_use]
    pub fn definitions(&self) -> &Arc<dyn Canonicals> {
        self.knowledge.definitions.get_or_init(|| {
            let packages: Arc<dyn Canonicals> = Arc::<PackagedDefinitions>::clone(self.packages());
            Arc::new(Layers(vec![standard(), Arc::new(StoredDefinitions::new(self.store.clone())), packages, guide()]))
        })
    }

    /// Terminology over [`Self::definitions`]. Asking may block.
    #[must_use]
    pub fn terminology(&self) -> &Arc<Terminology> {
        self.knowledge.terminology.get_or_init(|| {
            let large = Arc::new(StoredCodeSystems::new(self.store.clone()));
            Arc::new(Terminology::new(Arc::clone(self.definitions())).with_large_systems(large))
        })
    }

    /// The validator over definitions and terminology. Asking may block.
    #[must_use]
    pub fn validator(&self) -> &Arc<Validator> {
        self.knowledge.validator.get_or_init(|| {
            let definitions = Arc::clone(self.definitions());
            Arc::new(Validator::new(definitions, Arc::<Terminology>::clone(self.terminology())))
        })
    }
}
