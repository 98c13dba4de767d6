//! The `gongkai` binary: a runtime around [`gongkai_api::cli`].

use std::io;
use std::process::ExitCode;

use gongkai_api::cli;
use gongkai_api::outcome::Class;
use mimalloc::MiMalloc;
use tracing_subscriber::EnvFilter;

// Checking a submission, an entry or a row makes many small values on one thread and drops them on another.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("GONGKAI_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    let Ok(runtime) = tokio::runtime::Runtime::new() else { return ExitCode::from(Class::Ours.code()) };
    // A panic is a failure of ours, and was told on standard error already.
    let run = std::panic::AssertUnwindSafe(|| runtime.block_on(cli::run(std::env::args_os())));
    std::panic::catch_unwind(run).unwrap_or_else(|_| ExitCode::from(Class::Ours.code()))
}
