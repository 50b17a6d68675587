//! Measures a catalog of a million records: loading, what a record costs in memory, and look-ups.
//!
//! References in the same run: reading the file and counting its lines, and a `HashMap` of the same ids to their rows.
//! Nothing is asserted about time.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use imprint::catalog::{CatalogStore, Catalogs};

use super::Times;
use super::heap;
use super::records::{id, image_table};

const NAME: &str = "catalog-1m";
const ROWS: u32 = 1_000_000;
const LOOKUPS: u32 = 1_000_000;

/// Whether the filter asks for this measurement.
pub fn is_asked(filter: Option<&String>) -> bool {
    filter.is_none_or(|filter| NAME.contains(filter.as_str()))
}

/// Draws the catalog below `folder` and measures it.
pub fn measure(folder: &Path, runs: u32) {
    let folder = folder.join("catalog");
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    let data = folder.join("records.txt");
    std::fs::write(&data, image_table(ROWS)).expect("the records are written");
    std::fs::write(folder.join("default.ini"), "").expect("the default catalog is written");
    let ini = folder.join("big.ini");
    std::fs::write(&ini, "RootId=big\nCatalogFile=records.txt\n").expect("a catalog is written");
    let bytes = std::fs::metadata(&data).expect("the records are there").len();
    let rows = f64::from(ROWS);
    let (mut load, mut lines, mut own, mut map) =
        (Times::default(), Times::default(), Times::default(), Times::default());
    let (mut most, mut held) = (0, 0);
    for _ in 0..runs.min(5) {
        let start = Instant::now();
        let text = std::fs::read(&data).expect("the records can be read");
        let count = text.iter().filter(|byte| **byte == b'\n').count();
        lines.add(start.elapsed(), 1);
        assert_eq!(count as f64, rows + 1.0);
        drop(text);
        let start = Instant::now();
        let catalogs;
        (most, (held, catalogs)) =
            heap::most_held(|| heap::held(|| Catalogs::load(&folder, None, &mut Vec::new())));
        load.add(start.elapsed(), 1);
        let big = catalogs.named("big").expect("it is loaded").expect("it is there");
        // Ids that are far from each other, made before they are timed.
        let ids: Vec<String> =
            (0..LOOKUPS).map(|n| id((u64::from(n) * 7_919_117 % u64::from(ROWS)) as u32)).collect();
        let start = Instant::now();
        let found = ids.iter().filter(|id| big.image_record(id).is_some()).count();
        own.add(start.elapsed(), LOOKUPS);
        assert_eq!(found, ids.len());
        let known: HashMap<String, u32> = (0..ROWS).map(|n| (id(n), n)).collect();
        let start = Instant::now();
        let found = ids.iter().filter(|id| known.contains_key(id.as_str())).count();
        map.add(start.elapsed(), LOOKUPS);
        assert_eq!(found, ids.len());
    }
    println!(
        "{NAME:18} imprint {:8.2} / {:8.2}   {:.0} records a second; a record: {:.0} bytes of file, {:.0} held, {:.0} at most",
        load.minimum(),
        load.median(),
        1000.0 * rows / load.median(),
        bytes as f64 / rows,
        held as f64 / rows,
        most as f64 / rows,
    );
    println!(
        "    {:14} {:8.2} / {:8.2} x {:5.2} / {:5.2}",
        "read, count",
        lines.minimum(),
        lines.median(),
        lines.minimum() / load.minimum(),
        lines.median() / load.median(),
    );
    println!(
        "    {:14} {:8.0} / {:8.0} ns, HashMap of ids alone {:.0} / {:.0} ns x {:.2} / {:.2}",
        "look-up",
        own.minimum() * 1e6,
        own.median() * 1e6,
        map.minimum() * 1e6,
        map.median() * 1e6,
        map.minimum() / own.minimum(),
        map.median() / own.median(),
    );
    reload(&folder, &ini);
}

/// How long a reader of the current state waits while the catalog is read again on its thread.
fn reload(folder: &Path, ini: &Path) {
    let long = Duration::from_secs(600);
    let store = CatalogStore::watch(folder, Duration::ZERO, Duration::ZERO, long);
    let store = store.expect("a thread can be started");
    let first = std::sync::Arc::as_ptr(&store.current());
    // Times of files are as coarse as a tick of the kernel; the length changes, too.
    std::fs::write(folder.join("records.txt"), image_table(ROWS + 1)).expect("written");
    std::fs::write(ini, "RootId=big\nCatalogFile=records.txt\nPublishInfo=later\n")
        .expect("written");
    let wanted = id(ROWS);
    let start = Instant::now();
    let (mut count, mut longest) = (0_u64, Duration::ZERO);
    loop {
        let look = Instant::now();
        let catalogs = store.current();
        let big = catalogs.named("big").expect("it stays loaded").expect("it is there");
        let is_new = big.image_record(&wanted).is_some();
        drop(catalogs);
        longest = longest.max(look.elapsed());
        count += 1;
        if is_new {
            break;
        }
        std::thread::yield_now();
    }
    assert_ne!(first, std::sync::Arc::as_ptr(&store.current()));
    println!(
        "    {:14} {:8.2} ms until it is in force; {count} look-ups meanwhile, the longest {:.2} ms",
        "reload",
        start.elapsed().as_secs_f64() * 1000.0,
        longest.as_secs_f64() * 1000.0,
    );
}
