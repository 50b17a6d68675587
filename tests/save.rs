//! Saving and confined reading at the library's border: names, links, races, full disks, permissions.

mod files;
mod names;
pub mod process;
mod races;
mod sources;

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use imprint::error::{Error, Kind};
use imprint::limits::Deadline;
use imprint::save::{
    Durability, Existing, Quota, SaveFolder, SaveName, SaveSettings, Saved, SuffixRules,
};

/// Settings of most tests: no syncs, which the tests of durability turn on.
pub const QUICK: SaveSettings = SaveSettings {
    existing: Existing::Replaced,
    durability: Durability::Rename,
    mode: 0o644,
    quota: Quota { max_bytes: None, min_free_bytes: 0 },
};

/// A save directory with a `SavePath` named `out`, beside it a folder that nothing may touch.
pub struct Scene {
    folder: tempfile::TempDir,
    before: BTreeMap<PathBuf, Fact>,
}

impl Scene {
    pub fn new() -> Scene {
        let folder = tempfile::tempdir().expect("a scratch folder");
        fs::create_dir_all(folder.path().join("saved/out/sub")).expect("folders");
        fs::create_dir_all(folder.path().join("outside")).expect("folders");
        fs::write(folder.path().join("outside/secret.jpg"), b"secret").expect("a file");
        let mut scene = Scene { folder, before: BTreeMap::new() };
        scene.remember();
        scene
    }

    /// Takes what lies outside now as what has to stay.
    pub fn remember(&mut self) {
        self.before = listing(&self.outside());
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("saved")
    }

    pub fn out(&self) -> PathBuf {
        self.root().join("out")
    }

    pub fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }

    pub fn link(&self, target: impl AsRef<Path>, name: &str) {
        symlink(target, self.out().join(name)).expect("a link");
    }

    /// The folder with each way of looking names up; both must behave alike but for links.
    pub fn folders(&self, settings: SaveSettings) -> [(&'static str, SaveFolder); 2] {
        [
            ("kernel", SaveFolder::open(&self.root(), settings)),
            ("walk", SaveFolder::open(&self.root(), settings).by_walk()),
        ]
    }

    /// The oracle of every negative test: nothing outside changed, no temporary file remains.
    pub fn check(&self, name: &str) {
        assert_eq!(listing(&self.outside()), self.before, "{name}: outside");
        assert_eq!(temporaries(&self.root()), Vec::<PathBuf>::new(), "{name}: temporary files");
    }
}

/// Inode, size, mode, modification time, hash of the content or link target.
type Fact = (u64, u64, u32, i64, u64);

/// What `listing` finds, without the folders, whose times change when a temporary file comes and goes.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, Fact> {
    let mut facts = listing(folder);
    facts.retain(|path, _| !path.is_dir());
    facts
}

pub fn listing(folder: &Path) -> BTreeMap<PathBuf, Fact> {
    let mut facts = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let meta = fs::symlink_metadata(&path).expect("an entry");
            let content = if meta.is_file() {
                fs::read(&path).expect("a file")
            } else if meta.is_symlink() {
                fs::read_link(&path).expect("a link").into_os_string().into_encoded_bytes()
            } else {
                Vec::new()
            };
            if meta.is_dir() {
                folders.push(path.clone());
            }
            let size = if meta.is_dir() { 0 } else { meta.size() };
            let modified = meta.mtime() * 1_000_000_000 + meta.mtime_nsec();
            let mut hasher = DefaultHasher::new();
            content.hash(&mut hasher);
            facts.insert(path, (meta.ino(), size, meta.mode(), modified, hasher.finish()));
        }
    }
    facts
}

pub fn temporaries(folder: &Path) -> Vec<PathBuf> {
    let is_temporary = |path: &PathBuf| {
        path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with('.'))
    };
    listing(folder).into_keys().filter(is_temporary).collect()
}

pub fn name(text: &str) -> SaveName {
    SaveName::new(Some(text), &SuffixRules::default()).expect("an accepted name")
}

pub fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

/// One save from name to reply, as the service does it.
pub fn save(
    folder: &SaveFolder,
    save_path: &str,
    file: &str,
    bytes: &[u8],
) -> Result<Saved, Error> {
    let file = SaveName::new(Some(file), &SuffixRules::default())?;
    let mut pending = folder.target(save_path, &file)?.create(&soon())?;
    if let Err(error) = pending.write_all(bytes) {
        return Err(pending.take_failure().unwrap_or_else(|| {
            Error::new(Kind::Internal, "a write failed without a reason").with_cause(error)
        }));
    }
    pending.publish()
}

/// Title and kind of a failure; a success is shown as such.
pub fn title(result: &Result<Saved, Error>) -> &'static str {
    match result {
        Ok(_) => "saved",
        Err(error) => error.title(),
    }
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn a_save_lies_beneath_directory_and_path() {
    let scene = Scene::new();
    let mut cases = 0;
    for (label, folder) in scene.folders(SaveSettings::default()) {
        for (id, save_path, file, expected) in [
            ("RQ-123 root, path and name", "out", "a.jpg", Ok("out/a.jpg")),
            ("RQ-123 the directory itself", ".", "a.jpg", Ok("a.jpg")),
            ("RQ-123 a path with dots and slashes", "./out//sub/", "a.jpg", Ok("out/sub/a.jpg")),
            ("RQ-124 a folder that exists", "out", "sub/a.jpg", Ok("out/sub/a.jpg")),
            ("RQ-124 a folder that does not", "out", "new/a.jpg", Err(imprint::save::NO_FOLDER)),
            ("RQ-124 a file as folder", "out", "sub/a.jpg/b.jpg", Err(imprint::save::NO_FOLDER)),
            ("RQ-124 a SavePath that is missing", "none", "a.jpg", Err(imprint::save::NO_FOLDER)),
            ("N-1 a user's home", "out", "~root/x.jpg", Err(imprint::save::NO_FOLDER)),
            ("RQ-121 SavePath empty", "", "a.jpg", Err(imprint::save::DISABLED)),
            ("N-11 SavePath absolute", "/tmp", "a.jpg", Err(imprint::save::DISABLED)),
            ("N-11 SavePath above", "../out", "a.jpg", Err(imprint::save::DISABLED)),
            ("N-11 SavePath with NUL", "out\0", "a.jpg", Err(imprint::save::DISABLED)),
            ("N-11 SavePath with a drive", "C:out", "a.jpg", Err(imprint::save::DISABLED)),
        ] {
            let bytes = format!("{label} {id}");
            let result = save(&folder, save_path, file, bytes.as_bytes());
            match expected {
                Ok(path) => {
                    let saved = result.unwrap_or_else(|e| panic!("{label}, {id}: {e}"));
                    let path = scene.root().join(path);
                    let meta = fs::metadata(&path).expect(id);
                    assert_eq!(fs::read(&path).expect(id), bytes.as_bytes(), "{label}, {id}");
                    let modified_ms = meta.mtime() * 1000 + meta.mtime_nsec() / 1_000_000;
                    assert_eq!(saved.modified_ms, modified_ms, "{label}, {id}");
                    assert_eq!(saved.bytes, meta.size(), "{label}, {id}");
                }
                Err(expected) => assert_eq!(title(&result), expected, "{label}, {id}"),
            }
            assert!(!scene.out().join("new").exists(), "{label}, {id}: no folder is created");
            scene.check(id);
            cases += 1;
        }
    }
    assert_eq!(cases, 26);
}

#[test]
fn a_bad_save_directory_disables_saving() {
    let scene = Scene::new();
    let file = scene.outside().join("secret.jpg");
    let top = scene.outside().join("top");
    symlink("/", &top).expect("a link");
    for (id, path) in [
        ("U-save-root empty", Path::new("")),
        ("U-save-root missing", Path::new("/nonexistent/folder")),
        ("U-save-root a file", file.as_path()),
        ("U-save-root the root", Path::new("/")),
        ("U-save-root the root in disguise", Path::new("/tmp/..")),
        ("U-save-root a link to the root", top.as_path()),
    ] {
        let folder = SaveFolder::open(path, QUICK);
        assert!(folder.disabled_reason().is_some(), "{id}");
        let result = save(&folder, "out", "a.jpg", b"x");
        assert_eq!(title(&result), imprint::save::DISABLED, "{id}");
        assert_eq!(result.map_err(|e| e.kind().status()), Err(403), "{id}");
    }
}
