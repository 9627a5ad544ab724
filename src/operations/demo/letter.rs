//! The discharge summary of `conformance/samples/`, as if it had been written a few days ago about a citizen of the
//! town: its days are moved, also where a text names them, and its numbers are others, so that the sample itself can
//! be sent to the same server as a document of its own.

use crate::fls::Day;
use crate::format::json::{self, Node};

const LETTER: &str = include_str!("../../../conformance/samples/discharge-hip-fracture.json");
/// The day of the discharge in it.
const DISCHARGE: (i32, u8, u8) = (2025, 7, 14);
/// Days before today when it was.
const AGO: i32 = 10;
/// First and last day in hospital, and the day of the next injection, from today.
pub(super) const STAY: (i32, i32) = (-52, -AGO);
pub(super) const NEXT_DOSE: i32 = 165;
/// Years of what happened; those before are dates of birth.
const YEARS: std::ops::RangeInclusive<i32> = 2024..=2027;

/// The document.
pub(super) fn letter(today: Day) -> Option<Node<'static>> {
    let (year, month, day) = DISCHARGE;
    let days = today.plus(-AGO).since(Day::of(year, month, day));
    let text = LETTER.replace("0000123", "9000000").replace("見本:１２３", "見本:９００");
    json::parse(moved(&text, days).as_bytes()).ok().map(Node::into_owned)
}

/// A text with all its days moved: `"2025-07-14`, 2025年7月14日, 7月14日, 2026年1月上旬.
fn moved(text: &str, days: i32) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = ' ';
    while let Some(letter) = rest.chars().next() {
        let found =
            if before.is_ascii_digit() { None } else { dashed(rest, before, days).or_else(|| spoken(rest, days)) };
        let (written, length) = found.unwrap_or_else(|| (letter.to_string(), letter.len_utf8()));
        out.push_str(&written);
        let (taken, after) = rest.split_at(length);
        before = taken.chars().last().unwrap_or(' ');
        rest = after;
    }
    out
}

/// `2025-07-14` where a string begins; of `2025-07` the middle is moved.
fn dashed(rest: &str, before: char, days: i32) -> Option<(String, usize)> {
    let length = if rest.get(7..8) == Some("\"") { 7 } else { 10 };
    let date = rest.get(..length).filter(|date| before == '"' && date.is_ascii())?;
    let day = Day::parse(date).filter(|day| YEARS.contains(&day.civil().0))?;
    let day = if length == 7 { day.plus(14) } else { day };
    Some((day.plus(days).to_string().chars().take(length).collect(), length))
}

/// Digits and the word behind them.
fn counted(rest: &str, word: char) -> Option<(i32, &str)> {
    let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
    let number = rest.get(..end)?.parse().ok()?;
    Some((number, rest.get(end..)?.strip_prefix(word)?))
}

fn spoken(rest: &str, days: i32) -> Option<(String, usize)> {
    let (year, after_year) = counted(rest, '年').map_or((None, rest), |(year, rest)| (Some(year), rest));
    let (month, after_month) = counted(after_year, '月')?;
    let of = |day: i32| Some(Day::of(year.unwrap_or(DISCHARGE.0), u8::try_from(month).ok()?, u8::try_from(day).ok()?));
    let words = |day: Day| {
        let (new_year, month, day) = day.civil();
        (year.map_or_else(String::new, |_| format!("{new_year}年")), month, day)
    };
    if let Some((day, after)) = counted(after_month, '日') {
        let (year, month, day) = words(of(day)?.plus(days));
        return Some((format!("{year}{month}月{day}日"), rest.len() - after.len()));
    }
    const THIRDS: [(&str, i32); 3] = [("上旬", 5), ("中旬", 15), ("下旬", 25)];
    let (after, middle) = THIRDS.iter().find_map(|(word, day)| Some((after_month.strip_prefix(word)?, *day)))?;
    let (year, month, day) = words(of(middle)?.plus(days));
    let word = THIRDS.get(usize::from((day - 1) / 10).min(2)).map_or("", |third| third.0);
    Some((format!("{year}{month}月{word}"), rest.len() - after.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_moved_in_dates_and_in_words() {
        for (text, expected) in [
            (r#""2025-07-14""#, r#""2025-07-24""#),
            (r#""2025-12-25T10:00:00+09:00""#, r#""2026-01-04T10:00:00+09:00""#),
            (r#""2025-06""#, r#""2025-06""#),
            (r#""1943-03-03""#, r#""1943-03-03""#),
            (r#""A-2025-07-14""#, r#""A-2025-07-14""#),
            ("2025年6月30日、右", "2025年7月10日、右"),
            ("7月7日に", "7月17日に"),
            ("2026年1月上旬。", "2026年1月中旬。"),
            ("2025年12月下旬", "2026年1月上旬"),
            ("1日3回、6か月後、2025年、第7月曜", "1日3回、6か月後、2025年、第7月曜"),
        ] {
            assert_eq!(moved(text, 10), expected);
        }
        assert_eq!(moved(r#""2025-06""#, 20), r#""2025-07""#);
    }

    #[test]
    fn the_letter_is_of_ten_days_ago() {
        let today = Day::of(2028, 3, 5);
        let letter = letter(today).unwrap();
        let text = String::from_utf8(letter.to_bytes()).unwrap();
        assert!(
            text.contains("2028-02-24") && text.contains("2028年2月24日") && !text.contains("\"2025-"),
            "{text:.400}"
        );
        assert!(text.contains(&today.plus(STAY.0).to_string()), "the day of the admission");
        assert!(text.contains(&today.plus(NEXT_DOSE).to_string()), "the first day of the next injection");
        assert!(text.contains("9000000") && !text.contains("0000123"));
    }
}
