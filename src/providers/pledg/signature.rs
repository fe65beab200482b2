//! The signature of a back-mode notification: a plain SHA-256, not an HMAC, over six of its fields with the secret
//! between them (`docs/providers/pledg.md#back-mode`). All other signatures of Pledg's are JWTs, in
//! [`crate::auth::sign`].

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::facts::SIGNED;
use crate::domain::{Secret, hex};

/// The signature of a notice, in upper-case hex; `None` where one of the fields is missing or no plain value.
pub fn back_mode(secret: &Secret, notice: &Map<String, Value>) -> Option<String> {
    let field = |name: &'static str| Some((name, plain(notice.get(name)?)?));
    let fields: Vec<_> = SIGNED.into_iter().map(field).collect::<Option<_>>()?;
    let fields = fields.iter().map(|(name, value)| (*name, value.as_str()));
    Some(joined(secret, fields))
}

/// SHA-256 of `name=value` pairs in the order given, joined by the secret; in upper-case hex.
pub fn joined<'a>(secret: &Secret, fields: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut hash = Sha256::new();
    for (at, (name, value)) in fields.enumerate() {
        // Between the pairs, not around them (`docs/providers/pledg.md#back-mode`).
        if at > 0 {
            hash.update(secret.expose());
        }
        hash.update(name);
        hash.update("=");
        hash.update(value);
    }
    hex(&hash.finalize()).to_uppercase()
}

/// A field as it is signed: booleans as `true` and `false`, not as PHP's `1`, which one of Pledg's plug-ins hashes.
pub fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null => Some(String::new()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn signed(reference: &str, sandbox: &Value) -> Option<String> {
        let notice = json!({
            "created_at": "2019-04-04T12:20:34.97138Z",
            "id": "test-valid",
            "additional_data": {"xx": "yy"},
            "metadata": {"foo": "bar"},
            "status": "completed",
            "sandbox": sandbox,
            "error": "",
            "reference": reference,
        });
        back_mode(&Secret::new("SECRET"), notice.as_object().unwrap())
    }

    // docs/providers/pledg.md#back-mode
    #[test]
    fn the_published_vector_holds() {
        assert_eq!(
            signed("PLEDG_1086986786391", &json!("true")).unwrap(),
            "B1C777835C01CA96AC4C3097FD46A7CA49B92BE157EDE0CB3552880D12A15359"
        );
    }

    // docs/providers/pledg.md#back-mode
    #[test]
    fn a_json_boolean_is_signed_as_its_word() {
        assert_eq!(
            signed("PLEDG_108698_6786391", &json!(true)).unwrap(),
            "6E9728899AA20E5767015165177B304ECDA4E48E79918E21D26C905E575B1EEB"
        );
        let wrong = |word: &str| signed("PLEDG_1086986786391", &json!(word)).unwrap();
        assert!(wrong("True").starts_with("B60FD03B"), "Python's word");
        assert!(wrong("1").starts_with("77C1DB84"), "PHP's word");
    }

    #[test]
    fn what_lacks_a_field_has_no_signature() {
        assert_eq!(signed("R", &json!({})), None);
        assert_eq!(back_mode(&Secret::new("SECRET"), &Map::new()), None);
    }
}
