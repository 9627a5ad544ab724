//! Dates as people and municipal systems write them: Japanese eras, slashes, eight digits, seven digits with the
//! number of the era.
//!
//! `令和5年8月1日`, `令和元年5月1日`, `R5.8.1`, `R05/08/01`, `5050801` (era 5), `2023/8/1`, `2023-08-01`, `20230801`; full
//! width or half width.

use unicode_normalization::UnicodeNormalization;

use super::Day;
use crate::r4::datetime::Moment;

/// Name, letter, number of municipal systems, first day, and the first day of the next era.
const ERAS: [(&str, char, i32, &str, &str); 5] = [
    ("明治", 'M', 1, "1868-01-25", "1912-07-30"),
    ("大正", 'T', 2, "1912-07-30", "1926-12-25"),
    ("昭和", 'S', 3, "1926-12-25", "1989-01-08"),
    ("平成", 'H', 4, "1989-01-08", "2019-05-01"),
    ("令和", 'R', 5, "2019-05-01", ""),
];

/// The day of a date.
///
/// # Errors
/// Why it is none, for the person who wrote it.
pub fn parse(text: &str) -> Result<Day, String> {
    let plain: String = text.nfkc().filter(|letter| !letter.is_whitespace()).collect();
    let unreadable = || format!("{text:.40?} is no date; write 令和5年8月1日, R5.8.1, 2023-08-01 or 20230801");
    if let Some((era, rest)) = era(&plain) {
        let rest = rest.replace("元年", "1年");
        let rest = rest.strip_prefix('元').map_or_else(|| rest.clone(), |after| format!("1{after}"));
        let numbers = numbers(&rest).ok_or_else(unreadable)?;
        return in_era(era, numbers, text);
    }
    if plain.chars().all(|letter| letter.is_ascii_digit()) {
        let part = |from: usize, to: usize| plain.get(from..to).and_then(|digits| digits.parse::<i32>().ok());
        return match plain.len() {
            8 => day(part(0, 4), part(4, 6), part(6, 8)).ok_or_else(unreadable),
            7 => {
                let era =
                    part(0, 1).and_then(|number| ERAS.iter().position(|era| era.2 == number)).ok_or_else(unreadable)?;
                let all = (part(1, 3), part(3, 5), part(5, 7));
                let (Some(year), Some(month), Some(of_month)) = all else { return Err(unreadable()) };
                in_era(era, [year, month, of_month], text)
            }
            _ => Err(unreadable()),
        };
    }
    let [year, month, of_month] = numbers(&plain).ok_or_else(unreadable)?;
    if year < 1000 {
        return Err(format!("{text:.40?} has no era and no full year; write 令和5年8月1日 or 2023-08-01"));
    }
    day(Some(year), Some(month), Some(of_month)).ok_or_else(unreadable)
}

fn era(text: &str) -> Option<(usize, &str)> {
    ERAS.iter().enumerate().find_map(|(place, (name, letter, ..))| {
        let rest = text
            .strip_prefix(name)
            .or_else(|| text.strip_prefix(*letter).or_else(|| text.strip_prefix(letter.to_ascii_lowercase())));
        rest.map(|rest| (place, rest))
    })
}

fn numbers(text: &str) -> Option<[i32; 3]> {
    let text = text.trim_end_matches('日');
    let parts: Vec<&str> = text.split(['年', '月', '/', '.', '-']).collect();
    let [year, month, day] = parts.as_slice() else { return None };
    let read = |part: &str| {
        part.parse::<i32>().ok().filter(|_| part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    Some([read(year)?, read(month)?, read(day)?])
}

fn day(year: Option<i32>, month: Option<i32>, day: Option<i32>) -> Option<Day> {
    let text = format!("{:04}-{:02}-{:02}", year?, month?, day?);
    Moment::parse(&text)?;
    Day::parse(&text)
}

fn in_era(era: usize, [year, month, of_month]: [i32; 3], text: &str) -> Result<Day, String> {
    let Some((name, _, _, first, next)) = ERAS.get(era) else { return Err(format!("{text:.40?} has an unknown era")) };
    let first = Day::parse(first).unwrap_or(Day(0));
    let found = day(Some(first.civil().0 + year - 1), Some(month), Some(of_month)).filter(|_| year >= 1);
    let found = found.ok_or_else(|| format!("{text:.40?} is no day of the calendar"))?;
    if found < first || Day::parse(next).is_some_and(|next| found >= next) {
        return Err(format!("{text:.40?} is not in the era {name}, which began on {first}"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eras_are_read_in_all_their_forms() {
        for text in [
            "令和5年8月1日",
            "R5.8.1",
            "r05/08/01",
            "Ｒ５．８．１",
            "5050801",
            "2023/8/1",
            "2023-08-01",
            "20230801",
            "２０２３年８月１日",
            " 令和 5年 8月 1日 ",
        ] {
            assert_eq!(parse(text).map(|day| day.to_string()), Ok("2023-08-01".to_owned()), "{text}");
        }
        assert_eq!(parse("令和元年5月1日"), Ok(Day::of(2019, 5, 1)));
        assert_eq!(parse("平成31年4月30日"), Ok(Day::of(2019, 4, 30)));
        assert_eq!(parse("S64.1.7"), Ok(Day::of(1989, 1, 7)));
        assert_eq!(parse("昭和15年2月29日"), Ok(Day::of(1940, 2, 29)));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "令和",
            "令和元年4月30日",
            "平成31年5月1日",
            "R5.13.1",
            "R5.2.30",
            "5.8.1",
            "2023-8",
            "令和0年5月1日",
            "20231301",
            "9050801",
            "R5.8.1.2",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
