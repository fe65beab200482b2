//! What is on screen and how it changes; pure.

pub mod effect;
pub mod msg;

pub use effect::Effect;
pub use msg::Msg;
