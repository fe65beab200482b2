//! An exchange as a `curl` command. Made from what was kept, so secrets are placeholders already.

use std::fmt::Write as _;

use super::Exchange;

/// Headers curl makes itself.
const MADE_BY_CURL: [&str; 4] = ["host", "content-length", "accept-encoding", "connection"];

/// The request of `exchange` as a command for a POSIX shell.
#[must_use]
pub fn command(exchange: &Exchange) -> String {
    let mut out = format!("curl -X {} {}", exchange.method, quote(&exchange.url));
    for (name, value) in &exchange.request_headers {
        if !MADE_BY_CURL.contains(&name.to_ascii_lowercase().as_str()) {
            let _ = write!(out, " \\\n  -H {}", quote(&format!("{name}: {value}")));
        }
    }
    if exchange.request_body.bytes > 0 {
        let _ = write!(
            out,
            " \\\n  --data-raw {}",
            quote(&exchange.request_body.text)
        );
    }
    if exchange.request_body.cut {
        out.push_str(" # the body is cut");
    }
    out
}

/// One word for a POSIX shell: single quotes, inside which nothing is special but the quote itself.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_each_word_as_it_was() {
        assert_eq!(quote("plain"), "'plain'");
        assert_eq!(quote("it's $HOME `x`"), r"'it'\''s $HOME `x`'");
    }
}
