//! The program. What it can do stands in [`wearhouse::cli`].

fn main() -> std::process::ExitCode {
    wearhouse::cli::run()
}
