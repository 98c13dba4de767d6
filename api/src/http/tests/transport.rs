//! What a listener speaks: TLS with the certificate that was made, and in the clear only to this machine.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::{Extension, Router, routing};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::http::server::{Limits, Listener, Secured, ServeError, Transport, run};
use crate::http::tls::{CERTIFICATE_FILE, Identity};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), ServeError>>,
    keys: TempDir,
}

fn identity(keys: &Path) -> Identity {
    Identity::new(keys.to_owned(), "127.0.0.1:0".parse().unwrap(), &[])
}

/// A listener of this machine that speaks what an internal one at `as_if` speaks.
async fn serve(as_if: &str) -> Running {
    let keys = tempfile::tempdir().unwrap();
    let tls = identity(keys.path()).open("2026-03-02T01:00:00Z".parse().unwrap()).unwrap();
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let listener = listener.speaking(Transport::internal(as_if.parse().unwrap(), tls));
    let address = listener.address();
    let told = |secured: Option<Extension<Secured>>| async move { if secured.is_some() { "secured" } else { "plain" } };
    let router = Router::new().route("/", routing::get(told));
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(run(vec![(listener, router)], Limits::default(), async { drop(stopped.await) }));
    Running { address, stop, ended, keys }
}

async fn plain(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Asks over TLS, trusting the certificate of a folder.
async fn secured(address: SocketAddr, keys: &Path, name: &'static str) -> io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(keys.join(CERTIFICATE_FILE)).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name.try_into().unwrap(), stream).await?;
    stream.write_all(REQUEST).await?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loopback_listener_speaks_tls_and_answers_plain_http_on_the_same_port() {
    for address in ["127.0.0.1:8081", "127.0.0.2:8081", "[::1]:8081", "[::ffff:127.0.0.1]:8081"] {
        let running = serve(address).await;
        let answer = plain(running.address).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("plain"), "{address}: {answer}");
        for name in ["localhost", "127.0.0.1"] {
            let answer = secured(running.address, running.keys.path(), name).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("secured"), "{address}: {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_other_listener_speaks_tls_only() {
    for address in ["0.0.0.0:8081", "[::]:8081", "10.1.2.3:8081", "[fd00::1]:8081"] {
        let running = serve(address).await;
        let answer = plain(running.address).await;
        assert!(!answer.contains("HTTP/") && !answer.contains("plain"), "{address}: {answer}");
        let answer = secured(running.address, running.keys.path(), "localhost").await.unwrap();
        assert!(answer.ends_with("secured"), "{address}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_trusts_neither_another_certificate_nor_another_name() {
    let (running, other) = (serve("10.1.2.3:8081").await, tempfile::tempdir().unwrap());
    drop(identity(other.path()).open("2026-03-02T01:00:00Z".parse().unwrap()).unwrap());
    for (keys, name) in [(other.path(), "localhost"), (running.keys.path(), "ledger.example")] {
        assert_eq!(secured(running.address, keys, name).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_says_nothing_does_not_hold_up_the_shutdown() {
    for address in ["127.0.0.1:8081", "10.1.2.3:8081"] {
        let running = serve(address).await;
        let silent = TcpStream::connect(running.address).await.unwrap();
        // Accepted in order: once this is answered, the silent one is being listened to.
        drop(secured(running.address, running.keys.path(), "localhost").await.unwrap());
        running.stop.send(()).unwrap();
        running.ended.await.unwrap().unwrap();
        drop(silent);
    }
}
