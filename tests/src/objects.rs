//! An S3-compatible server on this machine (`s3s-fs`), with requests that fail, are lost or wait when a test says so.
//!
//! It takes one write at a time, because `s3s-fs` compares and writes in two steps. What lies below `log/` is read by
//! anybody, as behind a CDN; everything else needs the key.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use gongkai_store::Bucket;
use gongkai_store::bucket::BucketOptions;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{RwLock, watch};

/// The bucket.
pub const BUCKET: &str = "gk-test";
/// The folder in it.
pub const FOLDER: &str = "qinghe";
const ACCESS_KEY: &str = "the-name-of-a-key";
/// The secret of the key that may write.
pub const SECRET_KEY: &str = "the-secret-of-a-key-that-is-nowhere-shown";
/// Longest time that a request waits at the gate.
const GATE_MAX: Duration = Duration::from_mins(1);
/// Longest body of a request.
const BODY_MAX: usize = 64 << 20;

/// What happens to requests whose method and path hold a text.
#[derive(Clone, Debug)]
pub struct Fault {
    pub of: &'static str,
    pub how: How,
    /// To how many of them.
    pub times: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Nothing is done.
    Refused,
    /// It is done, and the answer is lost.
    Lost,
    /// It waits until the gate is opened.
    Waits,
    /// Conditions are not looked at.
    Unconditional,
}

struct Inner {
    signed: S3Service,
    open: S3Service,
    turns: RwLock<()>,
    faults: Mutex<Vec<Fault>>,
    seen: Mutex<Vec<String>>,
    // How many wait, and whether they may go.
    waiting: watch::Sender<usize>,
    gate: watch::Sender<bool>,
}

/// A server; it ends when it goes out of scope.
pub struct ObjectServer {
    inner: Arc<Inner>,
    folder: TempDir,
    pub endpoint: String,
    stop: watch::Sender<bool>,
}

impl ObjectServer {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let service = |auth: Option<SimpleAuth>| {
            let mut builder = S3ServiceBuilder::new(FileSystem::new(folder.path()).unwrap());
            if let Some(auth) = auth {
                builder.set_auth(auth);
            }
            builder.build()
        };
        let inner = Arc::new(Inner {
            signed: service(Some(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY))),
            open: service(None),
            turns: RwLock::default(),
            faults: Mutex::default(),
            seen: Mutex::default(),
            waiting: watch::Sender::new(0),
            gate: watch::Sender::new(false),
        });
        let (stop, mut stopping) = watch::channel(false);
        let (said, address) = std::sync::mpsc::channel();
        let app = Router::new().fallback(answer).with_state(Arc::clone(&inner));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                said.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    served = axum::serve(listener, app).into_future() => served.unwrap(),
                    _ = stopping.changed() => {}
                }
            });
            runtime.shutdown_background();
        });
        Self { inner, folder, endpoint: format!("http://{}", address.recv().unwrap()), stop }
    }

    /// Where anybody reads the log.
    pub fn url(&self) -> String {
        format!("{}/{BUCKET}/{FOLDER}", self.endpoint)
    }

    /// What a program that puts there is told in its environment.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("GONGKAI_BUCKET", format!("s3://{BUCKET}/{FOLDER}")),
            ("GONGKAI_BUCKET_ENDPOINT", self.endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ]
    }

    pub fn bucket(&self) -> Bucket {
        Bucket::new(&BucketOptions {
            address: format!("s3://{BUCKET}/{FOLDER}").parse().unwrap(),
            endpoint: Some(self.endpoint.parse().unwrap()),
            region: "us-east-1".to_owned(),
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.to_owned().into(),
            token: None,
        })
        .unwrap()
    }

    /// Where the objects lie.
    pub fn objects(&self) -> PathBuf {
        self.folder.path().join(BUCKET).join(FOLDER)
    }

    pub fn object(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.objects().join(Path::new(name))).ok()
    }

    pub fn fault(&self, of: &'static str, how: How, times: usize) {
        self.inner.faults.lock().unwrap().push(Fault { of, how, times });
    }

    pub fn heal(&self) {
        self.inner.faults.lock().unwrap().clear();
    }

    /// How often something was asked whose method and path hold a text.
    pub fn asked(&self, of: &str) -> usize {
        self.inner.seen.lock().unwrap().iter().filter(|seen| seen.contains(of)).count()
    }

    /// Whether a request waits at the gate.
    pub fn waiting(&self) -> bool {
        *self.inner.waiting.borrow() > 0
    }

    /// Returns when a request waits at the gate.
    pub async fn somebody_waits(&self) {
        let mut waiting = self.inner.waiting.subscribe();
        tokio::time::timeout(GATE_MAX, waiting.wait_for(|count| *count > 0)).await.unwrap().unwrap();
    }

    /// Lets those go who wait, and those who come after them.
    pub fn open_gate(&self) {
        self.inner.gate.send_replace(true);
    }

    /// Lets nobody go any more.
    pub fn close_gate(&self) {
        self.inner.gate.send_replace(false);
    }
}

impl Drop for ObjectServer {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

fn take(faults: &mut Vec<Fault>, request: &str) -> Option<How> {
    let fault = faults.iter_mut().find(|fault| request.contains(fault.of))?;
    let how = fault.how;
    fault.times -= 1;
    faults.retain(|fault| fault.times > 0);
    Some(how)
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_MAX).await else { return StatusCode::BAD_REQUEST.into_response() };
    let said = format!("{} {}", parts.method, parts.uri.path());
    let fault = take(&mut inner.faults.lock().unwrap(), &said);
    inner.seen.lock().unwrap().push(said.clone());
    match fault {
        Some(How::Refused) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Some(How::Waits) => {
            inner.waiting.send_modify(|count| *count += 1);
            let mut gate = inner.gate.subscribe();
            tokio::time::timeout(GATE_MAX, gate.wait_for(|open| *open)).await.unwrap().unwrap();
            inner.waiting.send_modify(|count| *count -= 1);
        }
        Some(How::Unconditional) => {
            parts.headers.remove(header::IF_MATCH);
            parts.headers.remove(header::IF_NONE_MATCH);
            parts.headers.remove(header::AUTHORIZATION);
        }
        Some(How::Lost) | None => {}
    }
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    let anybody = reads && parts.uri.path().contains("/log/") && !parts.headers.contains_key(header::AUTHORIZATION);
    // The signature is over the conditions too.
    let service = if anybody || fault == Some(How::Unconditional) { &inner.open } else { &inner.signed };
    let request = axum::http::Request::from_parts(parts, s3s::Body::from(body));
    let answered = if reads {
        let _turn = inner.turns.read().await;
        service.call(request).await
    } else {
        let _turn = inner.turns.write().await;
        service.call(request).await
    };
    match answered {
        Ok(_) if fault == Some(How::Lost) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Ok(response) => response.map(Body::new),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:?}")).into_response(),
    }
}
