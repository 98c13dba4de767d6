//! How a bucket is named, and with which key it is written: `s3://bucket/folder`, and the address of its server.
//!
//! Parsed strictly. A key never stands in an address, and is never shown. Without encryption a server is spoken to on this
//! machine alone: private files pass there too.

use std::{fmt, str::FromStr};

use zeroize::Zeroizing;

/// Longest folder within a bucket: the longest name below it has to fit S3's 1,024 bytes.
const FOLDER_BYTES_MAX: usize = 200;
/// Longest address of a server.
const ENDPOINT_BYTES_MAX: usize = 300;

/// Why a text names no bucket, or no server of one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotABucket {
    /// Not `s3://bucket/folder`.
    #[error("not an address like s3://bucket/folder")]
    Address,
    /// Not `https://host`.
    #[error("not an address like https://s3.example.com")]
    Endpoint,
    /// Not encrypted, to another machine.
    #[error("http:// is for this machine alone; others are spoken to with https://")]
    Plain,
}

/// A folder of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    bucket: String,
    folder: String,
}

impl Address {
    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The folder, without slashes at its ends; empty for the bucket itself.
    pub fn folder(&self) -> &str {
        &self.folder
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if self.folder.is_empty() { Ok(()) } else { write!(f, "/{}", self.folder) }
    }
}

fn is_bucket(name: &str) -> bool {
    let ends =
        name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.ends_with(|c: char| c.is_ascii_alphanumeric());
    let inner = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.');
    (3..=63).contains(&name.len()) && ends && inner && !name.contains("..")
}

fn is_part(part: &str) -> bool {
    let known = part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    !part.is_empty() && known && part != "." && part != ".."
}

impl FromStr for Address {
    type Err = NotABucket;

    fn from_str(text: &str) -> Result<Self, NotABucket> {
        let rest = text.strip_prefix("s3://").ok_or(NotABucket::Address)?;
        let (bucket, folder) = rest.split_once('/').unwrap_or((rest, ""));
        let is_folder = folder.is_empty() || (folder.len() <= FOLDER_BYTES_MAX && folder.split('/').all(is_part));
        if !is_bucket(bucket) || !is_folder {
            return Err(NotABucket::Address);
        }
        Ok(Self { bucket: bucket.to_owned(), folder: folder.to_owned() })
    }
}

/// The address of a server that speaks like S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(String);

impl Endpoint {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn is_plain(&self) -> bool {
        self.0.starts_with("http://")
    }

    fn host(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        rest.rsplit_once(':').map_or(rest, |(host, port)| if is_port(port) { host } else { rest })
    }

    /// Whether the bucket's name is part of the host's; some stores take no other form.
    pub(super) fn names(&self, bucket: &str) -> bool {
        self.host().strip_prefix(bucket).is_some_and(|rest| rest.starts_with('.'))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

impl FromStr for Endpoint {
    type Err = NotABucket;

    fn from_str(text: &str) -> Result<Self, NotABucket> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let rest =
            rest.filter(|rest| !rest.is_empty() && text.len() <= ENDPOINT_BYTES_MAX).ok_or(NotABucket::Endpoint)?;
        let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':' | b'[' | b']');
        if !rest.bytes().all(known) {
            return Err(NotABucket::Endpoint);
        }
        let endpoint = Self(text.to_owned());
        if endpoint.is_plain() && !matches!(endpoint.host(), "127.0.0.1" | "localhost" | "[::1]") {
            return Err(NotABucket::Plain);
        }
        Ok(endpoint)
    }
}

/// A bucket, where it is, and with which key it is written.
#[derive(Clone)]
pub struct BucketOptions {
    /// The folder.
    pub address: Address,
    /// The server; Amazon's own without one.
    pub endpoint: Option<Endpoint>,
    /// Its region.
    pub region: String,
    /// Name of the access key.
    pub access_key: String,
    /// The secret.
    pub secret_key: Zeroizing<String>,
    /// Token of a session, where the key is of one.
    pub token: Option<Zeroizing<String>>,
}

impl fmt::Debug for BucketOptions {
    // No key is ever shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BucketOptions({})", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_bucket_and_a_folder_in_one_spelling() {
        let address: Address = "s3://gk-qinghe/county/2026".parse().unwrap();
        assert_eq!((address.bucket(), address.folder()), ("gk-qinghe", "county/2026"));
        assert_eq!(address.to_string(), "s3://gk-qinghe/county/2026");
        assert_eq!("s3://gk-qinghe".parse::<Address>().unwrap().to_string(), "s3://gk-qinghe");
        for wrong in [
            "gk-qinghe/a",
            "S3://gk-qinghe",
            "s3://",
            "s3://gk/..",
            "s3://gk1/../a",
            "s3://GK1/a",
            "s3://gk1//a",
            "s3://gk1/a/",
            "s3://gk1/a b",
            "s3://gk1/a%2f",
            "s3://key:secret@gk1/a",
            "s3://gk1/a?x=1",
            "s3://a..b/c",
        ] {
            assert_eq!(wrong.parse::<Address>(), Err(NotABucket::Address), "{wrong}");
        }
    }

    #[test]
    fn a_server_elsewhere_is_spoken_to_with_encryption_alone() {
        for good in
            ["https://s3.example.com", "https://oss.example.com:9000/", "http://127.0.0.1:9000", "http://[::1]:1"]
        {
            assert!(good.parse::<Endpoint>().is_ok(), "{good}");
        }
        for plain in ["http://10.0.0.5:9000", "http://s3.example.com", "http://127.0.0.1.example.com"] {
            assert_eq!(plain.parse::<Endpoint>(), Err(NotABucket::Plain), "{plain}");
        }
        for wrong in ["s3.example.com", "https://", "https://k:s@s3.example.com", "https://s3.example.com/a", "ftp://a"]
        {
            assert_eq!(wrong.parse::<Endpoint>(), Err(NotABucket::Endpoint), "{wrong}");
        }
        let endpoint: Endpoint = "https://gk.oss.example.com".parse().unwrap();
        assert!(endpoint.names("gk") && !endpoint.names("g") && !endpoint.names("oss"));
    }
}
