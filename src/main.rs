//! The `baton` program. Everything is in the library; `cli` is where it begins.

fn main() -> std::process::ExitCode {
    baton::cli::main()
}
