//! RFC 8785 canonical JSON, restricted to what a ledger may hold.
//!
//! One value has one byte string: members sorted by UTF-16 code units, no white space, the shortest
//! escapes. Numbers are integers of at most 2^53 − 1 in magnitude; there are no floats. [`parse`]
//! accepts exactly what [`to_string`] writes, in one pass, without first building a lenient value.
//!
//! Not here: any meaning of members. To raise a limit, use [`parse_with_limit`] and say why.

use std::{borrow::Cow, cmp::Ordering};

use serde_json::{Map, Number, Value};

/// Most bytes that [`parse`] reads: an entry's limit, which is the tile format's (c2sp.org/tlog-tiles).
pub const JSON_BYTES_MAX: usize = 65_535;

/// Most arrays and objects inside one another; ours need six.
pub const JSON_DEPTH_MAX: usize = 32;

/// Greatest magnitude of an integer, 2^53 − 1 (RFC 8785 §3.2.2.3, RFC 7493).
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Why a value has no canonical form, or a text is not in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// More bytes than the limit.
    #[error("JSON of {bytes} bytes, at most {bytes_max} are read")]
    TooLong {
        /// Bytes given.
        bytes: usize,
        /// Bytes allowed.
        bytes_max: usize,
    },
    /// More than [`JSON_DEPTH_MAX`] arrays and objects inside one another.
    #[error("JSON nested deeper than {JSON_DEPTH_MAX}")]
    TooDeep,
    /// A float, an exponent, a leading zero, or an integer beyond 2^53 − 1.
    #[error("byte {at}: a number that is no canonical integer of at most 2^53 - 1")]
    Number {
        /// Offset in the text; 0 for a value that was never text.
        at: usize,
    },
    /// The same member twice.
    #[error("byte {at}: member {name:?} twice")]
    Duplicate {
        /// Offset in the text.
        at: usize,
        /// The member.
        name: String,
    },
    /// Members not in the order of their UTF-16 code units.
    #[error("byte {at}: member {name:?} out of order")]
    Order {
        /// Offset in the text.
        at: usize,
        /// The member.
        name: String,
    },
    /// White space, an unnecessary escape, or no JSON at all.
    #[error("byte {at}: not canonical JSON")]
    Syntax {
        /// Offset in the text.
        at: usize,
    },
}

/// Writes the canonical form of a value.
pub fn to_string(value: &Value) -> Result<String, CanonicalError> {
    let mut out = String::with_capacity(256);
    write_value(value, &mut out, 0)?;
    Ok(out)
}

/// Reads a value from its canonical form, of at most [`JSON_BYTES_MAX`] bytes.
pub fn parse(text: &str) -> Result<Value, CanonicalError> {
    parse_with_limit(text, JSON_BYTES_MAX)
}

/// Reads a value from its canonical form, of at most `bytes_max` bytes.
pub fn parse_with_limit(text: &str, bytes_max: usize) -> Result<Value, CanonicalError> {
    check_length(text, bytes_max)?;
    let mut parser = Parser::new(text);
    let value = parser.value(0)?;
    parser.end()?;
    Ok(value)
}

/// Refuses a text of more than `bytes_max` bytes.
pub(crate) fn check_length(text: &str, bytes_max: usize) -> Result<(), CanonicalError> {
    let bytes = text.len();
    if bytes > bytes_max { Err(CanonicalError::TooLong { bytes, bytes_max }) } else { Ok(()) }
}

/// Orders two strings by UTF-16 code units without encoding them.
///
/// UTF-8 and UTF-16 order differ only between U+E000–U+FFFF (lead bytes EE, EF) and the
/// supplementary planes (lead bytes F0–F4), which UTF-16 puts first.
fn utf16_cmp(left: &str, right: &str) -> Ordering {
    let rank = |byte: u8| match byte {
        0xEE | 0xEF => byte + 0x10,
        other => other,
    };
    let (left, right) = (left.as_bytes(), right.as_bytes());
    match left.iter().zip(right).find(|(a, b)| a != b) {
        Some((a, b)) => rank(*a).cmp(&rank(*b)),
        None => left.len().cmp(&right.len()),
    }
}

/// Writes a value that stands inside `depth` arrays and objects.
pub(crate) fn write_value(value: &Value, out: &mut String, depth: usize) -> Result<(), CanonicalError> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(number, out)?,
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            deeper(depth)?;
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write_value(item, out, depth + 1)?;
            }
            out.push(']');
        }
        Value::Object(members) => {
            deeper(depth)?;
            write_object(members, out, depth)?;
        }
    }
    Ok(())
}

fn write_object(members: &Map<String, Value>, out: &mut String, depth: usize) -> Result<(), CanonicalError> {
    let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
    sorted.sort_by(|a, b| utf16_cmp(a.0, b.0));
    out.push('{');
    for (place, (name, value)) in sorted.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write_string(name, out);
        out.push(':');
        write_value(value, out, depth + 1)?;
    }
    out.push('}');
    Ok(())
}

fn deeper(depth: usize) -> Result<(), CanonicalError> {
    if depth >= JSON_DEPTH_MAX {
        return Err(CanonicalError::TooDeep);
    }
    Ok(())
}

fn write_number(number: &Number, out: &mut String) -> Result<(), CanonicalError> {
    use std::fmt::Write as _;
    let fits = match (number.as_u64(), number.as_i64()) {
        (Some(natural), _) => natural <= INTEGER_MAX,
        (None, Some(integer)) => integer.unsigned_abs() <= INTEGER_MAX,
        (None, None) => false,
    };
    if !fits {
        return Err(CanonicalError::Number { at: 0 });
    }
    write!(out, "{number}").map_err(|_| CanonicalError::Number { at: 0 })
}

pub(crate) fn write_string(text: &str, out: &mut String) {
    use std::fmt::Write as _;
    out.push('"');
    let mut done = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[done..at]);
        done = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            0x09 => out.push_str("\\t"),
            0x0A => out.push_str("\\n"),
            0x0C => out.push_str("\\f"),
            0x0D => out.push_str("\\r"),
            control => write!(out, "\\u{control:04x}").expect("writing to a String cannot fail"),
        }
    }
    out.push_str(&text[done..]);
    out.push('"');
}

/// What reading makes of a value: the value itself, or `()` where only its form matters. Both are read by the same
/// [`Parser`], so that there is one answer to what is canonical.
pub(crate) trait Made: Sized {
    type Items: Default;
    type Members: Default;

    fn null() -> Self;
    fn bool(value: bool) -> Self;
    fn integer(value: i64) -> Self;
    fn string(text: Cow<'_, str>) -> Self;
    fn item(items: &mut Self::Items, item: Self);
    fn array(items: Self::Items) -> Self;
    fn member(members: &mut Self::Members, name: Cow<'_, str>, value: Self);
    fn object(members: Self::Members) -> Self;
}

impl Made for Value {
    type Items = Vec<Self>;
    type Members = Map<String, Self>;

    fn null() -> Self {
        Self::Null
    }

    fn bool(value: bool) -> Self {
        Self::Bool(value)
    }

    fn integer(value: i64) -> Self {
        Self::from(value)
    }

    fn string(text: Cow<'_, str>) -> Self {
        Self::String(text.into_owned())
    }

    fn item(items: &mut Vec<Self>, item: Self) {
        items.push(item);
    }

    fn array(items: Vec<Self>) -> Self {
        Self::Array(items)
    }

    fn member(members: &mut Map<String, Self>, name: Cow<'_, str>, value: Self) {
        members.insert(name.into_owned(), value);
    }

    fn object(members: Map<String, Self>) -> Self {
        Self::Object(members)
    }
}

impl Made for () {
    type Items = ();
    type Members = ();

    fn null() {}
    fn bool(_: bool) {}
    fn integer(_: i64) {}
    fn string(_: Cow<'_, str>) {}
    fn item((): &mut (), (): ()) {}
    fn array((): ()) {}
    fn member((): &mut (), _: Cow<'_, str>, (): ()) {}
    fn object((): ()) {}
}

/// Reads a canonical text piece by piece; a form with fixed members is read without a [`Value`].
pub(crate) struct Parser<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
}

impl<'t> Parser<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0 }
    }

    /// Refuses anything that is left.
    pub(crate) fn end(&self) -> Result<(), CanonicalError> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.syntax()) }
    }

    /// Skips exactly this text, if it comes next.
    pub(crate) fn skip(&mut self, text: &str) -> bool {
        let next = self.bytes[self.at..].starts_with(text.as_bytes());
        if next {
            self.at += text.len();
        }
        next
    }

    /// Reads so many bytes as they are, if they end on a character's boundary.
    pub(crate) fn take(&mut self, bytes: usize) -> Option<&'t str> {
        let taken = self.text.get(self.at..self.at.checked_add(bytes)?)?;
        self.at += bytes;
        Some(taken)
    }

    /// What `read` read, as it is written.
    pub(crate) fn written<T, E>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<&'t str, E> {
        let from = self.at;
        read(self)?;
        Ok(&self.text[from..self.at])
    }

    fn syntax(&self) -> CanonicalError {
        CanonicalError::Syntax { at: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Whether this byte comes next.
    pub(crate) fn is_next(&self, byte: u8) -> bool {
        self.peek() == Some(byte)
    }

    fn expect(&mut self, byte: u8) -> Result<(), CanonicalError> {
        if self.peek() != Some(byte) {
            return Err(self.syntax());
        }
        self.at += 1;
        Ok(())
    }

    fn word<V>(&mut self, word: &str, value: V) -> Result<V, CanonicalError> {
        if self.skip(word) { Ok(value) } else { Err(self.syntax()) }
    }

    /// Reads a value that stands inside `depth` arrays and objects.
    pub(crate) fn value<V: Made>(&mut self, depth: usize) -> Result<V, CanonicalError> {
        match self.peek() {
            Some(b'"') => self.string().map(V::string),
            Some(b'{') => {
                deeper(depth)?;
                let mut members = V::Members::default();
                self.object(|parser, name| {
                    let value = parser.value(depth + 1)?;
                    V::member(&mut members, name, value);
                    Ok::<_, CanonicalError>(())
                })?;
                Ok(V::object(members))
            }
            Some(b'[') => {
                deeper(depth)?;
                self.array(depth)
            }
            Some(b'-' | b'0'..=b'9') => self.number().map(V::integer),
            Some(b't') => self.word("true", V::bool(true)),
            Some(b'f') => self.word("false", V::bool(false)),
            Some(b'n') => self.word("null", V::null()),
            _ => Err(self.syntax()),
        }
    }

    fn array<V: Made>(&mut self, depth: usize) -> Result<V, CanonicalError> {
        self.expect(b'[')?;
        let mut items = V::Items::default();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(V::array(items));
        }
        loop {
            let item = self.value(depth + 1)?;
            V::item(&mut items, item);
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.syntax()),
            }
        }
        self.at += 1;
        Ok(V::array(items))
    }

    /// Reads an object, whose members' values `read` reads.
    pub(crate) fn object<E: From<CanonicalError>>(
        &mut self,
        mut read: impl FnMut(&mut Self, Cow<'t, str>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.expect(b'{')?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let mut before: Option<Cow<'t, str>> = None;
        loop {
            let at = self.at;
            let name = self.string()?;
            match before.map(|before| utf16_cmp(&before, &name)) {
                None | Some(Ordering::Less) => {}
                Some(Ordering::Equal) => return Err(CanonicalError::Duplicate { at, name: name.into_owned() }.into()),
                Some(Ordering::Greater) => return Err(CanonicalError::Order { at, name: name.into_owned() }.into()),
            }
            self.expect(b':')?;
            before = Some(name.clone());
            read(self, name)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.syntax().into()),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn number(&mut self) -> Result<i64, CanonicalError> {
        let start = self.at;
        let refuse = CanonicalError::Number { at: start };
        let negative = self.peek() == Some(b'-');
        if negative {
            self.at += 1;
        }
        let digits_at = self.at;
        let mut magnitude = 0u64;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            // 2^53 - 1 has 16 digits: the product cannot overflow before the limit stops it.
            magnitude = magnitude * 10 + u64::from(digit - b'0');
            if magnitude > INTEGER_MAX {
                return Err(refuse);
            }
            self.at += 1;
        }
        let digits = self.at - digits_at;
        let leading_zero = digits > 1 && self.bytes[digits_at] == b'0';
        let goes_on = matches!(self.peek(), Some(b'.' | b'e' | b'E'));
        if digits == 0 || leading_zero || goes_on || (negative && magnitude == 0) {
            return Err(refuse);
        }
        let magnitude = i64::try_from(magnitude).map_err(|_| refuse)?;
        Ok(if negative { -magnitude } else { magnitude })
    }

    /// Reads a string; it is borrowed where it has no escapes.
    pub(crate) fn string(&mut self) -> Result<Cow<'t, str>, CanonicalError> {
        self.expect(b'"')?;
        let mut done = self.at;
        let mut out = String::new();
        loop {
            let plain = self.bytes[self.at..].iter().position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'));
            self.at = plain.map_or(self.bytes.len(), |plain| self.at + plain);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    out.push_str(&self.text[done..self.at]);
                    out.push(self.escape()?);
                    done = self.at;
                }
                _ => return Err(self.syntax()),
            }
        }
        let rest = &self.text[done..self.at];
        self.at += 1;
        if out.is_empty() {
            return Ok(Cow::Borrowed(rest));
        }
        out.push_str(rest);
        Ok(Cow::Owned(out))
    }

    /// Reads one escape, only where the canonical form has one.
    fn escape(&mut self) -> Result<char, CanonicalError> {
        let refuse = self.syntax();
        let (taken, char) = match self.bytes.get(self.at + 1) {
            Some(b'"') => (2, '"'),
            Some(b'\\') => (2, '\\'),
            Some(b'b') => (2, '\u{8}'),
            Some(b't') => (2, '\t'),
            Some(b'n') => (2, '\n'),
            Some(b'f') => (2, '\u{c}'),
            Some(b'r') => (2, '\r'),
            Some(b'u') => (6, self.control().ok_or(refuse)?),
            _ => return Err(refuse),
        };
        self.at += taken;
        Ok(char)
    }

    /// The control character of `\u00xx`, if it has no shorter escape.
    fn control(&self) -> Option<char> {
        let digits = self.bytes.get(self.at + 2..self.at + 6)?;
        let high = match digits {
            [b'0', b'0', high @ (b'0' | b'1'), _] => high - b'0',
            _ => return None,
        };
        let low = match digits[3] {
            digit @ b'0'..=b'9' => digit - b'0',
            digit @ b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        let byte = high << 4 | low;
        let has_shorter = matches!(byte, 0x08 | 0x09 | 0x0A | 0x0C | 0x0D);
        (!has_shorter).then_some(char::from(byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_are_sorted_by_utf16_code_units() {
        let value = json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7});
        let text = to_string(&value).unwrap();
        assert_eq!(text, "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}");
        assert_eq!(parse(&text).unwrap(), value);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let value = json!([null, true, false, 0, -1, 9_007_199_254_740_991i64, -9_007_199_254_740_991i64,
            "\u{8}\t\n\u{c}\r\"\\/\u{7f}\u{1}é€\u{10ffff}", {}, [], {"": {"a": [1]}}]);
        assert_eq!(parse(&to_string(&value).unwrap()).unwrap(), value);
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for bad in [
            "",
            " 1",
            "1 ",
            "{ }",
            "[1, 2]",
            "{\"a\" :1}",
            "[1,]",
            "{\"a\":1,}",
            "[",
            "{\"a\":1",
            "\"a",
            "tru",
            "nul",
            "'a'",
            "[1]2",
            "\"\\/\"",
            "\"\\u0041\"",
            "\"\\u001F\"",
            "\"\\u0008\"",
            "\"\\u000a\"",
            "\"\\u00e9\"",
            "\"\\ud83d\\ude00\"",
            "\"\\u00\"",
            "\"\t\"",
            "NaN",
            "+1",
            "{1:2}",
            "\u{feff}1",
        ] {
            assert!(matches!(parse(bad), Err(CanonicalError::Syntax { .. })), "{bad:?}: {:?}", parse(bad));
        }
    }

    #[test]
    fn numbers_are_integers_below_two_to_the_53() {
        for bad in [
            "1.0",
            "1e3",
            "0.5",
            "-0",
            "01",
            "-01",
            "00",
            "-",
            "9007199254740992",
            "-9007199254740992",
            "18446744073709551616",
            "1E1",
        ] {
            assert!(matches!(parse(bad), Err(CanonicalError::Number { .. })), "{bad:?}");
        }
        let huge = "9".repeat(60_000);
        assert_eq!(parse(&huge), Err(CanonicalError::Number { at: 0 }));
        assert!(to_string(&json!(1.5)).is_err());
        assert!(to_string(&json!(1u64 << 53)).is_err());
        assert!(to_string(&json!(i64::MIN)).is_err());
    }

    #[test]
    fn duplicates_and_disorder_are_named() {
        assert_eq!(parse("{\"a\":1,\"a\":1}"), Err(CanonicalError::Duplicate { at: 7, name: "a".to_owned() }));
        assert_eq!(parse("{\"b\":1,\"a\":1}"), Err(CanonicalError::Order { at: 7, name: "a".to_owned() }));
    }

    #[test]
    fn depth_and_length_are_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let deepest = parse(&nested(JSON_DEPTH_MAX)).unwrap();
        assert_eq!(to_string(&deepest).unwrap(), nested(JSON_DEPTH_MAX));
        assert_eq!(parse(&nested(JSON_DEPTH_MAX + 1)), Err(CanonicalError::TooDeep));
        assert_eq!(parse(&"[".repeat(65_000)), Err(CanonicalError::TooDeep));
        assert_eq!(to_string(&json!([deepest])), Err(CanonicalError::TooDeep));
        let long = format!("\"{}\"", "a".repeat(JSON_BYTES_MAX - 1));
        assert!(matches!(parse(&long), Err(CanonicalError::TooLong { .. })));
        assert!(parse_with_limit(&long, 1 << 20).is_ok());
    }
}
