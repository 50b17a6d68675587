//! What may be read: roots, links, kinds (R-1, R-2, RQ-041, RQ-044, RQ-020).

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;

use imprint::codec::ReadAt;
use imprint::confined::Links;
use imprint::error::{Error, Kind};
use imprint::source::{Candidate, RootSettings, Roots, SourceFile};

use super::is_root;

/// Two roots and a place outside of both.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Site {
        let folder = tempfile::tempdir().expect("a scratch folder");
        for (path, content) in [
            ("one/a.jpg", "one a"),
            ("one/sub/b.jpg", "one b"),
            ("two/a.jpg", "two a"),
            ("two/c.jpg", "two c"),
            ("outside/secret.jpg", "secret"),
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, content).expect("a file");
        }
        Site { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn roots(&self, settings: RootSettings) -> [(&'static str, Roots); 2] {
        let paths = [self.path("one"), self.path("two")];
        let open = || Roots::open(&paths, settings).expect("roots");
        [("kernel", open()), ("walk", open().by_walk())]
    }
}

fn content(result: Result<SourceFile, Error>) -> Result<String, (Kind, String)> {
    let file = result.map_err(|error| (error.kind(), error.public_text(4)))?;
    let mut bytes = [0; 100];
    let count = file.read_at(&mut bytes, 0).expect("a read");
    Ok(String::from_utf8_lossy(&bytes[..count]).into_owned())
}

fn missing() -> (Kind, String) {
    (Kind::NotFound, "Image not found: no such file beneath the roots".to_owned())
}

#[test]
fn roots_are_tried_in_order() {
    let site = Site::new();
    let text = |name: &str| site.path(name).to_str().expect("text").to_owned();
    let (absolute, elsewhere) = (text("one/sub/b.jpg"), text("outside/secret.jpg"));
    let (above, outside) = (text("one/../outside/secret.jpg"), text("outside"));
    for (label, roots) in site.roots(RootSettings::default()) {
        for (id, candidates, expected) in [
            ("RQ-041 the first root wins", vec![Candidate::Beneath("a.jpg")], Some("one a")),
            ("RQ-041 the second root", vec![Candidate::Beneath("c.jpg")], Some("two c")),
            (
                "the first candidate that exists",
                vec![Candidate::Beneath("none.jpg"), Candidate::Beneath("c.jpg")],
                Some("two c"),
            ),
            ("none", vec![], None),
            ("an absolute path of a catalog", vec![Candidate::Absolute(&absolute)], Some("one b")),
            ("one outside the roots", vec![Candidate::Absolute(&elsewhere)], Some("secret")),
            ("one that only looks as if beneath", vec![Candidate::Absolute(&above)], None),
            ("one that is relative", vec![Candidate::Absolute("a.jpg")], None),
            (
                "a name in a catalog's folder",
                vec![Candidate::Within { folder: &outside, name: "secret.jpg" }],
                Some("secret"),
            ),
            (
                "a name that leaves a catalog's folder",
                vec![Candidate::Within { folder: &outside, name: "../one/a.jpg" }],
                None,
            ),
            (
                "a relative folder of a catalog",
                vec![Candidate::Within { folder: "sub", name: "b.jpg" }],
                None,
            ),
        ] {
            let expected = expected.map(str::to_owned).ok_or_else(missing);
            assert_eq!(content(roots.open_first(&candidates)), expected, "{label}, {id}");
        }
    }
    let bad = Roots::open(&[site.path("nowhere")], RootSettings::default());
    assert_eq!(bad.map(|_| ()).map_err(|e| e.kind()), Err(Kind::Internal));
}

#[test]
fn a_refused_path_is_reported_like_a_missing_one() {
    let site = Site::new();
    let absolute = site.path("outside/secret.jpg");
    let absolute = absolute.to_str().expect("text");
    let deep = "../".repeat(40) + "etc/passwd";
    let mut cases = 0;
    for (label, roots) in site.roots(RootSettings::default()) {
        for (id, name) in [
            ("R-1 RQ-020 above", "../outside/secret.jpg"),
            ("R-1 above from within", "sub/../../outside/secret.jpg"),
            ("R-1 inside, but by dots", "sub/../a.jpg"),
            ("R-1 dot", "./a.jpg"),
            ("R-1 only dots", ".."),
            ("R-1 empty element", "sub//b.jpg"),
            ("R-1 slash at the end", "a.jpg/"),
            ("R-1 absolute", absolute),
            ("R-1 absolute", "/etc/passwd"),
            ("R-1 many", &deep),
            ("R-1 backslash", "sub\\b.jpg"),
            ("R-1 NUL", "a.jpg\0.png"),
            ("R-1 line feed", "a.jpg\n"),
            ("R-1 overlong", &"x".repeat(300)),
            ("R-1 empty", ""),
            ("R-1 missing", "none.jpg"),
            ("R-1 a file as folder", "a.jpg/b"),
        ] {
            let result = content(roots.open_first(&[Candidate::Beneath(name)]));
            assert_eq!(result, Err(missing()), "{label}, {id}: {name:?}");
            cases += 1;
        }
    }
    assert_eq!(cases, 34);
}

#[test]
fn only_regular_files_beneath_the_roots_are_read() {
    let site = Site::new();
    let one = site.path("one");
    for (target, link) in [
        ("../outside/secret.jpg", "out_relative.jpg"),
        (site.path("outside/secret.jpg").to_str().expect("text"), "out_absolute.jpg"),
        ("../outside", "out_folder"),
        ("../two/c.jpg", "other_root.jpg"),
        ("/proc/self/environ", "environ.jpg"),
        ("/proc/self/root", "magic"),
        ("/dev/zero", "zero.jpg"),
        ("self.jpg", "self.jpg"),
        ("sub/b.jpg", "inside.jpg"),
        ("sub", "inside"),
    ] {
        symlink(target, one.join(link)).expect("a link");
    }
    let made = |program: &str, args: &[&str]| {
        Command::new(program).args(args).current_dir(&one).status().is_ok_and(|s| s.success())
    };
    assert!(made("mkfifo", &["fifo.jpg"]), "a FIFO");
    if !(is_root() && made("mknod", &["device.jpg", "c", "1", "5"])) {
        eprintln!("R-2 device: only reported as missing, for making one needs root");
    }
    let _socket = UnixListener::bind(one.join("socket.jpg")).expect("a socket");
    let sparse = File::create(one.join("sparse.jpg")).expect("a file");
    sparse.set_len(1 << 40).expect("R-2 a sparse file of 1 TiB");
    if is_root() {
        eprintln!("R-2 unreadable file: permissions do not hold for root");
    } else {
        fs::write(one.join("unreadable.jpg"), b"x").expect("a file");
        fs::set_permissions(one.join("unreadable.jpg"), Permissions::from_mode(0o000))
            .expect("mode");
    }
    for links in [Links::Beneath, Links::Refused] {
        for (label, roots) in site.roots(RootSettings { links, ..RootSettings::default() }) {
            let is_followed = label == "kernel" && links == Links::Beneath;
            for (id, name, inside) in [
                ("RQ-044 link out, relative", "out_relative.jpg", None),
                ("RQ-044 link out, absolute", "out_absolute.jpg", None),
                ("RQ-044 folder link out", "out_folder/secret.jpg", None),
                ("R-2 link to another root", "other_root.jpg", None),
                ("R-2 environment", "environ.jpg", None),
                ("R-2 magic link", "magic/etc/passwd", None),
                ("R-2 link to a device", "zero.jpg", None),
                ("R-2 link to itself", "self.jpg", None),
                ("R-2 link inside", "inside.jpg", Some("one b")),
                ("R-2 folder link inside", "inside/b.jpg", Some("one b")),
                ("R-2 FIFO", "fifo.jpg", None),
                ("R-2 device", "device.jpg", None),
                ("R-2 socket", "socket.jpg", None),
                ("R-2 folder", "sub", None),
                ("R-2 sparse file of 1 TiB", "sparse.jpg", None),
                ("R-2 unreadable file", "unreadable.jpg", None),
            ] {
                let expected = inside.filter(|_| is_followed).map(str::to_owned);
                let result = content(roots.open_first(&[Candidate::Beneath(name)]));
                assert_eq!(result, expected.ok_or_else(missing), "{label} {links:?}, {id}");
            }
        }
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_is_an_error_at_most() {
    let site = Site::new();
    let roots = &site.roots(RootSettings::default())[0].1;
    let open = || roots.open_first(&[Candidate::Beneath("a.jpg")]).expect("a file");
    let file = open();
    assert_eq!((file.len(), file.identity().bytes), (5, 5));
    assert_eq!(open().identity(), file.identity(), "the same state, the same identity");
    let path = site.path("one/a.jpg");
    fs::write(&path, b"grown longer").expect("a write");
    let mut bytes = [0; 100];
    assert_eq!(file.read_at(&mut bytes, 0).ok(), Some(5), "ends where it ended");
    assert_eq!(file.read_at(&mut bytes, 5).ok(), Some(0));
    assert_eq!(file.read_at(&mut bytes, u64::MAX).ok(), Some(0));
    assert_ne!(open().identity(), file.identity());
    OpenOptions::new().write(true).open(&path).and_then(|f| f.set_len(2)).expect("cut short");
    assert_eq!(file.read_at(&mut bytes, 0).ok(), Some(2), "a short read");
    let error = file.read_at(&mut bytes, 2).map_err(|e| e.kind());
    assert_eq!(error.err(), Some(std::io::ErrorKind::UnexpectedEof));
}
