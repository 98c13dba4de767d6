//! Codes that people copy by hand: status codes of what was handed in, and the codes on voting slips.
//!
//! Sixteen letters and digits of five bits each, in groups of four. Here they are read as people write them, and made;
//! a status code is the vault's to make (`gongkai_store::Vault::status_code`).

use gongkai_domain::gap;

/// Letters and digits of a code.
const CODE_CHARS: usize = 16;

/// Letters and digits of a long code.
const CODE_CHARS_LONG: usize = gap::CODE_CHARS;

/// Letters and digits that are not mistaken for each other.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A code of 16 random bytes: five bits of each.
pub fn of_random(random: [u8; CODE_CHARS]) -> String {
    grouped(&random.map(|byte| char::from(ALPHABET[usize::from(byte % 32)])))
}

/// A long code, of an intake: of 24 random bytes, five bits of each. What is sealed under it lies open to whoever tries
/// codes without asking anybody, so it has 120 bits.
pub fn long_of_random(random: [u8; CODE_CHARS_LONG]) -> String {
    grouped(&random.map(|byte| char::from(ALPHABET[usize::from(byte % 32)])))
}

fn grouped(letters: &[char]) -> String {
    letters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join("-")
}

/// A code as it was given out: people write small letters, leave dashes out, and take O for 0.
pub fn normal(text: &str) -> Option<String> {
    of_letters(text, CODE_CHARS)
}

/// The same of a long code.
pub fn normal_long(text: &str) -> Option<String> {
    of_letters(text, CODE_CHARS_LONG)
}

fn of_letters(text: &str, count: usize) -> Option<String> {
    let letters: Vec<char> = text
        .chars()
        .filter(|letter| !letter.is_whitespace() && *letter != '-')
        .map(|letter| match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .take(count + 1)
        .collect();
    if letters.len() != count || !letters.iter().all(char::is_ascii_alphanumeric) {
        return None;
    }
    Some(grouped(&letters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_was_made_is_read_back() {
        let code = of_random([0, 1, 31, 32, 255, 9, 10, 11, 18, 19, 20, 21, 22, 23, 24, 25]);
        assert_eq!(normal(&code), Some(code));
    }

    #[test]
    fn a_code_is_read_as_people_write_it() {
        for text in ["ABCD-EF01-2345-6789", "abcd ef01 2345 6789", "abcdefO123456789", " ABCD-EFo1-2345-6789\n"] {
            assert_eq!(normal(text).as_deref(), Some("ABCD-EF01-2345-6789"), "{text}");
        }
        for text in ["", "ABCD", "ABCD-EF01-2345-67890", "ABCD-EF01-2345-678!", "查询码查询码查询码查询码查询码查"]
        {
            assert_eq!(normal(text), None, "{text}");
        }
    }
}
