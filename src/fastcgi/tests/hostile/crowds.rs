//! Cases about many connections and about time: floods, silence, slow readers, leaks (G-4, G-5).

use std::thread;
use std::time::{Duration, Instant};

use super::cases::{exact, ordinary};
use super::client::*;
use super::{Case, Outcome, Target};

pub const CASES: &[Case] = &[
    ("connect_close_flood", connect_close_flood),
    ("simultaneous", simultaneous),
    ("idle_keepalive_does_not_starve", idle_keepalive_does_not_starve),
    ("slow_loris", slow_loris),
    ("silent_connection_closed", silent_connection_closed),
    ("closed_mid_response", closed_mid_response),
    ("stalled_reader", stalled_reader),
    ("client_gone_while_running", client_gone_while_running),
    ("descriptor_flood", descriptor_flood),
];

fn connect_close_flood(target: &Target<'_>) -> Outcome {
    for _ in 0..500 {
        drop(target.client()?);
    }
    Ok(())
}

fn simultaneous(target: &Target<'_>) -> Outcome {
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| (0..25).try_for_each(|_| ordinary(target)))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Err("panic".into())))
    })
}

fn idle_keepalive_does_not_starve(target: &Target<'_>) -> Outcome {
    let mut kept = Vec::new();
    for index in 0..target.flood {
        let mut client = target.client()?;
        client.send(&request(1, KEEP, &target.params, b""));
        let reply = client.reply(1).map_err(|err| format!("connection {index}: {err}"))?;
        exact(target, &target.params, &reply)?;
        kept.push(client);
    }
    (0..10).try_for_each(|_| ordinary(target))
}

fn slow_loris(target: &Target<'_>) -> Outcome {
    let wire = request(1, KEEP, &target.params, b"");
    let mut slow = Vec::new();
    for _ in 0..20 {
        slow.push(target.client()?);
    }
    for (round, byte) in wire.iter().take(40).enumerate() {
        for client in &mut slow {
            client.send(&[*byte]);
        }
        if round % 4 == 0 {
            ordinary(target)?;
        }
    }
    Ok(())
}

/// G-5: silent from the start, within a header, within the parameters, within the body, between requests.
fn silent_connection_closed(target: &Target<'_>) -> Outcome {
    let wire = request(1, KEEP, &target.params, b"body");
    let mut silent = Vec::new();
    for cut in [0, 1, 8, 12, 16, 20, 30, wire.len() - 10, wire.len()] {
        let mut client = target.client()?;
        client.send(&wire[..cut]);
        client.renew(target.timeout * 2 + PATIENCE);
        silent.push((cut, client));
    }
    for (cut, client) in &mut silent {
        client.closed().map_err(|err| format!("after {cut} bytes: {err}"))?;
    }
    Ok(())
}

fn closed_mid_response(target: &Target<'_>) -> Outcome {
    let pairs = target.with(&[("ECHO_SIZE", b"3000000")]);
    for _ in 0..20 {
        let mut client = target.client()?;
        client.send(&request(1, KEEP, &pairs, b""));
        client.record()?;
        client.reset();
    }
    Ok(())
}

fn stalled_reader(target: &Target<'_>) -> Outcome {
    let pairs = target.with(&[("ECHO_SIZE", b"3000000")]);
    let mut stalled = Vec::new();
    for _ in 0..12 {
        let mut client = target.client()?;
        client.send(&request(1, KEEP, &pairs, b""));
        stalled.push(client);
    }
    (0..20).try_for_each(|_| ordinary(target))
}

fn client_gone_while_running(target: &Target<'_>) -> Outcome {
    let pairs = target.with(&[("ECHO_WAIT_MS", b"20")]);
    for round in 0..60 {
        let mut client = target.client()?;
        client.send(&request(1, round % 2, &pairs, b""));
        match round % 3 {
            0 => client.reset(),
            1 => client.shut_write(),
            _ => drop(client),
        }
    }
    Ok(())
}

/// More connections than the server has descriptors or places for, all with a request.
fn descriptor_flood(target: &Target<'_>) -> Outcome {
    let mut crowd = Vec::new();
    for _ in 0..target.flood {
        crowd.push(target.client()?);
    }
    let pairs = target.with(&[("ECHO_WAIT_MS", b"10")]);
    for client in &mut crowd {
        client.renew(target.timeout * 2 + PATIENCE);
        client.send(&request(1, CLOSE, &pairs, b""));
    }
    for (index, client) in crowd.iter_mut().enumerate() {
        let reply = client.reply(1).map_err(|err| format!("connection {index}: {err}"))?;
        exact(target, &pairs, &reply)?;
    }
    Ok(())
}

/// Descriptors and threads return to about where they were before the first case.
pub fn nothing_leaked(target: &Target<'_>, before: Option<(usize, usize)>) -> Outcome {
    let Some(before) = before else { return Ok(()) };
    let end = Instant::now() + target.timeout * 3 + PATIENCE;
    loop {
        let Some(after) = (target.usage)() else { return Err("the server is gone".into()) };
        if after.0 <= before.0 + 2 && after.1 <= before.1 + 2 {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(format!("descriptors and threads: {after:?}, before {before:?}"));
        }
        thread::sleep(Duration::from_millis(20));
    }
}
