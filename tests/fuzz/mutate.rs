//! Makes inputs that are nearly right: seeds with parts taken away, doubled, exchanged, made huge or strange.
//!
//! Everything follows from a number, so that a case can be made again.

use renraku::format::json::Node;

/// SplitMix64 (Steele, Lea, Flood 2014): good enough to choose, and the same everywhere.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % (end.max(1) as u64)).unwrap()
    }

    pub(crate) fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Texts that break what is careless.
const STRANGE: &[&str] = &[
    "",
    " ",
    "\u{0}",
    "\u{feff}",
    "\u{202e}x",
    "あ",
    "𠮷",
    "e\u{301}",
    "#",
    "#x",
    "/",
    "//",
    "../..",
    "|",
    "http://x|",
    "http://x|1|2",
    "urn:uuid:",
    "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
    "urn:oid:2.16",
    "Patient/",
    "Patient/1/_history/",
    "0",
    "-0",
    "1e400",
    "99999999999999999999999999",
    "2024",
    "2024-02-30",
    "0000-00-00",
    "9999-12-31T24:60:60Z",
    "2024-02-29T23:59:60+14:00",
    "24:00",
    "text/html",
    "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>x</p></div>",
    "<div>",
    "<!DOCTYPE x [<!ENTITY a \"b\">]><div>&a;</div>",
    "&amp;&#0;",
    "true",
    "http://hl7.org/fhir/StructureDefinition/Patient",
    "http://hl7.org/fhir/ValueSet/languages",
    "mg",
    "m[H2O]",
    "10*-999999999",
    "kg/(((m",
    "bXk=",
    "=",
    "%resource",
];

/// Expressions in expressions.
const STRANGE_EXPRESSIONS: &[&str] = &[
    "repeat($this | $this)",
    "descendants().descendants()",
    "(1 | 2).repeat($this + 1)",
    "'a'.replaceMatches('(a*)*b', 'x')",
    "%resource.descendants().select(%resource.descendants())",
    "iif(true, $this)",
    "aggregate($total + $this, 0)",
    "@2024-02-30",
    "1 'mg' / 0 'g'",
    "2.power(100000)",
    "'x'.encode('base64').decode('hex')",
    "is(System.String)",
    "{}",
    "resolve().resolve()",
    "conformsTo('http://hl7.org/fhir/StructureDefinition/Patient')",
    "memberOf('http://hl7.org/fhir/ValueSet/languages')",
    "lowBoundary(99)",
    "`",
    "((((((((((",
    "not().not()",
];

/// Any part of any seed, members' names among them.
pub(crate) struct Pool {
    pub(crate) seeds: Vec<Node<'static>>,
    pub(crate) parts: Vec<Node<'static>>,
    pub(crate) names: Vec<String>,
    pub(crate) expressions: Vec<String>,
}

impl Pool {
    pub(crate) fn new(seeds: Vec<Node<'static>>) -> Self {
        let mut pool = Self { seeds: Vec::new(), parts: Vec::new(), names: Vec::new(), expressions: Vec::new() };
        for seed in &seeds {
            pool.gather(seed);
        }
        pool.names.sort();
        pool.names.dedup();
        pool.seeds = seeds;
        pool
    }

    fn gather(&mut self, node: &Node<'static>) {
        // Large parts would make every case slow and no case better.
        if node.to_bytes().len() < 2_000 {
            self.parts.push(node.clone());
        }
        for item in node.items() {
            self.gather(item);
        }
        for (name, value) in node.members() {
            self.names.push(name.to_string());
            if let (true, Some(text)) = (name == "expression", value.as_str()) {
                self.expressions.push(text.to_owned());
            }
            self.gather(value);
        }
    }

    fn part(&self, dice: &mut Dice) -> Node<'static> {
        match dice.below(4) {
            0 => strange(dice),
            _ => dice.one_of(&self.parts).clone(),
        }
    }

    /// A seed with some things done to it.
    pub(crate) fn resource(&self, dice: &mut Dice) -> Node<'static> {
        let mut node = dice.one_of(&self.seeds).clone();
        for _ in 0..=dice.below(6) {
            let steps = 1 + dice.below(7);
            self.change(&mut node, dice, steps);
        }
        node
    }

    /// Goes `steps` down and changes something there.
    fn change(&self, node: &mut Node<'static>, dice: &mut Dice, steps: usize) {
        match node {
            Node::Object(members) if !members.is_empty() => {
                let at = dice.below(members.len());
                if steps > 0 && matches!(members[at].1, Node::Object(_) | Node::Array(_)) {
                    return self.change(&mut members[at].1, dice, steps - 1);
                }
                match dice.below(9) {
                    0 => drop(members.remove(at)),
                    1 => members[at].0 = dice.one_of(&self.names).clone().into(),
                    2 => members.push((dice.one_of(&self.names).clone().into(), self.part(dice))),
                    3 => members[at].1 = Node::Array(vec![members[at].1.clone()]),
                    4 => {
                        let doubled = members[at].clone();
                        members.push(doubled);
                    }
                    5 => {
                        let name = format!("_{}", members[at].0);
                        members.push((name.into(), self.part(dice)));
                    }
                    _ => members[at].1 = self.part(dice),
                }
            }
            Node::Array(items) if !items.is_empty() => {
                let at = dice.below(items.len());
                if steps > 0 && matches!(items[at], Node::Object(_) | Node::Array(_)) {
                    return self.change(&mut items[at], dice, steps - 1);
                }
                match dice.below(6) {
                    0 => drop(items.remove(at)),
                    1 => items.push(self.part(dice)),
                    2 => {
                        let one = items[at].clone();
                        let times = if one.to_bytes().len() < 200 { 300 } else { 8 };
                        items.extend(std::iter::repeat_n(one, times));
                    }
                    3 => *node = items[at].clone(),
                    4 => items.reverse(),
                    _ => items[at] = self.part(dice),
                }
            }
            _ => *node = self.part(dice),
        }
    }

    /// An expression of the standard, cut, joined with others, or with strange things in it.
    pub(crate) fn expression(&self, dice: &mut Dice) -> String {
        let mut text = dice.one_of(&self.expressions).clone();
        for _ in 0..dice.below(4) {
            let other = match dice.below(3) {
                0 => (*dice.one_of(STRANGE_EXPRESSIONS)).to_owned(),
                1 => format!("'{}'", dice.one_of(STRANGE)),
                _ => dice.one_of(&self.expressions).clone(),
            };
            text = match dice.below(6) {
                0 => format!("{text}.{other}"),
                1 => format!(
                    "({text}){}({other})",
                    dice.one_of(&[" | ", " = ", " and ", " implies ", " & ", " ~ ", " in ", " < ", " / ", " is "])
                ),
                2 => format!("{text}.where({other})"),
                3 => format!("{text}.select({other}).all({other})"),
                4 => {
                    let at = (0..=dice.below(text.len() + 1)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                    let (before, after) = text.split_at(at.min(text.len()));
                    format!("{before}{other}{after}")
                }
                _ => other,
            };
        }
        text
    }
}

fn strange(dice: &mut Dice) -> Node<'static> {
    match dice.below(8) {
        0 => Node::Null,
        1 => Node::Bool(true),
        2 => Node::Number(
            (*dice.one_of(&[
                "0",
                "-0.0",
                "1e308",
                "1E-400",
                "0.10",
                "123456789012345678901234567890",
                "1.00000000000000000000000000000000000001",
            ]))
            .into(),
        ),
        3 => Node::string("長".repeat(5_000)),
        4 => (0..dice.below(100))
            .fold(Node::Bool(true), |inner, _| Node::object([("extension", Node::Array(vec![inner]))])),
        5 => Node::object::<&str>([]),
        _ => Node::string(*dice.one_of(STRANGE)),
    }
}

/// Bytes with some exchanged, cut out, doubled or put in.
pub(crate) fn bytes(mut bytes: Vec<u8>, dice: &mut Dice) -> Vec<u8> {
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1).min(bytes.len());
        let end = (at + dice.below(40)).min(bytes.len());
        match dice.below(6) {
            0 => drop(bytes.drain(at..end)),
            1 => bytes.truncate(at),
            2 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            3 => {
                let text = dice.one_of(STRANGE).as_bytes().to_vec();
                bytes.splice(at..at, text);
            }
            4 => {
                let part = [*dice.one_of(b"{}[]\",:\\<>&;/?!-=0.eE+\x00\xff\xc3\n")];
                bytes.splice(at..at, part);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = dice.roll().to_le_bytes()[0];
                }
            }
        }
    }
    bytes
}
