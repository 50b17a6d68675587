//! Hostile input for every parser: the seeds below `fuzz/<target>/corpus`, each cut at every place, and mutations of
//! them. A run repeats itself exactly; `IMPRINT_FUZZ_ROUNDS` makes it longer, `IMPRINT_FUZZ_SEED` another one.

mod catalogs;
mod images;
mod maps;
mod mutate;
mod replies;
mod requests;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use mutate::Mutations;

/// No input takes longer; a hundred times what the slowest takes on an idle machine.
const LONGEST: Duration = Duration::from_secs(10);

/// Largest mutation in bytes.
const LARGEST: usize = 16 << 10;

/// The seeds of a target, by file name.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(target);
    let entries = fs::read_dir(folder.join("corpus")).expect("the corpus is there");
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a seed can be read")).collect()
}

/// A number of the environment.
fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is {value}, expected a number")))
}

/// Calls `check` for the seeds of `target`, for their beginnings, and for `rounds` mutations; panics with the input that
/// made it panic or took too long.
fn fuzz(target: &str, rounds: u64, check: impl Fn(&[u8])) {
    fuzz_seeds(target, &corpus(target), rounds, check);
}

fn fuzz_seeds(target: &str, seeds: &[Vec<u8>], rounds: u64, check: impl Fn(&[u8])) {
    assert!(!seeds.is_empty(), "{target} has no seeds");
    let rounds = setting("IMPRINT_FUZZ_ROUNDS").unwrap_or(rounds);
    let run = |what: &str, input: &[u8]| {
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| check(input)));
        let taken = start.elapsed();
        let shown = input.escape_ascii();
        assert!(outcome.is_ok(), "{target}, {what} fails on b\"{shown}\"");
        assert!(taken < LONGEST, "{target}, {what} takes {taken:?} on b\"{shown}\"");
    };
    for (index, seed) in seeds.iter().enumerate() {
        run(&format!("seed {index}"), seed);
        let step = (seed.len() / 100).max(1);
        for end in (0..seed.len()).step_by(step) {
            run(&format!("seed {index} cut at {end}"), &seed[..end]);
        }
    }
    let start = setting("IMPRINT_FUZZ_SEED").unwrap_or(1);
    let mut mutations = Mutations::new(target, start, seeds, LARGEST);
    for round in 0..rounds {
        run(&format!("round {round} of seed {start}"), &mutations.next_input());
    }
}

#[test]
fn a_run_repeats_itself_and_a_longer_one_goes_on() {
    let seeds = corpus("query");
    let inputs = |target: &str, start: u64| {
        let mut mutations = Mutations::new(target, start, &seeds, LARGEST);
        (0..200).map(|_| mutations.next_input()).collect::<Vec<Vec<u8>>>()
    };
    assert_eq!(inputs("query", 1), inputs("query", 1));
    assert_ne!(inputs("query", 1), inputs("query", 2));
    assert_ne!(inputs("query", 1), inputs("object", 1));
    let all = inputs("query", 1);
    assert!(all.iter().all(|input| input.len() <= LARGEST));
    let new = all.iter().filter(|input| !seeds.contains(input)).count();
    assert!(new > 150, "{new} of 200 differ from their seeds");
}

#[test]
fn a_fault_is_reported_with_its_input() {
    let report = catch_unwind(|| {
        fuzz_seeds("self", &[b"abc".to_vec()], 0, |input| assert!(input.len() < 2));
    });
    let report = report.expect_err("the check fails");
    let message = report.downcast_ref::<String>().expect("a message");
    assert!(message.contains("seed 0 fails on b\"abc\""), "{message}");
}
