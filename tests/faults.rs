//! The real program under faults: killed workers, full disks, hostile folders, crowds, stops. Unix sockets only.

mod crowds;
mod disks;
mod kills;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use imprint::gateway;
use rustix::process::{Pid, Signal, kill_process};

use super::support::gateway::{connect, get, until};
use super::support::pictures::{png, textured};
use super::support::site::{FIXTURE_INI, Site};

/// `imprint serve` over a site of its own; killed when dropped.
pub struct Program {
    pub site: Site,
    process: Child,
}

impl Program {
    /// With `settings` (of `[PS]`, other sections may follow), once it answers.
    pub fn start(settings: &str) -> Program {
        Program::over(site(settings), "exec \"$@\"")
    }

    /// Over a prepared site; `shell` starts the program `"$@"`.
    pub fn over(site: Site, shell: &str) -> Program {
        let mut command = Command::new("sh");
        command.args(["-c", shell, "sh", env!("CARGO_BIN_EXE_imprint"), "serve", "-c"]);
        command.arg(site.path("imprint.conf")).env("RUST_LOG", "off");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("a shell");
        let program = Program { site, process };
        until("the program answers", || matches!(program.ask("photo.png?wid=9"), Some((200, _))));
        program
    }

    pub fn socket(&self) -> PathBuf {
        self.site.path("imprint.sock")
    }

    /// Status and body of one GET; `None` when the connection failed or ended early.
    pub fn ask(&self, target: &str) -> Option<(u16, Vec<u8>)> {
        ask(&self.socket(), target)
    }

    /// Sends a request and leaves at once.
    pub fn send_and_leave(&self, target: &str) {
        let mut stream = connect(&self.socket()).expect("a connection");
        stream.write_all(&get(&format!("/is/image/{target}"))).expect("a request");
    }

    /// Process ids of the workers.
    pub fn workers(&self) -> BTreeSet<i32> {
        let parent = self.process.id().to_string();
        let ids = fs::read_dir("/proc").expect("/proc").filter_map(|entry| {
            let entry = entry.ok()?;
            let id = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // After the name in brackets: state, parent.
            let rest = stat.rsplit_once(')')?.1;
            (rest.split_ascii_whitespace().nth(1)? == parent).then_some(id)
        });
        ids.collect()
    }

    /// The workers that write a file at present, and how many files.
    pub fn pending(&self) -> Vec<(i32, usize)> {
        let folder = self.site.path("saved");
        let is_pending = |entry: &fs::DirEntry| {
            fs::read_link(entry.path()).is_ok_and(|file| {
                file.starts_with(&folder) && file.to_string_lossy().contains("/#")
            })
        };
        let count = |id: &i32| {
            let open = fs::read_dir(format!("/proc/{id}/fd")).ok()?;
            let files = open.filter_map(Result::ok).filter(is_pending).count();
            (files > 0).then_some((*id, files))
        };
        self.workers().iter().filter_map(count).collect()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("signalled");
    }

    /// The status with which the program ends by itself.
    pub fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until("the program ends", || {
            status = self.process.try_wait().expect("waited");
            status.is_some()
        });
        status.expect("ended")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The workers end with their supervisor.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A site with a photograph, its socket in its folder.
pub fn site(settings: &str) -> Site {
    let settings = format!(
        "saveToFile.durability = rename\n{settings}\n[imprint]\nlisten = unix:imprint.sock\n"
    );
    let site = Site::with(&settings, FIXTURE_INI);
    site.image("photo.png", png(&textured(300, 200)));
    site
}

/// Status and body of one GET.
pub fn ask(socket: &Path, target: &str) -> Option<(u16, Vec<u8>)> {
    let uri = format!("/is/image/{target}");
    let query = uri.split_once('?').map_or("", |(_, query)| query);
    let reply = gateway::ask(socket, "GET", &uri, query).ok()?;
    let at = reply.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&reply[..at]).into_owned();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: "))?;
    let status = status.split(' ').next()?.parse().ok()?;
    Some((status, reply[at + 4..].to_vec()))
}

/// Says at its end, also by a panic, that threads which run until then shall end.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Numbers that look random and are the same at every run.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

pub fn kill(id: i32) {
    if let Some(pid) = Pid::from_raw(id) {
        let _ = kill_process(pid, Signal::KILL);
    }
}
