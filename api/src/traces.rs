//! Traces for whoever runs the ledger, sent to a collector (OpenTelemetry, OTLP over HTTP); off unless asked for.
//!
//! What is sent are spans of one target, [`TARGET`], and of nothing else: a request with its method, the template of its route
//! and the class of its status; a batch with how many submissions it had; a publication. Log lines, addresses, queries, names,
//! streams and organizations are in none. The times tell when something sealed was received, so the collector has to be on
//! this machine or reached over TLS.
//!
//! Spans wait in a bounded queue and are dropped when it is full or nobody takes them; nothing else waits for them. To trace
//! another step, open a span with that target there, and put into it what a closed list could hold.
//!
//! Not here: log lines (`main`), numbers (`http/metrics`).

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::config::settings;
use crate::fetch;
use crate::http::server::is_this_machine;
use crate::outcome::{Fault, chain};

/// What spans that are sent are marked with, here and in the store.
pub const TARGET: &str = gongkai_store::observer::TRACE;
/// How long the collector may take for a batch of spans.
const SEND_TIME_MAX: Duration = Duration::from_secs(5);
/// Most bytes of its answer.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// Sends spans by the client that everything else uses.
#[derive(Debug)]
struct Sending(ureq::Agent);

impl HttpClient for Sending {
    fn send_bytes<'s, 'f>(
        &'s self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        // On the thread of the queue, which does nothing else.
        Box::pin(async move {
            let mut answer = self.0.run(request.map(|body| body.to_vec()))?;
            let body = fetch::body(&mut answer, ANSWER_BYTES_MAX)?;
            Ok(answer.map(|_| Bytes::from(body)))
        })
    }
}

/// Traces that are being sent.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Begins to send to a collector's address; the layer gives it what it sends.
    ///
    /// # Errors
    /// An address that is neither of this machine nor encrypted.
    pub fn begin<S>(url: &str) -> Result<(Self, impl Layer<S> + use<S>), Fault>
    where
        S: Subscriber + for<'s> LookupSpan<'s>,
    {
        if !is_private(url) {
            return Err(Fault::usage(settings::TRACES, format!("「{url}」不可用"))
                .mend("请写本机的 http 网址或 https 网址，例如 http://127.0.0.1:4318/v1/traces"));
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Sending(fetch::agent_staying(SEND_TIME_MAX)))
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(url)
            .with_timeout(SEND_TIME_MAX)
            .build();
        let exporter = exporter.map_err(|error| Fault::usage(settings::TRACES, chain(&error)))?;
        // Nothing of the machine: the name of the program is all that says whose spans they are.
        let resource = Resource::builder_empty().with_attribute(KeyValue::new("service.name", "gongkai")).build();
        let provider = SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build();
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("gongkai"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_filter(filter_fn(|metadata| metadata.target() == TARGET));
        Ok((Self(provider), layer))
    }

    /// Sends what waits, and ends. What is not taken by then is lost.
    pub fn end(self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(error = chain(&error), "the last traces were not sent");
        }
    }
}

/// Whether what is sent there is read by nobody on the way.
fn is_private(url: &str) -> bool {
    let Ok(uri) = url.parse::<axum::http::Uri>() else { return false };
    let Some(host) = uri.host().filter(|_| !url.contains('@')) else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    match uri.scheme_str() {
        Some("https") => true,
        Some("http") => host == "localhost" || address.is_ok_and(|ip| is_this_machine((ip, 0).into())),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_leave_this_machine_over_tls_or_not_at_all() {
        for good in [
            "http://127.0.0.1:4318/v1/traces",
            "http://[::1]:4318/v1/traces",
            "http://localhost:1/",
            "https://t.example/v1/traces",
        ] {
            assert!(is_private(good), "{good}");
        }
        for bad in [
            "http://10.1.2.3:4318/v1/traces",
            "http://t.example/",
            "127.0.0.1:4318",
            "ftp://127.0.0.1/",
            "https://a:b@t.example/",
            "",
        ] {
            assert!(!is_private(bad), "{bad}");
        }
    }
}
