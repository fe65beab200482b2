//! The question whether a callback address leads to this tilldeck's receiver. It has a random challenge, and only a program
//! with the same sealing key can answer it. Nothing is saved.

use hyper::http::{HeaderValue, StatusCode};

use super::seal::Sealer;
use crate::http_server::{Request, Response, text};

/// The header with the challenge.
pub const CHALLENGE: &str = "x-tilldeck-pulse";

/// A longer challenge gets no proof.
const CHALLENGE_MAX: usize = 64;

/// The state of a receiver, as it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiverState {
    /// It receives callbacks.
    Alive,
    /// It receives callbacks, and forwards them.
    Forwards,
    /// It cannot save callbacks.
    Down,
    /// No account of its profile has the name in the address.
    NoAccount,
}

impl ReceiverState {
    const ALL: [Self; 4] = [Self::Alive, Self::Forwards, Self::Down, Self::NoAccount];

    fn word(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Forwards => "forwards",
            Self::Down => "down",
            Self::NoAccount => "no account",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Alive | Self::Forwards => StatusCode::OK,
            Self::Down => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoAccount => StatusCode::NOT_FOUND,
        }
    }

    /// The answer to a request: the word, and on the next line the proof for its challenge.
    pub(super) fn answer(self, request: &Request, sealer: &Sealer) -> Response {
        let word = self.word();
        let challenge = request.headers().get(CHALLENGE).map(HeaderValue::as_bytes);
        let words = match challenge {
            Some(challenge) if challenge.len() <= CHALLENGE_MAX => {
                format!("{word}\n{}\n", sealer.prove(&proved(challenge, word)))
            }
            _ => format!("{word}\n"),
        };
        text(self.status(), &words)
    }
}

/// A random challenge, for one request.
pub struct Challenge(String);

impl Challenge {
    /// A new one.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random)?;
        Ok(Self(format!("{:032x}", u128::from_be_bytes(random))))
    }

    /// The value of [`CHALLENGE`].
    pub fn value(&self) -> &str {
        &self.0
    }

    /// The receiver's state, from the body of the response; `None` if a program with another key responds.
    pub fn verify(&self, body: &[u8], sealer: &Sealer) -> Option<ReceiverState> {
        let body = std::str::from_utf8(body).ok()?;
        let mut lines = body.lines();
        let word = lines.next()?;
        let state = ReceiverState::ALL
            .into_iter()
            .find(|it| it.word() == word)?;
        let proof = lines.next()?;
        let is_ours = sealer.is_proved(&proved(self.0.as_bytes(), word), proof);
        is_ours.then_some(state)
    }
}

/// What a proof is about: the state too, so that a proxy in between cannot change it.
fn proved(challenge: &[u8], word: &str) -> Vec<u8> {
    [challenge, b"\n", word.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_program_with_the_same_key_proves_its_state() {
        let (ours, foreign) = (Sealer::new([7; 32]), Sealer::new([8; 32]));
        let challenge = Challenge::new().unwrap();
        for state in ReceiverState::ALL {
            let mut request = Request::default();
            let value = HeaderValue::from_str(challenge.value()).unwrap();
            request.headers_mut().insert(CHALLENGE, value);
            let answered = |sealer: &Sealer| {
                let response = state.answer(&request, sealer);
                assert_eq!(response.status(), state.status());
                response.into_body()
            };
            let body = answered(&ours);
            assert_eq!(challenge.verify(&body, &ours), Some(state));
            let renewed = Sealer::new([9; 32]).with_previous(Some([7; 32]));
            assert_eq!(challenge.verify(&body, &renewed), Some(state));
            assert_eq!(challenge.verify(&answered(&foreign), &ours), None);
            let other = Challenge::new().unwrap();
            assert_eq!(other.verify(&body, &ours), None, "a replayed answer");
            let changed = String::from_utf8_lossy(&body).replace(state.word(), "alive");
            let is_changed = state != ReceiverState::Alive;
            assert_eq!(
                challenge.verify(changed.as_bytes(), &ours).is_none(),
                is_changed
            );
        }
        assert_eq!(challenge.verify(b"alive\n", &ours), None, "no proof");
    }
}
