//! Measures whole requests through FastCGI beside other tools in the same run: `cargo bench --bench bench -- [--quick] [filter]`.
//!
//! The built binary serves a site of its own on a Unix socket with one worker; a client asks on a kept connection.
//! References are `vipsthumbnail` (libvips-tools) and `djpeg | cjpeg` (libjpeg-turbo-progs) on the same files. They
//! are started for each picture, so what they take for a tiny picture is measured too and subtracted. Runs are
//! interleaved; nothing is asserted about time. `--against FILE` measures another build of imprint in the same run.

mod catalog;
#[path = "../support/heap.rs"]
mod heap;
mod photograph;
#[path = "../support/records.rs"]
mod records;
mod server;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use server::Server;

/// Width and height, then the name of the source.
const SOURCES: [((u32, u32), &str); 4] = [
    ((6000, 4000), "big.jpg"),
    ((1824, 1216), "middle.jpg"),
    ((200, 200), "small.jpg"),
    ((16, 16), "tiny.jpg"),
];

/// A request, and the width to which the references scale the same source; 0 for none.
struct Case {
    name: &'static str,
    request: &'static str,
    source: &'static str,
    width: u32,
    /// Requests that are timed as one.
    batch: u32,
}

const CASES: [Case; 8] = [
    case("thumbnail-24mp", "big.jpg?wid=400&qlt=80&cache=on,off", "big.jpg", 400, 1),
    case("thumbnail-2mp", "middle.jpg?wid=300&qlt=80&cache=on,off", "middle.jpg", 300, 1),
    case("save-24mp", "big.jpg?wid=400&qlt=80&req=saveToFile&name=bench.jpg", "big.jpg", 400, 1),
    case(
        "progressive-24mp",
        "progressive.jpg?wid=400&qlt=80&cache=on,off",
        "progressive.jpg",
        400,
        1,
    ),
    case("zoom-24mp", "big.jpg?rgn=3000,2000,512,512&qlt=80&cache=on,off", "big.jpg", 0, 1),
    case("half-24mp", "big.jpg?wid=2000&qlt=80&cache=on,off", "big.jpg", 2000, 1),
    case("small", "small.jpg?wid=100&qlt=80&cache=on,off", "small.jpg", 0, 200),
    // The same from the reply cache; all others leave the cache alone.
    case("small-cached", "small.jpg?wid=100&qlt=80", "small.jpg", 0, 200),
];

const fn case(
    name: &'static str,
    request: &'static str,
    source: &'static str,
    width: u32,
    batch: u32,
) -> Case {
    Case { name, request, source, width, batch }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_quick = arguments.iter().any(|argument| argument == "--quick");
    let mut words =
        arguments.iter().filter(|argument| !matches!(argument.as_str(), "--quick" | "--bench"));
    let (mut filter, mut other) = (None, None);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--against" => other = words.next(),
            _ => filter = Some(word),
        }
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench");
    prepare(&folder.join("images"));
    server::make_site(&folder);
    let runs = if is_quick { 5 } else { 24 };
    println!("{runs} interleaved runs, milliseconds a request, minimum / median");
    println!("x: times over ours; less start-up: minus what the tool takes for a tiny picture");
    if catalog::is_asked(filter) {
        catalog::measure(&folder, runs);
    }
    for case in &CASES {
        if filter.is_none_or(|filter| case.name.contains(filter.as_str())) {
            measure(case, &folder, other.map(Path::new), runs);
        }
    }
}

/// Draws the sources that are missing.
fn prepare(images: &Path) {
    std::fs::create_dir_all(images).expect("the target folder can be written");
    for ((width, height), name) in SOURCES {
        let path = images.join(name);
        if !path.exists() {
            std::fs::write(&path, photograph::jpeg(width, height)).expect("a source is written");
        }
    }
    let progressive = images.join("progressive.jpg");
    if !progressive.exists() {
        let mut command = Command::new("jpegtran");
        command.args(["-progressive", "-outfile"]).arg(&progressive).arg(images.join("big.jpg"));
        let status = command.status().expect("jpegtran (package libjpeg-turbo-progs)");
        assert!(status.success(), "jpegtran failed");
    }
}

/// Times of one tool.
#[derive(Default)]
struct Times(Vec<f64>);

impl Times {
    fn add(&mut self, time: Duration, count: u32) {
        self.0.push(time.as_secs_f64() * 1000.0 / f64::from(count));
        self.0.sort_by(f64::total_cmp);
    }

    fn minimum(&self) -> f64 {
        self.0.first().copied().unwrap_or(f64::NAN)
    }

    fn median(&self) -> f64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// A program that makes a thumbnail of a file, with its times for the source and for a tiny one.
struct Reference {
    name: &'static str,
    times: Times,
    start: Times,
    /// Processor time for the source, summed up.
    cpu_ms: f64,
}

fn measure(case: &Case, folder: &Path, other: Option<&Path>, runs: u32) {
    let mut server = Server::start(folder, Path::new(env!("CARGO_BIN_EXE_imprint")), "bench.sock");
    let mut other = other.map(|binary| Server::start(folder, binary, "other.sock"));
    let mut other_times = Times::default();
    let first = server.ask(case.request);
    assert!(first.starts_with(b"Status: 200"), "{}", String::from_utf8_lossy(&first));
    let bytes = first.len();
    let mut own = Times::default();
    let reference =
        |name| Reference { name, times: Times::default(), start: Times::default(), cpu_ms: 0.0 };
    let mut references = match case.width {
        0 => Vec::new(),
        _ => vec![reference("vipsthumbnail"), reference("djpeg|cjpeg")],
    };
    let cpu_before = server.cpu_ms();
    let other_before = other.as_ref().map_or(0.0, Server::cpu_ms);
    for _ in 0..runs {
        let start = Instant::now();
        for _ in 0..case.batch {
            server.ask(case.request);
        }
        own.add(start.elapsed(), case.batch);
        if let Some(other) = &mut other {
            let start = Instant::now();
            for _ in 0..case.batch {
                other.ask(case.request);
            }
            other_times.add(start.elapsed(), case.batch);
        }
        for reference in &mut references {
            let source = folder.join("images").join(case.source);
            let tiny = folder.join("images/tiny.jpg");
            let before = server::tools_cpu_ms();
            reference.times.add(run(reference.name, &source, case.width, folder), 1);
            reference.cpu_ms += server::tools_cpu_ms() - before;
            reference.start.add(run(reference.name, &tiny, case.width, folder), 1);
        }
    }
    let cpu_ms = (server.cpu_ms() - cpu_before) / f64::from(runs * case.batch);
    println!(
        "{:18} imprint {:8.2} / {:8.2}   cpu {cpu_ms:.2} ms, peak {:.1} MiB, reply {bytes} bytes, {:.0} a second",
        case.name,
        own.minimum(),
        own.median(),
        server.peak_mib(),
        1000.0 / own.median(),
    );
    if let Some(other) = &other {
        println!(
            "    {:14} {:8.2} / {:8.2} x {:5.2} / {:5.2}   cpu {:.2} ms, peak {:.1} MiB",
            "other build",
            other_times.minimum(),
            other_times.median(),
            other_times.minimum() / own.minimum(),
            other_times.median() / own.median(),
            (other.cpu_ms() - other_before) / f64::from(runs * case.batch),
            other.peak_mib(),
        );
    }
    for Reference { name, times, start, cpu_ms } in &references {
        let (least, middle) = (times.minimum() - start.minimum(), times.median() - start.median());
        println!(
            "    {name:14} {:8.2} / {:8.2} x {:5.2} / {:5.2}   less start-up {least:.2} / {middle:.2} x {:.2} / {:.2}, cpu {:.2} ms",
            times.minimum(),
            times.median(),
            times.minimum() / own.minimum(),
            times.median() / own.median(),
            least / own.minimum(),
            middle / own.median(),
            cpu_ms / f64::from(runs),
        );
    }
}

/// Runs a reference on one thread; the time until it has ended.
fn run(name: &str, source: &Path, width: u32, folder: &Path) -> Duration {
    let target = folder.join("reference.jpg");
    let start = Instant::now();
    if name == "vipsthumbnail" {
        let status = Command::new(name)
            .env("VIPS_CONCURRENCY", "1")
            .args(["--size", &format!("{width}x"), "-o"])
            .arg(format!("{}[Q=80]", target.display()))
            .arg(source)
            .status();
        assert!(status.expect("vipsthumbnail (package libvips-tools)").success());
    } else {
        // Scaling by 1/2 and 1/8 only: no resampling at all, so this is a floor of what the library can do.
        let scale = if width > 1000 { "1/2" } else { "1/8" };
        let mut decoder = Command::new("djpeg")
            .args(["-dct", "int", "-scale", scale])
            .arg(source)
            .stdout(Stdio::piped())
            .spawn()
            .expect("djpeg (package libjpeg-turbo-progs)");
        let pixels = decoder.stdout.take().expect("a pipe was asked for");
        let status = Command::new("cjpeg")
            .args(["-quality", "80", "-dct", "int", "-outfile"])
            .arg(&target)
            .stdin(pixels)
            .status();
        assert!(status.expect("cjpeg (package libjpeg-turbo-progs)").success());
        assert!(decoder.wait().expect("djpeg ends").success());
    }
    start.elapsed()
}
