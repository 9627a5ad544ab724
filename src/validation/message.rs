//! What validation says, in English and Japanese: each message has an id that stays, and parameters.

use crate::r4::outcome::{Issue, IssueCode, Severity};
use crate::r4::wording::Wording;

/// The language of messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// 日本語
    Japanese,
}

impl Language {
    /// The language an `Accept-Language` header prefers (RFC 9110 section 12.5.4); English for all but Japanese.
    #[must_use]
    pub fn accepted(header: &str) -> Self {
        let quality = |wanted: &str| {
            header
                .split(',')
                .filter_map(|range| {
                    let mut parts = range.split(';').map(str::trim);
                    let tag = parts.next()?;
                    let is_it = tag.split('-').next().is_some_and(|main| main.eq_ignore_ascii_case(wanted));
                    let quality =
                        parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse::<f64>().ok());
                    is_it.then_some(quality?)
                })
                .fold(0.0, f64::max)
        };
        if quality("ja") > quality("en") { Self::Japanese } else { Self::English }
    }
}

/// One thing found, before it is put into words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// What kind.
    pub code: IssueCode,
    /// The id of the message; stays the same in every language.
    pub message: &'static str,
    /// What is put into the message.
    pub parameters: Vec<String>,
    /// Where.
    pub expression: Option<String>,
}

impl Finding {
    /// What somebody has put into words already: both are kept.
    #[must_use]
    pub fn worded(severity: Severity, code: IssueCode, wording: Wording, expression: Option<String>) -> Self {
        let parameters = vec![wording.english, wording.japanese];
        Self { severity, code, message: wording.id, parameters, expression }
    }

    /// What is found in words.
    #[must_use]
    pub fn text(&self, language: Language) -> String {
        let found = TEXTS.iter().chain(super::rules::texts::TEXTS).find(|(id, _, _)| *id == self.message);
        let template = match (found, language) {
            (Some((_, english, _)), Language::English) => *english,
            (Some((_, _, japanese)), Language::Japanese) => *japanese,
            (None, Language::English) => return self.parameters.first().cloned().unwrap_or_default(),
            (None, Language::Japanese) => return self.parameters.last().cloned().unwrap_or_default(),
        };
        let mut out = String::with_capacity(template.len() + 64);
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let Some((number, after)) = after.split_once('}') else { break };
            let parameter = number.parse().ok().and_then(|place: usize| self.parameters.get(place));
            out.push_str(parameter.map_or("", String::as_str));
            rest = after;
        }
        out.push_str(rest);
        out
    }

    /// As an issue of an `OperationOutcome`.
    #[must_use]
    pub fn issue(&self, language: Language) -> Issue {
        Issue {
            severity: self.severity,
            code: self.code,
            diagnostics: self.text(language),
            expression: self.expression.clone(),
        }
    }
}

/// Id, English, Japanese.
const TEXTS: &[(&str, &str, &str)] = &[
    (
        "min",
        "{0} occurs {1} time(s) but must occur at least {2} time(s){3}",
        "{0} は {2} 個以上必要ですが、{1} 個しかありません{3}",
    ),
    (
        "max",
        "{0} occurs {1} time(s) but may occur at most {2} time(s){3}",
        "{0} は最大 {2} 個ですが、{1} 個あります{3}",
    ),
    ("prohibited", "{0} must not be present{1}", "{0} は使用できません{1}"),
    (
        "slice-min",
        "{0}: the slice '{1}' has {2} match(es) but needs at least {3}{4}",
        "{0}: スライス「{1}」は {3} 個以上必要ですが、該当するものは {2} 個です{4}",
    ),
    (
        "slice-max",
        "{0}: the slice '{1}' has {2} matches but may have at most {3}{4}",
        "{0}: スライス「{1}」は最大 {3} 個ですが、{2} 個あります{4}",
    ),
    (
        "slice-closed",
        "this does not match any of the slices of {0} ({1}), and others are not allowed{2}",
        "{0} のどのスライス ({1}) にも該当しません。それ以外は許されていません{2}",
    ),
    (
        "slice-end",
        "what matches no slice of {0} must come after what does (openAtEnd){1}",
        "{0} のスライスに該当しない要素は最後に置く必要があります (openAtEnd){1}",
    ),
    (
        "slice-order",
        "slice '{0}' must come before '{1}': the slices of {2} are ordered{3}",
        "スライス「{0}」は「{1}」より前に置く必要があります: {2} のスライスには順序があります{3}",
    ),
    (
        "type",
        "the type {0} is not allowed here; allowed: {1}{2}",
        "型 {0} はここでは使用できません。使用できる型: {1}{2}",
    ),
    ("fixed", "the value {0} must be exactly {1}{2}", "値 {0} は {1} と完全に一致する必要があります{2}"),
    ("pattern", "the value {0} must contain {1}{2}", "値 {0} は {1} を含む必要があります{2}"),
    ("min-value", "{0} is below the least value {1}{2}", "{0} は最小値 {1} を下回っています{2}"),
    ("max-value", "{0} is above the greatest value {1}{2}", "{0} は最大値 {1} を超えています{2}"),
    (
        "max-length",
        "the text has {0} characters but may have at most {1}{2}",
        "文字数は最大 {1} ですが、{0} 文字あります{2}",
    ),
    ("invariant", "{0}: {1}{2}", "制約 {0} に違反しています: {1}{2}"),
    (
        "invariant-failed",
        "the invariant {0} could not be evaluated ({1}): {2}",
        "制約 {0} を評価できませんでした ({1}): {2}",
    ),
    (
        "binding-required",
        "the code {0} is not in the value set {1}, from which a code is required{2}{3}",
        "コード {0} は、必須のバリューセット {1} に含まれていません{2}{3}",
    ),
    (
        "binding-missing",
        "a code from the value set {0} is required, but there is only text or nothing{1}",
        "バリューセット {0} のコードが必要ですが、テキストのみか、何もありません{1}",
    ),
    (
        "binding-extensible",
        "the code {0} is not in the value set {1}; a code from it should be used unless none fits{2}{3}",
        "コード {0} はバリューセット {1} に含まれていません。適切なコードがある限りその中から選んでください{2}{3}",
    ),
    (
        "binding-max",
        "the code {0} is not in the value set {1}, which is the most that is allowed{2}{3}",
        "コード {0} は、許される上限のバリューセット {1} に含まれていません{2}{3}",
    ),
    (
        "binding-unknown",
        "whether the code {0} is in the value set {1} cannot be said here: {2}",
        "コード {0} がバリューセット {1} に含まれるか、ここでは確認できません: {2}",
    ),
    ("code-unknown", "the code {0} is not known in {1}{2}", "コード {0} はコード体系 {1} にありません{2}"),
    ("display", "the display of {0} is '{1}' but should be {2}", "{0} の表示名は「{1}」ですが、正しくは {2} です"),
    (
        "target-type",
        "a reference to {0} is not allowed here; allowed: {1}{2}",
        "{0} への参照はここでは使用できません。参照できるもの: {1}{2}",
    ),
    (
        "target-profile-unknown",
        "the resource {0} cannot be checked: the profile allowed here is not known: {1}{2}",
        "リソース {0} を検証できません。ここで許されるプロファイルが不明です: {1}{2}",
    ),
    (
        "target-profile",
        "the resource {0} does not conform to any of the profiles allowed here: {1}{2}",
        "リソース {0} は、ここで許されるどのプロファイルにも適合しません: {1}{2}",
    ),
    (
        "aggregation",
        "the reference {0} is {1}, but only {2} references are allowed{3}",
        "参照 {0} は {1} ですが、許されるのは {2} の参照のみです{3}",
    ),
    ("profile-unknown", "the profile {0} cannot be checked: {1}", "プロファイル {0} を確認できません: {1}"),
    (
        "profile-type",
        "the profile {0} is for {1}, but this is a {2}",
        "プロファイル {0} は {1} 用ですが、これは {2} です",
    ),
    (
        "profile-any",
        "this conforms to none of the profiles allowed here: {0}{1}",
        "ここで許されるどのプロファイルにも適合しません: {0}{1}",
    ),
    (
        "extension-unknown",
        "the extension {0} is not known here and was not checked",
        "拡張 {0} の定義が見つからないため、確認していません",
    ),
    (
        "extension-unknown-core",
        "the extension {0} is in HL7's name space but HL7 R4 does not define it",
        "拡張 {0} は HL7 の名前空間にありますが、R4 では定義されていません",
    ),
    (
        "modifier-unknown",
        "the modifier extension {0} is not known here: what it modifies cannot be understood safely",
        "修飾拡張 {0} の定義が見つかりません。内容を安全に解釈できません",
    ),
    (
        "extension-version",
        "the extension {0} stands for the element {2} of FHIR {1}, but only those of {3} may be carried in extensions here",
        "拡張 {0} は FHIR {1} の要素 {2} を表しますが、ここで拡張として持てるのは {3} の要素だけです",
    ),
    (
        "extension-context",
        "the extension {0} may not be used here ({1}); it may be used on: {2}",
        "拡張 {0} はここ ({1}) では使用できません。使用できる場所: {2}",
    ),
    (
        "extension-context-invariant",
        "the extension {0} may not be used here: of the element that has it, {1} must be true",
        "拡張 {0} はここでは使用できません。拡張を持つ要素について {1} が真である必要があります",
    ),
    (
        "extension-modifier",
        "the extension {0} is a modifier and belongs in modifierExtension",
        "拡張 {0} は修飾拡張なので modifierExtension に置く必要があります",
    ),
    (
        "extension-not-modifier",
        "the extension {0} is not a modifier and belongs in extension",
        "拡張 {0} は修飾拡張ではないので extension に置く必要があります",
    ),
    (
        "extension-relative",
        "the extension URL {0} must be absolute here",
        "拡張の URL {0} は、ここでは絶対 URL である必要があります",
    ),
    (
        "contained-unnamed",
        "nothing refers to the contained resource #{0}, and it does not refer to what contains it (dom-3)",
        "contained リソース #{0} はどこからも参照されておらず、含むリソースも参照していません (dom-3)",
    ),
    ("value-missing", "there must be a value, not only extensions{0}", "拡張だけでなく値が必要です{0}"),
    (
        "value-alternative",
        "without a value there must be one of the extensions {0}{1}",
        "値がない場合は、次のいずれかの拡張が必要です: {0}{1}",
    ),
    ("all-ok", "no problems were found", "問題は見つかりませんでした"),
    ("place-type", "this is a {0}, but a {1} belongs at this URL", "これは {0} ですが、この URL には {1} が必要です"),
    ("place-id", "the id is {0}, but the URL says {1}", "id は {0} ですが、URL では {1} です"),
    (
        "update-id",
        "an update needs the resource to have the id of the URL",
        "update にはリソースの id (URL と同じもの) が必要です",
    ),
    (
        "delete-absent",
        "{0} is not here: deleting it would change nothing",
        "{0} はここにありません。削除しても何も変わりません",
    ),
    ("definition-unusable", "this definition cannot be used: {0}", "この定義は使用できません: {0}"),
    (
        "discriminator",
        "the discriminator path {0} leads to no element of {1}",
        "discriminator のパス {0} に該当する要素が {1} にありません",
    ),
    (
        "type-profile",
        "the profile {0} is about {1}, but the type here is {2}",
        "プロファイル {0} は {1} 用ですが、ここの型は {2} です",
    ),
    (
        "logical-type",
        "the type of a logical model must be an absolute URL, found {0}",
        "論理モデルの type は絶対 URL である必要があります: {0}",
    ),
    ("path-root", "the path {0} must begin with the type {1}", "パス {0} は型 {1} で始まる必要があります"),
    ("derived-type", "the type {0} must be {1}, as in {2}", "type {0} は {2} と同じ {1} である必要があります"),
    (
        "derived-base",
        "{0} is not among the types of {1}, from which this is derived",
        "{0} は、派生元 {1} の対象の型に含まれていません",
    ),
    ("narrative-language", "the narrative must have {0}{1}", "narrative には {0} が必要です{1}"),
    (
        "reference-type",
        "the type is {0}, but the reference {1} leads to a resource of type {2}",
        "type は {0} ですが、参照 {1} の示すリソースは {2} です",
    ),
    (
        "contained-missing",
        "the reference {0} names a contained resource that is not there",
        "参照 {0} が示す contained リソースがありません",
    ),
    ("must-support", "{0} must be supported but is not present{1}", "{0} は mustSupport ですが、存在しません{1}"),
    (
        "too-costly",
        "validation was stopped: checking this takes too many steps",
        "検証を中止しました: 確認に必要な手順が多すぎます",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_has_the_same_parameters_in_both_languages() {
        for (id, english, japanese) in TEXTS.iter().chain(crate::validation::rules::texts::TEXTS) {
            for number in 0..9 {
                let place = format!("{{{number}}}");
                assert_eq!(english.contains(&place), japanese.contains(&place), "{id} {place}");
            }
        }
    }

    #[test]
    fn the_language_is_the_one_preferred() {
        assert_eq!(Language::accepted("ja,en;q=0.8"), Language::Japanese);
        assert_eq!(Language::accepted("en-US,en;q=0.9,ja;q=0.3"), Language::English);
        assert_eq!(Language::accepted("ja-JP"), Language::Japanese);
        assert_eq!(Language::accepted(""), Language::English);
    }
}
