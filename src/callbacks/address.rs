//! A callback's address: `/callbacks/NAME`, and the path that a provider or its panel adds after the name. Pure.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The path prefix of all callback addresses.
const FOLDER: &str = "callbacks";

/// A parsed request path.
#[derive(Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// The account's name, percent-decoded; empty where the path ends before it.
    pub account: Cow<'a, str>,
    /// The path after the name, unchanged: empty, or with a leading `/`. Slashes alone count as nothing.
    pub rest: Cow<'a, str>,
}

impl<'a> Address<'a> {
    /// Parses a path; `None` if it is not a callback address. Doubled slashes count as one, up to the name's end.
    pub fn of(path: &'a str) -> Option<Self> {
        let (folder, behind) = segment(path);
        // Decoded: some clients percent-encode unreserved characters (RFC 3986, 2.3: equivalent).
        if decoded(folder) != FOLDER {
            return None;
        }
        let (account, behind) = segment(behind);
        let rest = behind.trim_start_matches('/');
        Some(Self {
            account: decoded(account),
            rest: if rest.is_empty() {
                "".into()
            } else {
                format!("/{rest}").into()
            },
        })
    }

    /// Whether the path after the name contains `..`. Some servers decode a path before they resolve it, so encoded
    /// dots count.
    pub fn climbs(&self) -> bool {
        decoded(&self.rest)
            .split(['/', '\\'])
            .any(|segment| segment == "..")
    }
}

/// The first segment of a path, and the rest.
fn segment(path: &str) -> (&str, &str) {
    // Panels join base URL and path with a slash too many.
    let path = path.trim_start_matches('/');
    path.split_at(path.find('/').unwrap_or(path.len()))
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_however_its_address_was_typed() {
        for (path, account, rest) in [
            ("/callbacks/shop", "shop", ""),
            ("/callbacks/shop/", "shop", ""),
            ("/callbacks/shop///", "shop", ""),
            ("/callbacks//shop", "shop", ""),
            ("//callbacks/shop", "shop", ""),
            ("///callbacks///shop//", "shop", ""),
            ("/callbacks/sh%6Fp", "shop", ""),
            ("/callbacks/sh%6fp/a", "shop", "/a"),
            ("/%63allbacks/shop", "shop", ""),
            ("/callbacks/shop/order/123/", "shop", "/order/123/"),
            ("/callbacks/shop//order//1", "shop", "/order//1"),
            ("/callbacks/shop/a%2Fb%20c", "shop", "/a%2Fb%20c"),
            ("/callbacks/shop%2Forder", "shop/order", ""),
            ("/callbacks/sh%FFop", "sh\u{fffd}op", ""),
            ("/callbacks/%", "%", ""),
            ("/callbacks/..", "..", ""),
            ("/callbacks/", "", ""),
            ("/callbacks", "", ""),
            ("/callbacks///", "", ""),
        ] {
            let found = Address::of(path).unwrap();
            let seen = (&*found.account, &*found.rest);
            assert_eq!(seen, (account, rest), "{path}");
            assert!(!found.climbs(), "{path}");
        }
        for path in [
            "/",
            "",
            "/callback/shop",
            "/callbacksshop",
            "/x/callbacks/a",
        ] {
            assert_eq!(Address::of(path), None, "{path}");
        }
    }

    #[test]
    fn what_leads_out_of_an_account_is_noticed_in_every_spelling() {
        for rest in [
            "/..",
            "/../admin",
            "/a/../../admin",
            "/%2e%2E/admin",
            "/.%2e",
            "/a%2f..%2fb",
            "/..\\admin",
            "/a%5c..%5cb",
        ] {
            let path = format!("/callbacks/shop{rest}");
            assert!(Address::of(&path).unwrap().climbs(), "{rest}");
        }
        for rest in ["/...", "/..a", "/a..", "/.", "/%252e%252e"] {
            let path = format!("/callbacks/shop{rest}");
            assert!(!Address::of(&path).unwrap().climbs(), "{rest}");
        }
    }
}
