//! One binary of integration tests: each module states the behaviour of one border.

mod catalog;
mod cli;
mod codec;
mod codec_jpeg;
mod codec_jpeg_encode;
mod codec_jpeg_scan;
mod codec_webp;
mod colors;
mod corpus;
mod fastcgi;
mod faults;
mod formats;
mod golden;
mod layers;
mod limits;
mod plan;
mod regression;
mod reply;
mod request;
mod rooms;
mod rules;
mod save;
mod saving;
mod servers;
mod support;
mod view;
