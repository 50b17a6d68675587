//! imprint: an image server for the documented Image Serving protocol.
//!
//! The map: `gateway` hands a [`request::RawRequest`] to `service::answer`, which runs the stages `request`
//! (text to types), `source` and `codec::probe` (headers), `plan` (every size, default and limit), `render` and
//! `codec::encode`, then `reply` or `save`. A room uses rooms of lower rows only; `tests/rooms.rs` holds the rows.

pub mod cache;
pub mod catalog;
pub mod cli;
pub mod codec;
pub mod color;
pub mod config;
pub mod confined;
pub mod error;
pub mod gateway;
pub mod geometry;
pub mod journal;
pub mod limits;
pub mod plan;
pub mod raster;
pub mod render;
pub mod reply;
pub mod request;
pub mod save;
pub mod service;
pub mod source;
