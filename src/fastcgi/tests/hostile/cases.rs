//! Cases about whole requests: odd bytes, bodies, smuggling (G-3, G-6, G-7), and those that need the echo server.

use std::time::Instant;

use super::client::*;
use super::{Case, Outcome, Target};

pub const CASES: &[Case] = &[
    ("value_lengths_around_128", value_lengths_around_128),
    ("params_up_to_one_record", params_up_to_one_record),
    ("empty_names_and_values", empty_names_and_values),
    ("duplicate_names", duplicate_names),
    ("stdin_body_not_read", stdin_body_not_read),
    ("unread_body_does_not_cost_the_answer", unread_body_does_not_cost_the_answer),
    ("head_request", head_request),
    ("header_block_sane", ordinary),
    ("half_close_after_request", half_close_after_request),
    ("non_utf8_header_first", non_utf8_header_first),
    ("non_utf8_query", non_utf8_query),
    ("control_bytes_in_values", control_bytes_in_values),
    ("huge_stdin_claim", huge_stdin_claim),
    ("keep_reuse", keep_reuse),
    ("smuggled_requests", smuggled_requests),
    ("body_lengths", body_lengths),
    ("missing_variables", missing_variables),
];

pub const ECHO: &[Case] = &[
    ("big_response", big_response),
    ("echo_exact", echo_exact),
    ("body_is_read_whole_or_refused", body_is_read_whole_or_refused),
    ("body_read_in_part", body_read_in_part),
    ("handler_panics", handler_panics),
    ("handler_forgets_to_answer", handler_forgets_to_answer),
    ("handler_is_overloaded", handler_is_overloaded),
    ("exit_carries_its_status", exit_carries_its_status),
    ("second_thread_answers_first", second_thread_answers_first),
    ("peer_gone_is_noticed", peer_gone_is_noticed),
];

/// A fresh connection serves an ordinary request.
pub fn ordinary(target: &Target<'_>) -> Outcome {
    let mut client = target.client()?;
    client.send(&request(1, CLOSE, &target.params, b""));
    exact(target, &target.params, &client.reply(1)?)?;
    client.closed()
}

/// The reply is sane; of the echo server it holds every parameter once, in order, byte for byte.
pub fn exact(target: &Target<'_>, pairs: &Pairs, reply: &Reply) -> Outcome {
    let (status, headers, body) = reply.parsed()?;
    let length = headers.iter().find(|(name, _)| name == "content-length");
    if length.is_some_and(|(_, value)| *value != body.len().to_string()) {
        return Err(format!("{length:?} with a body of {}", body.len()));
    }
    if !target.is_echo {
        return Ok(());
    }
    let mut expected = Vec::new();
    for (name, value) in pairs {
        for part in [name, value] {
            expected.extend((part.len() as u32).to_be_bytes());
            expected.extend_from_slice(part);
        }
    }
    if status != 200 || body != expected {
        return Err(format!("status {status}, {} bytes of {}", body.len(), expected.len()));
    }
    Ok(())
}

/// Sends bytes that hold two requests, 1 and 2, the second without KEEP_CONN.
pub fn two_requests(target: &Target<'_>, wire: &[u8]) -> Outcome {
    let mut client = target.client()?;
    client.send(wire);
    exact(target, &target.params, &client.reply(1)?)?;
    exact(target, &target.params, &client.reply(2)?)?;
    client.closed()
}

/// One request with these parameters on a fresh connection.
fn asked(target: &Target<'_>, pairs: &Pairs, body: &[u8]) -> Result<Reply, String> {
    let mut client = target.client()?;
    client.send(&request(1, CLOSE, pairs, body));
    let reply = client.reply(1)?;
    client.closed()?;
    Ok(reply)
}

fn echoed(target: &Target<'_>, pairs: &Pairs) -> Outcome {
    exact(target, pairs, &asked(target, pairs, b"")?)
}

fn value_lengths_around_128(target: &Target<'_>) -> Outcome {
    for length in [0, 1, 126, 127, 128, 129, 255, 256, 257, 4_096] {
        echoed(target, &target.with(&[("HTTP_X", &vec![b'v'; length])]))?;
        let name = "N".repeat(length);
        echoed(target, &target.with(&[(&name, b"v")]))?;
    }
    Ok(())
}

fn params_up_to_one_record(target: &Target<'_>) -> Outcome {
    let used = encode(&target.with(&[("HTTP_X", &[b'v'; 128])])).len() - 128;
    let pairs = target.with(&[("HTTP_X", &vec![b'v'; 65_535 - used])]);
    assert_eq!(encode(&pairs).len(), 65_535, "one full record");
    echoed(target, &pairs)
}

fn empty_names_and_values(target: &Target<'_>) -> Outcome {
    echoed(target, &target.with(&[("", b""), ("EMPTY", b""), ("", b"value"), ("", b"")]))
}

fn duplicate_names(target: &Target<'_>) -> Outcome {
    let twice: Pairs = target.params.iter().flat_map(|pair| [pair.clone(), pair.clone()]).collect();
    echoed(target, &twice)
}

fn stdin_body_not_read(target: &Target<'_>) -> Outcome {
    for length in [0, 1, 100, 8_192, 60_000, 200_000] {
        let mut client = target.client()?;
        let text = length.to_string();
        let pairs = target.with(&[("CONTENT_LENGTH", text.as_bytes())]);
        client.send(&request(1, KEEP, &pairs, &vec![b'b'; length]));
        exact(target, &pairs, &client.reply(1)?).map_err(|err| format!("{length}: {err}"))?;
        client.send(&request(2, CLOSE, &target.params, b""));
        match client.answer(2)? {
            Answer::Replied(reply) => exact(target, &target.params, &reply)?,
            Answer::Closed if length > 60_000 && !target.is_echo => {}
            Answer::Closed => return Err(format!("closed after a body of {length}")),
        }
    }
    Ok(())
}

/// The server answers early, but reads the body away before it closes.
fn unread_body_does_not_cost_the_answer(target: &Target<'_>) -> Outcome {
    for _ in 0..10 {
        let mut client = target.client()?;
        if !client.send(&request(1, CLOSE, &target.params, &[b'b'; 800_000])) {
            return Err("closed before the body was sent".into());
        }
        exact(target, &target.params, &client.reply(1)?)?;
        client.closed()?;
    }
    Ok(())
}

fn head_request(target: &Target<'_>) -> Outcome {
    let reply = asked(target, &target.with(&[("REQUEST_METHOD", b"HEAD")]), b"")?;
    match reply.parsed()? {
        (_, _, b"") => Ok(()),
        (_, _, body) => Err(format!("a body of {} bytes", body.len())),
    }
}

fn half_close_after_request(target: &Target<'_>) -> Outcome {
    for flags in [CLOSE, KEEP] {
        let mut client = target.client()?;
        client.send(&request(1, flags, &target.params, b""));
        client.shut_write();
        exact(target, &target.params, &client.reply(1)?)?;
        client.closed()?;
    }
    Ok(())
}

fn non_utf8_header_first(target: &Target<'_>) -> Outcome {
    let mut pairs: Pairs = vec![(b"HTTP_REFERER".to_vec(), b"http://x/\xE9\xFF\x80".to_vec())];
    pairs.extend(target.params.iter().cloned());
    echoed(target, &pairs)
}

fn non_utf8_query(target: &Target<'_>) -> Outcome {
    echoed(target, &target.with(&[("QUERY_STRING", b"a=\xFF\xFE&b=%FF\xC3")]))
}

fn control_bytes_in_values(target: &Target<'_>) -> Outcome {
    let all: Vec<u8> = (0..=255).collect();
    echoed(target, &target.with(&[("HTTP_X", &all), ("QUERY_STRING", b"a\r\nX: y\0\x7F")]))
}

fn huge_stdin_claim(target: &Target<'_>) -> Outcome {
    let pairs = target.with(&[("REQUEST_METHOD", b"POST"), ("CONTENT_LENGTH", b"9999999999")]);
    let mut wire = begin(1, 1, KEEP);
    wire.extend(stream_of(PARAMS, 1, &encode(&pairs), 65_535, 0));
    wire.extend([1, STDIN, 0, 1, 0xFF, 0xFF, 0xFF, 0, b'x']);
    let mut client = target.client()?;
    client.send(&wire);
    client.shut_write();
    if let Answer::Replied(reply) = client.answer(1)? {
        exact(target, &pairs, &reply)?;
    }
    client.closed()
}

fn keep_reuse(target: &Target<'_>) -> Outcome {
    let mut client = target.client()?;
    for round in 0..500_u16 {
        client.renew(PATIENCE);
        let text = round.to_string();
        let pairs = target.with(&[("HTTP_X", text.as_bytes())]);
        client.send(&request(round % 7 + 1, KEEP, &pairs, b""));
        exact(target, &pairs, &client.reply(round % 7 + 1)?)?;
    }
    Ok(())
}

/// Requests that the echo server has run, its own count included.
fn counts(target: &Target<'_>) -> Result<Vec<usize>, String> {
    let reply = asked(target, &target.with(&[("ECHO_STATS", b"1")]), b"")?;
    let text = String::from_utf8_lossy(reply.parsed()?.2).into_owned();
    let numbers = text.trim_matches(['[', ']']).split(", ").map(|number| number.parse().ok());
    numbers.collect::<Option<_>>().ok_or(text)
}

/// G-3: exactly one request is seen.
fn smuggled_requests(target: &Target<'_>) -> Outcome {
    let whole = request(1, KEEP, &target.params, b"");
    let bytes = encode(&target.params);
    let params = |stream: &[u8]| stream_of(PARAMS, 1, stream, 65_535, 0);
    let hidden = encode(&vec![(b"HTTP_X".to_vec(), whole.clone())]);
    let rows = [
        ("inside standard input", {
            let length = whole.len().to_string();
            request(1, CLOSE, &target.with(&[("CONTENT_LENGTH", length.as_bytes())]), &whole)
        }),
        ("inside a value", {
            let stream = [&bytes[..], &hidden].concat();
            [begin(1, 1, CLOSE), params(&stream), record(STDIN, 1, b"", 0)].concat()
        }),
        ("behind a request that keeps no connection", {
            [request(1, CLOSE, &target.params, b""), whole.clone()].concat()
        }),
        ("a second begin of the same id before the end of input", {
            [begin(1, 1, KEEP), params(&bytes), whole.clone()].concat()
        }),
        ("parameters after their end", {
            [begin(1, 1, KEEP), params(&bytes), params(&bytes), whole.clone()].concat()
        }),
        ("behind parameters after their end", {
            let end = record(STDIN, 1, b"", 0);
            let again = [params(&bytes), end, request(2, KEEP, &target.params, b"")].concat();
            [begin(1, 1, KEEP), params(&bytes), again].concat()
        }),
        ("inside padding", {
            let padded = record(STDIN, 1, b"", u8::try_from(whole.len().min(255)).unwrap_or(255));
            let start = padded.len().saturating_sub(whole.len().min(255));
            let padded = [&padded[..start], &whole[..whole.len().min(255)]].concat();
            [begin(1, 1, CLOSE), params(&bytes), padded].concat()
        }),
    ];
    for (name, wire) in rows {
        let before = if target.is_echo { counts(target)? } else { vec![0] };
        let mut client = target.client()?;
        client.send(&wire);
        client.reply(1).map_err(|err| format!("{name}: {err}"))?;
        match client.record() {
            Ok(None) => {}
            other => return Err(format!("{name}: a second answer {other:?}")),
        }
        let after = if target.is_echo { counts(target)? } else { vec![2] };
        if after[0] - before[0] != 2 {
            return Err(format!("{name}: {} requests were seen", after[0] - before[0] - 1));
        }
    }
    Ok(())
}

/// G-6: announced lengths that are no length, or not the length that comes.
fn body_lengths(target: &Target<'_>) -> Outcome {
    for length in
        ["999999999", "18446744073709551616", "-1", "", "abc", "1e3", "5, 5", "4", "6", "5"]
    {
        let pairs =
            target.with(&[("REQUEST_METHOD", b"POST"), ("CONTENT_LENGTH", length.as_bytes())]);
        let reply = asked(target, &pairs, b"a=b&c").map_err(|err| format!("{length}: {err}"))?;
        reply.parsed().map_err(|err| format!("{length}: {err}"))?;
    }
    Ok(())
}

/// G-7: no parameter at all, each alone missing, each empty, each twice.
fn missing_variables(target: &Target<'_>) -> Outcome {
    echoed(target, &Pairs::new())?;
    for index in 0..target.params.len() {
        let mut pairs = target.params.clone();
        let removed = pairs.remove(index);
        echoed(target, &pairs)?;
        pairs.insert(index, (removed.0.clone(), Vec::new()));
        echoed(target, &pairs)?;
        pairs.insert(index, removed);
        echoed(target, &pairs)?;
    }
    Ok(())
}

fn big_response(target: &Target<'_>) -> Outcome {
    for bytes in [65_534, 65_535, 65_536, 131_072, 10_000_000] {
        let text = bytes.to_string();
        let reply = asked(target, &target.with(&[("ECHO_SIZE", text.as_bytes())]), b"")?;
        let (_, _, body) = reply.parsed()?;
        if body.len() != bytes || body.iter().enumerate().any(|(i, &b)| b != (i % 251) as u8) {
            return Err(format!("{} bytes of {bytes}", body.len()));
        }
    }
    Ok(())
}

/// Numbers without an order, the same in every run: a linear congruence.
pub fn numbers() -> impl FnMut() -> u32 {
    let mut state = 12_345_u32;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 8
    }
}

fn echo_exact(target: &Target<'_>) -> Outcome {
    let mut pairs = target.params.clone();
    let mut next = numbers();
    for _ in 0..900 {
        let mut bytes = |longest: u32| (0..next() % longest).map(|_| next() as u8).collect();
        pairs.push((bytes(40), bytes(200)));
    }
    echoed(target, &pairs)
}

fn expect(reply: &Reply, status: u16, body: &[u8]) -> Outcome {
    match reply.parsed()? {
        (found, _, text) if (found, text) == (status, body) => Ok(()),
        (found, _, text) => Err(format!("{found} {}, not {status}", text.escape_ascii())),
    }
}

fn body_is_read_whole_or_refused(target: &Target<'_>) -> Outcome {
    let body: Vec<u8> = (0..20_000_u32).map(|i| i as u8).collect();
    let large = vec![b'x'; 64 * 1024 + 1];
    for (length, sent, status) in [
        ("20000", &body[..], 200),
        ("", &body, 200),
        ("0", b"", 200),
        ("65537", &large, 413),
        ("", &large, 413),
        ("999999999", b"x", 413),
        ("18446744073709551616", b"x", 413),
        ("19999", &body, 400),
        ("20001", &body, 400),
        ("-1", b"x", 400),
        ("abc", b"x", 400),
        ("1e3", b"x", 400),
        ("1, 1", b"x", 400),
    ] {
        let pairs = target.with(&[("ECHO_BODY", b"1"), ("CONTENT_LENGTH", length.as_bytes())]);
        let reply = asked(target, &pairs, sent)?;
        let found = reply.parsed()?;
        if found.0 != status || (status == 200 && found.2 != sent) {
            return Err(format!("length {length:?}: {} instead of {status}", found.0));
        }
    }
    Ok(())
}

fn body_read_in_part(target: &Target<'_>) -> Outcome {
    let body: Vec<u8> = (0..30_000_u32).map(|i| i as u8).collect();
    let mut client = target.client()?;
    for count in [1, 8_191, 8_192, 8_193, 29_999, 30_000] {
        let text = count.to_string();
        client.send(&request(3, KEEP, &target.with(&[("ECHO_READ", text.as_bytes())]), &body));
        expect(&client.reply(3)?, 200, &body[..count])?;
    }
    Ok(())
}

fn handler_panics(target: &Target<'_>) -> Outcome {
    for flags in [CLOSE, KEEP] {
        let mut client = target.client()?;
        client.send(&request(1, flags, &target.with(&[("ECHO_PANIC", b"1")]), b""));
        expect(&client.reply(1)?, 500, b"500 Internal Server Error\n")?;
        client.closed()?;
    }
    Ok(())
}

fn handler_forgets_to_answer(target: &Target<'_>) -> Outcome {
    let mut client = target.client()?;
    client.send(&request(1, KEEP, &target.with(&[("ECHO_SILENCE", b"1")]), b""));
    expect(&client.reply(1)?, 500, b"500 Internal Server Error\n")?;
    client.send(&request(1, CLOSE, &target.params, b""));
    exact(target, &target.params, &client.reply(1)?)
}

fn handler_is_overloaded(target: &Target<'_>) -> Outcome {
    let mut client = target.client()?;
    client.send(&request(1, CLOSE, &target.with(&[("ECHO_OVERLOADED", b"1")]), b""));
    match client.answer(1)? {
        Answer::Replied(reply) if reply.protocol_status == 2 && reply.stdout.is_empty() => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn exit_carries_its_status(target: &Target<'_>) -> Outcome {
    for status in [0, 7, u32::MAX] {
        let text = status.to_string();
        let reply = asked(target, &target.with(&[("ECHO_EXIT", text.as_bytes())]), b"")?;
        expect(&reply, 200, b"exit\n")?;
        if reply.app_status != status {
            return Err(format!("{} instead of {status}", reply.app_status));
        }
    }
    Ok(())
}

fn second_thread_answers_first(target: &Target<'_>) -> Outcome {
    let before = counts(target)?;
    for flags in [CLOSE, KEEP] {
        let mut client = target.client()?;
        client.send(&request(1, flags, &target.with(&[("ECHO_WATCHDOG", b"1")]), b""));
        expect(&client.reply(1)?, 403, b"time is up")?;
        client.closed()?;
    }
    // The handler is told after the reply of the second thread has arrived.
    let end = Instant::now() + PATIENCE;
    while counts(target)?[2] - before[2] != 2 {
        if Instant::now() > end {
            return Err("the later replies were not refused".into());
        }
    }
    Ok(())
}

fn peer_gone_is_noticed(target: &Target<'_>) -> Outcome {
    // Over TCP a closed connection looks half closed until something is written, so reset it.
    let before = counts(target)?;
    let pairs = target.with(&[("ECHO_GONE_MS", b"10000")]);
    let mut client = target.client()?;
    client.send(&request(1, KEEP, &pairs, b""));
    client.reset();
    let end = Instant::now() + PATIENCE;
    while counts(target)?[1] == before[1] {
        if Instant::now() > end {
            return Err("not noticed".into());
        }
    }
    Ok(())
}
