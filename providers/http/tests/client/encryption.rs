use std::sync::Arc;

use calendar_http::{CertificateDer, HttpClient, Settings};
use calendar_provider::ErrorClass::{Permanent, Transient};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

use crate::{
    check_error, get,
    server::{Reply, Server, closing},
    settings,
};

/// A server with a certificate for `localhost`; its port and the certificate.
async fn start(reply: fn(usize) -> Reply) -> (u16, CertificateDer<'static>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let notes = Server::start(reply).await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                notes.serve(stream, &reply).await;
            }
        }
    });
    (port, cert.der().clone())
}

#[tokio::test]
async fn a_trusted_certificate_is_needed_and_its_name_checked() {
    let (port, certificate) = start(|_| closing("200 OK", "", "")).await;
    let trusting = Settings { extra_roots: vec![certificate], ..settings() };
    let trusting = HttpClient::new(trusting).unwrap();
    let url = format!("https://localhost:{port}/path?key=s3cret");
    assert_eq!(get(&trusting, &url).await.unwrap().status(), 200);
    let other_name = format!("https://127.0.0.1:{port}/path?key=s3cret");
    check_error(get(&trusting, &other_name).await, Transient, "its certificate is not trusted");
    let other = HttpClient::new(settings()).unwrap();
    check_error(get(&other, &url).await, Transient, "its certificate is not trusted");
}

#[tokio::test]
async fn a_redirect_to_plain_http_is_refused() {
    let (port, certificate) =
        start(|_| closing("302 X", "Location: http://127.0.0.1:1/path\r\n", "")).await;
    let settings = Settings { extra_roots: vec![certificate], ..settings() };
    let url = format!("https://localhost:{port}/path");
    let result = get(&HttpClient::new(settings).unwrap(), &url).await;
    check_error(result, Permanent, "it redirects to an unencrypted address");
}

#[test]
fn what_is_no_certificate_can_t_be_trusted() {
    let settings = Settings { extra_roots: vec![b"x".to_vec().into()], ..settings() };
    assert!(HttpClient::new(settings).is_err());
}
