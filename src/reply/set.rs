//! A tree of elements as XML, in each encoding, or as JSON that mirrors it (`U-set-dtd`). Knows no media set.
//!
//! An attribute becomes a member of text, an element an object, elements of one name an array where the first of them
//! stands; a single element stays an object.

use std::fmt::Write;

use super::json::quoted;
use super::xml::{self, escaped};
use crate::request::XmlEncoding;

/// An element with its attributes and inner elements, in the order they are printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    name: &'static str,
    members: Vec<Member>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Member {
    Attribute(&'static str, String),
    Child(Element),
}

impl Element {
    /// An empty element; `name` is a name of XML that no attribute of its parent has.
    pub fn new(name: &'static str) -> Element {
        Element { name, members: Vec::new() }
    }

    /// Adds an attribute.
    pub fn attribute(&mut self, name: &'static str, value: impl Into<String>) {
        self.members.push(Member::Attribute(name, value.into()));
    }

    /// Adds an inner element.
    pub fn child(&mut self, child: Element) {
        self.members.push(Member::Child(child));
    }

    /// An element of another name with the attributes of this one that `kept` names.
    pub fn reduced(&self, name: &'static str, kept: &[&str]) -> Element {
        let is_kept = |member: &&Member| match member {
            Member::Attribute(name, _) => kept.contains(name),
            Member::Child(_) => false,
        };
        Element { name, members: self.members.iter().filter(is_kept).cloned().collect() }
    }

    /// A document in that encoding, without white space between elements.
    pub fn to_xml(&self, encoding: XmlEncoding) -> Vec<u8> {
        let mut out = String::new();
        self.write_xml(&mut out);
        out.push('\n');
        xml::document(&out, encoding)
    }

    /// `{"name":{…}}`.
    pub fn to_json(&self) -> String {
        let mut out = format!("{{{}:", quoted(self.name));
        self.write_json(&mut out);
        out.push('}');
        out
    }

    fn write_xml(&self, out: &mut String) {
        out.push('<');
        out.push_str(self.name);
        let mut children = Vec::new();
        for member in &self.members {
            match member {
                Member::Attribute(name, value) => {
                    // Writing to a String cannot fail.
                    let _ = write!(out, " {name}=\"{}\"", escaped(value));
                }
                Member::Child(child) => children.push(child),
            }
        }
        if children.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        for child in children {
            child.write_xml(out);
        }
        let _ = write!(out, "</{}>", self.name);
    }

    fn write_json(&self, out: &mut String) {
        out.push('{');
        let mut written: Vec<&str> = Vec::new();
        for (index, member) in self.members.iter().enumerate() {
            match member {
                Member::Attribute(name, value) => {
                    begin_member(name, index > 0, out);
                    out.push_str(&quoted(value));
                }
                Member::Child(child) if written.contains(&child.name) => {}
                Member::Child(child) => {
                    written.push(child.name);
                    begin_member(child.name, index > 0, out);
                    let rest = self.members.get(index..).unwrap_or_default();
                    write_json_children(child.name, rest, out);
                }
            }
        }
        out.push('}');
    }
}

fn begin_member(name: &str, is_further: bool, out: &mut String) {
    if is_further {
        out.push(',');
    }
    out.push_str(&quoted(name));
    out.push(':');
}

/// The elements of one name: an object, or an array of several.
fn write_json_children(name: &str, members: &[Member], out: &mut String) {
    let children: Vec<&Element> = members
        .iter()
        .filter_map(|member| match member {
            Member::Child(child) if child.name == name => Some(child),
            Member::Child(_) | Member::Attribute(..) => None,
        })
        .collect();
    if let [only] = children.as_slice() {
        return only.write_json(out);
    }
    out.push('[');
    for (index, child) in children.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        child.write_json(out);
    }
    out.push(']');
}
