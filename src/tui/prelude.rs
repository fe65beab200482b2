//! What nearly every pane and window is written with.

pub use ratatui::buffer::Buffer;
pub use ratatui::layout::{Layout, Position, Rect, Size};

pub use super::component::{Command, Component, Event, UpdateContext, ViewContext};
pub use super::effect::Effect;
pub use super::intent::Intent;
pub(super) use super::keys::keys;
pub use super::keys::{
    COLUMNS, ConsoleAction, DETAILS, FILTER, GLOBAL, NAV, OVERLAY, READER, Scope,
};
pub use super::msg::{Level, Msg};
pub use super::store::{AccountState, Store};
pub use super::theme::{Tone, badge};
pub use super::widgets::boxes::{Window, columns_inside, inside};
pub use super::widgets::columns::{Column, Grid, Width};
pub use super::widgets::form::{Field, Form};
pub use super::widgets::list::{List, Step};
pub use super::widgets::pager::Pager;
pub use super::widgets::text::{
    Pen, below, cells, fit, fit_middle, paragraph, split_columns, split_rows, widest, width, wrap,
};
