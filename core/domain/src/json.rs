//! How much memory a JSON text may cost, told before it is parsed.
//!
//! Values cost far more than their text: an object with one empty member is eight bytes to send and some seven hundred to
//! hold. A limit on bytes alone would let a body of a few megabytes take a gigabyte. So brackets and commas outside
//! strings are counted first; real submissions stay far below ([`CONTAINERS_MAX`]).
//!
//! Not here: whether it is JSON, and how deep (`serde_json` stops at 128 levels).

/// Most objects and arrays: three a line for the longest list that fits a request.
pub const CONTAINERS_MAX: usize = 1 << 17;

/// Most values, counted by commas.
pub const VALUES_MAX: usize = 1 << 20;

/// Whether a text has so few values that it can be parsed.
pub fn is_bounded(json: &[u8]) -> bool {
    let (mut containers, mut values) = (0, 0);
    let (mut quoted, mut escaped) = (false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => containers += 1,
            b',' if !quoted => values += 1,
            _ => {}
        }
    }
    containers <= CONTAINERS_MAX && values <= VALUES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_strings_is_not_counted() {
        let text = format!("{{\"a\": \"{}\\\"{}\\\\\"}}", "[".repeat(CONTAINERS_MAX + 1), ",{".repeat(VALUES_MAX));
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        assert!(is_bounded(text.as_bytes()));
    }

    #[test]
    fn more_values_than_any_submission_has_are_refused() {
        let objects = |count: usize| format!("[{}0]", "{\"\":0},".repeat(count));
        assert!(is_bounded(objects(CONTAINERS_MAX - 1).as_bytes()));
        assert!(!is_bounded(objects(CONTAINERS_MAX).as_bytes()));
        let numbers = |commas: usize| format!("[{}0]", "0,".repeat(commas));
        assert!(is_bounded(numbers(VALUES_MAX).as_bytes()));
        assert!(!is_bounded(numbers(VALUES_MAX + 1).as_bytes()));
    }
}
