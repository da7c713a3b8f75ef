//! Parse, run, map errors to exit codes.

fn main() -> std::process::ExitCode {
    breakeven::cli::main()
}
