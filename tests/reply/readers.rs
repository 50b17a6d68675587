//! Property replies in text form are read back by readers that are not ours (RQ-089, L-7).

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use super::*;
use crate::support::site::get;

/// Reads properties from standard input as `java.util.Properties` is documented to, and prints them as JSON.
const PYTHON: &str = r##"
import json, sys
text = sys.stdin.buffer.read().decode("latin-1")
out, lines = {}, text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
logical, at = [], 0
while at < len(lines):
    line = lines[at].lstrip(" \t\f")
    at += 1
    if not line or line[0] in "#!":
        continue
    while (len(line) - len(line.rstrip("\\"))) % 2 and at < len(lines):
        line = line[:-1] + lines[at].lstrip(" \t\f")
        at += 1
    logical.append(line)
def unescape(text):
    units, at = [], 0
    while at < len(text):
        c = text[at]
        at += 1
        if c != "\\":
            units.append(ord(c))
            continue
        c = text[at]
        at += 1
        if c == "u":
            units.append(int(text[at:at + 4], 16))
            at += 4
        else:
            units.append(ord({"n": "\n", "r": "\r", "t": "\t", "f": "\f"}.get(c, c)))
    return b"".join(u.to_bytes(2, "big") for u in units).decode("utf-16-be")
for line in logical:
    end = 0
    while end < len(line) and line[end] not in "=: \t\f":
        end += 2 if line[end] == "\\" else 1
    key, rest = line[:end], line[end:].lstrip(" \t\f")
    if rest[:1] in ("=", ":"):
        rest = rest[1:].lstrip(" \t\f")
    out[unescape(key)] = unescape(rest)
json.dump(out, sys.stdout)
"##;

/// The same with the class itself.
const JAVA: &str = r#"
import java.util.*;
class Read {
    static String quoted(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) out.append(String.format("\\u%04x", (int) c));
        return out + "\"";
    }
    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.load(System.in);
        List<String> pairs = new ArrayList<>();
        for (String name : properties.stringPropertyNames())
            pairs.add(quoted(name) + ":" + quoted(properties.getProperty(name)));
        System.out.print("{" + String.join(",", pairs) + "}");
    }
}
"#;

/// What a reader makes of `input`; `None` when it is not installed.
fn read(program: &str, arguments: &[&str], input: &[u8]) -> Option<BTreeMap<String, String>> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("{program} does not start, so it is not asked: {error}");
            return None;
        }
    };
    child.stdin.take().expect("piped").write_all(input).expect("the reader reads");
    let output = child.wait_with_output().expect("the reader ends");
    assert!(output.status.success(), "{program}: {}", output.status);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let object = value.as_object().expect("an object");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    Some(object.iter().map(|(name, value)| (name.clone(), text(value))).collect())
}

#[test]
fn text_properties_are_read_back_unchanged() {
    let values = [
        "plain",
        "=",
        "a=b:c",
        ":first",
        "#no comment",
        "!",
        " leading",
        "trailing ",
        "\\",
        "\\u0041",
        "\\n",
        "back\\slash\\",
        "tab\there",
        "\ttab first",
        "line\nbreak",
        "cr\rhere",
        "café",
        "☃ 雪",
        "𝄞 clef",
        "</script>",
        "]]>",
        "');alert(1)//",
        "\"quoted\"",
        "'single'",
        "\u{2028}",
        "\u{7f}\u{85}",
        "\u{c}form feed",
        "",
    ];
    let site = shop();
    let mut records = "\u{feff}Id\tPath\tModifier\tPostModifier\n".to_owned();
    for (index, value) in values.iter().enumerate() {
        let field = value.replace('"', "\"\"");
        records.push_str(&format!("r{index}\ta.png\t\"{field}\"\t\"x{field}x\"\n"));
    }
    site.write("catalogs/shop.txt", records);
    let service = site.service();
    let folder = tempfile::tempdir().expect("a folder");
    let java = folder.path().join("Read.java");
    std::fs::write(&java, JAVA).expect("a file");
    let java = java.to_str().expect("a plain name");
    let mut readers = 0;
    let mut bodies = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let reply = get(&service, &format!("shop/r{index}?req=imageprops"));
        assert_eq!(reply.status, 200, "{value:?}: {}", text(&reply));
        let is_printable = reply.body.iter().all(|b| (b' '..=b'~').contains(b) || *b == b'\n');
        assert!(is_printable, "{value:?}: printable ASCII lines");
        bodies.push(reply.body);
    }
    // One start of a reader for all values: each reply's names get its number in front.
    let mut all = Vec::new();
    for (index, body) in bodies.iter().enumerate() {
        for line in String::from_utf8_lossy(body).lines().filter(|line| !line.starts_with('#')) {
            all.extend_from_slice(format!("{index}.{line}\n").as_bytes());
        }
    }
    for (program, arguments) in [("python3", ["-c", PYTHON].as_slice()), ("java", &[java])] {
        let Some(found) = read(program, arguments, &all) else { continue };
        readers += 1;
        for (index, value) in values.iter().enumerate() {
            let get = |name: &str| found.get(&format!("{index}.image.{name}")).map(String::as_str);
            assert_eq!(get("modifier"), Some(*value), "{program} {value:?}");
            assert_eq!(
                get("postModifier"),
                Some(format!("x{value}x").as_str()),
                "{program} {value:?}"
            );
            assert_eq!(get("translatedId"), Some(format!("shop/r{index}").as_str()), "{program}");
        }
    }
    assert!(readers > 0, "no independent reader is installed; python3 is one that the tests need");
}
