//! Real servers for tests: `imprint serve` on a temporary site, and nginx, Apache and lighttpd in front of it, set up
//! by the files of `conf/` with their paths replaced. Every process ends with the value that holds it.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::gateway::{ask, get, until};
use super::http::{Answer, Client};
use super::pictures::{flat, png, textured};
use super::site::{FIXTURE_INI, Site};

/// The program under test.
pub const IMPRINT: &str = env!("CARGO_BIN_EXE_imprint");
/// Where Debian and Ubuntu keep the modules of Apache.
const APACHE_MODULES: &str = "/usr/lib/apache2/modules";
/// User and group of web servers that are started by root.
const WEB_USER: &str = "www-data";

/// A process and those that it started; all of them end when this is dropped.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts it as the head of a group of its own, with its messages in `log`.
    pub fn start(command: &mut Command, log: &Path) -> Process {
        let log = File::options().create(true).append(true).open(log).expect("log of a test");
        let errors = log.try_clone().expect("handle");
        command.stdout(log).stderr(errors).process_group(0);
        Process { child: command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}")) }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it by SIGTERM; the value is its exit status.
    pub fn stop(&mut self) -> Option<i32> {
        signal(self.id(), Signal::TERM);
        until("the process ends", || !self.is_running());
        self.child.wait().ok().and_then(|status| status.code())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        signal(self.id(), Signal::TERM);
        let end = Instant::now() + Duration::from_secs(2);
        while self.is_running() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        if let Some(group) = pid(self.id()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pid(id: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(id).ok()?)
}

/// Sends a signal to one process.
pub fn signal(id: u32, signal: Signal) {
    if let Some(pid) = pid(id) {
        let _ = kill_process(pid, signal);
    }
}

/// The processes that a process started.
pub fn children(id: u32) -> BTreeSet<u32> {
    let listed = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Processor time that a process has used, in hundredths of a second.
pub fn used_cpu(id: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    fields.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<u64>().ok()).sum()
}

/// A port that nobody uses, and that no other test of this process got.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("address").port();
        if GIVEN.lock().expect("ports").insert(port) {
            return port;
        }
    }
}

/// Where a program is, also when the path of the user leaves out those for administrators.
pub fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path);
    let mut places = folders.chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = places.find(|folder| folder.join(name).is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed: see tests/run")).join(name)
}

/// Whether web servers change their user, because root starts them.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn row_of(table: &str, name: &str, column: usize) -> u32 {
    let text = fs::read_to_string(table).expect(table);
    let row = text.lines().find(|row| row.split(':').next() == Some(name));
    let field = row.and_then(|row| row.split(':').nth(column)).expect(name);
    field.parse().expect("a number")
}

/// Lets the web server's user write here.
fn give_away(path: &Path) {
    if is_root() {
        let user = row_of("/etc/passwd", WEB_USER, 2);
        let group = row_of("/etc/group", WEB_USER, 2);
        std::os::unix::fs::chown(path, Some(user), Some(group)).expect("owner of a test folder");
    }
}

/// Replaces each of `pairs`, which must be there.
pub fn replaced(text: &str, pairs: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (from, to) in pairs {
        assert!(text.contains(from), "{from} is not in the snippet");
        text = text.replace(from, to);
    }
    text
}

/// A site with what the tests of servers ask for, and a folder `run` for sockets, logs and settings.
///
/// `shop` is a catalog with the record `photo`. `settings` are those of `[imprint]`, then other sections.
pub fn site(settings: &str) -> Site {
    let group = if is_root() { format!("socketGroup = {WEB_USER}\n") } else { String::new() };
    let own = format!("[imprint]\nlisten = unix:run/imprint.sock\n{group}{settings}");
    let site = Site::with(&own, FIXTURE_INI);
    for folder in ["", "run", "run/htdocs", "run/lib", "images/a", "saved"] {
        let path = site.path(folder);
        fs::create_dir_all(&path).expect("a new folder");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("mode");
    }
    give_away(&site.path("saved/web"));
    give_away(&site.path("run"));
    site.write("catalogs/shop.ini", "RootId=shop\nCatalogFile=shop.txt\nUseLastModified=1\n");
    site.write("catalogs/shop.txt", "Id\tPath\tModifier\nphoto\tphoto.png\t\n");
    site.image("photo.png", png(&textured(300, 200)));
    // Each of another color, so that a picture tells its name.
    let names = ["a/b", "café", "a%b", "a?b", "a;b=c", "a", "b", "caf", "a%2Fb"];
    for (level, name) in (20_u8..).step_by(20).zip(names) {
        site.image(&format!("{name}.png"), png(&flat(16, 16, [level, level, 255 - level])));
    }
    site
}

/// `imprint serve` on a site of [`site`].
pub struct Backend {
    /// Its site.
    pub site: Site,
    /// The supervisor.
    pub process: Process,
    /// Its port for FastCGI, beside the socket `run/imprint.sock`.
    pub port: u16,
}

impl Backend {
    /// Starts it and waits until it serves.
    pub fn start(site: Site) -> Backend {
        Backend::start_with(site, Command::new(IMPRINT))
    }

    /// The same by a command that ends in running the program with the arguments it is given.
    pub fn start_with(site: Site, command: Command) -> Backend {
        let backend = Backend::spawned(site, command);
        backend.settled_workers();
        backend
    }

    /// The same with another number of workers than two.
    pub fn start_workers(site: Site, count: usize) -> Backend {
        let backend = Backend::spawned(site, Command::new(IMPRINT));
        until("all workers", || backend.workers().len() == count);
        backend
    }

    fn spawned(site: Site, mut command: Command) -> Backend {
        let port = free_port();
        let socket = site.path("run/imprint.sock");
        command.args(["serve", "-c"]).arg(site.path("imprint.conf"));
        command.arg(format!("--listen=unix:{}", socket.display()));
        command.arg(format!("--listen=127.0.0.1:{port}")).stdin(Stdio::null());
        let process = Process::start(&mut command, &site.path("run/imprint.log"));
        let mut backend = Backend { site, process, port };
        until("imprint serves", || {
            assert!(backend.process.is_running(), "{}", backend.log());
            ask(&socket, &get("/is/image")).is_ok()
        });
        backend
    }

    /// What it has written on standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(self.site.path("run/imprint.log")).unwrap_or_default()
    }

    /// Its workers.
    pub fn workers(&self) -> BTreeSet<u32> {
        children(self.process.id())
    }

    /// The workers, as soon as there are two of them.
    pub fn settled_workers(&self) -> BTreeSet<u32> {
        until("two workers", || self.workers().len() == 2);
        self.workers()
    }
}

/// A web server, by the way in which it reaches imprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `conf/nginx.conf`.
    Nginx,
    /// `conf/nginx.conf` with a TCP address.
    NginxTcp,
    /// `conf/nginx-minimal.conf`.
    NginxMinimal,
    /// `conf/apache.conf`.
    ApacheProxy,
    /// `conf/apache-fcgid.conf`.
    ApacheFcgid,
    /// `conf/apache-cgi.conf`.
    ApacheCgi,
    /// `conf/lighttpd.conf`.
    Lighttpd,
    /// The same, with imprint started by lighttpd.
    LighttpdStarts,
}

impl Way {
    /// Whether the web server starts imprint itself.
    pub fn starts_imprint(self) -> bool {
        matches!(self, Way::ApacheFcgid | Way::ApacheCgi | Way::LighttpdStarts)
    }
}

/// A web server that runs.
pub struct Front {
    /// Its port.
    pub port: u16,
    /// Which one it is.
    pub way: Way,
    /// Its process.
    pub process: Process,
    folder: PathBuf,
}

impl Front {
    /// Checks the settings with the server's own check (G18), starts it, and waits until it listens.
    ///
    /// `more` are replacements in the snippet, which must apply.
    pub fn start(way: Way, site: &Site, tcp: u16, more: &[(&str, &str)]) -> Front {
        let port = free_port();
        let run = site.path("run");
        let text = settings(way, site, port, tcp, more);
        let file = run.join(format!("{way:?}.conf"));
        fs::write(&file, text).expect("settings of a web server");
        let command = |checks: bool| {
            let (name, words): (_, &[&str]) = match (way, checks) {
                (Way::Nginx | Way::NginxTcp | Way::NginxMinimal, true) => ("nginx", &["-t", "-c"]),
                (Way::Nginx | Way::NginxTcp | Way::NginxMinimal, false) => ("nginx", &["-c"]),
                (Way::ApacheProxy | Way::ApacheFcgid | Way::ApacheCgi, true) => {
                    ("apache2", &["-t", "-f"])
                }
                (Way::ApacheProxy | Way::ApacheFcgid | Way::ApacheCgi, false) => {
                    ("apache2", &["-DFOREGROUND", "-f"])
                }
                (Way::Lighttpd | Way::LighttpdStarts, true) => ("lighttpd", &["-tt", "-f"]),
                (Way::Lighttpd | Way::LighttpdStarts, false) => ("lighttpd", &["-D", "-f"]),
            };
            let mut command = Command::new(program(name));
            command.args(words).arg(&file).stdin(Stdio::null());
            command
        };
        let checked = command(true).output().expect("a check");
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.success(), "{way:?}: {said}");
        let process = Process::start(&mut command(false), &run.join("front.log"));
        let mut front = Front { port, way, process, folder: site.root().to_owned() };
        until("the web server listens", || {
            let log = fs::read_to_string(run.join("front.log")).unwrap_or_default();
            assert!(front.process.is_running(), "{way:?} ended: {log}");
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
        });
        front
    }

    /// One request on a connection of its own, and its reply, in which no path of ours may show (G10).
    pub fn ask(
        &self,
        method: &str,
        target: impl AsRef<[u8]>,
        headers: &[(&str, &[u8])],
        body: &[u8],
    ) -> Answer {
        let target = target.as_ref();
        let shown = String::from_utf8_lossy(target).into_owned();
        let answer = Client::new(self.port)
            .and_then(|mut client| client.ask(method, target, headers, body))
            .unwrap_or_else(|error| panic!("{:?} {method} {shown}: {error}", self.way));
        let folder = self.folder.display().to_string();
        for (name, value) in &answer.headers {
            let is_internal = ["X-Accel-Redirect", "X-Sendfile", "X-LIGHTTPD-send-file"]
                .iter()
                .any(|internal| name.eq_ignore_ascii_case(internal));
            let is_open = is_internal || value.contains(&folder);
            assert!(!is_open, "G10 {:?} {method} {shown}: {name}: {value}", self.way);
        }
        answer
    }

    /// A GET without more.
    pub fn get(&self, target: impl AsRef<[u8]>) -> Answer {
        self.ask("GET", target, &[], &[])
    }
}

/// The settings of a web server: a frame for the test, and the file from `conf/`.
fn settings(way: Way, site: &Site, port: u16, tcp: u16, more: &[(&str, &str)]) -> String {
    const SOCKET: &str = "/run/imprint/imprint.sock";
    const CONF: &str = "/etc/imprint/imprint.conf";
    const LIB: &str = "/usr/lib/imprint";
    let run = site.path("run").display().to_string();
    let socket = format!("{run}/imprint.sock");
    let conf = site.path("imprint.conf").display().to_string();
    let lib = format!("{run}/lib");
    let snippet = |text: &str, pairs: &[(&str, &str)]| replaced(&replaced(text, pairs), more);
    let listen = format!("listen 127.0.0.1:{port};");
    let at = format!("server 127.0.0.1:{tcp};");
    match way {
        Way::Nginx | Way::NginxTcp => {
            let text = include_str!("../../conf/nginx.conf");
            let unix = format!("server unix:{SOCKET};");
            let own = format!("server unix:{socket};");
            let server = if way == Way::Nginx { &own } else { &at };
            nginx(
                &run,
                &snippet(text, &[(unix.as_str(), server.as_str()), ("listen 80;", &listen)]),
            )
        }
        Way::NginxMinimal => {
            let text = include_str!("../../conf/nginx-minimal.conf");
            let text = snippet(text, &[(SOCKET, &socket)]);
            nginx(&run, &format!("server {{ {listen}\n{text} }}"))
        }
        Way::ApacheProxy => {
            let text = snippet(include_str!("../../conf/apache.conf"), &[(SOCKET, &socket)]);
            let modules = ["proxy", "proxy_fcgi", "setenvif"];
            apache(&run, port, &modules, &format!("<VirtualHost *:{port}>\n{text}\n</VirtualHost>"))
        }
        Way::ApacheFcgid => {
            link_program(site, "imprint.fcgi");
            let text = include_str!("../../conf/apache-fcgid.conf");
            let text = snippet(text, &[(CONF, &conf), (LIB, &lib)]);
            let paths =
                format!("FcgidIPCDir {run}/fcgid\nFcgidProcessTableFile {run}/fcgid.table\n");
            fs::create_dir_all(format!("{run}/fcgid")).expect("a folder");
            give_away(Path::new(&format!("{run}/fcgid")));
            apache(&run, port, &["fcgid"], &format!("{paths}{text}"))
        }
        Way::ApacheCgi => {
            link_program(site, "imprint.cgi");
            let text = include_str!("../../conf/apache-cgi.conf");
            let text = snippet(text, &[(CONF, &conf), (LIB, &lib)]);
            let text =
                format!("ScriptSock {run}/cgisock\n<VirtualHost *:{port}>\n{text}\n</VirtualHost>");
            apache(&run, port, &["cgid"], &text)
        }
        Way::Lighttpd | Way::LighttpdStarts => {
            let text = include_str!("../../conf/lighttpd.conf");
            let mut text = snippet(text, &[(SOCKET, &socket)]);
            if way == Way::LighttpdStarts {
                let binary = link_program(site, "imprint");
                let check = "\"check-local\" => \"disable\"";
                let starts = format!(
                    "{check}, \"bin-path\" => \"{}\", \"max-procs\" => 1,\n    \
                     \"bin-environment\" => ( \"IMPRINT_CONFIG\" => \"{conf}\" )",
                    binary.display()
                );
                text = replaced(&text, &[(check, &starts)]);
            }
            let user = match is_root() {
                true => {
                    format!("server.username = \"{WEB_USER}\"\nserver.groupname = \"{WEB_USER}\"\n")
                }
                false => String::new(),
            };
            format!(
                "server.document-root = \"{run}/htdocs\"\nserver.bind = \"127.0.0.1\"\n\
                 server.port = {port}\nserver.errorlog = \"{run}/lighttpd.log\"\n{user}{text}"
            )
        }
    }
}

/// The program under a name in `run/lib`, where the web server's user can reach it.
fn link_program(site: &Site, name: &str) -> PathBuf {
    let path = site.path(&format!("run/lib/{name}"));
    if !path.exists() && fs::hard_link(IMPRINT, &path).is_err() {
        fs::copy(IMPRINT, &path).expect("a copy of the program");
    }
    path
}

fn nginx(run: &str, text: &str) -> String {
    let user = if is_root() { format!("user {WEB_USER};\n") } else { String::new() };
    format!(
        "{user}worker_processes 1;\ndaemon off;\npid {run}/nginx.pid;\nerror_log {run}/nginx.log;\n\
         events {{ worker_connections 512; }}\nhttp {{\naccess_log off;\n\
         client_body_temp_path {run}/body;\nproxy_temp_path {run}/proxy;\n\
         fastcgi_temp_path {run}/fastcgi;\nuwsgi_temp_path {run}/uwsgi;\nscgi_temp_path {run}/scgi;\n\
         {text}\n}}\n"
    )
}

fn apache(run: &str, port: u16, modules: &[&str], text: &str) -> String {
    let user = match is_root() {
        true => format!("User {WEB_USER}\nGroup {WEB_USER}\n"),
        false => String::new(),
    };
    let load = |name: &&str| format!("LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so\n");
    let common = ["mpm_event", "authz_core", "alias", "env"];
    let loaded: String = common.iter().chain(modules).map(load).collect();
    format!(
        "ServerRoot {run}\nServerName localhost\nDefaultRuntimeDir {run}\nPidFile {run}/apache.pid\n\
         Listen 127.0.0.1:{port}\n{loaded}ErrorLog {run}/apache.log\nLogLevel warn\n{user}\
         StartServers 1\nThreadsPerChild 16\nMaxRequestWorkers 32\nDocumentRoot {run}/htdocs\n{text}\n"
    )
}
