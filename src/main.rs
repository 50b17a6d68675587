//! The binary: hands the arguments to `cli`, turns the result into an exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(imprint::cli::run(std::env::args_os()))
}
