//! A temporary site: settings, catalogs, images, save folder, and requests through the library.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use imprint::config::Config;
use imprint::limits::Deadline;
use imprint::reply::Reply;
use imprint::request::{Method, RawRequest, RequestHeaders, Target};
use imprint::service::{Service, Share};

use super::pictures::unhurried;

/// The attributes that the fixtures of `commands.md` 18 assume.
pub const FIXTURE_INI: &str = "\
SavePath=web
DefaultPix=0,0
MaxPix=0,0
BkgColor=FFFFFF
JpegQuality=80,0
ResMode=4
ThumbType=2
";

/// A folder with everything a server needs; removed when dropped.
pub struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    /// An empty site: `images/`, `saved/web/`, `catalogs/default.ini` with the fixture attributes.
    pub fn new() -> Site {
        Site::with("", FIXTURE_INI)
    }

    /// A site with more settings (`[section]` lines and all) and an own `default.ini`.
    pub fn with(settings: &str, default_ini: &str) -> Site {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let site = Site { folder };
        for name in ["images", "catalogs", "saved", "saved/web"] {
            fs::create_dir(site.path(name)).expect("a new folder");
        }
        let own =
            "[IS]\nRootPath = images\nSaveDirectory = saved\n[PS]\ncatalog.rootPath = catalogs\n";
        site.write("imprint.conf", format!("{own}{settings}"));
        site.write("catalogs/default.ini", default_ini);
        site
    }

    /// A path within the site.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The site's folder.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("the site can be written");
    }

    /// Adds an image.
    pub fn image(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Site {
        self.write(&format!("images/{name}"), bytes);
        self
    }

    /// The settings file.
    pub fn config(&self) -> Config {
        let loaded = Config::load(&self.path("imprint.conf"), std::iter::empty());
        loaded.unwrap_or_else(|faults| panic!("the settings are wrong: {faults:?}"))
    }

    /// A service over the site.
    pub fn service(&self) -> Service {
        Service::open(self.config(), Share { workers: 1 }).expect("the site opens")
    }

    /// One GET through a service that is opened for it.
    pub fn get(&self, target: &str) -> Reply {
        get(&self.service(), target)
    }
}

/// A request from loopback.
pub fn request(method: Method, target: &str) -> RawRequest {
    let target = match target.starts_with('/') {
        true => target.to_owned(),
        false => format!("/is/image/{target}"),
    };
    RawRequest {
        method,
        target: Target::Raw(target.into_bytes()),
        peer: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        headers: RequestHeaders::default(),
        body: Vec::new(),
    }
}

/// One GET: an object below `/is/image/`, or a path that starts with `/`.
pub fn get(service: &Service, target: &str) -> Reply {
    answer(service, &request(Method::Get, target), &unhurried())
}

/// Any request.
pub fn answer(service: &Service, raw: &RawRequest, deadline: &Deadline) -> Reply {
    service.answer(raw, deadline)
}

/// The body as text.
pub fn text(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.body).into_owned()
}

/// The value of a property of a text reply.
pub fn property(reply: &Reply, name: &str) -> Option<String> {
    let text = text(reply);
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    line.map(str::to_owned)
}
