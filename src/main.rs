//! The program; what it does is in [`frontdesk::command_line`].

use std::process::ExitCode;

/// Smaller at rest than the system's, and faster under many small objects.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    frontdesk::run_with(Vec::new())
}
