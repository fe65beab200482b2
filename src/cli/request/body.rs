//! The body of `request`: text, a file's bytes, or a multipart form. Read once into memory, then sent unchanged.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::Request;
use crate::cli::exit::usage;
use crate::cli::prompt::interrupted;
use crate::config::{Environ, in_home};
use crate::domain::{Problem, inert};
use crate::private;

pub const SIZE_MAX: usize = 1024 * 1024;

const DATA: &str = "pass --data TEXT, --data @FILE, or --data - for stdin";

pub enum Body {
    Empty,
    Data(String),
    /// `--form`, once for each field.
    Form(Vec<String>),
}

impl Body {
    pub fn of(args: &Request) -> Self {
        match &args.data {
            Some(data) => Self::Data(data.clone()),
            None if args.form.is_empty() => Self::Empty,
            None => Self::Form(args.form.clone()),
        }
    }

    /// Its bytes. Reads them on a blocking thread, so that signals still work.
    pub async fn read(self) -> Result<Option<Vec<u8>>, Problem> {
        let read = tokio::task::spawn_blocking(move || self.read_blocking());
        read.await.unwrap_or_else(|_| Err(interrupted()))
    }

    fn read_blocking(self) -> Result<Option<Vec<u8>>, Problem> {
        let bytes = match self {
            Self::Empty => return Ok(None),
            Self::Data(text) => match text.as_str() {
                "-" => from("-", DATA)?,
                text => match text.strip_prefix('@') {
                    Some(place) => from(place, DATA)?,
                    None => text.as_bytes().to_vec(),
                },
            },
            Self::Form(fields) => {
                let parts: Result<Vec<Part>, Problem> =
                    fields.iter().map(|field| Part::read(field)).collect();
                multipart(&parts?, &boundary())
            }
        };
        if bytes.len() > SIZE_MAX {
            let what = format!("the body is larger than {} KiB", SIZE_MAX / 1024);
            return Err(usage(what, "send it with another program, such as curl"));
        }
        Ok(Some(bytes))
    }
}

/// The content of a file, or of stdin for `-`: at most one byte more than [`SIZE_MAX`].
pub fn from(place: &str, hint: &str) -> Result<Vec<u8>, Problem> {
    let whole = |reader: &mut dyn Read, what: &str| {
        let mut bytes = Vec::new();
        // One byte more than allowed shows that the body is too large.
        let read = private::read_at_most(reader, SIZE_MAX, &mut bytes);
        read.map_err(|error| usage(format!("tilldeck cannot read {what}: {error}"), hint))?;
        Ok(bytes)
    };
    if place == "-" {
        return whole(&mut std::io::stdin().lock(), "stdin");
    }
    let shown = inert::quoted(place, 120);
    let path = in_home(Path::new(place), &Environ::process())
        .map_err(|error| usage(format!("tilldeck cannot open {shown}: {error}"), hint))?;
    let mut file = File::open(path)
        .map_err(|error| usage(format!("tilldeck cannot open {shown}: {error}"), hint))?;
    whole(&mut file, &shown)
}

struct Part {
    name: String,
    /// The file name and media type, if the field is a file.
    file: Option<(String, String)>,
    content: Vec<u8>,
}

impl Part {
    /// Parses `NAME=TEXT` or `NAME=@FILE[;type=MIME][;filename=NAME]`, the syntax of curl's `--form`.
    fn read(field: &str) -> Result<Self, Problem> {
        let hint = "write --form NAME=TEXT, or --form NAME=@FILE for a file";
        let (name, value) = match field.split_once('=') {
            Some((name, value)) if !name.is_empty() => (name.to_owned(), value),
            _ => return Err(usage("--form needs NAME=VALUE", hint)),
        };
        let Some(place) = value.strip_prefix('@') else {
            return Ok(Self {
                name,
                file: None,
                content: value.as_bytes().to_vec(),
            });
        };
        // Options follow the file in any order.
        let (mut place, mut media_type, mut file_name) = (place, None, None);
        while let Some((before, option)) = place.rsplit_once(';') {
            match option.trim().split_once('=') {
                Some(("type", given)) => media_type = Some(given.to_owned()),
                Some(("filename", given)) => file_name = Some(given.to_owned()),
                _ => break,
            }
            place = before;
        }
        let media_type = media_type.unwrap_or_else(|| media_type_of(place).to_owned());
        // A line break would start another header.
        if !media_type.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return Err(usage("--form: invalid media type", hint));
        }
        let file_name = file_name.unwrap_or_else(|| {
            let name = Path::new(place).file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        });
        Ok(Self {
            name,
            file: Some((file_name, media_type)),
            content: from(place, hint)?,
        })
    }
}

fn media_type_of(place: &str) -> &'static str {
    let extension = Path::new(place).extension().unwrap_or_default();
    match extension.to_string_lossy().to_ascii_lowercase().as_str() {
        "txt" => "text/plain",
        "csv" => "text/csv",
        "json" => "application/json",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "pdf" => "application/pdf",
        _ => "application/octet-stream",
    }
}

/// A boundary random enough to occur in no content.
fn boundary() -> String {
    format!("tilldeck-{:032x}", fastrand::u128(..))
}

/// A form by RFC 7578. Names are escaped as browsers escape them.
fn multipart(parts: &[Part], boundary: &str) -> Vec<u8> {
    let escaped = |text: &str| {
        text.replace('"', "%22")
            .replace('\r', "%0D")
            .replace('\n', "%0A")
    };
    let mut body = Vec::new();
    for part in parts {
        let name = escaped(&part.name);
        let mut head = vec![
            format!("--{boundary}"),
            format!("Content-Disposition: form-data; name=\"{name}\""),
        ];
        if let Some((file_name, media_type)) = &part.file {
            head[1] = format!("{}; filename=\"{}\"", head[1], escaped(file_name));
            head.push(format!("Content-Type: {media_type}"));
        }
        body.extend_from_slice(head.join("\r\n").as_bytes());
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(&part.content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(field: &str) -> Result<Part, String> {
        Part::read(field).map_err(|problem| problem.describe())
    }

    #[test]
    fn a_form_holds_texts_and_files_byte_for_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a \"b\".TXT");
        std::fs::write(&path, [0, 0xff, b'\r', b'\n']).unwrap();
        let file = format!("file=@{}", path.display());
        let parts = [part("kind=a=b").unwrap(), part(&file).unwrap()];
        let form = multipart(&parts, "B");
        let expected = [
            b"--B\r\nContent-Disposition: form-data; name=\"kind\"\r\n\r\na=b\r\n".as_slice(),
            b"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a %22b%22.TXT\"\r\n",
            b"Content-Type: text/plain\r\n\r\n\x00\xff\r\n\r\n--B--\r\n",
        ];
        assert_eq!(form, expected.concat());
        let typed = part(&format!("{file};type=image/png")).unwrap();
        assert_eq!(typed.file.unwrap().1, "image/png");
        let named = part(&format!("{file};filename=k.png;type=image/png")).unwrap();
        assert_eq!(named.file, Some(("k.png".into(), "image/png".into())));
    }

    #[test]
    fn a_field_without_a_name_or_a_file_is_refused() {
        for (field, words) in [
            ("", "needs NAME=VALUE"),
            ("x", "needs NAME=VALUE"),
            ("=x", "needs NAME=VALUE"),
            ("a=@/nowhere/x", "cannot open"),
            ("a=@~nobody/x", "another user's home folder"),
        ] {
            let refusal = part(field).map(drop).unwrap_err();
            assert!(refusal.contains(words), "{field}: {refusal}");
        }
    }
}
