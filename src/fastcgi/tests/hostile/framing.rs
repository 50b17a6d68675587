//! Cases about records: cut, merged, padded, misplaced, foreign, malformed (G-1, G-2).

use std::thread;
use std::time::Duration;

use super::cases::{exact, numbers, two_requests};
use super::client::*;
use super::{Case, Outcome, Target};

pub const CASES: &[Case] = &[
    ("basic_close", basic_close),
    ("basic_keep", basic_keep),
    ("request_ids", request_ids),
    ("padding_all", padding_all),
    ("byte_by_byte", byte_by_byte),
    ("split_in_two_everywhere", split_in_two_everywhere),
    ("merged_two_requests", merged_two_requests),
    ("params_one_byte_records", params_one_byte_records),
    ("params_split_inside_lengths", params_split_inside_lengths),
    ("four_byte_lengths", four_byte_lengths),
    ("framing_limits", framing_limits),
    ("get_values", get_values),
    ("get_values_inside_params", get_values_inside_params),
    ("unknown_management_type", unknown_management_type),
    ("unknown_role", |target| other_role(target, 77)),
    ("other_roles", |target| other_role(target, 2).and_then(|()| other_role(target, 3))),
    ("multiplexed_second_begin", multiplexed_second_begin),
    ("abort_in_params", abort_in_params),
    ("abort_while_running", abort_while_running),
    ("abort_of_unknown_id", |target| ignored(target, &record(ABORT, 9, b"", 0))),
    ("records_of_foreign_ids_ignored", records_of_foreign_ids_ignored),
    ("wrong_version", wrong_version),
    ("not_fastcgi_at_all", not_fastcgi_at_all),
    ("begin_short_body", begin_short_body),
    ("begin_id_zero", begin_id_zero),
    ("begin_same_id_twice", begin_same_id_twice),
    ("server_side_types_from_client", server_side_types_from_client),
    ("stdin_before_params", stdin_before_params),
    ("params_without_stdin", params_without_stdin),
    ("truncated_everywhere", truncated_everywhere),
    ("truncated_with_reset", truncated_with_reset),
    ("param_lengths_beyond_the_data", param_lengths_beyond_the_data),
    ("many_params", many_params),
    ("params_without_end", params_without_end),
    ("mutated_requests", mutated_requests),
];

/// Sends a whole request on a fresh connection and expects its one reply.
fn one(target: &Target<'_>, wire: &[u8], pairs: &Pairs) -> Outcome {
    let mut client = target.client()?;
    client.send(wire);
    exact(target, pairs, &client.reply(1)?)
}

/// Expects that the server closes without having served anything.
fn refused(mut client: Client) -> Outcome {
    while let Some((kind, _, content)) = client.record()? {
        if kind == STDOUT && !content.is_empty() && !content.starts_with(b"Status: 4") {
            return Err(format!("served: {}", content.escape_ascii()));
        }
    }
    Ok(())
}

/// Sends `extra` before, between the records of, and after a request on a kept connection.
fn ignored(target: &Target<'_>, extra: &[u8]) -> Outcome {
    let pairs = &target.params;
    let bytes = encode(pairs);
    let (front, back) = bytes.split_at(bytes.len() / 2);
    let parts = [
        begin(1, 1, KEEP),
        record(PARAMS, 1, front, 0),
        record(PARAMS, 1, back, 0),
        record(PARAMS, 1, b"", 0),
        record(STDIN, 1, b"", 0),
    ];
    let mut client = target.client()?;
    let mut wire = extra.to_vec();
    for part in &parts {
        wire.extend_from_slice(part);
        wire.extend_from_slice(extra);
    }
    client.send(&wire);
    exact(target, pairs, &client.reply(1)?)?;
    client.send(&request(1, CLOSE, pairs, b""));
    exact(target, pairs, &client.reply(1)?)
}

fn basic_close(target: &Target<'_>) -> Outcome {
    let mut client = target.client()?;
    client.send(&request(1, CLOSE, &target.params, b""));
    exact(target, &target.params, &client.reply(1)?)?;
    match client.record()? {
        None => Ok(()),
        Some(record) => Err(format!("expected the end, got {record:?}")),
    }
}

fn basic_keep(target: &Target<'_>) -> Outcome {
    let mut client = target.client()?;
    for _ in 0..3 {
        client.send(&request(1, KEEP, &target.params, b""));
        exact(target, &target.params, &client.reply(1)?)?;
    }
    Ok(())
}

fn request_ids(target: &Target<'_>) -> Outcome {
    let mut client = target.client()?;
    for id in [1, 2, 255, 256, 32_768, 65_535, 1] {
        client.send(&request(id, KEEP, &target.params, b""));
        exact(target, &target.params, &client.reply(id)?)?;
    }
    Ok(())
}

fn padding_all(target: &Target<'_>) -> Outcome {
    let bytes = encode(&target.params);
    for padding in 0..=255 {
        let mut wire = record(BEGIN, 1, &[0, 1, CLOSE, 0, 0, 0, 0, 0], padding);
        wire.extend(record(GET_VALUES, 0, b"", padding));
        wire.extend(stream_of(PARAMS, 1, &bytes, 100, padding));
        wire.extend(stream_of(STDIN, 1, b"", 1, padding));
        let mut client = target.client()?;
        client.send(&wire);
        match client.record()? {
            Some((GET_VALUES_RESULT, 0, _)) => {}
            other => return Err(format!("padding {padding}: {other:?}")),
        }
        let reply = client.reply(1).map_err(|err| format!("padding {padding}: {err}"))?;
        exact(target, &target.params, &reply)?;
    }
    Ok(())
}

fn byte_by_byte(target: &Target<'_>) -> Outcome {
    let mut client = target.client()?;
    for byte in request(1, CLOSE, &target.params, b"") {
        client.send(&[byte]);
    }
    exact(target, &target.params, &client.reply(1)?)
}

fn split_in_two_everywhere(target: &Target<'_>) -> Outcome {
    let wire = request(1, KEEP, &target.params, b"");
    let mut client = target.client()?;
    for cut in 1..wire.len() {
        let (front, back) = wire.split_at(cut);
        client.renew(PATIENCE);
        client.send(front);
        if cut % 16 == 0 {
            // Only so that the server sees the first part alone.
            thread::sleep(Duration::from_millis(2));
        }
        client.send(back);
        let reply = client.reply(1).map_err(|err| format!("cut at {cut}: {err}"))?;
        exact(target, &target.params, &reply)?;
    }
    Ok(())
}

fn merged_two_requests(target: &Target<'_>) -> Outcome {
    let mut wire = request(1, KEEP, &target.params, b"");
    wire.extend(request(2, CLOSE, &target.params, b""));
    two_requests(target, &wire)
}

fn params_one_byte_records(target: &Target<'_>) -> Outcome {
    let mut wire = begin(1, 1, CLOSE);
    wire.extend(stream_of(PARAMS, 1, &encode(&target.params), 1, 0));
    wire.extend(record(STDIN, 1, b"", 0));
    one(target, &wire, &target.params)
}

fn params_split_inside_lengths(target: &Target<'_>) -> Outcome {
    let pairs = target.with(&[("LONG", &[b'x'; 300]), ("LAST", b"y")]);
    let bytes = encode(&pairs);
    for cut in 1..bytes.len() {
        let (front, back) = bytes.split_at(cut);
        let mut wire = begin(1, 1, CLOSE);
        for part in [front, back, b""] {
            wire.extend(record(PARAMS, 1, part, 0));
        }
        wire.extend(record(STDIN, 1, b"", 0));
        one(target, &wire, &pairs).map_err(|err| format!("cut at {cut}: {err}"))?;
    }
    Ok(())
}

fn four_byte_lengths(target: &Target<'_>) -> Outcome {
    let mut bytes = Vec::new();
    for (name, value) in &target.params {
        for part in [name, value] {
            bytes.extend((part.len() as u32 | 0x8000_0000).to_be_bytes());
        }
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(value);
    }
    let mut wire = begin(1, 1, CLOSE);
    wire.extend(stream_of(PARAMS, 1, &bytes, 65_535, 0));
    wire.extend(record(STDIN, 1, b"", 0));
    one(target, &wire, &target.params)
}

/// G-2: greatest content with greatest padding, padding alone, reserved bytes set.
fn framing_limits(target: &Target<'_>) -> Outcome {
    let mut wire = begin(1, 1, KEEP);
    wire.extend(record(77, 3, &[1; 65_535], 255));
    wire.extend(record(77, 3, b"", 255));
    wire.extend(stream_of(PARAMS, 1, &encode(&target.params), 65_535, 255));
    wire.extend(record(STDIN, 1, b"", 0));
    wire.extend(request(2, CLOSE, &target.params, b""));
    two_requests(target, &wire)?;

    let bytes = encode(&target.params);
    let mut wire = Vec::new();
    for mut part in [
        begin(1, 1, CLOSE),
        record(PARAMS, 1, &bytes, 0),
        record(PARAMS, 1, b"", 0),
        record(STDIN, 1, b"", 0),
    ] {
        part[7] = 0xFF;
        wire.extend(part);
    }
    one(target, &wire, &target.params)
}

fn asked(names: &[&str]) -> Vec<u8> {
    let pairs = names.iter().map(|name| (name.as_bytes().to_vec(), Vec::new())).collect();
    record(GET_VALUES, 0, &encode(&pairs), 3)
}

fn get_values(target: &Target<'_>) -> Outcome {
    let mut client = target.client()?;
    for (names, expected) in [
        (&["FCGI_MPXS_CONNS"][..], &[&b"\x0F\x01FCGI_MPXS_CONNS0"[..]][..]),
        (&["FCGI_MPXS_CONNS", "FCGI_MPXS_CONNS"], &[b"\x0F\x01FCGI_MPXS_CONNS0"]),
        (&["FCGI_MAX_CONNS", "FCGI_MAX_REQS"], &[b"FCGI_MAX_CONNS", b"FCGI_MAX_REQS"]),
        (&["NO_SUCH_VALUE"], &[]),
        (&[], &[]),
    ] {
        client.send(&asked(names));
        let Some((GET_VALUES_RESULT, 0, content)) = client.record()? else {
            return Err(format!("no result for {names:?}"));
        };
        for part in expected {
            if !content.windows(part.len()).any(|bytes| bytes == *part) {
                return Err(format!("{names:?}: {}", content.escape_ascii()));
            }
        }
        if expected.is_empty() && !content.is_empty() || content.len() > 64 {
            return Err(format!("{names:?}: {}", content.escape_ascii()));
        }
    }
    client.send(&request(1, CLOSE, &target.params, b""));
    exact(target, &target.params, &client.reply(1)?)
}

fn get_values_inside_params(target: &Target<'_>) -> Outcome {
    let bytes = encode(&target.params);
    let mut wire = begin(1, 1, CLOSE);
    for byte in &bytes {
        wire.extend(record(PARAMS, 1, &[*byte], 0));
        wire.extend(asked(&["FCGI_MPXS_CONNS"]));
    }
    wire.extend(record(PARAMS, 1, b"", 0));
    let mut client = target.client()?;
    client.send(&wire);
    for _ in &bytes {
        match client.record()? {
            Some((GET_VALUES_RESULT, 0, _)) => {}
            other => return Err(format!("expected a result, got {other:?}")),
        }
    }
    client.send(&record(STDIN, 1, b"", 0));
    exact(target, &target.params, &client.reply(1)?)
}

fn unknown_management_type(target: &Target<'_>) -> Outcome {
    let mut client = target.client()?;
    for kind in [12, 99, 255] {
        client.send(&record(kind, 0, b"whatever", 5));
        match client.record()? {
            Some((UNKNOWN_TYPE, 0, content)) if content.first() == Some(&kind) => {}
            other => return Err(format!("type {kind}: {other:?}")),
        }
    }
    client.send(&request(1, CLOSE, &target.params, b""));
    exact(target, &target.params, &client.reply(1)?)
}

fn other_role(target: &Target<'_>, role: u16) -> Outcome {
    let mut client = target.client()?;
    let mut wire = begin(5, role, KEEP);
    wire.extend(stream_of(PARAMS, 5, &encode(&target.params), 65_535, 0));
    wire.extend(record(STDIN, 5, b"", 0));
    client.send(&wire);
    match client.answer(5)? {
        Answer::Replied(reply) if reply.protocol_status == 3 && reply.stdout.is_empty() => {}
        other => return Err(format!("role {role}: {other:?}")),
    }
    client.send(&request(6, CLOSE, &target.params, b""));
    exact(target, &target.params, &client.reply(6)?)
}

fn multiplexed_second_begin(target: &Target<'_>) -> Outcome {
    let mut client = target.client()?;
    let mut wire = begin(1, 1, CLOSE);
    wire.extend(request(2, KEEP, &target.params, b"ab"));
    wire.extend(stream_of(PARAMS, 1, &encode(&target.params), 65_535, 0));
    wire.extend(record(STDIN, 1, b"", 0));
    client.send(&wire);
    match client.record()? {
        Some((END, 2, content)) if content.get(4) == Some(&1) => {}
        other => return Err(format!("expected END_REQUEST of the second, got {other:?}")),
    }
    exact(target, &target.params, &client.reply(1)?)
}

fn abort_in_params(target: &Target<'_>) -> Outcome {
    let mut client = target.client()?;
    let mut wire = begin(1, 1, KEEP);
    wire.extend(record(PARAMS, 1, b"\x05\x05abc", 0));
    wire.extend(record(ABORT, 1, b"", 0));
    client.send(&wire);
    match client.answer(1)? {
        Answer::Replied(reply) if reply.stdout.is_empty() => {}
        other => return Err(format!("{other:?}")),
    }
    client.send(&request(1, CLOSE, &target.params, b""));
    exact(target, &target.params, &client.reply(1)?)
}

fn abort_while_running(target: &Target<'_>) -> Outcome {
    let mut client = target.client()?;
    for _ in 0..20 {
        let mut wire = request(1, KEEP, &target.params, b"");
        wire.extend(record(ABORT, 1, b"", 0));
        client.send(&wire);
        client.answer(1)?;
    }
    client.send(&request(2, CLOSE, &target.params, b""));
    exact(target, &target.params, &client.reply(2)?)
}

fn records_of_foreign_ids_ignored(target: &Target<'_>) -> Outcome {
    for kind in [PARAMS, STDIN, 8, 42] {
        ignored(target, &record(kind, 700, b"\x01\x01ab", 1))?;
        ignored(target, &record(kind, 700, b"", 0))?;
    }
    Ok(())
}

fn wrong_version(target: &Target<'_>) -> Outcome {
    for version in [0, 2, 255] {
        let mut wire = request(1, KEEP, &target.params, b"");
        wire[0] = version;
        let mut client = target.client()?;
        client.send(&wire);
        refused(client).map_err(|err| format!("version {version}: {err}"))?;
        // The second record of a request.
        let mut wire = request(1, KEEP, &target.params, b"");
        wire[16] = version;
        let mut client = target.client()?;
        client.send(&wire);
        refused(client).map_err(|err| format!("version {version} later: {err}"))?;
    }
    Ok(())
}

fn not_fastcgi_at_all(target: &Target<'_>) -> Outcome {
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &[0; 4_096],
        &[0xFF; 100_000],
        &b"SSH-2.0-x\r\n".repeat(50),
    ] {
        let mut client = target.client()?;
        client.send(bytes);
        refused(client)?;
    }
    Ok(())
}

fn begin_short_body(target: &Target<'_>) -> Outcome {
    for body in [&b""[..], b"\0\x01", b"\0\x01\x01\0\0\0\0", &[0, 1, 1, 0, 0, 0, 0, 0, 0]] {
        let mut wire = record(BEGIN, 1, body, 0);
        wire.extend(&request(1, KEEP, &target.params, b"")[16..]);
        let mut client = target.client()?;
        client.send(&wire);
        refused(client).map_err(|err| format!("body of {}: {err}", body.len()))?;
    }
    Ok(())
}

fn begin_id_zero(target: &Target<'_>) -> Outcome {
    let mut client = target.client()?;
    client.send(&request(0, CLOSE, &target.params, b""));
    refused(client)
}

fn begin_same_id_twice(target: &Target<'_>) -> Outcome {
    let mut wire = begin(1, 1, CLOSE);
    wire.extend(request(1, CLOSE, &target.params, b""));
    let mut client = target.client()?;
    client.send(&wire);
    refused(client)
}

fn server_side_types_from_client(target: &Target<'_>) -> Outcome {
    for kind in [END, STDOUT, 7, GET_VALUES_RESULT, UNKNOWN_TYPE, 200] {
        let mut wire = record(kind, 1, &[0; 8], 0);
        wire.extend(begin(1, 1, CLOSE));
        wire.extend(record(kind, 1, &[0; 8], 0));
        wire.extend(stream_of(PARAMS, 1, &encode(&target.params), 65_535, 0));
        wire.extend(record(kind, 1, &[0; 8], 0));
        wire.extend(record(STDIN, 1, b"", 0));
        let mut client = target.client()?;
        client.send(&wire);
        if let Answer::Replied(reply) = client.answer(1)? {
            exact(target, &target.params, &reply).map_err(|err| format!("type {kind}: {err}"))?;
        }
    }
    Ok(())
}

fn stdin_before_params(target: &Target<'_>) -> Outcome {
    for body in [&b""[..], b"body"] {
        let mut wire = begin(1, 1, CLOSE);
        wire.extend(record(STDIN, 1, body, 0));
        wire.extend(stream_of(PARAMS, 1, &encode(&target.params), 65_535, 0));
        let mut client = target.client()?;
        client.send(&wire);
        refused(client)?;
    }
    Ok(())
}

fn params_without_stdin(target: &Target<'_>) -> Outcome {
    for flags in [CLOSE, KEEP] {
        let mut wire = begin(1, 1, flags);
        wire.extend(stream_of(PARAMS, 1, &encode(&target.params), 65_535, 0));
        let mut client = target.client()?;
        client.send(&wire);
        exact(target, &target.params, &client.reply(1)?)?;
        client.shut_write();
        client.closed()?;
    }
    Ok(())
}

fn truncated_everywhere(target: &Target<'_>) -> Outcome {
    let wire = request(1, KEEP, &target.params, b"body");
    for cut in 0..wire.len() {
        let mut client = target.client()?;
        client.send(&wire[..cut]);
        client.shut_write();
        client.closed().map_err(|err| format!("cut at {cut}: {err}"))?;
    }
    Ok(())
}

fn truncated_with_reset(target: &Target<'_>) -> Outcome {
    let wire = request(1, KEEP, &target.params, b"body");
    for cut in 0..wire.len() {
        let mut client = target.client()?;
        client.send(&wire[..cut]);
        client.reset();
    }
    Ok(())
}

/// G-1.
fn param_lengths_beyond_the_data(target: &Target<'_>) -> Outcome {
    let mut cases = 0;
    for (name, stream) in [
        ("name of 2 GiB", &b"\xFF\xFF\xFF\xFF\x01nv"[..]),
        ("value of 2 GiB", b"\x01\xFF\xFF\xFF\xFFnv"),
        ("both", b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFFnv"),
        ("sum wraps 32 bits", b"\xFF\xFF\xFF\xFF\x80\x00\x00\x02nv"),
        ("one byte too long", b"\x01\x03nvv"),
        ("cut inside the name's length", b"\x80\x00"),
        ("cut inside the value's length", b"\x01\x80\x00\x00"),
        ("no value length", b"\x01"),
    ] {
        let mut bytes = encode(&target.params);
        bytes.extend_from_slice(stream);
        let mut wire = begin(1, 1, CLOSE);
        wire.extend(stream_of(PARAMS, 1, &bytes, 65_535, 0));
        wire.extend(record(STDIN, 1, b"", 0));
        let mut client = target.client()?;
        client.send(&wire);
        refused(client).map_err(|err| format!("{name}: {err}"))?;
        cases += 1;
    }
    if cases == 8 { Ok(()) } else { Err(format!("{cases} cases ran")) }
}

fn many_params(target: &Target<'_>) -> Outcome {
    for count in [999, 8_170, 100_000] {
        let mut pairs = target.params.clone();
        while pairs.len() < count {
            pairs.push((b"H".to_vec(), Vec::new()));
        }
        let mut client = target.client()?;
        client.renew(Duration::from_secs(5));
        client.send(&request(1, CLOSE, &pairs, b""));
        match client.answer(1)? {
            Answer::Replied(reply) if count < 1_000 => exact(target, &pairs, &reply)?,
            Answer::Replied(reply) if reply.parsed()?.0 < 400 => {
                return Err(format!("{count} parameters were served"));
            }
            Answer::Closed if count < 1_000 => return Err(format!("{count} were refused")),
            _ => {}
        }
    }
    Ok(())
}

fn params_without_end(target: &Target<'_>) -> Outcome {
    let mut client = target.client()?;
    client.send(&begin(1, 1, KEEP));
    let pair = encode(&vec![(b"N".to_vec(), vec![b'v'; 60_000])]);
    let whole = record(PARAMS, 1, &pair, 0);
    for _ in 0..140 {
        if !client.send(&whole) {
            break;
        }
    }
    client.closed()
}

/// Requests with a few bytes changed, repeatable: whatever they have become, the server lets go of them.
fn mutated_requests(target: &Target<'_>) -> Outcome {
    let whole = request(1, KEEP, &target.params, b"body");
    let mut next = numbers();
    for round in 0..400 {
        let mut wire = [&whole[..], &whole[..]].concat();
        for _ in 0..next() % 6 + 1 {
            let at = next() as usize % wire.len();
            wire[at] = match next() % 3 {
                0 => 0,
                1 => 0xFF,
                _ => next() as u8,
            };
        }
        let mut client = target.client()?;
        client.send(&wire);
        client.shut_write();
        client.closed().map_err(|err| format!("round {round}: {err}"))?;
    }
    Ok(())
}
