//! The notebook's rows as plain values; `store` writes them as they are.

/// What one resource contributes to the notebook.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotebookRows {
    /// The citizen, when the resource is a Patient.
    pub citizen: Option<CitizenRow>,
    /// Lines of the timeline.
    pub entries: Vec<EntryRow>,
}

/// One citizen (支援対象者). Text as written; what the Patient does not say is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CitizenRow {
    /// Name for display (the IDE representation); `（記載なし）` when there is none.
    pub name: String,
    /// Reading (the SYL representation).
    pub kana: String,
    /// `Patient.birthDate`.
    pub birth_date: String,
    /// `Patient.gender`.
    pub gender: String,
    /// Address on one line.
    pub address: String,
    /// Value of the notebook's own identifier.
    pub notebook_id: String,
    /// Value of the first patient number of a hospital.
    pub hospital_id: String,
    /// Value of the first insurance number (health or long-term care).
    pub insured_id: String,
}

/// One line of a citizen's timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// Place within the resource: stable while the resource keeps its shape (a care plan is 0, its
    /// n-th activity is n).
    pub ordinal: i32,
    /// Always `Patient` today.
    pub subject_type: String,
    /// Id of the subject on this server.
    pub subject_id: String,
    /// A code of [`crate::notebook::category::CATEGORIES`].
    pub category: &'static str,
    /// First µs (since 1970 UTC) of when it happened or is planned; `None` when no date is known.
    pub happened_low: Option<i64>,
    /// Last µs, inclusive; `None` when there is no date or the period is open.
    pub happened_high: Option<i64>,
    /// The date as it was written, with its precision; `（記載なし）` when there is none.
    pub date_text: String,
    /// One Japanese line.
    pub title: String,
    /// The rest, in Japanese; `（記載なし）` when there is nothing.
    pub detail: String,
    /// The resource's own status code; `（記載なし）` when there is none.
    pub status: String,
    /// Codes of `meta.security` and `meta.tag`, sorted, with commas between.
    pub labels: String,
}
