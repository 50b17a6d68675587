//! Many saves at once through the program: memory, number of saves, room for images (F-15).

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use imprint::codec::{Chroma, Encoding, Scans};

use super::{Over, Program, site};
use crate::save::temporaries;
use crate::support::pictures::{file, png, textured};

const MEMORY_BYTES: u64 = 512 << 20;

/// The peak of a process's memory in bytes, its program and libraries included.
fn peak_bytes(id: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kilobytes.unwrap_or(0_u64) * 1024
}

#[test]
fn a_crowd_of_saves_stays_within_the_memory() {
    let settings = "saveToFile.simultaneous = 16\n\
                    [IS]\nPhysicalMemory = 512M\nWorkerThreads = 8\n[imprint]\nqueue = 300\n";
    let site = site(settings);
    let large = textured(2400, 1600);
    site.image("large.png", png(&large));
    // The decoder of a progressive file holds all coefficients, however small the result.
    let progressive = Encoding::Jpeg {
        quality: 90,
        chroma: Chroma::Full,
        progressive: Some(Scans::Auto),
        limit_bytes: None,
    };
    site.image("progressive.jpg", file(&large, &progressive));
    let program = Program::over(site, "exec \"$@\"");
    let heavy = [
        "fmt=png",
        "fmt=webp,,lossless",
        "fmt=pjpeg",
        "fmt=jpeg&qlt=95,1",
        "fmt=webp",
        "fmt=tif",
        "fmt=jpeg,cmyk",
        "rotate=90&fmt=png-alpha",
        "flip=lr&fmt=tif-alpha&scl=1.1",
    ];
    let workers = program.workers();
    let is_over = AtomicBool::new(false);
    let most_pending = AtomicUsize::new(0);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let program = &program;
        let saves: Vec<_> = (0..200)
            .map(|index| {
                scope.spawn(move || {
                    let query = match index % 4 {
                        0 => heavy[index / 4 % heavy.len()].to_owned(),
                        _ => format!("wid={}", 100 + index),
                    };
                    let source = if index % 5 == 1 { "progressive.jpg" } else { "large.png" };
                    let target =
                        format!("{source}?{query}&req=saveToFile&name={index}&timeout=600000");
                    program.ask(&target).map_or(0, |(status, _)| status)
                })
            })
            .collect();
        let watch = scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                let pending = program.pending().into_iter().map(|(_, files)| files).sum();
                most_pending.fetch_max(pending, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(5));
            }
        });
        let over = Over(&is_over);
        for _ in 0..10 {
            let image = program.ask("photo.png?wid=20");
            assert_eq!(image.map(|(status, _)| status), Some(200), "F-15: images are answered");
        }
        let statuses = saves.into_iter().map(|save| save.join().expect("a client")).collect();
        drop(over);
        watch.join().expect("the watch");
        statuses
    });
    assert_eq!(statuses, [200; 200], "F-15: all are saved in the end");
    let most_pending = most_pending.into_inner();
    assert!((1..=16).contains(&most_pending), "F-15: {most_pending} saves at once");
    assert_eq!(program.workers(), workers, "no worker died");
    let peaks: Vec<u64> = workers.iter().map(|id| peak_bytes(*id)).collect();
    assert_eq!(peaks.len(), 2, "{peaks:?}");
    let sum: u64 = peaks.iter().sum();
    println!("peaks {peaks:?}, together {} MiB", sum >> 20);
    assert!(sum > 0 && sum <= MEMORY_BYTES, "F-15: {peaks:?} exceed {MEMORY_BYTES}");
    assert_eq!(temporaries(&program.site.path("saved")).len(), 0);
    assert_eq!(fs::read_dir(program.site.path("saved/web")).expect("folder").count(), 200);
}

#[test]
fn saves_of_two_processes_to_one_name_leave_one_whole_file() {
    let program = Program::start("");
    let image = |wid: usize| format!("photo.png?wid={wid}&hei=11&fit=stretch&fmt=png");
    let versions: Vec<Vec<u8>> =
        (20..70).map(|wid| program.ask(&image(wid)).expect("an image").1).collect();
    thread::scope(|scope| {
        let program = &program;
        for wid in 20..70 {
            scope.spawn(move || {
                let target = format!("{}&req=saveToFile&name=one.png", image(wid));
                let (status, body) = program.ask(&target).expect("F-12: a reply");
                let body = String::from_utf8_lossy(&body).into_owned();
                assert_eq!(status, 200, "F-12: {body}");
                assert!(body.contains(&format!("pixelsTotal={}\n", wid * 11)), "F-12: {body}");
            });
        }
    });
    let last = fs::read(program.site.path("saved/web/one.png")).expect("F-12");
    assert!(versions.contains(&last), "F-12: one of them, whole");
    assert_eq!(temporaries(&program.site.path("saved")).len(), 0, "F-12");
}
