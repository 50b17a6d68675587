//! What tests share: a temporary site, pictures that are drawn, requests through the library, servers, clients.

pub mod gateway;
pub mod heap;
pub mod http;
pub mod pictures;
pub mod records;
pub mod servers;
pub mod site;
