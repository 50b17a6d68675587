//! The built binary as a server with one worker, and a client on a kept connection.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const CONFIG: &str = "\
[IS]
RootPath = images
SaveDirectory = saved
[PS]
catalog.rootPath = catalogs
[imprint]
workers = 1
";

const CATALOG: &str = "SavePath=web\nDefaultPix=0,0\nMaxPix=0,0\n";

/// A running server; ended when dropped.
pub struct Server {
    supervisor: Child,
    stream: UnixStream,
}

/// Writes what a server needs beside `images`.
pub fn make_site(folder: &Path) {
    for name in ["catalogs", "saved/web", "cache"] {
        fs::create_dir_all(folder.join(name)).expect("the site can be written");
    }
    fs::write(folder.join("imprint.conf"), CONFIG).expect("the site can be written");
    fs::write(folder.join("catalogs/default.ini"), CATALOG).expect("the site can be written");
}

/// Fields `first` and the next of a process's line of times, in milliseconds.
fn times_ms(process: &str, first: usize) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |index: usize| fields.get(index).and_then(|f| f.parse::<f64>().ok());
    // Linux counts in hundredths of a second.
    (field(first).unwrap_or(0.0) + field(first + 1).unwrap_or(0.0)) * 10.0
}

/// Processor time of the tools that have ended.
pub fn tools_cpu_ms() -> f64 {
    times_ms("self", 13)
}

impl Server {
    /// Starts `binary` on the site in `folder`, whose `images` are there, and connects.
    pub fn start(folder: &Path, binary: &Path, socket: &str) -> Server {
        let socket = folder.join(socket);
        let _ = fs::remove_file(&socket);
        let supervisor = Command::new(binary)
            .args(["serve", "-c"])
            .arg(folder.join("imprint.conf"))
            .arg("--listen")
            .arg(format!("unix:{}", socket.display()))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let end = Instant::now() + Duration::from_secs(30);
        let stream = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < end, "no server: {error}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        Server { supervisor, stream }
    }

    /// The reply to one GET below `/is/image/`.
    pub fn ask(&mut self, object: &str) -> Vec<u8> {
        let uri = format!("/is/image/{object}");
        let query = object.split_once('?').map_or("", |(_, query)| query);
        let params: [(&[u8], &[u8]); 4] = [
            (b"REQUEST_METHOD", b"GET"),
            (b"REQUEST_URI", uri.as_bytes()),
            (b"QUERY_STRING", query.as_bytes()),
            (b"REMOTE_ADDR", b"127.0.0.1"),
        ];
        fastcgi::client::ask(&mut self.stream, &params, &[], true).expect("a reply")
    }

    /// Processor time of all processes of the server so far.
    pub fn cpu_ms(&self) -> f64 {
        self.processes().iter().map(|id| times_ms(&id.to_string(), 11)).sum()
    }

    /// The most memory that any of its processes held.
    pub fn peak_mib(&self) -> f64 {
        let peak_kib = |id: &u32| {
            let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok())
        };
        self.processes().iter().filter_map(peak_kib).fold(0.0, f64::max) / 1024.0
    }

    /// The supervisor and its children.
    fn processes(&self) -> Vec<u32> {
        let own = self.supervisor.id();
        let mut found = vec![own];
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let id = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
            let Some(id) = id else { continue };
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            let parent = stat
                .rsplit(')')
                .next()
                .unwrap_or_default()
                .split_whitespace()
                .nth(1)
                .map(str::parse);
            if parent == Some(Ok(own)) {
                found.push(id);
            }
        }
        found
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(id) = rustix::process::Pid::from_raw(self.supervisor.id() as i32) {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        let _ = self.supervisor.wait();
    }
}
