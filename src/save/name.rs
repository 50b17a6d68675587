//! Which file names a save accepts (`requests.md` 17.4). Looks at text only: a refusal tells nothing of what exists.

use crate::confined::{ELEMENT_BYTES, RelativeName};
use crate::error::{Error, Kind, shown};

/// Longest accepted `name=` in bytes (`U-save-name`).
pub const NAME_BYTES: usize = 1024;

/// Which suffixes are accepted (`saveToFile.suffixes`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suffixes {
    /// Any (`*`).
    Any,
    /// None, or one of these, without dot; compared without case.
    Listed(Vec<String>),
}

/// The suffix rules of `U-save-suffix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuffixRules {
    /// What the last suffix may be.
    pub allowed: Suffixes,
    /// What no inner part may be, because some web servers look at every suffix; compared without case.
    pub denied_inside: Vec<String>,
}

const ALLOWED: &str =
    "jpg jpeg jpe jfif png gif tif tiff webp avif heic jp2 j2k jpx jxr wdp pdf eps";
const DENIED_INSIDE: &str = "php phtml cgi pl py jsp asp aspx sh htaccess";

impl Default for SuffixRules {
    /// The suffixes of image formats, and no inner part that is the suffix of a program.
    fn default() -> SuffixRules {
        let words = |list: &str| list.split(' ').map(str::to_owned).collect();
        SuffixRules {
            allowed: Suffixes::Listed(words(ALLOWED)),
            denied_inside: words(DENIED_INSIDE),
        }
    }
}

impl SuffixRules {
    /// The parts of `a.b.c` after the first dot are suffixes: `c` the last one, `b` an inner one.
    fn check(&self, file: &str) -> Result<(), String> {
        let is_in = |part: &str, list: &[String]| list.iter().any(|s| s.eq_ignore_ascii_case(part));
        let Some((_, suffixes)) = file.split_once('.') else {
            return Ok(());
        };
        let mut inner = suffixes.split('.');
        let last = inner.next_back().unwrap_or(suffixes);
        if let Some(inner) = inner.find(|part| is_in(part, &self.denied_inside)) {
            return Err(format!("the inner suffix '{}' is not allowed", shown(inner)));
        }
        match &self.allowed {
            Suffixes::Listed(list) if !is_in(last, list) => {
                Err(format!("the suffix '{}' is not allowed", shown(last)))
            }
            Suffixes::Listed(_) | Suffixes::Any => Ok(()),
        }
    }
}

/// An accepted `name=` of a save: a relative path whose last element is the file.
///
/// Shell syntax (`-rf.jpg`, `$(id).jpg`) and device names of other systems (`con.jpg`) are ordinary names: no shell
/// is involved and no other system (N-7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaveName(RelativeName);

impl SaveName {
    /// Checks the final, decoded value of `name=`; `None` is a missing one.
    ///
    /// Every failure has kind `Refused` and the title `Invalid file name`.
    pub fn new(text: Option<&str>, rules: &SuffixRules) -> Result<SaveName, Error> {
        let text = text.unwrap_or("");
        check_text(text)
            .and_then(|()| rules.check(text.rsplit('/').next().unwrap_or(text)))
            .and_then(|()| RelativeName::new(text).ok_or_else(|| "is no relative path".to_owned()))
            .map(SaveName)
            .map_err(|why| {
                Error::new(Kind::Refused, format!("name is '{}': {why}", shown(text)))
                    .with_title(super::INVALID_NAME)
            })
    }

    /// The name beneath the `SavePath`.
    pub fn relative(&self) -> &RelativeName {
        &self.0
    }

    /// The text, as accepted.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

fn check_text(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("a name is required".to_owned());
    }
    if text.len() > NAME_BYTES {
        return Err(format!("{} bytes exceed {NAME_BYTES}", text.len()));
    }
    if let Some(c) = text.chars().find(|c| matches!(c, '\\' | ':') || c.is_control()) {
        return Err(format!("'{}' is not allowed", c.escape_default()));
    }
    text.split('/').try_for_each(check_element)
}

fn check_element(element: &str) -> Result<(), String> {
    if element.is_empty() {
        return Err("an element is empty".to_owned());
    }
    if element.len() > ELEMENT_BYTES {
        return Err(format!("an element of {} bytes exceeds {ELEMENT_BYTES}", element.len()));
    }
    if element.starts_with('.') || element.ends_with('.') {
        return Err("an element starts or ends with a dot".to_owned());
    }
    if element.starts_with(' ') || element.ends_with(' ') {
        return Err("an element starts or ends with a space".to_owned());
    }
    Ok(())
}
