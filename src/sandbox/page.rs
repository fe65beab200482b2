//! Pages from templates, in which text from outside cannot become markup. Knows no page.

use std::fmt::Write as _;
use std::slice;

use hyper::http::{HeaderValue, StatusCode, header};
use serde_json::Value;

use crate::domain::inert;
use crate::http_server::{Response, respond};

/// Styles every page shares, light and dark.
const STYLES: &str = include_str!("../../assets/sandbox/style.css");

/// Fills a template in the manner of Mustache: `{{name}}` becomes the escaped text of this field of the data. What stands
/// between `{{#name}}` and `{{/name}}` is written for each item of a list, and once for any other value but null and false;
/// in it, `{{.}}` is the item itself, and the item's own fields come before those around it. A tag without an end, or a
/// name that the data does not have, is a mistake in our template or our data, and panics in debug builds.
fn fill(template: &str, data: &[&Value], out: &mut String) {
    let mut rest = template;
    while let Some((before, tag)) = rest.split_once("{{") {
        out.push_str(before);
        // Split in our own template: filled-in text that contains `{{` is never scanned.
        let closed = tag.split_once("}}");
        debug_assert!(closed.is_some(), "no end of the tag {{{{{tag}");
        let (name, after) = closed.unwrap_or((tag, ""));
        rest = after;
        let section = name.strip_prefix('#');
        let name = section.unwrap_or(name);
        let value = match data {
            [.., last] if name == "." => Some(*last),
            all => all.iter().rev().find_map(|fields| fields.get(name)),
        };
        debug_assert!(value.is_some(), "no data for {{{{{name}}}}}");
        let value = value.unwrap_or(&Value::Null);
        if section.is_none() {
            escape(value, out);
            continue;
        }
        let end = format!("{{{{/{name}}}}}");
        let closed = rest.split_once(&end);
        debug_assert!(closed.is_some(), "no {end}");
        let (inside, after) = closed.unwrap_or((rest, ""));
        rest = after;
        let items = match value {
            Value::Null | Value::Bool(false) => &[],
            Value::Array(items) => items.as_slice(),
            one => slice::from_ref(one),
        };
        for item in items {
            fill(inside, &[data, &[item]].concat(), out);
        }
    }
    out.push_str(rest);
}

/// Any text: escaped for element content and quoted attributes; control and invisible characters are shown escaped.
fn escape(value: &Value, out: &mut String) {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => inert::line(text).to_string(),
        other => other.to_string(),
    };
    for c in text.chars() {
        let _ = match c {
            '&' => out.write_str("&amp;"),
            '<' => out.write_str("&lt;"),
            '>' => out.write_str("&gt;"),
            '"' => out.write_str("&quot;"),
            '\'' => out.write_str("&#39;"),
            c => out.write_char(c),
        };
    }
}

/// A template, filled with this data, as a response that runs no script, loads nothing and is shown in no frame.
pub fn page(status: StatusCode, template: &'static str, data: &Value) -> Response {
    let mut html = String::new();
    fill(&template.replace("{{styles}}", STYLES), &[data], &mut html);
    let mut response = respond(status, "text/html; charset=utf-8", html);
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
    use serde_json::json;

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
        let themes: Vec<&str> = STYLES.split(":root {").skip(1).collect();
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
        assert!(!STYLES.contains("opacity"), "it takes contrast away");
    }

    #[test]
    fn text_never_becomes_markup_and_filled_in_text_is_not_filled_again() {
        let hostile = "<script>'\"&{{b}}\u{202e}";
        let data = json!({ "a": hostile, "b": [{ "c": 1 }, { "a": 2, "c": "" }], "d": null, "e": "{{c}}" });
        let template =
            "<p title=\"{{a}}\">{{d}}{{#b}}<i>{{c}}{{a}}</i>{{/b}}{{#d}}x{{/d}}{{#e}}{{.}}{{/e}}";
        let mut filled = String::new();
        fill(template, &[&data], &mut filled);
        let shown = "&lt;script&gt;&#39;&quot;&amp;{{b}}\\u{202e}";
        let expected = format!("<p title=\"{shown}\"><i>1{shown}</i><i>2</i>{{{{c}}}}");
        assert_eq!(filled, expected);
    }

    #[cfg(debug_assertions)]
    #[test]
    fn a_template_with_a_mistyped_name_or_end_is_never_filled() {
        let data = json!({ "a": [{ "b": 1 }] });
        for template in [
            "{{c}}",
            "{{#a}}{{c}}{{/a}}",
            "{{#c}}{{/c}}",
            "{{#a}}{{b}}{{/b}}",
            "{{#a}}{{b}}",
            "{{/a}}",
            "{{a",
        ] {
            let filled = std::panic::catch_unwind(|| fill(template, &[&data], &mut String::new()));
            assert!(filled.is_err(), "{template}");
        }
    }
}
