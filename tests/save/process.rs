//! What holds for a whole process or a mount: umask, file size limit, full and read-only file systems (F-10, F-11).

use std::env;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use imprint::save::{NOT_WRITTEN, SaveFolder, SaveSettings};

use super::{QUICK, Scene, files, is_root, save, temporaries, title};

/// Names the save directory of a test that runs in a process of its own.
const ROOT: &str = "IMPRINT_TEST_SAVE_ROOT";
const MODE: &str = "IMPRINT_TEST_SAVE_MODE";

/// Runs `test` of this binary again after the shell commands `before`, and asserts that it passes.
fn run_again(test: &str, before: &str, variables: &[(&str, &Path)]) {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{before}; exec \"$0\" --exact {test} --nocapture"));
    command.arg(env::current_exe().expect("this program"));
    let output = command.envs(variables.iter().copied()).output().expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{before}: {}\n{text}\n{errors}", output.status);
    assert!(text.contains("1 passed"), "{before}: the test ran\n{text}");
}

#[test]
fn a_file_has_the_configured_mode_without_the_umask() {
    if let (Some(root), Some(mode)) = (env::var_os(ROOT), env::var_os(MODE)) {
        let expected = mode.to_str().and_then(|m| u32::from_str_radix(m, 8).ok()).expect("a mode");
        let root = PathBuf::from(root);
        for (label, configured, expected) in [
            ("F-11 default", 0o644, expected & 0o644),
            ("F-11 never executable or set-id", 0o7777, expected),
        ] {
            let settings = SaveSettings { mode: configured, ..QUICK };
            for folder in
                [SaveFolder::open(&root, settings), SaveFolder::open(&root, settings).by_walk()]
            {
                save(&folder, "out", "x.jpg", b"x").expect(label);
                let meta = fs::metadata(root.join("out/x.jpg")).expect(label);
                assert_eq!(meta.mode() & 0o7777, expected, "{label}");
                assert_eq!(meta.uid(), rustix::process::geteuid().as_raw(), "{label}");
            }
        }
        return;
    }
    let scene = Scene::new();
    fs::set_permissions(scene.out(), fs::Permissions::from_mode(0o2775)).expect("set-group-id");
    for (umask, mode) in [("000", "666"), ("022", "644"), ("027", "640"), ("077", "600")] {
        run_again(
            "save::process::a_file_has_the_configured_mode_without_the_umask",
            &format!("umask {umask}"),
            &[(ROOT, &scene.root()), (MODE, Path::new(mode)), ("TMPDIR", &scene.outside())],
        );
        scene.check("F-8 TMPDIR, F-11");
    }
}

#[test]
fn a_file_beyond_the_size_limit_is_an_error_and_no_signal() {
    if let Some(root) = env::var_os(ROOT) {
        let root = PathBuf::from(root);
        for folder in [SaveFolder::open(&root, QUICK), SaveFolder::open(&root, QUICK).by_walk()] {
            let result = save(&folder, "out", "x.jpg", &[1; 200_000]);
            assert_eq!(title(&result), NOT_WRITTEN, "F-10 RLIMIT_FSIZE");
            assert_eq!(title(&save(&folder, "out", "small.jpg", b"x")), "saved", "F-10");
        }
        return;
    }
    let scene = Scene::new();
    fs::write(scene.out().join("x.jpg"), b"old").expect("a file");
    run_again(
        "save::process::a_file_beyond_the_size_limit_is_an_error_and_no_signal",
        "ulimit -f 8",
        &[(ROOT, &scene.root())],
    );
    assert_eq!(fs::read(scene.out().join("x.jpg")).expect("old"), b"old", "F-10");
    scene.check("F-10 RLIMIT_FSIZE");
}

/// A small file system in memory, gone when dropped.
pub struct Mount(pub PathBuf);

impl Mount {
    /// `None`, with the reason on standard error, where mounting is not permitted.
    pub fn new(path: &Path, options: &str) -> Option<Mount> {
        fs::create_dir_all(path).expect("a folder");
        let mounted = is_root()
            && Command::new("mount")
                .args(["-t", "tmpfs", "-o", options, "tmpfs"])
                .arg(path)
                .status()
                .is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("F-10: left out, for mounting a tmpfs is not permitted here");
            return None;
        }
        Some(Mount(path.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let Some(mount) = Mount::new(&scratch.path().join("full"), "size=1m") else {
        return;
    };
    fs::create_dir(mount.0.join("out")).expect("a folder");
    fs::write(mount.0.join("out/x.jpg"), vec![1; 100_000]).expect("a file");
    let before = files(&mount.0);
    let open = || SaveFolder::open(&mount.0, SaveSettings::default());
    for (label, folder) in [("kernel", open()), ("walk", open().by_walk())] {
        let result = save(&folder, "out", "x.jpg", &vec![2; 2_000_000]);
        assert_eq!(title(&result), NOT_WRITTEN, "F-10 full disk, {label}");
        assert_eq!(files(&mount.0), before, "F-10 full disk, {label}");
    }
    let folder = open();
    assert_eq!(title(&save(&folder, "out", "x.jpg", &[3; 1000])), "saved", "F-10 there is room");
}

#[test]
fn a_disk_without_inodes_leaves_the_old_file() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let Some(mount) = Mount::new(&scratch.path().join("inodes"), "size=1m,nr_inodes=16") else {
        return;
    };
    fs::create_dir(mount.0.join("out")).expect("a folder");
    fs::write(mount.0.join("out/x.jpg"), b"old").expect("a file");
    let mut fillers = 0;
    while fs::write(mount.0.join(format!("filler{fillers}")), b"").is_ok() {
        fillers += 1;
    }
    assert!(fillers > 0);
    let before = files(&mount.0);
    let open = || SaveFolder::open(&mount.0, QUICK);
    for (label, folder) in [("kernel", open()), ("walk", open().by_walk())] {
        let result = save(&folder, "out", "x.jpg", b"new");
        assert_eq!(title(&result), NOT_WRITTEN, "F-10 no inodes, {label}");
        assert_eq!(files(&mount.0), before, "F-10 no inodes, {label}");
    }
}

#[test]
fn a_read_only_mount_is_not_written() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let Some(mount) = Mount::new(&scratch.path().join("read_only"), "size=1m") else {
        return;
    };
    fs::create_dir(mount.0.join("out")).expect("a folder");
    let open = || SaveFolder::open(&mount.0, QUICK);
    let folders = [("kernel", open()), ("walk", open().by_walk())];
    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(&mount.0).status();
    assert!(remounted.is_ok_and(|status| status.success()), "F-7 F-10 a remount");
    for (label, folder) in folders {
        let result = save(&folder, "out", "x.jpg", b"new");
        assert_eq!(title(&result), NOT_WRITTEN, "F-7 F-10 read-only, {label}");
    }
    assert_eq!(temporaries(&mount.0), Vec::<PathBuf>::new());
}
