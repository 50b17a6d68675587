//! One request to a FastCGI socket, as a web server sends it: for the demonstration. Serves nothing.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Sends `method` for the raw target `uri` to the Unix socket; the value is the reply with its CGI headers.
pub fn ask(socket: &Path, method: &str, uri: &str, query: &str) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    let params: Vec<(&[u8], &[u8])> = [
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("REQUEST_METHOD", method),
        ("REQUEST_URI", uri),
        ("QUERY_STRING", query),
        ("REMOTE_ADDR", "127.0.0.1"),
    ]
    .iter()
    .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
    .collect();
    fastcgi::client::ask(&mut stream, &params, &[], false)
}
