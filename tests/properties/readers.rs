//! The independent readers: node for JavaScript and JSONP, python for XML. One start reads many replies.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use imprint::reply::Reply;
use serde_json::{Value, json};

/// Runs each body in a context of its own. Prints, for a call, the pattern of deployed clients (`match`), the function
/// and its arguments; for assignments the values by their names; or the name of the error.
const NODE: &str = r#"
const vm = require("vm");
const bodies = JSON.parse(require("fs").readFileSync(0, "utf8"));
const client = /^(?:\/\*jsonp\*\/)?\s*([^()]+)\(([\s\S]+),\s*"[0-9]*"\);?$/;
const results = bodies.map(({ body, handler }) => {
    const text = Buffer.from(body, "hex").toString("utf8");
    const calls = [];
    const made = () => Object.create(null);
    const context = { image: made(), catalog: made(), catalogRecord: made(), request: made(), xlate: made(),
        metadata: made(), error: made(), alert: () => calls.push(["alert"]) };
    for (const name of ["s7jsonResponse", "s7jsonError", handler || "s7jsonResponse"])
        context[name] = (object, id) => calls.push([name, object, id]);
    const own = Object.keys(context);
    try {
        vm.runInNewContext(text, context);
    } catch (error) {
        return { error: error.name };
    }
    const values = {};
    for (const name of Object.keys(context)) {
        if (!own.includes(name)) values[name] = context[name];
        else if (typeof context[name] === "object")
            for (const key of Object.keys(context[name])) values[name + "." + key] = context[name][key];
    }
    const found = client.exec(text);
    return { calls, values, match: found && [found[1], JSON.parse(found[2])] };
});
process.stdout.write(JSON.stringify(results));
"#;

/// Reads each body by its own declaration, and again as the text that `Content-Type` says it is.
const PYTHON: &str = r##"
import json, sys, xml.etree.ElementTree as tree, xml.parsers.expat as expat
def flat(element, prefix, out):
    for child in element:
        if child.tag == "prop-group":
            flat(child, prefix + child.get("name") + ".", out)
        elif child.tag == "property" and set(child.attrib) == {"name", "value"}:
            out.append([prefix + child.get("name"), child.get("value")])
        else:
            raise ValueError(child.tag)
    return out
results = []
for item in json.load(sys.stdin):
    body = bytes.fromhex(item["body"])
    try:
        root = tree.fromstring(body)
        charset = item["charset"]
        text = body.decode(charset)
        declared = []
        parser = expat.ParserCreate()
        parser.XmlDeclHandler = lambda version, encoding, standalone: declared.append(encoding)
        parser.Parse(body, True)
        result = {"root": root.tag, "declared": declared, "text": text}
        if root.tag == "prop-group":
            result["pairs"] = flat(root, "", [])
        else:
            result["attributes"] = [list(pair) for node in root.iter() for pair in node.attrib.items()]
        results.append(result)
    except (tree.ParseError, expat.ExpatError, ValueError) as error:
        results.append({"error": str(error)})
json.dump(results, sys.stdout)
"##;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the program prints for `input`; it is one that the tests need.
fn asked(program: &str, arguments: &[&str], input: &Value) -> Vec<Value> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{program} starts: {error}"));
    let text = input.to_string();
    let mut stdin = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("the reader ends");
    writer.join().expect("the writer ends").expect("the reader reads");
    assert!(output.status.success(), "{program}: {}", output.status);
    let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    value.as_array().expect("an array").clone()
}

/// What node makes of a reply.
#[derive(Debug)]
pub struct Script {
    /// The name of the error that ends it, if one does.
    pub error: Option<String>,
    /// Function, object and id of each call.
    pub calls: Vec<(String, BTreeMap<String, String>, String)>,
    /// Assigned values.
    pub values: BTreeMap<String, String>,
    /// Function and object by the pattern of deployed clients.
    pub matched: Option<(String, BTreeMap<String, String>)>,
}

fn strings(value: &Value) -> BTreeMap<String, String> {
    let members = value.as_object().map(|object| object.iter()).into_iter().flatten();
    members.map(|(name, value)| (name.clone(), string(value))).collect()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a string: {value}")).to_owned()
}

/// Runs replies, each with the handler that its request names.
pub fn scripts(replies: &[(&Reply, &str)]) -> Vec<Script> {
    let input: Vec<Value> = replies
        .iter()
        .map(|(reply, handler)| json!({ "body": hex(&reply.body), "handler": handler }))
        .collect();
    let results = asked("node", &["-e", NODE], &Value::from(input));
    let call = |call: &Value| (string(&call[0]), strings(&call[1]), string(&call[2]));
    results
        .iter()
        .map(|result| Script {
            error: result["error"].as_str().map(str::to_owned),
            calls: result["calls"].as_array().into_iter().flatten().map(call).collect(),
            values: strings(&result["values"]),
            matched: result["match"]
                .as_array()
                .map(|found| (string(&found[0]), strings(&found[1]))),
        })
        .collect()
}

/// What python makes of a reply.
#[derive(Debug)]
pub struct Document {
    /// Why it cannot be read.
    pub error: Option<String>,
    /// The outermost element.
    pub root: String,
    /// The encoding of the declaration.
    pub declared: String,
    /// The text in the charset of the header.
    pub text: String,
    /// Properties, groups in front of their names; attributes where the root is no `prop-group`.
    pub pairs: Vec<(String, String)>,
}

/// The charset of a reply.
pub fn charset(reply: &Reply) -> &str {
    let content_type = reply.header("Content-Type").expect("a type");
    content_type.split_once("; charset=").expect("a charset").1
}

/// Reads replies of XML.
pub fn documents(replies: &[&Reply]) -> Vec<Document> {
    let input: Vec<Value> = replies
        .iter()
        .map(|reply| json!({ "body": hex(&reply.body), "charset": charset(reply) }))
        .collect();
    let results = asked("python3", &["-c", PYTHON], &Value::from(input));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    results
        .iter()
        .map(|result| Document {
            error: result["error"].as_str().map(str::to_owned),
            root: text(&result["root"]),
            declared: text(&result["declared"][0]),
            text: text(&result["text"]),
            pairs: [&result["pairs"], &result["attributes"]]
                .into_iter()
                .flat_map(|pairs| pairs.as_array().into_iter().flatten())
                .map(|pair| (string(&pair[0]), string(&pair[1])))
                .collect(),
        })
        .collect()
}
