//! The floors that `benches/http` measures the server against.
//!
//! `serve BODY` answers on a free port of 127.0.0.1, printed as the first line: `/hello` with a small
//! JSON object, `/slots` with what the file BODY holds, read once into structs and serialised anew for
//! every request. `replay SCRIPT` sends recorded SQL statements by a bare driver, see [`replay`].

mod replay;
mod serve;

use std::env;

use anyhow::{Result, bail};

// The server's allocator, so that the two are compared like with like.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", body] => serve::run(body).await,
        ["replay", script] => replay::run(script).await,
        _ => bail!("usage: frontdesk-bench-floor serve BODY | replay SCRIPT"),
    }
}
