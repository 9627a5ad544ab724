//! What the engine knows besides resources: definitions by canonical URL, terminology over them, and the
//! validator over both.
//!
//! Sources are asked in order: what HL7 publishes with R4, what is stored here, installed packages, then
//! our own guide as built in. Made at the first use, so that who only reads and writes resources pays nothing.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::Engine;
use crate::fls::Rules;
use crate::r4::canonical::{Canonicals, Layers, standard};
use crate::r4::guide::guide;
use crate::store::{PackagedDefinitions, StoredCodeSystems, StoredDefinitions};
use crate::terminology::{Equivalence, Terminology};
use crate::validation::Validator;

/// Made when first asked for.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    packages: OnceLock<Arc<PackagedDefinitions>>,
    definitions: OnceLock<Arc<dyn Canonicals>>,
    terminology: OnceLock<Arc<Terminology>>,
    validator: OnceLock<Arc<Validator>>,
    local: OnceLock<Arc<dyn Canonicals>>,
    /// The rules of fracture liaison, and the generation they were read at.
    liaison: RwLock<Option<(u64, Arc<Rules>)>>,
    /// Names of systems, and the generation they were read at.
    names: RwLock<Option<(u64, Arc<Equivalence>)>>,
}

impl Engine {
    /// The definitions of installed packages.
    #[must_use]
    pub fn packages(&self) -> &Arc<PackagedDefinitions> {
        self.knowledge.packages.get_or_init(|| Arc::new(PackagedDefinitions::new(self.store.clone())))
    }

    /// The definitions that came to this server: stored ones and those of packages.
    fn local(&self) -> &Arc<dyn Canonicals> {
        self.knowledge.local.get_or_init(|| {
            let packages: Arc<dyn Canonicals> = Arc::<PackagedDefinitions>::clone(self.packages());
            Arc::new(Layers(vec![Arc::new(StoredDefinitions::new(self.store.clone())), packages]))
        })
    }

    /// Every definition that is here. Asking may block.
    #[must_use]
    pub fn definitions(&self) -> &Arc<dyn Canonicals> {
        self.knowledge.definitions.get_or_init(|| Arc::new(Layers(vec![standard(), Arc::clone(self.local()), guide()])))
    }

    /// Terminology over [`Self::definitions`]. Asking may block.
    #[must_use]
    pub fn terminology(&self) -> &Arc<Terminology> {
        self.knowledge.terminology.get_or_init(|| {
            let large = Arc::new(StoredCodeSystems::new(self.store.clone()));
            let terminology = Terminology::new(Arc::clone(self.definitions())).with_large_systems(large);
            Arc::new(match &self.settings().terminology_server {
                Some(server) => terminology.with_server(Arc::clone(server)),
                None => terminology,
            })
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

    /// The rules of fracture liaison in force. What HL7 publishes is not unpacked for them. Asking may block.
    #[must_use]
    pub fn liaison_rules(&self) -> Arc<Rules> {
        let local = self.local();
        let generation = local.generation();
        let known = self.knowledge.liaison.read().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some((read_at, rules)) if read_at == generation => rules,
            _ => {
                let ours: Arc<dyn Canonicals> = guide();
                let rules = Arc::new(Rules::read(&Layers(vec![Arc::clone(local), ours])));
                let mut kept = self.knowledge.liaison.write().unwrap_or_else(PoisonError::into_inner);
                *kept = Some((generation, Arc::clone(&rules)));
                rules
            }
        }
    }

    /// Every name of a code system or namespace, itself first: by the table of published pairs and by
    /// the NamingSystems that came here. What HL7 publishes is not unpacked for it. Asking may block.
    #[must_use]
    pub fn system_names(&self, system: &str) -> Vec<String> {
        let local = self.local();
        let generation = local.generation();
        let known = self.knowledge.names.read().unwrap_or_else(PoisonError::into_inner).clone();
        let names = match known {
            Some((read_at, names)) if read_at == generation => names,
            _ => {
                let names = Arc::new(Equivalence::read(local.as_ref()));
                let mut kept = self.knowledge.names.write().unwrap_or_else(PoisonError::into_inner);
                *kept = Some((generation, Arc::clone(&names)));
                names
            }
        };
        names.of(system)
    }
}
