//! Reading a published log from elsewhere: over HTTP, or out of a bundle.
//!
//! Both implement [`Fetch`], so the same checker runs on a directory (`gongkai_store::DirectoryFetch`), an
//! address and an archive. Everything read is bounded. Not here: what the bytes mean (`gongkai-log`).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gongkai_log::note::NOTE_BYTES_MAX;
use gongkai_log::tile::{self, BUNDLE_BYTES_MAX, TileKind, TilePath};
use gongkai_log::{Digest, Fetch, TileSource};
use gongkai_store::ATTACHMENT_BYTES_MAX;
use gongkai_store::mirror::Source;
pub use gongkai_store::mirror::source::OPENINGS_BYTES_MAX;
use gongkai_store::mirror::source::{attachment_path, extra_bytes_max};
use tokio_rustls::rustls;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use crate::outcome::Fault;

/// Most files of a bundle: the tiles, openings and lists of ten million entries.
pub const BUNDLE_FILES_MAX: usize = 4_000_000;
/// How long one answer may take.
const ANSWER_SECONDS_MAX: u64 = 60;
const CONNECT_SECONDS_MAX: u64 = 10;
const REDIRECTS_MAX: u32 = 3;
/// Most bytes of a file of certificates: a system's whole list has some 200 KiB.
const CA_BYTES_MAX: u64 = 1 << 20;

/// Requests that a mirror has open at a time: enough to hide the way there and back, and little for a server.
const CONNECTIONS: usize = 4;

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No answer, or one that breaks off.
    #[error("{url} 没有正常应答")]
    Http {
        /// The address.
        url: String,
        /// Why.
        #[source]
        source: Box<ureq::Error>,
    },
    /// An answer that is no success.
    #[error("{url} 应答 {status}")]
    Status {
        /// The address.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// The archive cannot be read.
    #[error("归档文件读不了")]
    Io(#[from] io::Error),
    /// The archive does not have it.
    #[error("归档里没有 {0}")]
    Missing(String),
    /// Larger than it may be.
    #[error("{0} 太大")]
    TooLarge(String),
    /// It breaks off.
    #[error("{url} 的应答读不完")]
    Cut {
        /// The address.
        url: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A bundle that should be full is not.
    #[error("{0} 的内容不完整")]
    Short(String),
}

/// An agent with the time limits that every request of ours has. It trusts the well-known authorities.
pub fn agent() -> ureq::Agent {
    limited(TlsConfig::default())
}

/// An agent that trusts the certificates of a PEM file, and nothing else.
///
/// # Errors
/// A fault of wrong use: no such file, or no certificate in it.
pub fn agent_trusting(file: &Path) -> Result<ureq::Agent, Fault> {
    let place = format!("--ca {}", file.display());
    let mut text = Vec::new();
    let read = File::open(file).and_then(|opened| opened.take(CA_BYTES_MAX).read_to_end(&mut text));
    read.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Fault::usage(place.clone(), "没有这个文件"),
        _ => Fault::failed(place.clone(), &error),
    })?;
    let items = parse_pem(&text).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let certificates: Vec<_> = items.collect();
    if certificates.is_empty() {
        let remedy = "请给出 PEM 格式的证书，例如账本目录的 keys/internal-tls.pem";
        return Err(Fault::usage(place, "里面没有证书").mend(remedy));
    }
    let roots = RootCerts::new_with_certs(&certificates);
    Ok(limited(TlsConfig::builder().root_certs(roots).build()))
}

/// What an address that did not answer means for whoever asked it.
pub fn unanswered(url: &str, error: &ureq::Error) -> Fault {
    match certificate_error(error) {
        Some(error) => Fault::usage(url, format!("这个地址的证书不受信任（{error}）")).mend(
            "如果是账本自己的证书，请用 --ca 给出它：账本目录的 keys/internal-tls.pem，经可靠的途径取得；\
             网址里的名称也要是证书上的",
        ),
        None => Fault::failed(url, error).mend("请检查网络和 --url"),
    }
}

/// Why a certificate was not accepted, if that is why.
fn certificate_error(error: &ureq::Error) -> Option<&rustls::Error> {
    let error = match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
        _ => None,
    };
    error.filter(|error| matches!(error, rustls::Error::InvalidCertificate(_)))
}

/// An agent that asks at the address it was given and nowhere else, and waits no longer for an answer than this.
pub fn agent_staying(answer_max: Duration) -> ureq::Agent {
    within(TlsConfig::default(), answer_max, 0)
}

fn limited(tls: TlsConfig) -> ureq::Agent {
    within(tls, Duration::from_secs(ANSWER_SECONDS_MAX), REDIRECTS_MAX)
}

fn within(tls: TlsConfig, answer_max: Duration, redirects_max: u32) -> ureq::Agent {
    ureq::Agent::config_builder()
        .tls_config(tls)
        .timeout_connect(Some(Duration::from_secs(CONNECT_SECONDS_MAX)))
        .timeout_global(Some(answer_max))
        .http_status_as_error(false)
        .max_redirects(redirects_max)
        .user_agent(concat!("gongkai/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent()
}

/// The bytes of an answer, unpacked.
///
/// # Errors
/// It breaks off, or is longer than allowed.
pub fn body(answer: &mut ureq::http::Response<ureq::Body>, bytes_max: u64) -> Result<Vec<u8>, ureq::Error> {
    let mut bytes = Vec::new();
    // Counted here: the client's own limit is on what travels, which may unpack to a thousand times as much.
    answer.body_mut().as_reader().take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max { Err(ureq::Error::BodyExceedsLimit(bytes_max)) } else { Ok(bytes) }
}

/// A log that is served over HTTP.
#[derive(Debug)]
pub struct HttpFetch {
    agent: ureq::Agent,
    base: String,
}

impl HttpFetch {
    /// The log of a ledger at this address, with or without `/log` at its end.
    pub fn new(url: &str) -> Self {
        Self::with(agent(), url)
    }

    /// The same, asked by an agent of the caller's.
    pub fn with(agent: ureq::Agent, url: &str) -> Self {
        let url = url.trim_end_matches('/');
        let url = url.strip_suffix("/log").unwrap_or(url);
        Self { agent, base: format!("{url}/log") }
    }

    /// A file below `/log/`; `None` when there is none.
    ///
    /// # Errors
    /// [`FetchError`]: no answer, another status than 200 and 404, or too many bytes.
    pub fn get(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, FetchError> {
        self.at(format!("{}/{path}", self.base), bytes_max)
    }

    /// An answer of the ledger's API; `None` when there is none, also for the moment.
    ///
    /// # Errors
    /// As [`HttpFetch::get`].
    pub fn api(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, FetchError> {
        let site = self.base.strip_suffix("/log").unwrap_or(&self.base);
        match self.at(format!("{site}/api/v1/{path}"), bytes_max) {
            Err(FetchError::Status { status: 503, .. }) => Ok(None),
            other => other,
        }
    }

    fn at(&self, url: String, bytes_max: usize) -> Result<Option<Vec<u8>>, FetchError> {
        let failed = |source| FetchError::Http { url: url.clone(), source: Box::new(source) };
        let mut answer = self.agent.get(&url).call().map_err(failed)?;
        match answer.status().as_u16() {
            200 => {
                let read = body(&mut answer, bytes_max as u64);
                match read {
                    Err(ureq::Error::BodyExceedsLimit(_)) => Err(FetchError::TooLarge(url)),
                    Err(ureq::Error::Io(source)) => Err(FetchError::Cut { url, source }),
                    Err(other) => Err(failed(other)),
                    Ok(bytes) => Ok(Some(bytes)),
                }
            }
            404 => Ok(None),
            status => Err(FetchError::Status { url, status }),
        }
    }

    fn required(&self, path: &str, bytes_max: usize) -> Result<Vec<u8>, FetchError> {
        let missing = || FetchError::Status { url: format!("{}/{path}", self.base), status: 404 };
        self.get(path, bytes_max)?.ok_or_else(missing)
    }
}

/// The first `width` items of a fuller tile.
fn cut(path: &TilePath, bytes: &[u8]) -> Result<Vec<u8>, FetchError> {
    let short = || FetchError::Short(path.to_string());
    let width = usize::try_from(path.width()).map_err(|_| short())?;
    match path.kind() {
        TileKind::Entries => {
            let entries = tile::decode_bundle(bytes).map_err(|_| short())?;
            let first = entries.get(..width).ok_or_else(short)?;
            tile::encode_bundle(first).map_err(|_| short())
        }
        TileKind::Hashes(_) => bytes.get(..width * 32).map(<[u8]>::to_vec).ok_or_else(short),
    }
}

impl Fetch for HttpFetch {
    type Error = FetchError;

    fn checkpoint(&self) -> Result<Vec<u8>, FetchError> {
        self.required("checkpoint", NOTE_BYTES_MAX)
    }

    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, FetchError> {
        // A partial tile may be gone once it is full (c2sp.org/tlog-tiles); the full one begins with it.
        match self.get(&path.to_string(), BUNDLE_BYTES_MAX)? {
            Some(bytes) => Ok(bytes),
            None if path.is_full() => self.required(&path.to_string(), BUNDLE_BYTES_MAX),
            None => cut(path, &self.required(&path.full().to_string(), BUNDLE_BYTES_MAX)?),
        }
    }

    fn extra(&self, path: &str) -> Result<Option<Vec<u8>>, FetchError> {
        self.get(path, extra_bytes_max(path))
    }
}

impl Source for HttpFetch {
    fn attachment(&self, hash: &Digest) -> Result<Option<Vec<u8>>, FetchError> {
        self.get(&attachment_path(hash), ATTACHMENT_BYTES_MAX)
    }

    fn is_missing(error: &FetchError) -> bool {
        matches!(error, FetchError::Status { status: 404, .. })
    }

    fn connections(&self) -> usize {
        CONNECTIONS
    }
}

/// A bundle: one uncompressed tar, read in place.
#[derive(Debug)]
pub struct TarFetch<R = File> {
    archive: Mutex<R>,
    files: BTreeMap<String, (u64, u64)>,
}

impl TarFetch {
    /// Reads the archive's table of contents.
    ///
    /// # Errors
    /// [`FetchError`]: not a tar, cut, or too many files.
    pub fn open(path: &Path) -> Result<Self, FetchError> {
        Self::of(File::open(path)?)
    }
}

impl<R: io::Read + io::Seek> TarFetch<R> {
    /// Reads the table of contents of an archive that lies elsewhere than in a file.
    ///
    /// # Errors
    /// As [`TarFetch::open`].
    pub fn of(mut bytes: R) -> Result<Self, FetchError> {
        let end = bytes.seek(SeekFrom::End(0))?;
        bytes.rewind()?;
        let mut archive = tar::Archive::new(bytes);
        let mut files = BTreeMap::new();
        for entry in archive.entries_with_seek()? {
            let entry = entry?;
            if entry.header().entry_type() != tar::EntryType::Regular {
                continue;
            }
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let (at, size) = (entry.raw_file_position(), entry.size());
            // What a header promises is not there yet: nothing is made ready for it before.
            if at.checked_add(size).is_none_or(|after| after > end) {
                return Err(FetchError::Short(name));
            }
            files.insert(name, (at, size));
            if files.len() > BUNDLE_FILES_MAX {
                return Err(FetchError::TooLarge(format!("{BUNDLE_FILES_MAX} files")));
            }
        }
        Ok(Self { archive: Mutex::new(archive.into_inner()), files })
    }

    /// Names of the files that begin with `prefix`.
    pub fn names<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.files.range(prefix.to_owned()..).map(|(name, _)| name.as_str()).take_while(move |n| n.starts_with(prefix))
    }

    /// A file of the archive; `None` when it has none of that name.
    ///
    /// # Errors
    /// [`FetchError::Io`], [`FetchError::TooLarge`].
    pub fn get(&self, name: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, FetchError> {
        let Some((at, size)) = self.files.get(name).copied() else { return Ok(None) };
        let Some(size) = usize::try_from(size).ok().filter(|size| *size <= bytes_max) else {
            return Err(FetchError::TooLarge(name.to_owned()));
        };
        let mut bytes = vec![0; size];
        let mut archive = self.archive.lock().unwrap_or_else(PoisonError::into_inner);
        archive.seek(SeekFrom::Start(at))?;
        archive.read_exact(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// A file that must be there.
    ///
    /// # Errors
    /// [`FetchError`].
    pub fn required(&self, name: &str, bytes_max: usize) -> Result<Vec<u8>, FetchError> {
        self.get(name, bytes_max)?.ok_or_else(|| FetchError::Missing(name.to_owned()))
    }
}

impl<R: io::Read + io::Seek + Send> Fetch for TarFetch<R> {
    type Error = FetchError;

    fn checkpoint(&self) -> Result<Vec<u8>, FetchError> {
        self.required("checkpoint", NOTE_BYTES_MAX)
    }

    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, FetchError> {
        self.required(&path.to_string(), BUNDLE_BYTES_MAX)
    }

    fn extra(&self, path: &str) -> Result<Option<Vec<u8>>, FetchError> {
        self.get(path, extra_bytes_max(path))
    }
}

impl<R: io::Read + io::Seek + Send> Source for TarFetch<R> {
    fn attachment(&self, hash: &Digest) -> Result<Option<Vec<u8>>, FetchError> {
        self.get(&attachment_path(hash), ATTACHMENT_BYTES_MAX)
    }

    fn is_missing(error: &FetchError) -> bool {
        matches!(error, FetchError::Missing(_))
    }
}

/// Tiles of hashes, for making proofs, out of anything that can be fetched.
#[derive(Debug)]
pub struct Tiles<'f, F>(pub &'f F);

impl<F: Fetch> TileSource for Tiles<'_, F> {
    type Error = F::Error;

    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, F::Error> {
        self.0.tile(path)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use super::*;

    /// Gives this answer to the first who asks; afterwards the path that was asked for.
    fn answering(answer: Vec<u8>) -> (String, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let head: Vec<String> =
                BufReader::new(&stream).lines().map(Result::unwrap).take_while(|l| !l.is_empty()).collect();
            stream.write_all(&answer).unwrap();
            head[0].split(' ').nth(1).unwrap().to_owned()
        });
        (url, served)
    }

    fn answer(head: &str, body: &[u8]) -> Vec<u8> {
        let length = body.len();
        [format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").as_bytes(), body].concat()
    }

    /// 200,000 zeros, packed.
    fn packed() -> Vec<u8> {
        let head = [
            0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0x02, 0x03, 0xed, 0xc1, 0x31, 0x01, 0, 0, 0, 0xc2, 0xa0, 0xf5, 0x4f, 0x6d,
            0x06, 0x7f, 0xa0,
        ];
        let tail = [0x80, 0xd7, 0, 0x7b, 0x58, 0xe0, 0x5c, 0x40, 0x0d, 0x03, 0];
        [&head[..], &[0; 193], &tail[..]].concat()
    }

    #[test]
    fn an_answer_is_measured_by_what_it_unpacks_to() {
        let packed = packed();
        assert_eq!(packed.len(), 229);
        for (bytes_max, fits) in [(200_000, true), (199_999, false)] {
            let (url, served) = answering(answer("200 OK\r\nContent-Encoding: gzip", &packed));
            let got = HttpFetch::new(&url).get("checkpoint", bytes_max);
            match got {
                Ok(Some(bytes)) => assert!(fits && bytes == vec![0; 200_000]),
                other => assert!(!fits && matches!(other, Err(FetchError::TooLarge(_))), "{other:?}"),
            }
            assert_eq!(served.join().unwrap(), "/log/checkpoint");
        }
    }

    #[test]
    fn an_agent_that_stays_does_not_go_where_an_address_leads() {
        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        elsewhere.set_nonblocking(true).unwrap();
        let to = format!("302 Found\r\nLocation: http://{}/log/checkpoint", elsewhere.local_addr().unwrap());
        let (url, served) = answering(answer(&to, b""));
        let got = HttpFetch::with(agent_staying(Duration::from_secs(20)), &url).get("checkpoint", 1_000);
        assert!(matches!(got, Err(FetchError::Status { status: 302, .. })), "{got:?}");
        served.join().unwrap();
        assert_eq!(elsewhere.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "nobody came");
    }
}
