//! The kinds of timeline entries: stable codes with names to show.

/// One kind of entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Category {
    /// Stable code, stored in rows and used in filters.
    pub code: &'static str,
    /// Name in Japanese.
    pub ja: &'static str,
    /// Name in English.
    pub en: &'static str,
}

macro_rules! categories {
    ($($name:ident $code:literal $ja:literal $en:literal)*) => {
        $(pub(crate) const $name: &str = $code;)*
        /// All categories in the order filters show them.
        pub const CATEGORIES: &[Category] = &[$(Category { code: $code, ja: $ja, en: $en }),*];
    };
}

categories! {
    ADMISSION "admission" "入院" "Admission"
    DISCHARGE "discharge" "退院" "Discharge"
    DIAGNOSIS "diagnosis" "診断" "Diagnosis"
    SURGERY "surgery" "手術・処置" "Surgery and procedures"
    MEDICATION "medication" "服薬" "Medication"
    INJECTION "injection" "注射" "Injection"
    VISIT "visit" "受診・訪問" "Visit"
    INSTRUCTION "instruction" "指導・指示" "Instruction"
    ALLERGY "allergy" "アレルギー" "Allergy"
    FUNCTION "function" "ADL・運動機能" "Function and mobility"
    OBSERVATION "observation" "検査・観察" "Observation"
    EXERCISE "exercise" "運動" "Exercise"
    NUTRITION "nutrition" "食事・栄養" "Nutrition"
    FALL "fall" "転倒" "Fall"
    ARTICLE "article" "記事" "Article"
    DOCUMENT "document" "文書" "Document"
    PHOTO_VIDEO "photo-video" "写真・動画" "Photo or video"
    CARE_LEVEL "care-level" "要介護度" "Care level"
    TEAM "team" "チーム" "Team"
    GOAL "goal" "目標" "Goal"
    CONSENT "consent" "同意" "Consent"
    OTHER "other" "その他" "Other"
}

/// The category with this code.
#[must_use]
pub fn category(code: &str) -> Option<&'static Category> {
    CATEGORIES.iter().find(|category| category.code == code)
}
