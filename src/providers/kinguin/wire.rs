//! Kinguin's JSON as read. Fields that are not known are passed over and most may be missing: the provider adds
//! and leaves out fields as it pleases.

use serde::Deserialize;

/// The least that GET merchants answers.
#[derive(Debug, Deserialize)]
pub struct Merchant {
    /// `C2C`, `MERCHANT` or `NFT`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The account's status.
    pub status: String,
}

/// A refusal. The seller API documents no body; these are the names seen at its token endpoint and clients.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Refusal {
    message: serde_json::Value,
    detail: serde_json::Value,
    error_description: serde_json::Value,
    error: serde_json::Value,
}

/// The words of a refusal, in the provider's own text; `None` where the body says nothing we can read.
pub fn words(body: &[u8]) -> Option<String> {
    // A refusal is short; what is not is no refusal.
    if body.len() > 64 * 1024 {
        return None;
    }
    if let Ok(list) = serde_json::from_slice::<Vec<String>>(body) {
        return (!list.is_empty()).then(|| list.join("; "));
    }
    let refusal: Refusal = serde_json::from_slice(body).ok()?;
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        serde_json::Value::Array(all) => {
            let texts: Vec<_> = all.iter().filter_map(serde_json::Value::as_str).collect();
            (!texts.is_empty()).then(|| texts.join("; "))
        }
        _ => None,
    };
    [
        &refusal.message,
        &refusal.detail,
        &refusal.error_description,
        &refusal.error,
    ]
    .into_iter()
    .find_map(text)
}
