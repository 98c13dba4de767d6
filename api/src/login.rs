//! The text that is signed to sign in, as the ledger writes it and the client reads it before signing.
//!
//! Five lines: `gongkai.login/v1`, origin of the ledger, name of the key, nonce, time until which it can be used.
//! The first line keeps it apart from everything else that a key signs, the origin binds it to one ledger. One
//! value has one text: what does not give the same bytes again is not read. Signed, it is a C2SP note like a
//! statement. Not here: which challenges are open (`http::internal::sign_in`).

use chrono::{DateTime, SecondsFormat, Utc};
use gongkai_log::Digest;
use gongkai_log::key::valid_key_name;

/// First line of the text.
pub const LOGIN_FORM: &str = "gongkai.login/v1";

/// A challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Origin of the ledger that gave it.
    pub origin: String,
    /// Name of the key that is to sign it.
    pub key: String,
    /// 32 random bytes; no secret.
    pub nonce: Digest,
    /// Until when it can be used, in whole seconds.
    pub expires_at: DateTime<Utc>,
}

impl Login {
    /// What is signed.
    pub fn to_text(&self) -> String {
        let expires = self.expires_at.to_rfc3339_opts(SecondsFormat::Secs, true);
        format!("{LOGIN_FORM}\n{}\n{}\n{}\n{expires}\n", self.origin, self.key, self.nonce)
    }

    /// Reads what is signed.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_prefix(LOGIN_FORM)?.strip_prefix('\n')?.split('\n');
        let (origin, key) = (lines.next()?.to_owned(), lines.next()?.to_owned());
        let nonce = Digest::parse(lines.next()?).ok()?;
        let expires_at = DateTime::parse_from_rfc3339(lines.next()?).ok()?.to_utc();
        let login = Self { origin, key, nonce, expires_at };
        (valid_key_name(&login.origin) && valid_key_name(&login.key) && login.to_text() == text).then_some(login)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        Login {
            origin: "ledger.example/qinghe".into(),
            key: "chen.example/1".into(),
            nonce: Digest::from_bytes([7; 32]),
            expires_at: "2026-03-02T01:02:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_login_has_one_text() {
        let text = login().to_text();
        assert_eq!(
            text,
            "gongkai.login/v1\nledger.example/qinghe\nchen.example/1\n\
             BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n2026-03-02T01:02:00Z\n"
        );
        assert_eq!(Login::parse(&text), Some(login()));
        for other in [
            text.replace("login/v1", "login/v2"),
            text.replace("login/v1", "statement/v1"),
            text.replace('Z', "+00:00"),
            text.replace("00Z", "00.0Z"),
            text.replace("chen.example/1", "chen example"),
            text.replace("chen.example/1", ""),
            text.replace("Bwc=", "Bw=="),
            format!("{text}\n"),
            text.trim_end().to_owned(),
        ] {
            assert_eq!(Login::parse(&other), None, "{other}");
        }
    }
}
