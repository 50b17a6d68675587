//! `imprint demo`: a sample site, one save through FastCGI, then the preview. Draws its own photograph.

use std::fs;
use std::io::{Cursor, Write};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{DONE, Demo, serve};
use crate::codec::{Chroma, Encoding, Metadata, encode};
use crate::config::Config;
use crate::error::Error;
use crate::gateway::{self, Address, Protocol, Worker};
use crate::geometry::Size;
use crate::limits::{Deadline, Limits};
use crate::raster::{Alpha, Canvas, Model, Pixels};
use crate::service::{Service, Share};

/// Prints a line; a broken pipe is not an error.
macro_rules! say {
    ($($text:tt)*) => {
        drop(writeln!(std::io::stdout(), $($text)*))
    };
}

/// Settings of the sample site.
const CONFIG: &str = "\
; Settings of the sample site.
[IS]
RootPath = images
SaveDirectory = saved
[PS]
catalog.rootPath = catalogs
[imprint]
listen = unix:imprint.sock
";

/// The sample site's default catalog: saving is on, into `saved/web`.
const DEFAULT_CATALOG: &str = "\
# Default catalog of the sample site.
SavePath=web
DefaultPix=800,800
MaxPix=4000,4000
";

/// A catalog with one record.
const SHOP_CATALOG: &str = "RootId=shop\nCatalogFile=shop.txt\n";
const SHOP_RECORDS: &str = "Id\tPath\tModifier\nlake\tlake.jpg\tqlt=90\n";

/// The request that is saved.
const REQUEST: &str = "/is/image/shop/lake?wid=400&req=saveToFile&name=lake-400.jpg";

pub(super) fn demo(arguments: &Demo) -> Result<u8, String> {
    let site = make_site().map_err(|error| format!("the sample site cannot be made: {error}"))?;
    say!("Sample site: {}", site.display());
    let path = site.join("imprint.conf");
    let config =
        Config::load(&path, std::iter::empty()).map_err(|faults| super::joined(&faults))?;
    let shown = |error: Error| error.to_string();
    let settings = serve::settings(&config)?;
    let socket = site.join("imprint.sock");
    let listener = gateway::open(&Address::Unix(socket.clone()), Protocol::FastCgi, &settings)
        .map_err(shown)?;
    // The socket file goes with its last listener.
    let _kept = listener.duplicate().map_err(shown)?;
    let mut listeners = vec![listener];
    let mut preview = None;
    if !arguments.once {
        let listener = gateway::open(&arguments.http, Protocol::Http, &settings).map_err(shown)?;
        preview = listener.local_address();
        listeners.push(listener);
    }
    let service = Service::start(config, Share { workers: 1 }).map_err(shown)?;
    let handlers = serve::handlers(service);
    let worker = Worker::new(listeners, &settings, handlers).map_err(shown)?;
    let stop = worker.stop();
    let serving = std::thread::spawn(move || worker.run(|| {}));
    let saved = save(&socket, &site);
    if arguments.once || saved.is_err() {
        stop.stop();
    } else if let Some(address) = preview {
        invite(address);
    }
    let ended = serving.join().map_err(|_| "the worker panicked".to_owned())?;
    ended.map_err(shown)?;
    saved.map(|()| DONE)
}

/// Sends the save as a web server would, and shows request, reply and file.
fn save(socket: &Path, site: &Path) -> Result<(), String> {
    let query = REQUEST.split_once('?').map_or("", |(_, query)| query);
    let reply = gateway::ask(socket, "GET", REQUEST, query)
        .map_err(|error| format!("the FastCGI request failed: {error}"))?;
    say!("\nRequest:\n  {REQUEST}\n\nReply:");
    for line in String::from_utf8_lossy(&reply).lines() {
        say!("  {}", line.trim_end());
    }
    let file = site.join("saved/web/lake-400.jpg");
    let meta = fs::metadata(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    say!("\nSaved file:\n  {} ({} bytes)", file.display(), meta.len());
    Ok(())
}

fn invite(address: SocketAddr) {
    say!("\nPreview (this machine only), until Ctrl+C:");
    for query in ["wid=600", "wid=300&hei=300&fit=crop", "wid=300&rotate=8&bgc=e8eef4&fmt=png"] {
        say!("  http://{address}/is/image/shop/lake?{query}");
    }
}

fn make_site() -> Result<PathBuf, Box<dyn std::error::Error>> {
    let mut number = std::process::id();
    let site = loop {
        let site = std::env::temp_dir().join(format!("imprint-demo-{number}"));
        // Made new and for us alone: another user's folder of that name is left alone.
        match fs::DirBuilder::new().mode(0o700).create(&site) {
            Ok(()) => break site,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error.into()),
        }
    };
    for folder in ["catalogs", "images", "saved", "saved/web"] {
        fs::create_dir(site.join(folder))?;
    }
    fs::write(site.join("imprint.conf"), CONFIG)?;
    fs::write(site.join("catalogs/default.ini"), DEFAULT_CATALOG)?;
    fs::write(site.join("catalogs/shop.ini"), SHOP_CATALOG)?;
    fs::write(site.join("catalogs/shop.txt"), SHOP_RECORDS)?;
    fs::write(site.join("images/lake.jpg"), photograph()?)?;
    Ok(site)
}

/// A lake in the evening, as a JPEG.
fn photograph() -> Result<Vec<u8>, Error> {
    let size = Size::new(1800, 1200);
    let canvas = Canvas { size, model: Model::Rgb, alpha: Alpha::Opaque, data: lake(size) };
    let encoding = Encoding::Jpeg {
        quality: 92,
        chroma: Chroma::Halved,
        progressive: None,
        limit_bytes: None,
    };
    let mut out = Cursor::new(Vec::new());
    let deadline = Deadline::after(Duration::from_secs(60));
    let metadata = Metadata { density_ppi: Some(300.0), ..Metadata::default() };
    encode(&Pixels::Canvas(canvas), &encoding, &metadata, &mut out, &Limits::default(), &deadline)?;
    Ok(out.into_inner())
}

/// Sky with a low sun, three ranges of hills, and their reflection in moving water.
fn lake(size: Size) -> Vec<u8> {
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let mut data = Vec::with_capacity(size.pixels() as usize * 3);
    for y in 0..size.height {
        for x in 0..size.width {
            let (u, v) = (f64::from(x) / width, f64::from(y) / height);
            let shore = 0.62;
            let color = if v <= shore {
                scene(u, v / shore)
            } else {
                let depth = (v - shore) / (1.0 - shore);
                let wave = (depth * depth * 9.0 + 1.0).recip();
                let ripple = ((v * 900.0 * wave).sin() + (u * 40.0 + v * 300.0).sin()) * 0.5;
                let mirrored = scene(u + ripple * 0.012 * depth, 1.0 - depth * 0.9);
                mirrored.map(|c| c * (0.78 - 0.25 * depth) + 0.02 * ripple)
            };
            let grain = noise(x, y) * 0.02;
            data.extend(color.map(|c| ((c + grain).clamp(0.0, 1.0) * 255.0) as u8));
        }
    }
    data
}

/// The part above the shore: `u` from the left, `v` from the top, both 0.0 to 1.0.
fn scene(u: f64, v: f64) -> [f64; 3] {
    let distance = ((u - 0.66).powi(2) * 2.2 + (v - 0.72).powi(2)).sqrt();
    let glow = (-distance * 5.0).exp();
    let sun = if distance < 0.045 { 1.0 } else { 0.0 };
    let mut color = [
        0.20 + 0.45 * v + 0.5 * glow + sun,
        0.30 + 0.28 * v + 0.28 * glow + sun * 0.8,
        0.55 - 0.05 * v + 0.05 * glow + sun * 0.5,
    ];
    for (range, (base, tall, tone)) in
        [(0.72, 0.16, 0.55), (0.82, 0.14, 0.36), (0.93, 0.10, 0.18)].into_iter().enumerate()
    {
        let seed = range as f64 * 7.3 + 1.0;
        let ridge: f64 = (1..6)
            .map(|octave| {
                let step = f64::from(1 << octave);
                (u * step * 2.1 + seed * step).sin() / step
            })
            .sum();
        let top = base - tall * (0.5 + ridge * 0.6);
        if v > top {
            let haze = 0.25 * (1.0 - tone) * (1.0 - (v - top) * 2.0).max(0.0);
            color = [tone * 0.55 + haze + 0.12 * glow, tone * 0.62 + haze, tone * 0.72 + haze];
        }
    }
    color
}

/// Grain of a film: -1.0 to 1.0, the same at every run.
fn noise(x: u32, y: u32) -> f64 {
    let mut hash = x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77);
    hash = (hash ^ (hash >> 15)).wrapping_mul(0x2C1B_3C6D);
    f64::from(hash >> 8) / f64::from(1 << 23) - 1.0
}
