//! A router on a loopback port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

/// A server on a free port of 127.0.0.1 that ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    task: JoinHandle<io::Result<()>>,
}

impl Server {
    /// Takes a port before it is known what is served, since most of it must know its own address.
    ///
    /// # Panics
    /// Where there is no free port.
    pub async fn bind() -> (TcpListener, Url) {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("there is a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let url = Url::parse(&format!("http://{address}/")).expect("an address makes a URL");
        (listener, url)
    }

    /// Serves `router` on a port that [`Server::bind`] took.
    ///
    /// # Panics
    /// Where the socket is closed already.
    pub fn start(listener: TcpListener, router: Router) -> Self {
        let address = listener.local_addr().expect("a bound socket has an address");
        let task = tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, task }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
