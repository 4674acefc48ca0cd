//! The program `hinomi`.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let _ = writeln!(std::io::stderr(), "hinomi: the server is not part of this version yet; see README.md for what is");
    ExitCode::from(2)
}
