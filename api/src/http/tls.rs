//! Key and certificate of the internal listener, made on first start, or the operator's own.
//!
//! `keys/internal-tls.key` (mode 0600) and `keys/internal-tls.pem` lie in the ledger's directory. What is
//! missing is made: a key, and a certificate of that key that signs itself, for `localhost`, the listen
//! address and the configured names. Readers are given the certificate (`--ca`, or into the browser). Another
//! pair put in its place is used as it is; after a change of names, remove the certificate and keep the key:
//! the next start makes one for the new names. Nothing here is ever overwritten.
//!
//! Not here: which connections speak TLS (`server::Transport`), and the trust of clients (`fetch`).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier as _;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, CertificateError, RootCertStore, ServerConfig};
use zeroize::Zeroizing;

use crate::keyfile::{self, KeyFileError};

/// The private key, in the folder of the ledger's keys.
pub const KEY_FILE: &str = "internal-tls.key";
/// The certificate, beside it.
pub const CERTIFICATE_FILE: &str = "internal-tls.pem";

/// How long a certificate that we make holds: ten years. Its readers were given it by hand, and would have to be again.
const VALID_DAYS: i64 = 3_650;
/// Most bytes of either file: a chain of some ten certificates.
const FILE_BYTES_MAX: u64 = 1 << 17;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{path} 读写不了")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others may read the key.
    #[error(transparent)]
    Open(#[from] KeyFileError),
    /// There is a certificate and the key to it is not there.
    #[error("有证书 {certificate}，没有它的私钥 {key}")]
    KeyMissing {
        /// The certificate.
        certificate: PathBuf,
        /// Where its key should be.
        key: PathBuf,
    },
    /// Not what it should hold.
    #[error("{path} 不可用：{reason}")]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A name that no certificate can be for.
    #[error("证书不能用于这些名称 {names}：{reason}")]
    Names {
        /// The names.
        names: String,
        /// Why.
        reason: String,
    },
    /// Key and certificate do not fit each other.
    #[error("证书 {path} 和私钥不配套")]
    Pair {
        /// The certificate.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

/// Where key and certificate are, and for what they have to be.
#[derive(Clone, Debug)]
pub struct Identity {
    folder: PathBuf,
    names: Vec<String>,
}

impl Identity {
    /// Files in the folder of the ledger's keys, for this listen address and these further names.
    pub fn new(folder: PathBuf, listen: SocketAddr, more: &[String]) -> Self {
        let mut names = vec!["localhost".to_owned()];
        let addresses = [IpAddr::from([127, 0, 0, 1]), listen.ip().to_canonical()];
        // "All addresses" is none that a reader could ask for.
        let addresses = addresses.iter().filter(|address| !address.is_unspecified()).map(ToString::to_string);
        for name in addresses.chain(more.iter().cloned()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Self { folder, names }
    }

    /// The certificate's file, for clients to trust.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join(CERTIFICATE_FILE)
    }

    fn key(&self) -> PathBuf {
        self.folder.join(KEY_FILE)
    }

    /// Makes what is missing and reads both.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn open(&self, now: DateTime<Utc>) -> Result<TlsAcceptor, TlsError> {
        let (key, certificate) = (self.key(), self.certificate());
        if !key.exists() {
            if certificate.exists() {
                return Err(TlsError::KeyMissing { certificate, key });
            }
            let made = KeyPair::generate().map_err(|error| form(&key, &error))?;
            write(&key, &Zeroizing::new(made.serialize_pem()), true)?;
        }
        // If we stop here, the next start finds the key and makes its certificate.
        let secret = Zeroizing::new(read(&key, true)?);
        if !certificate.exists() {
            let pair = KeyPair::from_pem(&secret).map_err(|error| form(&key, &error))?;
            write(&certificate, &self.make(&pair, now)?, false)?;
        }
        self.acceptor(&secret, &read(&certificate, false)?)
    }

    fn make(&self, key: &KeyPair, now: DateTime<Utc>) -> Result<String, TlsError> {
        let refused =
            |error: &rcgen::Error| TlsError::Names { names: self.names.join("、"), reason: error.to_string() };
        let mut params = CertificateParams::new(self.names.clone()).map_err(|error| refused(&error))?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "gongkai internal");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // A client whose clock is a little behind ours accepts it too.
        let [from, until] = [now - TimeDelta::days(1), now + TimeDelta::days(VALID_DAYS)].map(calendar_day);
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        Ok(params.self_signed(key).map_err(|error| refused(&error))?.pem())
    }

    fn acceptor(&self, key: &str, chain: &str) -> Result<TlsAcceptor, TlsError> {
        let (key_file, path) = (self.key(), self.certificate());
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| form(&key_file, &error))?;
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<_, _>>().map_err(|e| form(&path, &e))?;
        let pair = |source| TlsError::Pair { path: path.clone(), source };
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().map_err(pair)?.with_no_client_auth();
        let mut config = config.with_single_cert(chain, key).map_err(pair)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn form(path: &Path, error: &dyn std::error::Error) -> TlsError {
    TlsError::Form { path: path.to_owned(), reason: error.to_string() }
}

/// Whether the first certificate of a file is within its time; who issued it is its readers' to judge.
///
/// # Errors
/// [`TlsError`] for a file that cannot be read or holds no certificate.
pub fn is_valid_at(path: &Path, time: DateTime<Utc>) -> Result<bool, TlsError> {
    let text = read(path, false)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let chain = chain.map_err(|error| form(path, &error))?;
    let empty = || TlsError::Form { path: path.to_owned(), reason: "没有证书".into() };
    let (first, others) = chain.split_first().ok_or_else(empty)?;
    let mut roots = RootCertStore::empty();
    roots.add(others.last().unwrap_or(first).clone()).map_err(|error| form(path, &error))?;
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let verifier = verifier.map_err(|error| form(path, &error))?;
    let since = UnixTime::since_unix_epoch(Duration::from_secs(time.timestamp().max(0).cast_unsigned()));
    let name = ServerName::try_from("localhost").map_err(|error| form(path, &error))?;
    // Whatever else does not fit shows to whoever connects; here it is about time alone.
    let out_of_time = |error: &CertificateError| {
        use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
        matches!(error, Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. })
    };
    let outcome = verifier.verify_server_cert(first, others, &name, &[], since);
    Ok(!matches!(outcome, Err(rustls::Error::InvalidCertificate(error)) if out_of_time(&error)))
}

/// Year, month and day, each in its calendar's bounds.
fn calendar_day(time: DateTime<Utc>) -> (i32, u8, u8) {
    let narrow = |part: u32| u8::try_from(part).expect("months and days have two digits");
    (time.year(), narrow(time.month()), narrow(time.day()))
}

fn read(path: &Path, is_secret: bool) -> Result<String, TlsError> {
    let failed = |source| TlsError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    if is_secret {
        keyfile::check_mode(path, &file)?;
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// Writes a new file and waits until it is on the disk; one that is there stays.
fn write(path: &Path, text: &str, is_secret: bool) -> Result<(), TlsError> {
    let failed = |source| TlsError::Io { path: path.to_owned(), source };
    // What a crash left half written is not what the next start finds under the name.
    let draft = path.with_extension("draft");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut options = if is_secret { keyfile::private_file() } else { OpenOptions::new() };
    let mut file = options.write(true).create_new(true).open(&draft).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&draft, path).map_err(failed)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn identity(folder: &Path, more: &[&str]) -> Identity {
        let more: Vec<String> = more.iter().map(|name| (*name).to_owned()).collect();
        Identity::new(folder.to_owned(), "10.1.2.3:8081".parse().unwrap(), &more)
    }

    fn now() -> DateTime<Utc> {
        "2028-02-29T10:00:00Z".parse().unwrap()
    }

    fn text(folder: &Path, file: &str) -> String {
        fs::read_to_string(folder.join(file)).unwrap()
    }

    #[test]
    fn key_and_certificate_are_made_once_and_only_the_owner_reads_the_key() {
        let folder = tempfile::tempdir().unwrap();
        drop(identity(folder.path(), &[]).open(now()).unwrap());
        let made = [KEY_FILE, CERTIFICATE_FILE].map(|file| text(folder.path(), file));
        let secret = fs::metadata(folder.path().join(KEY_FILE)).unwrap();
        assert_eq!(secret.permissions().mode() & 0o777, 0o600);
        drop(identity(folder.path(), &[]).open(now()).unwrap());
        assert_eq!([KEY_FILE, CERTIFICATE_FILE].map(|file| text(folder.path(), file)), made);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_certificate_is_for_localhost_the_listen_address_and_the_configured_names() {
        let folder = tempfile::tempdir().unwrap();
        let names = identity(folder.path(), &["gk.qinghe.example", "localhost"]).names;
        assert_eq!(names, ["localhost", "127.0.0.1", "10.1.2.3", "gk.qinghe.example"]);
        let anywhere = Identity::new(folder.path().to_owned(), "0.0.0.0:1".parse().unwrap(), &[]);
        assert_eq!(anywhere.names, ["localhost", "127.0.0.1"]);
        let bad = identity(folder.path(), &["公开.example"]).open(now());
        assert!(matches!(bad, Err(TlsError::Names { .. })));
    }

    #[test]
    fn a_certificate_that_was_removed_is_made_again_for_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        drop(identity(folder.path(), &[]).open(now()).unwrap());
        let (key, certificate) = (text(folder.path(), KEY_FILE), text(folder.path(), CERTIFICATE_FILE));
        fs::remove_file(folder.path().join(CERTIFICATE_FILE)).unwrap();
        drop(identity(folder.path(), &["gk.qinghe.example"]).open(now()).unwrap());
        assert_eq!(text(folder.path(), KEY_FILE), key);
        assert_ne!(text(folder.path(), CERTIFICATE_FILE), certificate);
    }

    #[test]
    fn files_that_do_not_belong_together_are_refused_and_left_as_they_are() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for folder in [&one, &other] {
            drop(identity(folder.path(), &[]).open(now()).unwrap());
        }
        fs::copy(other.path().join(CERTIFICATE_FILE), one.path().join(CERTIFICATE_FILE)).unwrap();
        assert!(matches!(identity(one.path(), &[]).open(now()), Err(TlsError::Pair { .. })));
        fs::remove_file(one.path().join(KEY_FILE)).unwrap();
        assert!(matches!(identity(one.path(), &[]).open(now()), Err(TlsError::KeyMissing { .. })));
        assert_eq!(text(one.path(), CERTIFICATE_FILE), text(other.path(), CERTIFICATE_FILE));
    }

    #[test]
    fn a_certificate_is_valid_for_its_ten_years_and_not_before_or_after() {
        let folder = tempfile::tempdir().unwrap();
        drop(identity(folder.path(), &[]).open(now()).unwrap());
        let certificate = folder.path().join(CERTIFICATE_FILE);
        let valid = |days: i64| is_valid_at(&certificate, now() + TimeDelta::days(days)).unwrap();
        assert_eq!([-3, 0, VALID_DAYS - 2, VALID_DAYS + 2].map(valid), [false, true, true, false]);
        fs::write(&certificate, "nothing").unwrap();
        assert!(matches!(is_valid_at(&certificate, now()), Err(TlsError::Form { .. })));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(identity(folder.path(), &[]).open(now()).unwrap());
        let key = folder.path().join(KEY_FILE);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(identity(folder.path(), &[]).open(now()), Err(TlsError::Open(_))));
    }
}
