//! Over real connections: port 0, headers, slow clients, and what shutdown leaves behind.

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::StatusCode;
use axum::{Router, routing};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Town;
use crate::http::guard::{Guarding, LARGE_MAX, URI_BYTES_MAX, guard};
use crate::http::server::{Limits, Listener, ServeError, run};

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), ServeError>>,
}

async fn serve(router: Router, limits: Limits) -> Running {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.address();
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(run(vec![(listener, router)], limits, async { drop(stopped.await) }));
    Running { address, stop, ended }
}

async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A server that refuses before it has read everything may reset the connection after its answer.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_free_port_is_taken_and_told() {
    let town = Town::empty().await;
    let running = serve(town.public.clone(), Limits::default()).await;
    assert_ne!(running.address.port(), 0);
    let answer = exchange(running.address, &get("/healthz")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("\"state\":\"ok\""), "{answer}");
    assert!(answer.to_lowercase().contains("x-content-type-options: nosniff"), "{answer}");
    running.stop.send(()).unwrap();
    running.ended.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn long_addresses_and_large_headers_are_refused() {
    let town = Town::empty().await;
    let long = town.get(&format!("/search?q={}", "a".repeat(URI_BYTES_MAX))).await;
    assert_eq!((long.status, long.json()["code"].as_str()), (StatusCode::URI_TOO_LONG, Some("uri_too_long")));
    let running = serve(town.public.clone(), Limits::default()).await;
    let large = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "a".repeat(64 << 10));
    let answer = exchange(running.address, &large).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{}", &answer[..answer.len().min(200)]);
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: a\r\n".repeat(200));
    let answer = exchange(running.address, &many).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{}", &answer[..answer.len().min(200)]);
    let answer = exchange(running.address, &get("/healthz")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "the server goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_finishes_its_headers_is_cut_off_and_gives_its_place_free() {
    let limits = Limits { connections_max: 1, header_read_time_max: Duration::from_millis(50), ..Limits::default() };
    let router = Router::new().route("/", routing::get(|| async { "here" }));
    let running = serve(router, limits).await;
    let mut slow = TcpStream::connect(running.address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nhost").await.unwrap();
    // The only place is taken; this request waits in the queue until the slow client has lost it.
    let answer = exchange(running.address, &get("/")).await;
    assert!(answer.ends_with("here"), "{answer}");
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest).await;
    assert!(!String::from_utf8_lossy(&rest).contains("here"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_reading_is_cut_off() {
    let limits = Limits { connections_max: 1, write_stall_time_max: Duration::from_millis(50), ..Limits::default() };
    let router = Router::new()
        .route("/large", routing::get(|| async { vec![b'a'; 64 << 20] }))
        .route("/", routing::get(|| async { "here" }));
    let running = serve(router, limits).await;
    let mut stalled = TcpStream::connect(running.address).await.unwrap();
    stalled.write_all(get("/large").as_bytes()).await.unwrap();
    let answer = exchange(running.address, &get("/")).await;
    assert!(answer.ends_with("here"), "{answer}");
    drop(stalled);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_has_a_share_of_the_connections_and_is_told_to_come_again_beyond_it() {
    let router = Router::new().route("/", routing::get(async || "here"));
    let limits = Limits { connections_each_max: 2, spares_this_machine: false, ..Limits::default() };
    let running = serve(router, limits).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut first = [0; 15];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK");
        held.push(stream);
    }
    let mut third = TcpStream::connect(running.address).await.unwrap();
    let mut answer = String::new();
    third.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("retry-after: 2"), "{answer}");
    // Whoever closes one may open another.
    drop(held);
    let served = async || exchange(running.address, &get("/")).await.ends_with("here");
    let waiting = async { while !served().await {} };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap();
    // A proxy on this machine brings everybody's connections.
    let spared = Router::new().route("/", routing::get(async || "here"));
    let running = serve(spared, Limits { connections_each_max: 1, ..Limits::default() }).await;
    let _held = TcpStream::connect(running.address).await.unwrap();
    assert!(exchange(running.address, &get("/")).await.ends_with("here"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_takes_too_long_is_answered_that_it_did() {
    let stuck = Router::new().route("/", routing::get(std::future::pending::<()>));
    let guarding = Guarding::new(Duration::from_millis(20));
    let router = stuck.layer(axum::middleware::from_fn_with_state(guarding, guard));
    let request = axum::http::Request::get("/").body(axum::body::Body::empty()).unwrap();
    let answer = super::ask(&router, request).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (StatusCode::SERVICE_UNAVAILABLE, Some("timeout")));
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_are_few_at_a_time_and_one_more_is_told_to_come_again() {
    let (arrived, mut arriving) = tokio::sync::mpsc::unbounded_channel();
    let router = Router::new().route(
        "/",
        routing::put(move |body: axum::body::Body| {
            arrived.send(()).unwrap();
            async move { axum::body::to_bytes(body, usize::MAX).await.map(drop).map_err(|_| StatusCode::BAD_REQUEST) }
        }),
    );
    let guarding = Guarding::new(Limits::default().request_time_max);
    let router = router.layer(axum::middleware::from_fn_with_state(guarding, guard));
    let running = serve(router, Limits::default()).await;
    let begin =
        |bytes: usize| format!("PUT / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {bytes}\r\n\r\n");
    let mut held = Vec::new();
    for _ in 0..LARGE_MAX {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(begin(2 << 20).as_bytes()).await.unwrap();
        arriving.recv().await.unwrap();
        held.push(stream);
    }
    let refused = exchange(running.address, &begin(2 << 20)).await;
    assert!(refused.starts_with("HTTP/1.1 429 ") && refused.contains("retry-after: 2"), "{refused}");
    let small = exchange(running.address, &format!("{}abc", begin(3))).await;
    assert!(small.starts_with("HTTP/1.1 200 "), "{small}");
    // What is uploaded to its end makes room.
    for mut stream in held {
        stream.write_all(&vec![0; 2 << 20]).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_stopped_is_live_and_not_ready() {
    let mut town = Town::empty().await;
    assert_eq!(town.get("/readyz").await.status, StatusCode::OK);
    let submission = town.signed_pledge(1).to_string();
    let now = gongkai_store::Clock::now(&*town.fixture.clock);
    town.fixture.clock.set_wall(now - Duration::from_hours(24));
    let refused = town.post("/api/v1/submissions", "k", submission).await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "2"));
    let (live, ready) = (town.get("/healthz").await, town.get("/readyz").await);
    assert_eq!((live.status, ready.status), (StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!((ready.json()["ready"].as_bool(), ready.json()["state"].as_str()), (Some(false), Some("halted")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_before_the_shutdown_is_answered() {
    let mut town = Town::empty().await;
    let running = serve(town.internal.clone(), Limits::default()).await;
    let count = 32;
    let bodies: Vec<String> = (0..count).map(|number| town.signed_pledge(number).to_string()).collect();
    let mut streams = Vec::new();
    for (number, body) in bodies.iter().enumerate() {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let head = format!(
            "POST /api/v1/submissions HTTP/1.1\r\nhost: a\r\nconnection: close\r\nidempotency-key: k{number}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    running.stop.send(()).unwrap();
    let mut receipts = Vec::new();
    for mut stream in streams {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        if let Some((head, body)) = answer.split_once("\r\n\r\n") {
            assert!(head.starts_with("HTTP/1.1 201 "), "{answer}");
            receipts.push(serde_json::from_str::<gongkai_store::Receipt>(body).unwrap());
        }
    }
    running.ended.await.unwrap().unwrap();
    let committed = *town.fixture.ledger.committed().borrow();
    for receipt in &receipts {
        assert!(receipt.index < committed);
        let stored = town.fixture.ledger.entry(receipt.index).await.unwrap().unwrap();
        assert_eq!(gongkai_log::Digest::of(&stored.bytes), receipt.entry_hash);
    }
}
