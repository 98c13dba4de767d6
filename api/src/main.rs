//! The `gongkai` binary: a runtime around [`gongkai_api::cli`], and where its log goes.
//!
//! What is logged is said by `GONGKAI_LOG` (as `tracing` reads it, `warn` when absent), and in which form by
//! `GONGKAI_LOG_FORMAT`: `text` for people, `json` one object a line for programs. Both are read before any configuration.

use std::io;
use std::process::ExitCode;

use gongkai_api::cli;
use gongkai_api::config::settings;
use gongkai_api::outcome::{self, Class, Fault};
use mimalloc::MiMalloc;
use tracing_subscriber::EnvFilter;

// Checking a submission, an entry or a row makes many small values on one thread and drops them on another.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Begins to log, in the form that the environment asks for.
fn log() -> Result<(), Fault> {
    let filter = EnvFilter::try_from_env(settings::LOG).unwrap_or_else(|_| EnvFilter::new("warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match std::env::var(settings::LOG_FORMAT).as_deref() {
        Err(_) | Ok("text") => log.init(),
        Ok("json") => log.json().flatten_event(true).init(),
        Ok(other) => return Err(Fault::usage(settings::LOG_FORMAT, format!("「{other}」不可用，可用：text、json"))),
    }
    Ok(())
}

fn main() -> ExitCode {
    if let Err(fault) = log() {
        return outcome::report(&Err(fault), false);
    }
    let Ok(runtime) = tokio::runtime::Runtime::new() else { return ExitCode::from(Class::Ours.code()) };
    // A panic is a failure of ours, and was told on standard error already.
    let run = std::panic::AssertUnwindSafe(|| runtime.block_on(cli::run(std::env::args_os())));
    std::panic::catch_unwind(run).unwrap_or_else(|_| ExitCode::from(Class::Ours.code()))
}
