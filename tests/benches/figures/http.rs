//! HTTP from outside: clients on keep-alive connections over real sockets, and the bare server.
//!
//! The client reads answers that state their length, which is what the pages and receipts of the
//! ledger do; an answer in another form, or with another status than 200 or 201, ends the run.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{Outcome, table::as_f64};

/// Most bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer: content type and body.
pub(crate) struct Answer {
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(HEAD_BYTES_MAX) })
    }

    /// Sends a request and reads the whole answer; its body is thrown away.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Outcome<()> {
        self.exchange(request).await.map(drop)
    }

    /// Sends a request and gives the answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Outcome<Answer> {
        let head = self.exchange(request).await?;
        let text = String::from_utf8_lossy(&self.buffer[..head]);
        let content_type = field(&text, "content-type").unwrap_or("application/octet-stream").to_owned();
        Ok(Answer { content_type, body: self.buffer[head..].to_vec() })
    }

    /// Leaves head and body in the buffer and returns where the body begins.
    async fn exchange(&mut self, request: &[u8]) -> Outcome<usize> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if self.buffer.len() > HEAD_BYTES_MAX || self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server ended the connection, or its headers do not".into());
            }
        };
        let text = std::str::from_utf8(&self.buffer[..head])?;
        let status = text.split(' ').nth(1).unwrap_or_default();
        if !matches!(status, "200" | "201" | "202") {
            let rest = String::from_utf8_lossy(&self.buffer[head..]);
            return Err(format!("the server answered {status}: {rest}").into());
        }
        let length: usize = field(text, "content-length").ok_or("an answer does not state its length")?.parse()?;
        while self.buffer.len() < head + length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server ended the connection within an answer".into());
            }
        }
        Ok(head)
    }
}

fn field<'t>(head: &'t str, name: &str) -> Option<&'t str> {
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    lines.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The bytes of a GET.
pub(crate) fn get(path: &str) -> Vec<u8> {
    get_with(path, "")
}

/// The same with more header lines, each with its line end.
pub(crate) fn get_with(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n").into_bytes()
}

/// The bytes of a POST of JSON.
pub(crate) fn post(path: &str, headers: &str, json: &str) -> Vec<u8> {
    let length = json.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n");
    format!("{head}{headers}Content-Length: {length}\r\n\r\n{json}").into_bytes()
}

/// How long each operation of a run took, and the whole.
pub(crate) struct Load {
    sorted: Vec<Duration>,
    elapsed: Duration,
}

impl Load {
    /// Of operations that were timed elsewhere.
    pub(crate) fn of(mut took: Vec<Duration>, elapsed: Duration) -> Self {
        took.sort_unstable();
        Self { sorted: took, elapsed }
    }

    /// Of several rounds together; they did not run at the same time.
    pub(crate) fn merge(rounds: Vec<Self>) -> Self {
        let elapsed = rounds.iter().map(|round| round.elapsed).sum();
        Self::of(rounds.into_iter().flat_map(|round| round.sorted).collect(), elapsed)
    }

    /// Operations a second.
    pub(crate) fn rate(&self) -> f64 {
        as_f64(self.sorted.len() as u64) / self.elapsed.as_secs_f64()
    }

    /// The time within which so many of a hundred ended, in ms.
    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        let place = (self.sorted.len() * percent).div_ceil(100).saturating_sub(1);
        self.sorted.get(place).map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
    }

    /// The longest, in ms.
    pub(crate) fn max_ms(&self) -> f64 {
        self.percentile_ms(100)
    }
}

/// Runs one task a worker until all are done, each giving the time of each of its operations.
pub(crate) async fn together<F>(workers: impl Iterator<Item = F>) -> Outcome<Load>
where
    F: Future<Output = Outcome<Vec<Duration>>> + Send + 'static,
{
    let start = Instant::now();
    let mut tasks: JoinSet<_> = workers.collect();
    let mut took = Vec::new();
    while let Some(done) = tasks.join_next().await {
        took.append(&mut done??);
    }
    Ok(Load::of(took, start.elapsed()))
}

/// Each client sends its requests one after the other, as fast as it gets answers.
pub(crate) async fn closed_loop(address: SocketAddr, requests: Vec<Vec<Vec<u8>>>) -> Outcome<Load> {
    closed_loops(&[address], requests).await
}

/// The same with as many clients at each address as at every other.
pub(crate) async fn closed_loops(addresses: &[SocketAddr], requests: Vec<Vec<Vec<u8>>>) -> Outcome<Load> {
    let mut clients = Vec::new();
    for (_, address) in requests.iter().zip(addresses.iter().cycle()) {
        clients.push(Client::connect(*address).await?);
    }
    together(clients.into_iter().zip(requests).map(|(mut client, requests)| async move {
        let mut took = Vec::with_capacity(requests.len());
        for request in requests {
            let start = Instant::now();
            client.send(&request).await?;
            took.push(start.elapsed());
        }
        Ok(took)
    }))
    .await
}

/// Requests at a steady rate whether or not earlier ones were answered, over `clients` connections. The
/// time of each counts from the moment at which it was due, so that a stall shows in all that it delays.
pub(crate) async fn steady(
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    rate_per_second: u32,
    clients: usize,
) -> Outcome<Load> {
    let requests = Arc::new(requests);
    let mut connected = Vec::new();
    for _ in 0..clients {
        connected.push(Client::connect(address).await?);
    }
    let start = tokio::time::Instant::now();
    let gap = Duration::from_secs(1) / rate_per_second;
    together(connected.into_iter().enumerate().map(|(number, mut client)| {
        let requests = Arc::clone(&requests);
        async move {
            let mut took = Vec::new();
            for place in (number..requests.len()).step_by(clients) {
                let due = start + gap * u32::try_from(place)?;
                tokio::time::sleep_until(due).await;
                client.send(&requests[place]).await?;
                took.push(due.elapsed());
            }
            Ok(took)
        }
    }))
    .await
}

/// A server that reads each request and answers the same bytes: the bare limit of every HTTP figure.
/// Prints its address and runs until it is killed.
pub(crate) async fn serve_bare(answer: Answer) -> Outcome<()> {
    let body = Bytes::from(answer.body);
    let content_type = HeaderValue::from_str(&answer.content_type)?;
    let handler = move |_request: Bytes| {
        let answer = (StatusCode::OK, [(CONTENT_TYPE, content_type.clone())], body.clone());
        async move { answer }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        // A connection that cannot be set is slow, not wrong.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, Router::new().fallback(handler)).await?;
    Ok(())
}
