//! Where the vendors' fakes call the tests' server.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

/// An address that is known before the server has one of its own, and leads to it later.
pub(super) struct Callbacks(TcpListener);

/// Leads on what comes in for as long as it is held.
pub(super) struct Way(JoinHandle<()>);

impl Callbacks {
    pub(super) async fn bind() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(super) fn url(&self) -> Url {
        format!("http://{}", self.0.local_addr().unwrap()).parse().unwrap()
    }

    pub(super) fn lead_to(self, server: SocketAddr) -> Way {
        Way(tokio::spawn(async move {
            // They end with the way.
            let mut connections = JoinSet::new();
            while let Ok((mut caller, _)) = self.0.accept().await {
                connections.spawn(async move {
                    let mut server = TcpStream::connect(server).await?;
                    tokio::io::copy_bidirectional(&mut caller, &mut server).await
                });
            }
        }))
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.0.abort();
    }
}
