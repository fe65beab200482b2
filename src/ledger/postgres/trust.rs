//! How the server is trusted: `sslmode` as libpq has it
//! (<https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION>).

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
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
    if trust == Trust::Off {
        return Ok(None);
    }
    let verifier = ServerVerifier::new(trust, root)?;
    let config = ClientConfig::builder_with_provider(verifier.provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Some(config))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let found: Vec<_> = read.map_err(|error| format!("sslrootcert {}: {error}", file.display()))?;
    if found.is_empty() {
        let why = "it contains no certificate in PEM format";
        return Err(format!("sslrootcert {}: {why}", file.display()));
    }
    Ok(found)
}

/// Whether a certificate was rejected only because it is its own authority. The library has no variant for this cause,
/// and checks the dates before it.
pub(super) fn is_own_authority(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(why) if format!("{why:?}").contains("CaUsedAsEndEntity"))
}

/// Verifies the server's certificate as far as the URL asks for it. The signature of the handshake is always verified.
#[derive(Debug)]
struct ServerVerifier {
    provider: Arc<CryptoProvider>,
    /// `None`: any certificate is accepted.
    authority: Option<Arc<dyn ServerCertVerifier>>,
    /// The certificates of `sslrootcert`.
    roots: Vec<CertificateDer<'static>>,
    any_host: bool,
}

impl ServerVerifier {
    fn new(trust: Trust, root: Option<&Path>) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let mut roots = Vec::new();
        let authority: Option<Arc<dyn ServerCertVerifier>> = match (trust, root) {
            (Trust::Off | Trust::Opportunistic, _) | (Trust::Unverified, None) => None,
            // libpq: with a root certificate, `require` verifies the authority.
            (Trust::Unverified | Trust::Authority | Trust::Full, Some(file)) => {
                roots = certificates(file)?;
                let unusable = |error: &dyn std::fmt::Display| {
                    format!("sslrootcert {}: {error}", file.display())
                };
                let mut store = RootCertStore::empty();
                for certificate in &roots {
                    let added = store.add(certificate.clone());
                    added.map_err(|error| unusable(&error))?;
                }
                let store = Arc::new(store);
                let built = WebPkiServerVerifier::builder_with_provider(store, provider.clone());
                Some(built.build().map_err(|error| unusable(&error))?)
            }
            (Trust::Authority | Trust::Full, None) => {
                let of_system = Verifier::new(provider.clone());
                Some(Arc::new(of_system.map_err(|error| error.to_string())?))
            }
        };
        Ok(Self {
            provider,
            authority,
            roots,
            any_host: trust != Trust::Full,
        })
    }
}

impl ServerCertVerifier for ServerVerifier {
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
        let verified = authority.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        let verified = match verified {
            // `openssl req -x509` makes such a certificate; named in `sslrootcert`, it is trusted itself.
            Err(Error::InvalidCertificate(why))
                if is_own_authority(&why) && self.roots.iter().any(|root| root == end_entity) =>
            {
                let certificate = ParsedCertificate::try_from(end_entity)?;
                verify_server_name(&certificate, server_name)
                    .map(|()| ServerCertVerified::assertion())
            }
            verified => verified,
        };
        match verified {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.any_host => Ok(ServerCertVerified::assertion()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_is_its_own_authority_is_trusted_where_the_url_names_it() {
        let certificate = |until| {
            let mut params = rcgen::CertificateParams::new(vec!["db.example".to_owned()]).unwrap();
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            params.not_after = rcgen::date_time_ymd(until, 1, 1);
            params
                .self_signed(&rcgen::KeyPair::generate().unwrap())
                .unwrap()
        };
        let (named, expired, other) = (certificate(2100), certificate(2020), certificate(2100));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("roots.pem");
        std::fs::write(&file, named.pem() + &expired.pem()).unwrap();
        let verify = |trust, certificate: &rcgen::Certificate, host: &'static str| {
            ServerVerifier::new(trust, Some(&file))
                .unwrap()
                .verify_server_cert(
                    certificate.der(),
                    &[],
                    &ServerName::try_from(host).unwrap(),
                    &[],
                    UnixTime::since_unix_epoch(std::time::Duration::from_hours(500_000)),
                )
                .map_err(|error| match error {
                    Error::InvalidCertificate(why) => why,
                    other => panic!("{other}"),
                })
        };
        assert!(verify(Trust::Full, &named, "db.example").is_ok());
        assert!(verify(Trust::Authority, &named, "127.0.0.1").is_ok());
        let elsewhere = verify(Trust::Full, &named, "db2.example").unwrap_err();
        assert!(
            matches!(elsewhere, CertificateError::NotValidForNameContext { .. }),
            "{elsewhere}"
        );
        for trust in [Trust::Full, Trust::Authority] {
            let late = verify(trust, &expired, "db.example").unwrap_err();
            assert!(
                matches!(late, CertificateError::ExpiredContext { .. }),
                "{late}"
            );
            let unknown = verify(trust, &other, "db.example").unwrap_err();
            assert!(is_own_authority(&unknown), "{unknown}");
        }
    }
}
