//! Terminal events to messages, on a thread of its own: a blocking read loses no key that comes together
//! with a resize, as the asynchronous reader does.

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers, MouseEventKind};
use tokio::sync::mpsc;

use crate::tui::Msg;

/// Reads until the terminal or the receiver is gone.
pub fn start(messages: mpsc::Sender<Msg>) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("input".into())
        .stack_size(256 * 1024)
        .spawn(move || {
            while let Ok(event) = event::read() {
                if let Some(message) = message(event)
                    && messages.blocking_send(message).is_err()
                {
                    return;
                }
            }
        })
        .map(drop)
}

fn message(event: Event) -> Option<Msg> {
    match event {
        Event::Key(mut key) if key.kind != KeyEventKind::Release => {
            // Esc and Ctrl-C typed in one go are read as Alt-Ctrl-C; whoever types that wants out.
            if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
                key.modifiers.remove(KeyModifiers::ALT);
            }
            Some(Msg::Key(key))
        }
        Event::Mouse(mouse) if mouse.kind != MouseEventKind::Moved => Some(Msg::Mouse(mouse)),
        Event::Paste(text) => Some(Msg::Paste(text)),
        // Not from here: with half a sequence read, the reader waits for its rest, and tells no new size meanwhile.
        Event::Resize(..)
        | Event::Key(_)
        | Event::Mouse(_)
        | Event::FocusGained
        | Event::FocusLost => None,
    }
}
