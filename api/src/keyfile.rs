//! Private keys in files: a person's own, and those of a ledger.
//!
//! Two forms. Without a passphrase three lines: `gongkai.key/v1`, the key's name, the 32 secret bytes in
//! base64. With one: a line `# <name>` and an encrypted PKCS#8 PEM (RFC 5958, RFC 8410, PBES2 with
//! scrypt), which `openssl pkey -in F` reads too. A file is made with mode 0600, is never overwritten,
//! and is refused when others may read it.
//!
//! Not here: which keys a ledger has and what they may sign. A further form gets a first line of its own.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use gongkai_log::key::{KeyError, valid_key_name};
use gongkai_log::{Digest, KeyKind, SigningKey};
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::spki::AlgorithmIdentifierRef;
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, ObjectIdentifier, PrivateKeyInfoRef, SecretDocument};
use zeroize::Zeroizing;

/// First line of a key file without a passphrase.
pub const KEY_FORM: &str = "gongkai.key/v1";

/// Most bytes of a key file; the longest we write has under 1 KiB.
pub const KEY_FILE_BYTES_MAX: u64 = 16_384;

/// Fewest characters of a passphrase: what NIST SP 800-63B §3.1.1 asks of a password.
pub const PASSPHRASE_CHARS_MIN: usize = 8;

const PEM_LABEL: &str = "ENCRYPTED PRIVATE KEY";
/// id-Ed25519 (RFC 8410 §3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Why a key file was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The disk.
    #[error("钥匙文件 {path} 读写不了")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is a file already; a key that is overwritten is lost for ever.
    #[error("{0} 已经存在，不会覆盖")]
    Exists(PathBuf),
    /// Others than the owner may read or write it.
    #[error("钥匙文件 {path} 的权限是 {mode:03o}，别人也能读")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not one of the two forms.
    #[error("{path} 不是钥匙文件：{reason}")]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// Name or bytes are no key.
    #[error("{path} 里的钥匙不可用")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// The file needs a passphrase and none was given.
    #[error("钥匙文件 {0} 有口令保护，没有给出口令")]
    PassphraseMissing(PathBuf),
    /// The passphrase does not open the file.
    #[error("打不开钥匙文件 {0}：口令不对，或文件已损坏")]
    Passphrase(PathBuf),
    /// The passphrase is too short to protect anything.
    #[error("口令太短：{0} 个字符，至少 {PASSPHRASE_CHARS_MIN} 个")]
    PassphraseShort(usize),
}

/// Makes a key from the machine's randomness.
///
/// # Errors
/// [`KeyError::Name`] when the name cannot name a key.
pub fn generate(name: &str) -> Result<SigningKey, KeyError> {
    if !valid_key_name(name) {
        return Err(KeyError::Name(name.to_owned()));
    }
    let mut seed = [0; 32];
    random(&mut seed);
    SigningKey::from_seed(name, KeyKind::Ed25519, seed)
}

/// Fills a buffer from the machine's randomness.
///
/// # Panics
/// When the machine gives none: nothing that needs a secret may go on then.
pub fn random(buffer: &mut [u8]) {
    getrandom::fill(buffer).expect("the operating system gives randomness");
}

/// Writes a new key file, readable by its owner only, and waits until it is on the disk.
///
/// # Errors
/// [`KeyFileError::Exists`], [`KeyFileError::PassphraseShort`], [`KeyFileError::Io`].
pub fn write(path: &Path, key: &SigningKey, passphrase: Option<&str>) -> Result<(), KeyFileError> {
    let text = match passphrase {
        None => plain(key),
        Some(passphrase) => encrypted(path, key, passphrase)?,
    };
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_owned()),
        _ => KeyFileError::Io { path: path.to_owned(), source },
    };
    let mut file = private_file().open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(failed)
}

/// Reads a key file. `passphrase` is asked only when the file has one.
///
/// # Errors
/// Any [`KeyFileError`] but [`KeyFileError::Exists`] and [`KeyFileError::PassphraseShort`].
pub fn read(path: &Path, passphrase: impl FnOnce() -> Option<Zeroizing<String>>) -> Result<SigningKey, KeyFileError> {
    let failed = |source| KeyFileError::Io { path: path.to_owned(), source };
    let form = |reason| KeyFileError::Form { path: path.to_owned(), reason };
    let file = File::open(path).map_err(failed)?;
    check_mode(path, &file)?;
    let mut text = Zeroizing::new(String::new());
    file.take(KEY_FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > KEY_FILE_BYTES_MAX {
        return Err(form("太长"));
    }
    let (name, seed) = match text.strip_prefix("# ").and_then(|rest| rest.split_once('\n')) {
        Some((name, pem)) => {
            let passphrase = passphrase().ok_or_else(|| KeyFileError::PassphraseMissing(path.to_owned()))?;
            let seed = decrypted(pem, &passphrase).ok_or_else(|| KeyFileError::Passphrase(path.to_owned()))?;
            (name, seed)
        }
        None => parse_plain(&text).ok_or_else(|| form("应是 gongkai.key/v1、名称、密钥三行，或带名称的 PEM"))?,
    };
    SigningKey::from_seed(name, KeyKind::Ed25519, *seed)
        .map_err(|source| KeyFileError::Key { path: path.to_owned(), source })
}

fn plain(key: &SigningKey) -> Zeroizing<String> {
    // The base64 of a hash type is exactly what 32 secret bytes need.
    let seed = Zeroizing::new(Digest::from_bytes(*key.seed()).to_string());
    Zeroizing::new(format!("{KEY_FORM}\n{}\n{}\n", key.name(), *seed))
}

fn parse_plain(text: &str) -> Option<(&str, Zeroizing<[u8; 32]>)> {
    let mut lines = text.strip_prefix(KEY_FORM)?.strip_prefix('\n')?.strip_suffix('\n')?.split('\n');
    let (name, seed) = (lines.next()?, lines.next()?);
    let seed = Digest::parse(seed).ok()?;
    lines.next().is_none().then(|| (name, Zeroizing::new(*seed.as_bytes())))
}

fn encrypted(path: &Path, key: &SigningKey, passphrase: &str) -> Result<Zeroizing<String>, KeyFileError> {
    let chars = passphrase.chars().count();
    if chars < PASSPHRASE_CHARS_MIN {
        return Err(KeyFileError::PassphraseShort(chars));
    }
    // RFC 8410 §7: the private key is an octet string within the octet string.
    let mut inner = Zeroizing::new(vec![0x04, 0x20]);
    inner.extend_from_slice(&*key.seed());
    let broken = |_| KeyFileError::Form { path: path.to_owned(), reason: "加密失败" };
    let algorithm = AlgorithmIdentifierRef { oid: ED25519, parameters: None };
    let octets = OctetStringRef::new(&inner).map_err(|e| broken(e.into()))?;
    let document = PrivateKeyInfoRef::new(algorithm, octets).encrypt(passphrase).map_err(broken)?;
    let pem = document.to_pem(PEM_LABEL, LineEnding::LF).map_err(|e| broken(e.into()))?;
    Ok(Zeroizing::new(format!("# {}\n{}", key.name(), *pem)))
}

fn decrypted(pem: &str, passphrase: &str) -> Option<Zeroizing<[u8; 32]>> {
    let (label, document) = SecretDocument::from_pem(pem).ok()?;
    let document = (label == PEM_LABEL).then_some(document)?;
    let plain = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).ok()?.decrypt(passphrase).ok()?;
    let info = PrivateKeyInfoRef::try_from(plain.as_bytes()).ok()?;
    let inner = info.private_key.as_bytes().strip_prefix(&[0x04, 0x20])?;
    let seed: [u8; 32] = inner.try_into().ok()?;
    (info.algorithm.oid == ED25519).then(|| Zeroizing::new(seed))
}

/// Options for a new file that only its owner can read.
#[cfg(unix)]
pub(crate) fn private_file() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
}

#[cfg(not(unix))]
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    options
}

/// A private key that others can read is no private key, and whoever can write it can swap it.
#[cfg(unix)]
pub(crate) fn check_mode(path: &Path, file: &File) -> Result<(), KeyFileError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = file.metadata().map_err(|source| KeyFileError::Io { path: path.to_owned(), source })?;
    let mode = metadata.permissions().mode() & 0o777;
    // The six bits of group and others.
    if mode.trailing_zeros() >= 6 { Ok(()) } else { Err(KeyFileError::Open { path: path.to_owned(), mode }) }
}

#[cfg(not(unix))]
pub(crate) fn check_mode(_: &Path, _: &File) -> Result<(), KeyFileError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_seed("chen.example/1", KeyKind::Ed25519, [7; 32]).unwrap()
    }

    fn pass(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    #[test]
    fn a_key_survives_its_file_with_and_without_a_passphrase() {
        let dir = tempfile::tempdir().unwrap();
        let (open, closed) = (dir.path().join("open.key"), dir.path().join("closed.key"));
        write(&open, &key(), None).unwrap();
        write(&closed, &key(), Some("柳暗花明又一村")).unwrap_err();
        write(&closed, &key(), Some("柳暗花明又一村。")).unwrap();
        let read_open = read(&open, || None).unwrap();
        assert_eq!(read_open.verifier(), key().verifier());
        let read_closed = read(&closed, || Some(pass("柳暗花明又一村。"))).unwrap();
        assert_eq!(read_closed.verifier(), key().verifier());
        assert!(!std::fs::read_to_string(&closed).unwrap().contains("BwcHBwcH"));
    }

    #[test]
    fn a_wrong_or_missing_passphrase_opens_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("closed.key");
        write(&path, &key(), Some("long enough")).unwrap();
        assert!(matches!(read(&path, || None), Err(KeyFileError::PassphraseMissing(_))));
        assert!(matches!(read(&path, || Some(pass("long enougH"))), Err(KeyFileError::Passphrase(_))));
    }

    #[test]
    fn a_key_file_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        write(&path, &key(), None).unwrap();
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(write(&path, &generate("other/1").unwrap(), None), Err(KeyFileError::Exists(_))));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        write(&path, &key(), None).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read(&path, || None), Err(KeyFileError::Open { mode: 0o640, .. })));
    }

    #[test]
    fn other_files_are_no_key_files() {
        let dir = tempfile::tempdir().unwrap();
        for (number, text) in [
            "",
            "gongkai.key/v1\n",
            "gongkai.key/v1\nalice/1\nAAAA\n",
            "gongkai.key/v2\nalice/1\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n",
            "gongkai.key/v1\nalice/1\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
            "gongkai.key/v1\nalice/1\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n\n",
            "gongkai.key/v1\nali ce\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n",
        ]
        .iter()
        .enumerate()
        {
            let path = dir.path().join(number.to_string());
            private_file().open(&path).unwrap().write_all(text.as_bytes()).unwrap();
            assert!(read(&path, || None).is_err(), "{text:?}");
        }
    }
}
