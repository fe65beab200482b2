//! A payer's browser, which reads the forms of the checkout page and sends them.

use std::io::{Read as _, Write as _};

/// A form on a page: where it goes, its hidden fields, and the named button in it.
#[derive(Debug)]
struct PageForm {
    action: String,
    fields: Vec<(String, String)>,
}

/// The forms of a page, read as a browser would: each field with its value, the button's among them.
fn forms(page: &str) -> Vec<PageForm> {
    let value = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
        Some(rest.split('"').next()?.replace("&amp;", "&"))
    };
    page.split("<form ")
        .skip(1)
        .map(|form| {
            let form = form.split("</form>").next().unwrap();
            let fields = form
                .split('<')
                .filter(|tag| tag.starts_with("input ") || tag.starts_with("button "))
                .filter_map(|tag| Some((value(tag, "name")?, value(tag, "value")?)))
                .collect();
            PageForm {
                action: value(&format!(" {form}"), "action").unwrap(),
                fields,
            }
        })
        .collect()
}

/// A payer's browser: one connection a request, forms sent as the page says.
pub struct Payer {
    host: String,
    pub page: String,
}

impl Payer {
    pub fn open(url: &str) -> Self {
        let rest = url.strip_prefix("http://").unwrap();
        let (host, path) = rest.split_once('/').unwrap();
        let mut payer = Self {
            host: host.to_owned(),
            page: String::new(),
        };
        payer.page = payer.ask("GET", &format!("/{path}"), "");
        assert!(payer.page.starts_with("HTTP/1.1 200"), "{}", payer.page);
        payer
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = std::net::TcpStream::connect(&self.host).unwrap();
        let host = &self.host;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Sends the form that goes to `.../act` and holds these values, and follows where that leads.
    pub fn submit(&mut self, act: &str, holds: &[(&str, &str)]) {
        let found = forms(&self.page);
        let form = found
            .iter()
            .find(|form| {
                let has = |(name, value): &(&str, &str)| {
                    form.fields.iter().any(|(n, v)| n == name && v == value)
                };
                form.action.ends_with(&format!("/{act}")) && holds.iter().all(has)
            })
            .unwrap_or_else(|| panic!("no form {act} with {holds:?} in {found:?}"));
        let body = serde_urlencoded::to_string(&form.fields).unwrap();
        let answer = self.ask("POST", &form.action, &body);
        assert!(answer.starts_with("HTTP/1.1 303"), "{act}: {answer}");
        let location = answer
            .lines()
            .find_map(|line| line.strip_prefix("location: "))
            .unwrap();
        self.page = self.ask("GET", location, "");
        assert!(self.page.starts_with("HTTP/1.1 200"), "{}", self.page);
    }
}
