//! Where a value is in a JSON text that has been parsed: line and column on demand, so that reading
//! resources pays nothing for it. Walks the text by member names and indexes; what lies beside the way
//! is passed over without being understood.

/// A place in the text: that of a value, and of its name where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// Offset of the member's name, or of the value itself.
    pub start: usize,
    /// Offset of the value.
    pub value: usize,
}

/// The whole value of a text.
#[must_use]
pub fn whole(text: &[u8]) -> Spot {
    let begin = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let value = skip_space(text, begin);
    Spot { start: value, value }
}

/// The first member of an object with one of these names; answers which.
#[must_use]
pub fn member(text: &[u8], object: Spot, names: &[&str]) -> Option<(Spot, usize)> {
    let mut place = open(text, object.value, b'{')?;
    loop {
        let start = skip_space(text, place);
        if text.get(start) != Some(&b'"') {
            return None;
        }
        let end = skip_string(text, start)?;
        let colon = skip_space(text, end);
        if text.get(colon) != Some(&b':') {
            return None;
        }
        let value = skip_space(text, colon + 1);
        let name = text.get(start + 1..end - 1)?;
        if let Some(which) = names.iter().position(|wanted| wanted.as_bytes() == name) {
            return Some((Spot { start, value }, which));
        }
        place = next(text, skip_value(text, value)?)?;
    }
}

/// An item of an array.
#[must_use]
pub fn item(text: &[u8], array: Spot, index: usize) -> Option<Spot> {
    let mut place = open(text, array.value, b'[')?;
    for _ in 0..index {
        place = next(text, skip_value(text, skip_space(text, place))?)?;
    }
    let value = skip_space(text, place);
    (text.get(value) != Some(&b']')).then_some(Spot { start: value, value })
}

/// All items of an array.
#[must_use]
pub fn items(text: &[u8], array: Spot) -> Vec<Spot> {
    let mut items = Vec::new();
    let mut place = open(text, array.value, b'[');
    while let Some(before) = place {
        let value = skip_space(text, before);
        if text.get(value).is_none_or(|byte| *byte == b']') {
            break;
        }
        items.push(Spot { start: value, value });
        place = skip_value(text, value).and_then(|end| next(text, end));
    }
    items
}

/// Behind the opening bracket.
fn open(text: &[u8], place: usize, bracket: u8) -> Option<usize> {
    (text.get(place) == Some(&bracket)).then_some(place + 1)
}

/// Behind the comma that follows a value.
fn next(text: &[u8], place: usize) -> Option<usize> {
    let comma = skip_space(text, place);
    (text.get(comma) == Some(&b',')).then_some(comma + 1)
}

fn skip_space(text: &[u8], mut place: usize) -> usize {
    while text.get(place).is_some_and(u8::is_ascii_whitespace) {
        place += 1;
    }
    place
}

/// Behind a string that begins at `place`.
fn skip_string(text: &[u8], place: usize) -> Option<usize> {
    let mut place = place + 1;
    loop {
        match text.get(place)? {
            b'\\' => place += 2,
            b'"' => return Some(place + 1),
            _ => place += 1,
        }
    }
}

fn skip_value(text: &[u8], mut place: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match text.get(place)? {
            b'"' => place = skip_string(text, place)?,
            b'{' | b'[' => {
                depth += 1;
                place += 1;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                place += 1;
            }
            b',' | b':' if depth > 0 => place += 1,
            byte if byte.is_ascii_whitespace() => place += 1,
            _ => {
                while text
                    .get(place)
                    .is_some_and(|byte| !matches!(byte, b',' | b'}' | b']' | b'"') && !byte.is_ascii_whitespace())
                {
                    place += 1;
                }
            }
        }
        if depth == 0 {
            return Some(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json::place;

    #[test]
    fn values_are_found_by_names_and_indexes() {
        let text = b"{\"a\": {\"x\":\"}\\\"{\"},\n \"b\": [1, {\"c\": [true, null]},\n  \"d\"]}";
        let (list, which) = member(text, whole(text), &["z", "b"]).unwrap();
        assert_eq!((place(text, list.start), which), ((2, 2), 1));
        let second = item(text, list, 1).unwrap();
        let (inner, _) = member(text, second, &["c"]).unwrap();
        assert_eq!(&text[item(text, inner, 1).unwrap().value..][..4], b"null");
        assert_eq!(place(text, item(text, list, 2).unwrap().start), (3, 3));
        assert_eq!(items(text, list).len(), 3);
        assert!(item(text, list, 3).is_none() && member(text, second, &["d"]).is_none());
        assert!(member(b"{}", whole(b"{}"), &["a"]).is_none() && item(b"[]", whole(b"[]"), 0).is_none());
    }
}
