//! Builds HTML in which text from outside cannot become markup. Knows no page.

use std::fmt::Write as _;

use hyper::http::{HeaderValue, StatusCode, header};

use crate::domain::inert;
use crate::http_server::{Response, respond};

/// A piece of markup. Text gets into it through [`Html::text`] alone.
#[derive(Debug, Clone, Default)]
pub struct Html(String);

impl Html {
    /// Markup of our own.
    pub fn markup(markup: &'static str) -> Self {
        Self(markup.to_owned())
    }

    /// Any text: escaped for element content and quoted attributes; control and invisible characters are shown escaped.
    pub fn text(text: &str) -> Self {
        let mut out = String::with_capacity(text.len());
        for c in inert::line(text).chars() {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&#39;"),
                c => {
                    let _ = write!(out, "{c}");
                }
            }
        }
        Self(out)
    }

    /// Fills a template: each `{{name}}` becomes its piece. Filled-in text is not scanned again.
    pub fn fill(template: &'static str, pieces: &[(&str, Self)]) -> Self {
        let mut out = String::with_capacity(template.len() * 2);
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("{{") {
            out.push_str(before);
            let (name, after) = after.split_once("}}").unwrap_or((after, ""));
            // Found by name in our own template: filled-in text that contains `{{` is never scanned.
            if let Some((_, piece)) = pieces.iter().find(|(known, _)| *known == name) {
                out.push_str(&piece.0);
            }
            rest = after;
        }
        out.push_str(rest);
        Self(out)
    }

    pub fn join(pieces: impl IntoIterator<Item = Self>) -> Self {
        Self(pieces.into_iter().map(|piece| piece.0).collect())
    }

    #[cfg(test)]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Styles every page shares, light and dark.
pub fn styles() -> Html {
    Html::markup(include_str!("../../assets/sandbox/style.css"))
}

/// A page as a response that runs no script, loads nothing and is shown in no frame.
pub fn page(status: StatusCode, html: &Html) -> Response {
    let mut response = respond(
        status,
        "text/html; charset=utf-8",
        html.0.clone().into_bytes(),
    );
    let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_SECURITY_POLICY, policy);
    // The page shows a payment's current state.
    set(header::CACHE_CONTROL, "no-store");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    // `no-referrer` would make browsers send `Origin: null` with the page's own forms.
    set(header::REFERRER_POLICY, "same-origin");
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How bright a colour is, as WCAG 2 has it.
    #[expect(
        clippy::float_arithmetic,
        clippy::disallowed_types,
        reason = "a colour is no money"
    )]
    fn luminance(colour: &str) -> f64 {
        let wide: String = match colour.len() {
            3 => colour.chars().flat_map(|digit| [digit, digit]).collect(),
            _ => colour.to_owned(),
        };
        let part = |at: usize| {
            let value = u8::from_str_radix(&wide[at..at + 2], 16).unwrap();
            let value = f64::from(value) / 255.0;
            if value <= 0.039_28 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
    }

    #[test]
    fn every_text_of_a_page_has_a_contrast_of_four_and_a_half_light_and_dark() {
        let styles = styles();
        let themes: Vec<&str> = styles.as_str().split(":root {").skip(1).collect();
        assert_eq!(themes.len(), 2);
        for theme in themes {
            let theme = theme.split('}').next().unwrap();
            let colour = |name: &str| {
                let (_, rest) = theme.split_once(&format!("--{name}: #")).unwrap();
                luminance(rest.split(';').next().unwrap())
            };
            for (ink, ground) in [
                ("ink", "bg"),
                ("ink", "card"),
                ("soft", "bg"),
                ("soft", "card"),
                ("accent", "card"),
                ("accent-ink", "accent"),
                ("good", "bg"),
                ("bad", "bg"),
                ("bad", "card"),
                ("warn", "warn-bg"),
            ] {
                let (one, other) = (colour(ink), colour(ground));
                let contrast = (one.max(other) + 0.05) / (one.min(other) + 0.05);
                assert!(contrast >= 4.5, "{ink} on {ground}: {contrast:.2}");
            }
        }
        assert!(
            !styles.as_str().contains("opacity"),
            "it takes contrast away"
        );
    }

    #[test]
    fn text_never_becomes_markup_and_a_filled_piece_is_not_filled_again() {
        let hostile = Html::text("<script>'\"&{{b}}\u{202e}");
        let filled = Html::fill(
            "<p title=\"{{a}}\">{{b}}{{none}}</p>",
            &[("a", hostile), ("b", Html::markup("<i>"))],
        );
        assert_eq!(
            filled.as_str(),
            "<p title=\"&lt;script&gt;&#39;&quot;&amp;{{b}}\\u{202e}\"><i></p>"
        );
    }
}
