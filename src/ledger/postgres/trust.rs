//! How the server is trusted: `sslmode` as libpq has it
//! (<https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION>).

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use rustls_platform_verifier::Verifier;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// `disable`: no TLS.
    Off,
    /// `allow` and `prefer`: TLS if the server has it, with any certificate.
    Opportunistic,
    /// `require`: TLS, with any certificate.
    Unverified,
    /// `verify-ca`: a certificate of a trusted authority, for any host.
    Authority,
    /// `verify-full`: a certificate of a trusted authority for this host.
    Full,
}

/// The trust that a URL asks for; where it asks for none, the whole, but on this machine.
pub(super) fn of(mode: Option<&str>, near: bool) -> Result<Trust, String> {
    Ok(match mode {
        None if near => Trust::Opportunistic,
        None | Some("verify-full") => Trust::Full,
        Some("disable") => Trust::Off,
        Some("allow" | "prefer") => Trust::Opportunistic,
        Some("require") => Trust::Unverified,
        Some("verify-ca") => Trust::Authority,
        Some(other) => {
            return Err(format!(
                "sslmode={other} is unknown; use disable, prefer, require, verify-ca or verify-full"
            ));
        }
    })
}

/// The TLS settings; `None` without TLS. `root` names a file with the trusted authorities, in place of the system's.
pub(super) fn client_config(
    trust: Trust,
    root: Option<&Path>,
) -> Result<Option<ClientConfig>, String> {
    let provider = Arc::new(ring::default_provider());
    // libpq: with a root certificate, `require` verifies the authority.
    let trust = match (trust, root) {
        (Trust::Unverified, Some(_)) => Trust::Authority,
        (trust, _) => trust,
    };
    let verifier: Arc<dyn ServerCertVerifier> = match (trust, root) {
        (Trust::Off, _) => return Ok(None),
        (Trust::Opportunistic | Trust::Unverified, _) => Arc::new(Lenient {
            provider: provider.clone(),
            authority: None,
        }),
        (Trust::Authority | Trust::Full, root) => {
            let strict: Arc<dyn ServerCertVerifier> = match root {
                Some(file) => WebPkiServerVerifier::builder_with_provider(
                    Arc::new(authorities(file)?),
                    provider.clone(),
                )
                .build()
                .map_err(|error| format!("{}: {error}", file.display()))?,
                None => {
                    Arc::new(Verifier::new(provider.clone()).map_err(|error| error.to_string())?)
                }
            };
            if trust == Trust::Full {
                strict
            } else {
                Arc::new(Lenient {
                    provider: provider.clone(),
                    authority: Some(strict),
                })
            }
        }
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(Some(config))
}

fn authorities(file: &Path) -> Result<RootCertStore, String> {
    let unreadable = |why: &dyn std::fmt::Display| format!("sslrootcert {}: {why}", file.display());
    let mut store = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| unreadable(&error))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unreadable(&error))?;
        store.add(certificate).map_err(|error| unreadable(&error))?;
    }
    if store.is_empty() {
        return Err(unreadable(&"it contains no certificate in PEM format"));
    }
    Ok(store)
}

/// Accepts a certificate for any host, of a trusted authority if there is one. The signature of the handshake is always
/// verified.
#[derive(Debug)]
struct Lenient {
    provider: Arc<CryptoProvider>,
    authority: Option<Arc<dyn ServerCertVerifier>>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(authority) = &self.authority else {
            return Ok(ServerCertVerified::assertion());
        };
        match authority.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        ) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
