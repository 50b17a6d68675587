//! One binary of integration tests: each module states the behaviour of one border.

mod catalog;
mod codec;
mod codec_jpeg;
mod codec_jpeg_encode;
mod codec_jpeg_scan;
mod codec_webp;
mod corpus;
mod request;
mod save;
mod view;
