//! Words of a resource for `_text` and `_content` (FHIR R4 search.html#text, #content).
//!
//! Japanese has no spaces, and its words are often two characters long: a run of Japanese letters
//! gives every pair of neighbours (山田太郎: 山田, 田太, 太郎) and its last letter alone. Tokens keep
//! their order, so a run of pairs is found only where the letters stand together, and one letter is
//! the start of some token. Other letters and digits are words as they are; a search for one finds
//! words that begin with it. All text is folded as for string parameters.
//!
//! Narrative and the rest are kept apart. At most 8,000 tokens of each are kept, which
//! also is what PostgreSQL can keep in order; attachments, URLs and times are left out.

use crate::format::json::Node;

use super::fold::{fold, is_japanese};

/// Most tokens of the narrative, and of the rest, of one resource.
const MOST_TOKENS: usize = 8_000;
/// Longest word in letters; of longer ones the start counts.
const LONGEST_WORD: usize = 64;
/// A text without any space that is longer than this is data, not text.
const LONGEST_UNBROKEN: usize = 400;

/// What is kept for `_text` and `_content`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FullText {
    /// Nothing.
    Off,
    /// The narrative, for `_text`.
    #[default]
    Narrative,
    /// The narrative and all other text, for `_text` and `_content`.
    All,
}

impl FullText {
    /// As the setting says it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Narrative => "narrative",
            Self::All => "all",
        }
    }
}

/// The tokens of one resource, separated by spaces, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextRow {
    /// Of `text.div`.
    pub narrative: String,
    /// Of everything else.
    pub content: String,
}

/// Tokens that must follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    /// At least one; letters and digits only.
    pub tokens: Vec<String>,
    /// Whether the last one may go on.
    pub is_open: bool,
}

impl Phrase {
    /// A word, or with `is_exact` a quoted phrase, whose last word must end there. `None` when there
    /// is nothing in it to look for.
    #[must_use]
    pub fn of(text: &str, is_exact: bool) -> Option<Self> {
        let folded = fold(text);
        let runs: Vec<&str> = runs(&folded).collect();
        let (last, others) = runs.split_last()?;
        let mut tokens = Vec::new();
        for run in others {
            each_token(run, true, &mut |token| tokens.push(token.to_owned()));
        }
        each_token(last, false, &mut |token| tokens.push(token.to_owned()));
        let is_letter = last.chars().nth(1).is_none();
        let is_open = if last.chars().next().is_some_and(is_japanese) { is_letter } else { !is_exact };
        Some(Self { tokens, is_open })
    }
}

/// The tokens of a resource; `None` when there are none.
#[must_use]
pub fn text_row(resource: &Node<'_>, full_text: FullText) -> Option<Box<TextRow>> {
    let mut narrative = Tokens::default();
    let mut content = Tokens::default();
    if full_text != FullText::Off
        && let Some(div) = resource.path(&["text", "div"]).and_then(Node::as_str)
    {
        narrative.html(div);
    }
    if full_text == FullText::All {
        for (name, value) in resource.members() {
            if name != "text" {
                content.node(name, value);
            }
        }
    }
    let row = TextRow { narrative: narrative.text, content: content.text };
    (row != TextRow::default()).then(|| Box::new(row))
}

/// Runs of letters and digits of one kind.
fn runs(folded: &str) -> impl Iterator<Item = &str> {
    let mut rest = folded;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|letter: char| !letter.is_alphanumeric());
        let kind = is_japanese(rest.chars().next()?);
        let goes_on = |letter: char| letter.is_alphanumeric() && is_japanese(letter) == kind;
        let end = rest.find(|letter| !goes_on(letter)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        Some(run)
    })
}

/// The tokens of a run. `is_whole` ends a Japanese one with its last letter.
fn each_token(run: &str, is_whole: bool, take: &mut dyn FnMut(&str)) {
    if !run.chars().next().is_some_and(is_japanese) {
        let end = run.char_indices().nth(LONGEST_WORD).map_or(run.len(), |(place, _)| place);
        return take(run.get(..end).unwrap_or_default());
    }
    let places: Vec<usize> = run.char_indices().map(|(place, _)| place).chain([run.len()]).collect();
    for pair in places.windows(3) {
        if let [start, _, end] = pair {
            take(run.get(*start..*end).unwrap_or_default());
        }
    }
    if let (true, [.., last, end]) | (false, [last, end]) = (is_whole, places.as_slice()) {
        take(run.get(*last..*end).unwrap_or_default());
    }
}

#[derive(Default)]
struct Tokens {
    text: String,
    count: usize,
}

impl Tokens {
    fn string(&mut self, text: &str) {
        if self.count >= MOST_TOKENS {
            return;
        }
        let folded = fold(text);
        for run in runs(&folded) {
            each_token(run, true, &mut |token| {
                if self.count < MOST_TOKENS {
                    self.count += 1;
                    if !self.text.is_empty() {
                        self.text.push(' ');
                    }
                    self.text.push_str(token);
                }
            });
        }
    }

    /// Text between tags; only tags that do not break a line stay inside words.
    fn html(&mut self, div: &str) {
        let mut piece = String::new();
        let mut rest = div;
        while let Some(start) = rest.find('<') {
            let (before, tag) = rest.split_at(start);
            push_unescaped(before, &mut piece);
            let (tag, after) = match tag.strip_prefix("<!--").map(|comment| comment.split_once("-->")) {
                Some(comment) => ("", comment.map_or("", |(_, after)| after)),
                None => tag.split_once('>').unwrap_or((tag, "")),
            };
            let name = tag.trim_start_matches(['<', '/']).split(|letter: char| !letter.is_ascii_alphanumeric());
            let is_inline = matches!(
                name.into_iter().next().unwrap_or_default(),
                "" | "a" | "b" | "big" | "em" | "i" | "small" | "span" | "strong" | "sub" | "sup" | "tt"
            );
            if !is_inline {
                self.string(&piece);
                piece.clear();
            }
            rest = after;
        }
        push_unescaped(rest, &mut piece);
        self.string(&piece);
    }

    fn node(&mut self, name: &str, node: &Node<'_>) {
        match node {
            // Sections and contained resources have narratives of their own.
            Node::String(text) if name == "div" => self.html(text),
            Node::String(text) if is_text(name, text) => self.string(text),
            Node::Array(items) => items.iter().for_each(|item| self.node(name, item)),
            Node::Object(members) => members.iter().for_each(|(name, value)| self.node(name, value)),
            _ => {}
        }
    }
}

fn push_unescaped(text: &str, out: &mut String) {
    match quick_xml::escape::unescape(text) {
        Ok(text) => out.push_str(&text),
        Err(_) => out.push_str(text),
    }
}

/// Whether the value of a member is something to read.
fn is_text(name: &str, text: &str) -> bool {
    let is_technical = matches!(
        name,
        "resourceType"
            | "id"
            | "url"
            | "system"
            | "reference"
            | "profile"
            | "data"
            | "hash"
            | "contentType"
            | "versionId"
    ) || name.ends_with("Canonical")
        || name.ends_with("Uri")
        || name.ends_with("Url");
    let is_time = text.len() >= 10
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"-:.+TZ".contains(&byte))
        && text.match_indices('-').take(2).map(|(place, _)| place).eq([4, 7]);
    let is_data = text.len() > LONGEST_UNBROKEN && text.is_ascii() && !text.bytes().any(|byte| byte == b' ');
    !is_technical && !is_data && !is_time
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::json::parse;

    fn tokens(text: &str) -> String {
        let mut tokens = Tokens::default();
        tokens.string(text);
        tokens.text
    }

    fn phrase(text: &str, is_exact: bool) -> String {
        let Some(Phrase { tokens, is_open }) = Phrase::of(text, is_exact) else { return "nothing".to_owned() };
        format!("{}{}", tokens.join(" "), if is_open { "*" } else { "" })
    }

    #[test]
    fn japanese_is_pairs_and_other_words_are_whole() {
        assert_eq!(tokens("山田太郎"), "山田 田太 太郎 郎");
        assert_eq!(tokens("右膝のCT検査、2回"), "右膝 膝ノ ノ ct 検査 査 2 回");
        assert_eq!(tokens("Hip fracture (left)"), "hip fracture left");
        assert_eq!(tokens("  、。"), "");
    }

    #[test]
    fn phrases_stand_where_letters_stand_together() {
        assert_eq!(phrase("太郎", false), "太郎");
        assert_eq!(phrase("膝", false), "膝*");
        assert_eq!(phrase("山田太郎", true), "山田 田太 太郎");
        assert_eq!(phrase("frac", false), "frac*");
        assert_eq!(phrase("hip fracture", true), "hip fracture");
        assert_eq!(phrase("右膝 CT検査", true), "右膝 膝 ct 検査");
        assert_eq!(phrase("C7-T1", false), "c7 t1*");
        assert_eq!(phrase("・、", false), "nothing");
    }

    #[test]
    fn narratives_are_read_without_tags() {
        let resource = r#"{"resourceType":"Patient","id":"x","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><!-- 山 --><p>高<b>血</b>圧 &amp; pain</p><td>右</td><td>膝</td></div>"},"name":[{"family":"山田"}],"birthDate":"1941-02-03","photo":[{"contentType":"image/png","data":"QUJD","title":"顔"}],"link":[{"other":{"reference":"Patient/y"}}]}"#;
        let node = parse(resource.as_bytes()).unwrap();
        let row = text_row(&node, FullText::All).unwrap();
        assert_eq!(row.narrative, "高血 血圧 圧 pain 右 膝");
        assert_eq!(row.content, "山田 田 顔");
        assert_eq!(text_row(&node, FullText::Narrative).unwrap().content, "");
        assert_eq!(text_row(&node, FullText::Off), None);
    }

    proptest! {
        /// What is indexed is found: a part of a text is a phrase of it.
        #[test]
        fn parts_are_found(before in "[一-龠ぁ-んa-z ]{0,6}", part in "[一-龠ァ-ンーa-z0-9]{1,6}", after in "[一-龠]{0,4}") {
            // A part that begins inside a word of Latin letters is not looked for.
            let text = format!("{before} {part}{after}");
            let all = format!(" {} ", tokens(&text));
            if let Some(Phrase { tokens, is_open }) = Phrase::of(&part, false) {
                let wanted = format!(" {}{}", tokens.join(" "), if is_open { "" } else { " " });
                // Folding joins Japanese letters over a space.
                prop_assume!(!before.chars().last().is_some_and(is_japanese) || !part.starts_with('ー'));
                prop_assert!(all.contains(&wanted), "{text}: {all:?} without {wanted:?}");
            }
        }
    }
}
