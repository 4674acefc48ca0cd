//! The program `hinomi`.

use std::process::ExitCode;

// Many small short-lived texts: the system's allocator keeps far more memory than is in use.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hinomi_server::cli::run()
}
