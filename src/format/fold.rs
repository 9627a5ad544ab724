//! Folding of text for string search (FHIR R4 search.html#string: without case and accents), made
//! for Japanese names. Only the index is folded; stored text never is.
//!
//! | folded | example |
//! |---|---|
//! | width and compatibility forms (NFKC) | `ﾔﾏﾀﾞ` = `ヤマダ`, `ＡＢＣ` = `abc` |
//! | case and accents | `É` = `e` |
//! | hiragana and katakana | `やまだ` = `ヤマダ` |
//! | voicing marks | `ガ` = `カ`: lists from old systems drop them |
//! | variant forms in names | `髙` = `高`, `﨑` = `崎`, `齋` = `斉` |
//! | spaces | none beside Japanese letters (`山田　太郎` = `山田太郎`), else one |
//! | selectors of ideographic variants | dropped |
//!
//! Kept: the prolonged sound mark and small kana (`ジョン` is not `シヨン`), punctuation other than
//! the middle dot, which separates words like a space.

use unicode_normalization::UnicodeNormalization;

/// Longest indexed text in bytes: longer keys do not fit a PostgreSQL B-tree page.
pub const MAX_INDEXED: usize = 1024;

/// Variant and old forms that occur in names, with the common form.
const VARIANTS: [(char, char); 48] = [
    ('髙', '高'),
    ('﨑', '崎'),
    ('嵜', '崎'),
    ('邊', '辺'),
    ('邉', '辺'),
    ('齋', '斉'),
    ('齊', '斉'),
    ('斎', '斉'),
    ('澤', '沢'),
    ('濱', '浜'),
    ('濵', '浜'),
    ('廣', '広'),
    ('國', '国'),
    ('圓', '円'),
    ('櫻', '桜'),
    ('惠', '恵'),
    ('眞', '真'),
    ('德', '徳'),
    ('榮', '栄'),
    ('龍', '竜'),
    ('瀧', '滝'),
    ('嶋', '島'),
    ('嶌', '島'),
    ('𠮷', '吉'),
    ('桒', '桑'),
    ('舘', '館'),
    ('曾', '曽'),
    ('檜', '桧'),
    ('淵', '渕'),
    ('黑', '黒'),
    ('靜', '静'),
    ('實', '実'),
    ('壽', '寿'),
    ('條', '条'),
    ('萬', '万'),
    ('淺', '浅'),
    ('關', '関'),
    ('鐵', '鉄'),
    ('禮', '礼'),
    ('應', '応'),
    ('學', '学'),
    ('會', '会'),
    ('與', '与'),
    ('冨', '富'),
    ('峯', '峰'),
    ('槇', '槙'),
    ('藪', '薮'),
    ('彌', '弥'),
];

/// Folds text. Folding twice changes nothing.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return fold_ascii(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut gap = false;
    // Stand-alone voicing marks would decompose into a space and a mark.
    let source = text.chars().filter(|letter| !matches!(letter, '\u{309b}' | '\u{309c}'));
    for letter in source.nfkd().flat_map(char::to_lowercase).nfkd().filter_map(plain).flat_map(spelled) {
        if letter.is_whitespace() || letter == '・' {
            gap = true;
            continue;
        }
        if gap && out.chars().next_back().is_some_and(|last| !is_japanese(last)) && !is_japanese(letter) {
            out.push(' ');
        }
        gap = false;
        out.push(letter);
    }
    out
}

fn fold_ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut gap = false;
    for byte in text.bytes() {
        let letter = char::from(byte);
        if letter.is_whitespace() {
            gap = true;
            continue;
        }
        if gap && !out.is_empty() {
            out.push(' ');
        }
        gap = false;
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// One letter without mark, variant and kind of kana; `None` for marks themselves.
fn plain(letter: char) -> Option<char> {
    match letter {
        '\u{300}'..='\u{36f}' | '\u{3099}' | '\u{309a}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => None,
        'ぁ'..='ゖ' | 'ゝ' | 'ゞ' => char::from_u32(u32::from(letter) + 0x60),
        'ς' => Some('σ'),
        '\u{0}'..='\u{2fff}' => Some(letter),
        _ => Some(VARIANTS.iter().find(|(variant, _)| *variant == letter).map_or(letter, |(_, common)| *common)),
    }
}

/// Letters written with two.
fn spelled(letter: char) -> impl Iterator<Item = char> {
    let (first, second) = match letter {
        'ß' => ('s', Some('s')),
        'æ' => ('a', Some('e')),
        'œ' => ('o', Some('e')),
        'ø' => ('o', None),
        other => (other, None),
    };
    std::iter::once(first).chain(second)
}

/// Kana, ideographs and the marks among them.
#[must_use]
pub fn is_japanese(letter: char) -> bool {
    matches!(letter, '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Folded text as it is indexed: at most [`MAX_INDEXED`] bytes. A search value goes through the
/// same function, so that long texts are still found from their start.
#[must_use]
pub fn index_form(text: &str) -> String {
    // Folding shortens or keeps most text; reading four times the limit is enough.
    let mut folded = fold(clip(text, MAX_INDEXED * 4));
    folded.truncate(clip(&folded, MAX_INDEXED).len());
    folded
}

/// A code or URI as it is indexed: long ones keep their start and a hash of the whole.
#[must_use]
pub fn key_form(text: &str) -> String {
    if text.len() <= MAX_INDEXED {
        return text.to_owned();
    }
    format!("{}#{:016x}", clip(text, MAX_INDEXED - 17), exact_hash(text))
}

/// The start of `text`, at most `length` bytes, cut between letters.
fn clip(text: &str, length: usize) -> &str {
    if text.len() <= length {
        return text;
    }
    let end = (0..=length).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// A hash of text as written, the same in every process and version (64-bit FNV-1a). It only
/// narrows an exact search that compares the folded text as well.
#[must_use]
pub fn exact_hash(text: &str) -> i64 {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    i64::from_ne_bytes(hash.to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// FHIR R4 search.html#string: "insensitive to case, accents".
    #[test]
    fn case_accents_and_width_do_not_matter() {
        assert_eq!(fold("  Éve\t O'Brien "), "eve o'brien");
        assert_eq!(fold("ＡＢＣ　Ｄ"), "abc d");
        assert_eq!(fold("Straße"), "strasse");
    }

    #[test]
    fn kana_fold_to_one_form() {
        for written in ["やまだ", "ヤマダ", "ﾔﾏﾀﾞ", "ヤマタ", "や ま　だ"] {
            assert_eq!(fold(written), "ヤマタ", "{written}");
        }
        assert_eq!(fold("ジョン・スミス"), "ションスミス");
        assert_eq!(fold("コーヒー"), fold("ｺｰﾋｰ"));
    }

    #[test]
    fn variants_of_ideographs_in_names_fold() {
        assert_eq!(fold("髙橋　﨑子"), "高橋崎子");
        assert_eq!(fold("齋藤"), fold("斎藤"));
        assert_eq!(fold("葛\u{e0100}西"), "葛西");
        assert_eq!(fold("山田 Taro Jr"), "山田taro jr");
    }

    #[test]
    fn hashes_are_stable_over_versions() {
        assert_eq!(exact_hash(""), -3_750_763_034_362_895_579);
        assert_eq!(exact_hash("a"), -5_808_556_873_153_909_620);
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in "\\PC{0,24}", kana in "[ぁ-ヿｦ-ﾟ 　a-zÀ-ÿ一-三]{0,12}") {
            for text in [text, kana] {
                let once = fold(&text);
                prop_assert_eq!(fold(&once), once);
            }
        }

        #[test]
        fn index_forms_fit(text in "[ａ-ｚﷺa]{0,2000}") {
            prop_assert!(index_form(&text).len() <= MAX_INDEXED && key_form(&text).len() <= MAX_INDEXED);
        }
    }
}
