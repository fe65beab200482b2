//! Widgets: lines, lists, bars, boxes and forms, and a reader and an editor for longer texts. They know the
//! theme and the screen, no pane.

pub mod bar;
pub mod boxes;
pub mod columns;
pub mod editor;
pub mod filter;
pub mod form;
pub mod input;
pub mod json;
pub mod list;
pub mod pager;
pub mod reader;
pub mod searched;
pub mod sheet;
pub mod text;
pub mod widths;
