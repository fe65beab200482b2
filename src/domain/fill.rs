//! A documented call with its parameters filled in. Values are percent-encoded (RFC 3986, 2.1), so that `/`, `?`, `#`
//! and `..` in a value cannot change the path.

use percent_encoding::{percent_decode_str, utf8_percent_encode};

use super::catalogue::{DocumentedCall, Param, ParamLocation};
use super::exchange::ENCODED;

/// A piece of a filled path, for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Fixed text of the documented path, or a separator.
    Fixed(String),
    /// A value, percent-encoded.
    Value(String),
    /// A required parameter without a value: `{offerId}`.
    Missing(String),
}

impl Piece {
    /// Its text in the path.
    pub fn text(&self) -> &str {
        match self {
            Self::Fixed(text) | Self::Value(text) | Self::Missing(text) => text,
        }
    }
}

/// The path of `call` with `values`, one for each of its parameters and in their order. An empty value is
/// none: an optional query parameter is then left out.
pub fn pieces(call: &DocumentedCall, values: &[&str]) -> Vec<Piece> {
    let value = |name: &str, place: ParamLocation| {
        call.params
            .iter()
            .zip(values)
            .find(|(param, _)| param.name == name && param.place == place)
            .map_or("", |(_, value)| value)
    };
    let mut out = Vec::new();
    let mut rest = call.path;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        out.push(Piece::Fixed(before.to_owned()));
        out.push(match value(name, ParamLocation::Path) {
            "" => Piece::Missing(format!("{{{name}}}")),
            value => Piece::Value(encoded(value)),
        });
        rest = after;
    }
    out.push(Piece::Fixed(rest.to_owned()));
    let mut joint = if call.path.contains('?') { '&' } else { '?' };
    let query = call.params.iter().zip(values);
    for (param, value) in query.filter(|(param, _)| param.place == ParamLocation::Query) {
        // An empty parameter would filter by the empty text.
        if value.is_empty() && !param.required {
            continue;
        }
        out.push(Piece::Fixed(format!("{joint}{}=", encoded(param.name))));
        out.push(if value.is_empty() {
            Piece::Missing(format!("{{{}}}", param.name))
        } else {
            Piece::Value(encoded(value))
        });
        joint = '&';
    }
    out.retain(|piece| !piece.text().is_empty());
    out
}

/// The values of the parameters of `call` in a path that it covers, percent-decoded: the inverse of [`pieces`].
pub fn values(call: &DocumentedCall, path: &str) -> Vec<String> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let in_path = |name: &str| {
        let mut parts = call.path.split('/').zip(path.split('/'));
        parts.find_map(|(known, part)| {
            (known.strip_prefix('{')?.split_once('}')?.0 == name).then_some(part)
        })
    };
    let in_query = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(known, _)| decoded(known) == name)
            .map(|(_, value)| value)
    };
    let value = |param: &Param| match param.place {
        ParamLocation::Path => in_path(param.name),
        ParamLocation::Query => in_query(param.name),
    };
    let values = call.params.iter().map(value);
    values
        .map(|value| decoded(value.unwrap_or_default()))
        .collect()
}

/// A path with another value of a query parameter; the rest of it stays as it is.
pub fn with_query(path: &str, name: &str, value: &str) -> String {
    let pair = format!("{}={}", encoded(name), encoded(value));
    let Some((path, query)) = path.split_once('?') else {
        return format!("{path}?{pair}");
    };
    let is_other = |known: &&str| decoded(known.split('=').next().unwrap_or_default()) != name;
    let others = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .filter(is_other);
    let pairs: Vec<&str> = others.chain([pair.as_str()]).collect();
    format!("{path}?{}", pairs.join("&"))
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Checks the value of a parameter.
///
/// # Errors
/// If it is missing but required, or is a dot segment, which URL parsers resolve even if percent-encoded (WHATWG
/// URL).
pub fn check(place: ParamLocation, required: bool, value: &str) -> Result<(), &'static str> {
    match (place, value) {
        (_, "") if required || place == ParamLocation::Path => Err("the call requires a value"),
        (ParamLocation::Path, "." | "..") => Err("a path cannot carry `.` or `..` as a value"),
        _ => Ok(()),
    }
}

/// Every byte but RFC 3986's unreserved characters percent-encoded.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalogue::Param;

    const fn param(name: &'static str, place: ParamLocation, required: bool) -> Param {
        Param {
            name,
            place,
            required,
            about: "",
            example: "",
            paging: None,
        }
    }

    const CALL: DocumentedCall = DocumentedCall {
        method: "GET",
        path: "/v1/offers/{offerId}/stock",
        params: &[
            param("offerId", ParamLocation::Path, true),
            param("page", ParamLocation::Query, false),
            param("sort by", ParamLocation::Query, false),
            param("kind", ParamLocation::Query, true),
        ],
        body: None,
        writes: false,
        about: "",
        follow_ups: &[],
    };

    fn path(values: &[&str]) -> String {
        pieces(&CALL, values).iter().map(Piece::text).collect()
    }

    #[test]
    fn a_value_stays_a_value() {
        assert_eq!(
            path(&["a/../b?x#y z", "0", "", "ż&=%"]),
            "/v1/offers/a%2F..%2Fb%3Fx%23y%20z/stock?page=0&kind=%C5%BC%26%3D%25"
        );
        assert_eq!(
            path(&["漢", "", "1", "k"]),
            "/v1/offers/%E6%BC%A2/stock?sort%20by=1&kind=k"
        );
        assert_eq!(path(&["-._~", "", "", "k"]), "/v1/offers/-._~/stock?kind=k");
    }

    #[test]
    fn what_is_missing_is_seen_and_what_is_optional_left_out() {
        assert_eq!(
            path(&["", "", "", ""]),
            "/v1/offers/{offerId}/stock?kind={kind}"
        );
        assert_eq!(path(&[]), "/v1/offers/{offerId}/stock");
        assert_eq!(pieces(&CALL, &["7"])[1], Piece::Value("7".into()));
        assert_eq!(pieces(&CALL, &[""])[1], Piece::Missing("{offerId}".into()));
    }

    #[test]
    fn a_filled_path_is_read_again() {
        let given = ["a/b?x", "2", "", "k"];
        assert_eq!(values(&CALL, &path(&given)), given);
        assert_eq!(values(&CALL, "/v1/offers/7/stock"), ["7", "", "", ""]);
        for (before, after) in [
            ("/v1/offers", "/v1/offers?page=3"),
            ("/v1/offers?page=2", "/v1/offers?page=3"),
            (
                "/v1/offers?page=2&a=%20&pages",
                "/v1/offers?a=%20&pages&page=3",
            ),
            ("/v1/offers?p%61ge=2", "/v1/offers?page=3"),
        ] {
            assert_eq!(with_query(before, "page", "3"), after);
        }
    }

    #[test]
    fn dot_segments_cannot_be_encoded_away() {
        for value in [".", ".."] {
            assert!(check(ParamLocation::Path, true, value).is_err());
            assert!(check(ParamLocation::Query, true, value).is_ok());
        }
        assert!(check(ParamLocation::Path, true, "..a").is_ok());
        assert!(
            check(ParamLocation::Path, false, "").is_err(),
            "a hole in a path"
        );
        assert!(check(ParamLocation::Query, false, "").is_ok());
    }
}
