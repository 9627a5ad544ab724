//! Who a request comes from: a person, a system, this program itself, or nobody.

use std::sync::Arc;

use super::scope::{GrantContext, Interaction, Scopes};

/// A certificate that a client proved to have the key of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 of its DER, in lower-case hexadecimal.
    pub fingerprint: String,
    /// Its subject, for logs and people.
    pub subject: String,
    /// The organization it was registered for, `Organization/x`.
    pub organization: Option<String>,
    /// The device it was registered for, `Device/x`.
    pub device: Option<String>,
}

impl Certificate {
    /// From the SHA-256 of its DER.
    #[must_use]
    pub fn new(sha256: &[u8], subject: String) -> Self {
        let fingerprint = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { fingerprint, subject, organization: None, device: None }
    }
}

/// The resource that stands for a person (SMART App Launch `fhirUser`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FhirUser {
    /// Practitioner, PractitionerRole, Patient or RelatedPerson.
    pub type_name: String,
    /// Its id.
    pub id: String,
}

impl FhirUser {
    /// The types that stand for persons.
    pub const TYPES: [&'static str; 4] = ["Practitioner", "PractitionerRole", "Patient", "RelatedPerson"];

    /// Reads `Practitioner/x`, or an absolute URL that ends so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.rsplit('/');
        let (id, type_name) = (parts.next()?, parts.next()?);
        (Self::TYPES.contains(&type_name) && crate::r4::reference::is_id(id))
            .then(|| Self { type_name: type_name.to_owned(), id: id.to_owned() })
    }
}

impl std::fmt::Display for FhirUser {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.type_name, self.id)
    }
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Anybody, because nobody is asked (`authentication = off`).
    Open,
    /// This program itself: commands, start.
    Program,
    /// Nobody is known, and somebody has to be.
    Nobody,
    /// A system that signed in for itself.
    System {
        /// The client.
        client: String,
        /// The organization it acts for, `Organization/x`: it then reaches the citizens of that organization.
        organization: Option<String>,
    },
    /// A person.
    Person {
        /// The resource that stands for them.
        user: FhirUser,
        /// The application they use.
        client: String,
    },
}

/// A caller with what their token allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub subject: Subject,
    /// What the token allows.
    pub scopes: Scopes,
    /// The certificate of the device.
    pub certificate: Option<Certificate>,
    /// The patient in context (SMART `launch/patient`), as the id of a Patient.
    pub patient: Option<String>,
    /// How the person signed in (`amr` of the token).
    pub amr: Vec<String>,
    /// Roles an administrator gave the account: `auditor`.
    pub roles: Vec<String>,
    /// Why (purpose of use), when it was said.
    pub purpose: Option<String>,
}

impl Caller {
    fn of(subject: Subject) -> Self {
        Self {
            subject,
            scopes: Scopes::default(),
            certificate: None,
            patient: None,
            amr: Vec::new(),
            roles: Vec::new(),
            purpose: None,
        }
    }

    /// Anybody, where nobody is asked.
    #[must_use]
    pub fn open() -> Arc<Self> {
        Arc::new(Self::of(Subject::Open))
    }

    /// This program itself.
    #[must_use]
    pub fn program() -> Arc<Self> {
        Arc::new(Self::of(Subject::Program))
    }

    /// Somebody who has not said who they are.
    #[must_use]
    pub fn nobody() -> Arc<Self> {
        Arc::new(Self::of(Subject::Nobody))
    }

    /// A known caller with the scopes of a token.
    #[must_use]
    pub fn known(subject: Subject, scopes: Scopes) -> Self {
        Self { scopes, ..Self::of(subject) }
    }

    /// Whether no question is asked at all.
    #[must_use]
    pub const fn is_trusted(&self) -> bool {
        matches!(self.subject, Subject::Open | Subject::Program)
    }

    /// Whether the token allows an interaction with a type; an empty name means all types.
    #[must_use]
    pub fn may(&self, interaction: Interaction, type_name: &str) -> bool {
        match &self.subject {
            Subject::Open | Subject::Program => true,
            Subject::Nobody => false,
            Subject::System { .. } => self.has(interaction, type_name, &[GrantContext::System]),
            Subject::Person { .. } => self.has(interaction, type_name, &[GrantContext::User, GrantContext::Patient]),
        }
    }

    fn has(&self, interaction: Interaction, type_name: &str, contexts: &[GrantContext]) -> bool {
        // Search parameters in a scope narrow what is read; they let nothing be written.
        let reads = matches!(interaction, Interaction::Read | Interaction::Search);
        self.scopes.grants.iter().any(|grant| {
            contexts.contains(&grant.context)
                && (reads || grant.constraint.is_empty())
                && grant.allows(interaction)
                && grant.is_about(type_name)
        })
    }

    /// A short name for logs and AuditEvents, without personal data.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.subject {
            Subject::Open => "anybody".to_owned(),
            Subject::Program => "renraku".to_owned(),
            Subject::Nobody => "nobody".to_owned(),
            Subject::System { client, .. } => client.clone(),
            Subject::Person { user, .. } => user.to_string(),
        }
    }
}
