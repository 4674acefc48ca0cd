//! The program `hinomi`.

use std::process::ExitCode;

// Hinomi allocates many small, short-lived strings: with the system's allocator the process holds far more memory than it uses.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hinomi_server::cli::run()
}
