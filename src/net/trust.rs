//! Which certificates TLS trusts, and why it rejects others, in plain words.

use std::fs;
use std::path::Path;

use reqwest::Certificate;
use rustls::{AlertDescription, CertificateError, Error};

use super::error::{OWN_AUTHORITY, foreign_words};
use crate::config::Environ;

/// The certificates of a file, in PEM.
///
/// # Errors
/// In words that follow the file's name: "does not exist".
pub fn certificates(path: &Path) -> Result<Vec<Certificate>, String> {
    let pem = fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "does not exist".to_owned(),
        _ => format!("cannot be read: {error}"),
    })?;
    let found = Certificate::from_pem_bundle(&pem).unwrap_or_default();
    if found.is_empty() {
        return Err("contains no certificate in PEM format".into());
    }
    Ok(found)
}

/// Why no certificate could be loaded, where a variable is to blame: `SSL_CERT_FILE` and `SSL_CERT_DIR` replace the
/// system's.
pub(super) fn variables_at_fault(environ: &Environ) -> Option<String> {
    let empty = ["SSL_CERT_FILE", "SSL_CERT_DIR"]
        .into_iter()
        .find(|name| environ.is_set_to_nothing(name));
    if let Some(name) = empty {
        return Some(format!("{name} is empty"));
    }
    let file = environ.get("SSL_CERT_FILE").and_then(|path| {
        let why = certificates(Path::new(&path)).err()?;
        Some(format!(
            "SSL_CERT_FILE names {}, which {why}",
            Path::new(&path).display()
        ))
    });
    file.or_else(|| {
        let list = environ.get("SSL_CERT_DIR")?;
        let mut folders = std::env::split_paths(&list);
        let folder = folders
            .find(|folder| !folder.is_dir())
            .or_else(|| std::env::split_paths(&list).next())?;
        let why = if folder.is_dir() {
            "contains no certificate"
        } else {
            "is not a folder"
        };
        Some(format!(
            "SSL_CERT_DIR names {}, which {why}",
            folder.display()
        ))
    })
}

/// Why a handshake failed, in words that complete "no trusted TLS connection to HOST:".
pub(super) fn words(error: &Error) -> String {
    let why = match error {
        Error::InvalidCertificate(error) => return of_certificate(error),
        Error::InvalidMessage(_) => "it does not answer in TLS; is it plain http on this port?",
        Error::PeerIncompatible(_) | Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "it has no version or cipher of TLS in common with this program (TLS 1.2 or 1.3)"
        }
        Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::HandshakeFailure,
        ) => "it refused the handshake; it may want a client certificate, which is not supported",
        Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            "it does not serve this host name"
        }
        other => return foreign_words(&other.to_string()),
    };
    why.into()
}

fn of_certificate(error: &CertificateError) -> String {
    use CertificateError as E;
    let why = match error {
        E::UnknownIssuer => {
            "its certificate is signed by an authority that this machine does not trust"
        }
        E::Expired | E::ExpiredContext { .. } => "its certificate has expired",
        E::NotValidYet | E::NotValidYetContext { .. } => "its certificate is not valid yet",
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "its certificate is for another host name"
        }
        E::Revoked => "its certificate was revoked",
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "its certificate is not a server certificate"
        }
        // The library has no variant of its own for this cause.
        E::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => OWN_AUTHORITY,
        other => {
            return format!(
                "its certificate is not accepted: {}",
                foreign_words(&other.to_string())
            );
        }
    };
    why.into()
}
