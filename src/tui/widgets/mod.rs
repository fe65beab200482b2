//! Drawing without memory: lines, lists, bars, boxes and forms. Knows the theme and the screen, no pane.

pub mod bar;
pub mod boxes;
pub mod form;
pub mod list;
pub mod text;
