//! Pairs of a query, as forms and URLs write them.

/// `a=b&c=d` decoded (`application/x-www-form-urlencoded`).
#[must_use]
pub fn decode_pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = match (first, after) {
            (b'%', [high, low, ..]) => char::from(*high).to_digit(16).zip(char::from(*low).to_digit(16)),
            _ => None,
        };
        if let Some((high, low)) = hex {
            bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(if *first == b'+' { b' ' } else { *first });
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn criteria_are_percent_decoded() {
        assert_eq!(
            decode_pairs("identifier=http%3A%2F%2Fx%7C1&name=%E5%B1%B1+a&x"),
            [
                ("identifier".to_owned(), "http://x|1".to_owned()),
                ("name".to_owned(), "山 a".to_owned()),
                ("x".to_owned(), String::new())
            ]
        );
        assert_eq!(decode("100%"), "100%");
    }
}
