//! TLS by rustls on ring, without a provider installed for the whole process.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};

use crate::ClientError;

/// Trusts what the operating system trusts and `extra_roots`.
///
/// Operators with an authority of their own put it there, or name it by `SSL_CERT_FILE`. Mozilla's
/// list stands in only where the system has no certificates at all, as in an image with nothing
/// but the binary; never where certificates were named and can't be read.
pub(crate) fn config(extra_roots: &[CertificateDer<'static>]) -> Result<ClientConfig, ClientError> {
    let mut roots = system_roots()?;
    for root in extra_roots {
        roots.add(root.clone()).map_err(ClientError::ExtraRoot)?;
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(ClientError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn system_roots() -> Result<RootCertStore, ClientError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // System stores hold old certificates that don't parse: the rest is still good.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        if let Some(error) = found.errors.into_iter().next() {
            return Err(ClientError::SystemRoots(error));
        }
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    Ok(roots)
}
