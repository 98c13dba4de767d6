//! Listeners and connections: what stands between the network and the router.
//!
//! Each connection is HTTP/1.1 with bounded headers, a limit on the time that headers may take, and a
//! limit on the time that a client may stop reading. There are at most so many connections at once;
//! those beyond wait in the kernel's queue, where they cost us nothing and which is bounded by itself. One address has a
//! share of them; beyond it a connection is answered 429 and closed. On shutdown nothing new is
//! accepted, what was accepted is answered, and only then does [`run`] return.
//!
//! The public listener speaks plain HTTP, TLS ends before it. The internal one speaks TLS; on a loopback
//! address it also answers plain HTTP on the same port, told apart by the first byte.
//!
//! Not here: what is served (`mod.rs`), the limits of one request (`guard`), key and certificate (`tls`).

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::{Extension, Router};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::citizen::address::{Client, Peer};
use super::tls::TlsError;

/// First byte of a TLS handshake record (RFC 8446 §5.1); no HTTP request begins with it.
const HANDSHAKE: u8 = 0x16;

/// What a client may ask of the server, whatever it asks for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once, all listeners together. A connection costs some 20 KiB.
    pub connections_max: usize,
    /// Connections at once from one address (of IPv6 the /64); one more is answered 429.
    pub connections_each_max: usize,
    /// This machine itself is exempt: a proxy in front of us brings everybody's.
    pub spares_this_machine: bool,
    /// Request line and headers together. Ours need under 1 KiB; browsers send up to 8 KiB.
    pub header_bytes_max: usize,
    /// Headers of one request.
    pub headers_max: usize,
    /// From the first byte of a request, or the end of the one before, to the end of its headers; also for
    /// the handshake of TLS.
    pub header_read_time_max: Duration,
    /// How long a client may take no byte of an answer.
    pub write_stall_time_max: Duration,
    /// One request, its body included.
    pub request_time_max: Duration,
    /// How long accepted requests are waited for on shutdown.
    pub drain_time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            connections_each_max: 128,
            spares_this_machine: true,
            header_bytes_max: 16 * 1_024,
            headers_max: 64,
            header_read_time_max: Duration::from_secs(15),
            write_stall_time_max: Duration::from_secs(30),
            request_time_max: Duration::from_secs(30),
            drain_time_max: Duration::from_secs(35),
        }
    }
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The internal listener would be reachable from other machines.
    #[error("the internal listener {0} is no loopback address; allow other addresses explicitly")]
    NotLoopback(SocketAddr),
    /// The numbers would be reachable from other machines.
    #[error("metrics are shown at a loopback address only, {0} is none")]
    NumbersNotLoopback(SocketAddr),
    /// The internal listener has no usable key or certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Requests were still running when the time for draining was over; none of them was acknowledged.
    #[error("{0} connections were cut on shutdown")]
    Cut(usize),
}

/// What the connections of a listener speak.
#[derive(Clone)]
pub enum Transport {
    /// HTTP in the clear.
    Plain,
    /// TLS and nothing else.
    Tls(TlsAcceptor),
    /// TLS, and HTTP in the clear for programs and proxies of this machine.
    Either(TlsAcceptor),
}

impl Transport {
    /// What the internal listener speaks at an address: in the clear only what no other machine can send.
    pub fn internal(address: SocketAddr, tls: TlsAcceptor) -> Self {
        if is_this_machine(address) { Self::Either(tls) } else { Self::Tls(tls) }
    }
}

/// Whether only this machine reaches an address.
pub fn is_this_machine(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Marks requests that came over TLS, as an extension.
#[derive(Clone, Copy, Debug)]
pub struct Secured;

/// A socket that listens and whose connections nobody answers yet.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    transport: Transport,
}

impl Listener {
    /// Listens on an address; port 0 takes a free one.
    pub async fn bind(address: SocketAddr) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Bind { address, source };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address, transport: Transport::Plain })
    }

    /// The same with another transport than plain HTTP.
    #[must_use]
    pub fn speaking(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// The address that it has.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Serves all listeners until `shutdown`, then answers what was accepted.
///
/// # Errors
/// [`ServeError::Cut`] when connections had to be cut at the end.
#[expect(clippy::missing_panics_doc, reason = "the tasks that share the handle have been joined")]
pub async fn run(
    listeners: Vec<(Listener, Router)>,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let graceful = Arc::new(GracefulShutdown::new());
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let (stop, stopped) = watch::channel(());
    let mut accepting = tokio::task::JoinSet::new();
    for (listener, router) in listeners {
        accepting.spawn(accept(listener, router, limits, Arc::clone(&slots), Arc::clone(&graceful), stopped.clone()));
    }
    drop(stopped);
    shutdown.await;
    // From here on no connection is accepted; a submission whose bytes have arrived still gets its receipt.
    drop(stop);
    accepting.join_all().await;
    let open = limits.connections_max - slots.available_permits();
    tracing::info!(connections = open, "draining");
    let graceful = Arc::into_inner(graceful).expect("the tasks that shared it have ended");
    match tokio::time::timeout(limits.drain_time_max, graceful.shutdown()).await {
        Ok(()) => Ok(()),
        Err(_) => Err(ServeError::Cut(limits.connections_max - slots.available_permits())),
    }
}

async fn accept(
    listener: Listener,
    router: Router,
    limits: Limits,
    slots: Arc<Semaphore>,
    graceful: Arc<GracefulShutdown>,
    mut stopped: watch::Receiver<()>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_time_max)
        .max_headers(limits.headers_max)
        .max_header_size(limits.header_bytes_max)
        .half_close(false);
    let Listener { socket, transport, .. } = listener;
    let secured = router.clone().layer(Extension(Secured));
    let serving = Serving { http, transport, router, secured, limits };
    let shares = Shares::new(&limits);
    loop {
        // A slot first, a connection then: beyond the limit clients wait in the kernel's queue.
        let accepted = tokio::select! {
            biased;
            _ = stopped.changed() => return,
            accepted = next(&socket, &slots) => accepted,
        };
        let (stream, slot) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, or the client went away: trying at once would only spin.
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Some(share) = shares.take(&stream) else {
            // Not waited for: whoever does not read it has too many connections already.
            let _ = stream.try_write(TOO_MANY);
            continue;
        };
        let connection = serving.clone().connection(stream, graceful.watcher(), stopped.clone());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error, "a connection ended early");
            }
            drop((slot, share));
        });
    }
}

/// What a client is told that has too many connections; of TLS it understands only that it was closed.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 2\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Connections by address.
type Held = Arc<Mutex<HashMap<Client, usize>>>;

/// How many connections each address has at a listener. Kept in memory, and no longer than the connection.
#[derive(Clone)]
struct Shares {
    each_max: usize,
    spares_this_machine: bool,
    taken: Held,
}

/// One connection of an address, given back when it is dropped; nothing for those that are exempt.
struct Share(Option<(Client, Held)>);

impl Shares {
    fn new(limits: &Limits) -> Self {
        let Limits { connections_each_max, spares_this_machine, .. } = *limits;
        Self { each_max: connections_each_max, spares_this_machine, taken: Arc::default() }
    }

    /// A share for a connection; `None` when its address has all that it may have.
    fn take(&self, stream: &TcpStream) -> Option<Share> {
        // A connection whose other end is unknown ends with its first byte.
        let Ok(peer) = stream.peer_addr() else { return Some(Share(None)) };
        if self.spares_this_machine && is_this_machine(peer) {
            return Some(Share(None));
        }
        let client = Client::from(peer.ip());
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(client).or_default();
        if *count >= self.each_max {
            return None;
        }
        *count += 1;
        Some(Share(Some((client, Arc::clone(&self.taken)))))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some((client, taken)) = &self.0 else { return };
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(client) {
            *count -= 1;
            if *count == 0 {
                taken.remove(client);
            }
        }
    }
}

/// What the connections of one listener share.
#[derive(Clone)]
struct Serving {
    http: http1::Builder,
    transport: Transport,
    router: Router,
    /// The same routes for requests that come over TLS.
    secured: Router,
    limits: Limits,
}

/// A connection that is ready for HTTP.
enum Wire {
    Plain(Stalling),
    Tls(Box<TlsStream<Stalling>>),
}

impl Serving {
    /// Answers one connection to its end.
    async fn connection(
        self,
        stream: TcpStream,
        watcher: Watcher,
        mut stopped: watch::Receiver<()>,
    ) -> Result<(), String> {
        let peer = Peer(stream.peer_addr().map_err(|error| error.to_string())?.ip());
        let begun = tokio::time::timeout(self.limits.header_read_time_max, self.begin(stream));
        let wire = tokio::select! {
            biased;
            begun = begun => begun.map_err(|_| "no handshake in time")?.map_err(|error| error.to_string())?,
            // No byte of a request has come, so there is nothing to answer.
            _ = stopped.changed() => return Ok(()),
        };
        match wire {
            Wire::Plain(stream) => self.answer(stream, self.router.clone(), peer, watcher).await,
            Wire::Tls(stream) => self.answer(*stream, self.secured.clone(), peer, watcher).await,
        }
    }

    /// Finds out what the client speaks, and shakes hands if it is TLS.
    async fn begin(&self, stream: TcpStream) -> io::Result<Wire> {
        let tls = match &self.transport {
            Transport::Plain => None,
            Transport::Tls(tls) => Some(tls),
            Transport::Either(tls) => {
                let mut first = [0];
                let has_come = stream.peek(&mut first).await? > 0;
                (has_come && first == [HANDSHAKE]).then_some(tls)
            }
        };
        let stream = Stalling::new(stream, self.limits.write_stall_time_max);
        match tls {
            None => Ok(Wire::Plain(stream)),
            Some(tls) => Ok(Wire::Tls(Box::new(tls.accept(stream).await?))),
        }
    }

    async fn answer<S>(&self, stream: S, router: Router, peer: Peer, watcher: Watcher) -> Result<(), String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let router = TowerToHyperService::new(router);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            router.call(request)
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        watcher.watch(connection).await.map_err(|error| error.to_string())
    }
}

async fn next(
    socket: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = socket.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, slot))
}

/// A stream whose client must keep reading: a write that makes no progress for too long fails.
struct Stalling {
    stream: TcpStream,
    time_max: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Stalling {
    fn new(stream: TcpStream, time_max: Duration) -> Self {
        Self { stream, time_max, deadline: None }
    }

    fn watch<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let time_max = self.time_max;
        let deadline =
            self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + time_max)));
        match deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Stalling {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stalling {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.watch(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
