//! The `gongkai` binary: a runtime around [`gongkai_api::cli`], and where its log goes.
//!
//! What is logged is said by `GONGKAI_LOG` (as `tracing` reads it, `warn` when absent), and in which form by
//! `GONGKAI_LOG_FORMAT`: `text` for people, `json` one object a line for programs. `GONGKAI_TRACES` says where traces are sent.
//! All three are read before any configuration.

use std::io;
use std::process::ExitCode;

use gongkai_api::cli;
use gongkai_api::config::settings;
use gongkai_api::outcome::{self, Class, Fault};
use gongkai_api::traces::{self, Traces};
use mimalloc::MiMalloc;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

// Checking a submission, an entry or a row makes many small values on one thread and drops them on another.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Begins to log, in the form that the environment asks for, and to send traces if it says where to.
fn begin() -> Result<Option<Traces>, Fault> {
    let filter = EnvFilter::try_from_env(settings::LOG).unwrap_or_else(|_| EnvFilter::new("warn"));
    // What is sent as a span is no part of a log line.
    let filter = filter.and(filter_fn(|metadata| metadata.target() != traces::TARGET));
    let log = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let log = match std::env::var(settings::LOG_FORMAT).as_deref() {
        Err(_) | Ok("text") => log.with_filter(filter).boxed(),
        Ok("json") => log.json().flatten_event(true).with_filter(filter).boxed(),
        Ok(other) => return Err(Fault::usage(settings::LOG_FORMAT, format!("「{other}」不可用，可用：text、json"))),
    };
    let registry = tracing_subscriber::registry().with(log);
    let Ok(url) = std::env::var(settings::TRACES) else {
        registry.init();
        return Ok(None);
    };
    let (traces, layer) = Traces::begin(&url)?;
    registry.with(layer).init();
    Ok(Some(traces))
}

fn main() -> ExitCode {
    let traces = match begin() {
        Ok(traces) => traces,
        Err(fault) => return outcome::report(&Err(fault), false),
    };
    let Ok(runtime) = tokio::runtime::Runtime::new() else { return ExitCode::from(Class::Ours.code()) };
    // A panic is a failure of ours, and was told on standard error already.
    let run = std::panic::AssertUnwindSafe(|| runtime.block_on(cli::run(std::env::args_os())));
    let code = std::panic::catch_unwind(run).unwrap_or_else(|_| ExitCode::from(Class::Ours.code()));
    if let Some(traces) = traces {
        traces.end();
    }
    code
}
