//! Private keys in files: a person's own, those of a ledger, a witness's, and those with which a receiver opens envelopes.
//!
//! Two forms. Without a passphrase three lines: `gongkai.key/v1`, the key's name, the 32 secret bytes in
//! base64. With one: a line `# <name>` and an encrypted PKCS#8 PEM (RFC 5958, RFC 8410, PBES2 with
//! scrypt), which `openssl pkey -in F` reads too. A file is made with mode 0600, is never overwritten,
//! and is refused when others may read it. A receiver's key and a witness's have a first line and an algorithm of their own, so
//! that no sort is ever taken for another.
//!
//! Not here: which keys a ledger has and what they may sign. A further sort of key is a [`Sort`].

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use gongkai_domain::field::SealingKey;
use gongkai_domain::vault::TierSecret;
use gongkai_log::key::{KeyError, valid_key_name};
use gongkai_log::{Digest, KeyKind, SigningKey};
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::spki::AlgorithmIdentifierRef;
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, ObjectIdentifier, PrivateKeyInfoRef, SecretDocument};
use zeroize::Zeroizing;

/// First line of a key file without a passphrase.
pub const KEY_FORM: &str = "gongkai.key/v1";

/// First line of a receiver's key file without a passphrase.
pub const RECEIVER_FORM: &str = "gongkai.receiver-key/v1";

/// First line of a witness's key file without a passphrase.
pub const WITNESS_FORM: &str = "gongkai.witness-key/v1";

/// Most bytes of a key file; the longest we write has under 1 KiB.
pub const KEY_FILE_BYTES_MAX: u64 = 16_384;

/// Fewest characters of a passphrase: what NIST SP 800-63B §3.1.1 asks of a password.
pub const PASSPHRASE_CHARS_MIN: usize = 8;

/// Most bytes that deriving a key from a passphrase may take: our own files take 16 MiB, the cards of the console 32.
pub const KDF_BYTES_MAX: u64 = 256 << 20;
/// Most lanes of scrypt, which are computed one after the other.
const KDF_LANES_MAX: u16 = 16;
/// Most rounds of PBKDF2: some seconds.
const KDF_ROUNDS_MAX: u32 = 10_000_000;

const PEM_LABEL: &str = "ENCRYPTED PRIVATE KEY";
/// id-Ed25519 (RFC 8410 §3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// id-XWing (draft-connolly-cfrg-xwing-kem).
const XWING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.62253.25722");
/// Of the one-time keys that a PIN protects: an arc for examples (RFC 5612), they are in no other program's files.
const SECRET: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1");
/// Of witnesses' keys, beside it: an Ed25519 seed that must not sign notes.
const COSIGNER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.2");

/// What a key is for.
#[derive(Clone, Copy)]
struct Sort {
    form: &'static str,
    algorithm: ObjectIdentifier,
}

const SIGNING: Sort = Sort { form: KEY_FORM, algorithm: ED25519 };
const COSIGNING: Sort = Sort { form: WITNESS_FORM, algorithm: COSIGNER };
const RECEIVING: Sort = Sort { form: RECEIVER_FORM, algorithm: XWING };

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
    made(name, KeyKind::Ed25519)
}

/// Makes the key of a witness, which cosigns checkpoints and signs nothing else.
///
/// # Errors
/// [`KeyError::Name`] when the name cannot name a key.
pub fn generate_witness(name: &str) -> Result<SigningKey, KeyError> {
    made(name, KeyKind::CosignatureV1)
}

fn made(name: &str, kind: KeyKind) -> Result<SigningKey, KeyError> {
    if !valid_key_name(name) {
        return Err(KeyError::Name(name.to_owned()));
    }
    let mut seed = Zeroizing::new([0; 32]);
    random(&mut *seed);
    SigningKey::from_seed(name, kind, *seed)
}

/// Fills a buffer from the machine's randomness.
///
/// # Panics
/// When the machine gives none: nothing that needs a secret may go on then.
pub fn random(buffer: &mut [u8]) {
    getrandom::fill(buffer).expect("the operating system gives randomness");
}

/// A receiver's key: what is encrypted to a body is opened with it.
pub struct ReceiverKey {
    name: String,
    seed: Zeroizing<[u8; 32]>,
}

impl ReceiverKey {
    /// Makes one from the machine's randomness.
    ///
    /// # Errors
    /// [`KeyError::Name`] when the name cannot name a key.
    pub fn generate(name: &str) -> Result<Self, KeyError> {
        if !valid_key_name(name) {
            return Err(KeyError::Name(name.to_owned()));
        }
        let mut seed = Zeroizing::new([0; 32]);
        random(&mut *seed);
        Ok(Self { name: name.to_owned(), seed })
    }

    /// Its name, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The private half.
    ///
    /// # Panics
    /// Never: any 32 bytes are the seed of an X-Wing key.
    pub fn secret(&self) -> TierSecret {
        TierSecret::from_bytes(&self.seed).expect("any 32 bytes are the seed of an X-Wing key")
    }

    /// The public half, as `receiver.appointed` names it.
    pub fn public(&self) -> SealingKey {
        SealingKey::from(&self.secret().key())
    }

    /// Writes a new key file, as [`write()`].
    ///
    /// # Errors
    /// As [`write()`].
    pub fn write(&self, path: &Path, passphrase: Option<&str>) -> Result<(), KeyFileError> {
        write_seed(path, RECEIVING, &self.name, &self.seed, passphrase)
    }

    /// Reads a key file, as [`read`].
    ///
    /// # Errors
    /// As [`read`].
    pub fn read(path: &Path, passphrase: impl FnOnce() -> Option<Zeroizing<String>>) -> Result<Self, KeyFileError> {
        let (name, seed) = read_seed(path, RECEIVING, passphrase)?;
        Ok(Self { name, seed })
    }
}

/// Writes a new key file, readable by its owner only, and waits until it is on the disk.
///
/// # Errors
/// [`KeyFileError::Exists`], [`KeyFileError::PassphraseShort`], [`KeyFileError::Io`].
pub fn write(path: &Path, key: &SigningKey, passphrase: Option<&str>) -> Result<(), KeyFileError> {
    let sort = match key.verifier().kind() {
        KeyKind::Ed25519 => SIGNING,
        KeyKind::CosignatureV1 => COSIGNING,
    };
    write_seed(path, sort, key.name(), &key.seed(), passphrase)
}

fn write_seed(
    path: &Path,
    sort: Sort,
    name: &str,
    seed: &[u8; 32],
    passphrase: Option<&str>,
) -> Result<(), KeyFileError> {
    let text = match passphrase {
        None => plain(sort, name, seed),
        Some(passphrase) => {
            let pem = encrypted(path, sort, seed, passphrase)?;
            Zeroizing::new(format!("# {name}\n{}", *pem))
        }
    };
    write_private(path, text.as_bytes())
}

/// Writes a new file that only its owner can read, and waits until it is on the disk.
///
/// # Errors
/// [`KeyFileError::Exists`], [`KeyFileError::Io`].
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), KeyFileError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_owned()),
        _ => KeyFileError::Io { path: path.to_owned(), source },
    };
    let mut file = private_file().open(path).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    sync_folder_of(path).map_err(failed)
}

/// Writes a file that only its owner can read, in place of what was there: a stop in the middle leaves the old one.
///
/// # Errors
/// [`KeyFileError::Io`].
pub fn replace_private(path: &Path, bytes: &[u8]) -> Result<(), KeyFileError> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".draft");
    let draft = Path::new(&draft);
    let failed = |source: io::Error| KeyFileError::Io { path: path.to_owned(), source };
    match std::fs::remove_file(draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    write_private(draft, bytes)?;
    std::fs::rename(draft, path).map_err(failed)?;
    sync_folder_of(path).map_err(failed)
}

/// What stands in a folder is on the disk.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|dir| dir.sync_all())
}

/// Reads a key file. `passphrase` is asked only when the file has one.
///
/// # Errors
/// Any [`KeyFileError`] but [`KeyFileError::Exists`] and [`KeyFileError::PassphraseShort`].
pub fn read(path: &Path, passphrase: impl FnOnce() -> Option<Zeroizing<String>>) -> Result<SigningKey, KeyFileError> {
    read_as(path, SIGNING, KeyKind::Ed25519, passphrase)
}

/// Reads the key file of a witness.
///
/// # Errors
/// As [`read`].
pub fn read_witness(
    path: &Path,
    passphrase: impl FnOnce() -> Option<Zeroizing<String>>,
) -> Result<SigningKey, KeyFileError> {
    read_as(path, COSIGNING, KeyKind::CosignatureV1, passphrase)
}

fn read_as(
    path: &Path,
    sort: Sort,
    kind: KeyKind,
    passphrase: impl FnOnce() -> Option<Zeroizing<String>>,
) -> Result<SigningKey, KeyFileError> {
    let (name, seed) = read_seed(path, sort, passphrase)?;
    SigningKey::from_seed(&name, kind, *seed).map_err(|source| KeyFileError::Key { path: path.to_owned(), source })
}

fn read_seed(
    path: &Path,
    sort: Sort,
    passphrase: impl FnOnce() -> Option<Zeroizing<String>>,
) -> Result<(String, Zeroizing<[u8; 32]>), KeyFileError> {
    let failed = |source| KeyFileError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    check_mode(path, &file)?;
    let mut text = Zeroizing::new(String::new());
    file.take(KEY_FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    parse_seed(path, &text, sort, passphrase)
}

/// Reads the text of a person's key file; `path` is only told. `passphrase` is asked only when the text is a PEM that can
/// be opened at a bearable cost.
///
/// # Errors
/// As [`read`], but for the disk's.
pub fn parse(
    path: &Path,
    text: &str,
    passphrase: impl FnOnce() -> Option<Zeroizing<String>>,
) -> Result<SigningKey, KeyFileError> {
    let (name, seed) = parse_seed(path, text, SIGNING, passphrase)?;
    let key = SigningKey::from_seed(&name, KeyKind::Ed25519, *seed);
    key.map_err(|source| KeyFileError::Key { path: path.to_owned(), source })
}

fn parse_seed(
    path: &Path,
    text: &str,
    sort: Sort,
    passphrase: impl FnOnce() -> Option<Zeroizing<String>>,
) -> Result<(String, Zeroizing<[u8; 32]>), KeyFileError> {
    let form = |reason| KeyFileError::Form { path: path.to_owned(), reason };
    if text.len() as u64 > KEY_FILE_BYTES_MAX {
        return Err(form("太长"));
    }
    let (name, seed) = match text.strip_prefix("# ").and_then(|rest| rest.split_once('\n')) {
        Some((name, pem)) => {
            let document = document(pem).ok_or_else(|| form("PEM 不完整，或口令的算法、代价超出限度"))?;
            let passphrase = passphrase().ok_or_else(|| KeyFileError::PassphraseMissing(path.to_owned()))?;
            let seed = decrypted(sort, &document, &passphrase);
            (name, seed.ok_or_else(|| KeyFileError::Passphrase(path.to_owned()))?)
        }
        None => parse_plain(sort, text).ok_or_else(|| {
            form(match sort.form {
                RECEIVER_FORM => "应是 gongkai.receiver-key/v1、名称、密钥三行，或带名称的 PEM",
                WITNESS_FORM => "应是 gongkai.witness-key/v1、名称、密钥三行，或带名称的 PEM",
                _ => "应是 gongkai.key/v1、名称、密钥三行，或带名称的 PEM",
            })
        })?,
    };
    Ok((name.to_owned(), seed))
}

fn plain(sort: Sort, name: &str, seed: &[u8; 32]) -> Zeroizing<String> {
    // The base64 of a hash type is exactly what 32 secret bytes need.
    let seed = Zeroizing::new(Digest::from_bytes(*seed).to_string());
    Zeroizing::new(format!("{}\n{name}\n{}\n", sort.form, *seed))
}

fn parse_plain(sort: Sort, text: &str) -> Option<(&str, Zeroizing<[u8; 32]>)> {
    let mut lines = text.strip_prefix(sort.form)?.strip_prefix('\n')?.strip_suffix('\n')?.split('\n');
    let (name, seed) = (lines.next()?, lines.next()?);
    let seed = Digest::parse(seed).ok()?;
    lines.next().is_none().then(|| (name, Zeroizing::new(*seed.as_bytes())))
}

/// The PEM of a one-time key under a PIN, for a file of another form.
///
/// # Errors
/// [`KeyFileError::PassphraseShort`].
pub fn lock(path: &Path, secret: &[u8; 32], pin: &str) -> Result<Zeroizing<String>, KeyFileError> {
    encrypted(path, Sort { form: "", algorithm: SECRET }, secret, pin)
}

/// The one-time key of a PEM; `None` when the PIN is wrong or the text was changed.
pub fn unlock(pem: &str, pin: &str) -> Option<Zeroizing<[u8; 32]>> {
    decrypted(Sort { form: "", algorithm: SECRET }, &document(pem)?, pin)
}

fn encrypted(path: &Path, sort: Sort, seed: &[u8; 32], passphrase: &str) -> Result<Zeroizing<String>, KeyFileError> {
    let chars = passphrase.chars().count();
    if chars < PASSPHRASE_CHARS_MIN {
        return Err(KeyFileError::PassphraseShort(chars));
    }
    // RFC 8410 §7: the private key is an octet string within the octet string.
    let mut inner = Zeroizing::new(vec![0x04, 0x20]);
    inner.extend_from_slice(seed);
    let broken = |_| KeyFileError::Form { path: path.to_owned(), reason: "加密失败" };
    let algorithm = AlgorithmIdentifierRef { oid: sort.algorithm, parameters: None };
    let octets = OctetStringRef::new(&inner).map_err(|e| broken(e.into()))?;
    let document = PrivateKeyInfoRef::new(algorithm, octets).encrypt(passphrase).map_err(broken)?;
    document.to_pem(PEM_LABEL, LineEnding::LF).map_err(|e| broken(e.into()))
}

/// The encrypted key of a PEM whose passphrase costs no more than [`KDF_BYTES_MAX`] and [`KDF_ROUNDS_MAX`]: the file says
/// the cost, and whoever made it must not be able to take all memory of whoever opens it.
fn document(pem: &str) -> Option<SecretDocument> {
    let (label, document) = SecretDocument::from_pem(pem).ok()?;
    let document = (label == PEM_LABEL).then_some(document)?;
    let info = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).ok()?;
    let kdf = &info.encryption_algorithm.pbes2()?.kdf;
    let bearable = match (kdf.scrypt(), kdf.pbkdf2()) {
        (Some(scrypt), _) => {
            let block = 128 * u64::from(scrypt.block_size);
            let memory = block.checked_mul(scrypt.cost_parameter.saturating_add(u64::from(scrypt.parallelization)));
            memory.is_some_and(|bytes| bytes <= KDF_BYTES_MAX) && scrypt.parallelization <= KDF_LANES_MAX
        }
        (None, Some(pbkdf2)) => pbkdf2.iteration_count <= KDF_ROUNDS_MAX,
        (None, None) => false,
    };
    bearable.then_some(document)
}

fn decrypted(sort: Sort, document: &SecretDocument, passphrase: &str) -> Option<Zeroizing<[u8; 32]>> {
    let plain = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).ok()?.decrypt(passphrase).ok()?;
    let info = PrivateKeyInfoRef::try_from(plain.as_bytes()).ok()?;
    let inner = info.private_key.as_bytes().strip_prefix(&[0x04, 0x20])?;
    let seed: [u8; 32] = inner.try_into().ok()?;
    (info.algorithm.oid == sort.algorithm).then(|| Zeroizing::new(seed))
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
    fn a_passphrase_that_would_cost_all_memory_is_not_even_asked_for() {
        use pkcs8::der::Encode as _;
        use pkcs8::pkcs5::EncryptionScheme;
        use pkcs8::pkcs5::pbes2::Kdf;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("closed.key");
        write(&path, &key(), Some("long enough")).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let (name, pem) = text.split_once('\n').unwrap();
        let (_, good) = SecretDocument::from_pem(pem).unwrap();
        let costing = |cost: u64, lanes: u16| {
            let mut info = EncryptedPrivateKeyInfoRef::try_from(good.as_bytes()).unwrap();
            let EncryptionScheme::Pbes2(parameters) = &mut info.encryption_algorithm else { panic!("not PBES2") };
            let Kdf::Scrypt(scrypt) = &mut parameters.kdf else { panic!("not scrypt") };
            (scrypt.cost_parameter, scrypt.parallelization) = (cost, lanes);
            let changed = SecretDocument::try_from(info.to_der().unwrap()).unwrap();
            format!("{name}\n{}", *changed.to_pem(PEM_LABEL, LineEnding::LF).unwrap())
        };
        let asked = |text: &str| parse(&path, text, || None);
        assert!(matches!(asked(&costing(1 << 14, 1)), Err(KeyFileError::PassphraseMissing(_))));
        for (cost, lanes) in [(1 << 30, 1), (u64::MAX >> 1, 1), (1 << 14, 17), (1 << 14, u16::MAX)] {
            let refused = asked(&costing(cost, lanes));
            assert!(matches!(refused, Err(KeyFileError::Form { .. })), "{cost} {lanes}: {refused:?}");
        }
    }

    #[test]
    fn a_receivers_key_is_no_signing_key_and_neither_the_other_way_round() {
        let dir = tempfile::tempdir().unwrap();
        let key_of = ReceiverKey::generate("chen.example/receiver/1").unwrap();
        for (name, passphrase) in [("open", None), ("closed", Some("柳暗花明又一村。"))] {
            let (receiving, signing) = (dir.path().join(format!("r-{name}")), dir.path().join(format!("s-{name}")));
            let ask = || passphrase.map(pass);
            key_of.write(&receiving, passphrase).unwrap();
            write(&signing, &key(), passphrase).unwrap();
            let again = ReceiverKey::read(&receiving, ask).unwrap();
            assert_eq!((again.name(), again.public()), ("chen.example/receiver/1", key_of.public()));
            assert!(read(&receiving, ask).is_err() && ReceiverKey::read(&signing, ask).is_err(), "{name}");
        }
    }

    #[test]
    fn a_witnesss_key_is_no_signing_key_and_neither_the_other_way_round() {
        let dir = tempfile::tempdir().unwrap();
        let witness = generate_witness("witness.example/1").unwrap();
        for (name, passphrase) in [("open", None), ("closed", Some("柳暗花明又一村。"))] {
            let (cosigning, signing) = (dir.path().join(format!("w-{name}")), dir.path().join(format!("s-{name}")));
            let ask = || passphrase.map(pass);
            write(&cosigning, &witness, passphrase).unwrap();
            write(&signing, &key(), passphrase).unwrap();
            assert_eq!(read_witness(&cosigning, ask).unwrap().verifier(), witness.verifier());
            assert!(read(&cosigning, ask).is_err() && read_witness(&signing, ask).is_err(), "{name}");
        }
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
