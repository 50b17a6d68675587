//! The text of `catalog::ImageSet` to items, and what kind of set they make (requests.md 20.2, 20.3). It looks up none
//! of the ids.
//!
//! One grammar reads every kind of set: items between `,`, parameters between `;`, pages between `:`, a set or a color
//! within `{}` or `()`. What an item of a certain kind may hold is for the reader of the items to say.

use crate::error::{Error, Kind, shown};

/// A media set as its text says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSet {
    /// The items in order; none for an empty text.
    pub items: Vec<SetItem>,
}

/// One item of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetItem {
    /// The parameters between `;`: at least one, and the first is never empty.
    pub fields: Vec<SetField>,
}

/// One parameter of an item; ids and labels are decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetField {
    /// Nothing between two separators.
    Empty,
    /// An id, a path or a word.
    Id(String),
    /// Two or three ids between `:`, the pages of a spread.
    Pages(Vec<String>),
    /// A solid color as swatch: `{0xrrggbb[label]}`, in the second place only.
    Color {
        /// Red, green, blue.
        rgb: [u8; 3],
        /// What follows the digits.
        label: Option<String>,
    },
    /// A set within brackets.
    Inline(ImageSet),
}

/// What kind of answer a set makes (`type` of requests.md 20.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetType {
    /// One image.
    Img,
    /// Images with swatches, also a plain list of images.
    ImgSet,
    /// Frames of a turn, or rows of them.
    Spin,
    /// Pages.
    Ecat,
    /// A mix of all others.
    MediaSet,
    /// One video.
    Video,
    /// The same video in several sizes.
    VideoSet,
    /// Another file of the static content.
    Static,
    /// No item at all.
    Empty,
}

/// What the separators of a set show (rule 1 of requests.md 20.3), before any id is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetShape {
    /// An item has pages.
    Pages,
    /// An item has three parameters or more.
    Media,
    /// An item has a swatch.
    Swatches,
    /// An item stands in brackets.
    Groups,
    /// Ids only.
    Plain,
}

/// Levels of brackets that are followed; `PS::fvctx.nestingLimit` is at most 100.
const DEEPEST: usize = 100;
/// Items of one text, those of inline sets included.
const MOST_ITEMS: usize = 10_000;
/// Parameters and pages of one text: four for each item.
const MOST_PIECES: usize = 40_000;
/// Pages of a spread.
const MOST_PAGES: usize = 3;

impl SetType {
    /// From `catalog::AssetType`, compared without case (`U-enum-case`); `None` for words that name no set.
    pub fn of_asset(word: &str) -> Option<SetType> {
        const WORDS: [(&str, SetType); 6] = [
            ("MEDIASET", SetType::MediaSet),
            ("SPINSET", SetType::Spin),
            ("SPINSET2D", SetType::Spin),
            ("VIDEOSET", SetType::VideoSet),
            ("IMAGESET", SetType::ImgSet),
            ("ECATALOG", SetType::Ecat),
        ];
        named(&WORDS, word)
    }

    /// From the type parameter of an item of a media set; `None` for words that have to be found out.
    pub fn of_item(word: &str) -> Option<SetType> {
        const WORDS: [(&str, SetType); 12] = [
            ("img", SetType::Img),
            ("basic", SetType::Img),
            ("advanced_image", SetType::Img),
            ("img_set", SetType::ImgSet),
            // Two spellings of one word (`U-set-imageset-spelling`).
            ("advanced_image_set", SetType::ImgSet),
            ("advanced_imageset", SetType::ImgSet),
            ("advanced_swatchset", SetType::ImgSet),
            ("spin", SetType::Spin),
            ("video", SetType::Video),
            ("video_set", SetType::VideoSet),
            ("static", SetType::Static),
            ("ecat", SetType::Ecat),
        ];
        named(&WORDS, word)
    }

    /// Whether it is made of items, in any number.
    pub fn is_set(self) -> bool {
        match self {
            SetType::ImgSet
            | SetType::Spin
            | SetType::Ecat
            | SetType::MediaSet
            | SetType::VideoSet => true,
            SetType::Img | SetType::Video | SetType::Static | SetType::Empty => false,
        }
    }

    /// The protocol's word, for example `img_set`.
    pub fn word(self) -> &'static str {
        match self {
            SetType::Img => "img",
            SetType::ImgSet => "img_set",
            SetType::Spin => "spin",
            SetType::Ecat => "ecat",
            SetType::MediaSet => "media_set",
            SetType::Video => "video",
            SetType::VideoSet => "video_set",
            SetType::Static => "static",
            SetType::Empty => "empty",
        }
    }
}

fn named(words: &[(&str, SetType)], word: &str) -> Option<SetType> {
    words.iter().find(|(known, _)| known.eq_ignore_ascii_case(word.trim())).map(|(_, set)| *set)
}

impl ImageSet {
    /// Reads the text, still HTTP-encoded; white space around a piece does not count, `+` is itself.
    ///
    /// `Syntax` names the item, `2.1` being the first item of the set in item 2; `TooLarge` beyond 100 levels of
    /// brackets, 10,000 items or 40,000 parameters. Time grows with the length of the text alone.
    pub fn parse(text: &str) -> Result<ImageSet, Error> {
        if text.trim_ascii().is_empty() {
            return Ok(ImageSet::default());
        }
        let mut reader = Reader { text, at: 0, items: 0, pieces: 0, place: Vec::new() };
        reader.set(None)
    }

    /// What the separators show. Those within brackets do not count, so that an inline set does not decide for the
    /// set around it; `{setId;{0xrrggbb}}` in brackets of its own is an item with a swatch.
    pub fn shape(&self) -> SetShape {
        let has = |test: fn(&SetItem) -> bool| self.items.iter().any(test);
        if has(|item| item.fields.iter().any(|field| matches!(field, SetField::Pages(_)))) {
            SetShape::Pages
        } else if has(|item| item.fields.len() > 2) {
            SetShape::Media
        } else if has(|item| item.fields.len() == 2 || item.is_bracketed_swatch()) {
            SetShape::Swatches
        } else if has(|item| matches!(item.fields.as_slice(), [SetField::Inline(_)])) {
            SetShape::Groups
        } else {
            SetShape::Plain
        }
    }
}

impl SetItem {
    /// The two parameters of an item that stands in brackets of its own, `{id;swatch}`.
    pub fn bracketed_pair(&self) -> Option<&SetItem> {
        match self.fields.as_slice() {
            [SetField::Inline(set)] => match set.items.as_slice() {
                [item] if item.fields.len() == 2 => Some(item),
                _ => None,
            },
            _ => None,
        }
    }

    fn is_bracketed_swatch(&self) -> bool {
        let pair = self.bracketed_pair().map(|item| item.fields.as_slice());
        matches!(pair, Some([_, SetField::Color { .. }]))
    }
}

/// Whether `{}` and `()` of a set pair (S-43). Needs memory for the open ones only.
pub(super) fn has_matching_brackets(set: &str) -> bool {
    let mut open = Vec::new();
    for c in set.chars() {
        match c {
            '{' => open.push('}'),
            '(' => open.push(')'),
            '}' | ')' if open.pop() != Some(c) => return false,
            _ => {}
        }
    }
    open.is_empty()
}

/// Reads one text from the left to the right.
struct Reader<'t> {
    text: &'t str,
    /// Bytes read; always at a character.
    at: usize,
    items: usize,
    pieces: usize,
    /// The number of the item on each level, from the outermost.
    place: Vec<usize>,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_ascii_start().len();
    }

    fn refuse<T>(&self, kind: Kind, detail: impl std::fmt::Display) -> Result<T, Error> {
        let place: Vec<String> = self.place.iter().map(ToString::to_string).collect();
        Err(Error::new(kind, format!("item {} of the image set {detail}", place.join("."))))
    }

    /// The items up to `close`, which is read too, or to the end.
    fn set(&mut self, close: Option<char>) -> Result<ImageSet, Error> {
        let mut items = Vec::new();
        loop {
            self.place.push(items.len() + 1);
            self.items += 1;
            if self.items > MOST_ITEMS {
                return self.refuse(Kind::TooLarge, format!("is beyond {MOST_ITEMS} items"));
            }
            items.push(self.item()?);
            let next = self.peek();
            self.at += next.map_or(0, char::len_utf8);
            if next == close {
                self.place.pop();
                return Ok(ImageSet { items });
            }
            match next {
                Some(',') => {}
                Some(c @ ('}' | ')')) => {
                    return self.refuse(Kind::Syntax, format!("has a {c} that nothing opens"));
                }
                Some(c) => {
                    return self.refuse(Kind::Syntax, format!("has {c} within an id, not encoded"));
                }
                None => return self.refuse(Kind::Syntax, "has an open bracket"),
            }
            self.place.pop();
        }
    }

    fn item(&mut self) -> Result<SetItem, Error> {
        let mut fields = Vec::new();
        loop {
            let field = self.field(fields.len())?;
            if fields.is_empty() && field == SetField::Empty {
                return self.refuse(Kind::Syntax, "is empty, expected an id");
            }
            fields.push(field);
            if self.peek() != Some(';') {
                return Ok(SetItem { fields });
            }
            self.at += 1;
        }
    }

    fn field(&mut self, index: usize) -> Result<SetField, Error> {
        self.count()?;
        self.skip_space();
        let close = match self.peek() {
            Some('{') => '}',
            Some('(') => ')',
            _ => return self.ids(),
        };
        self.at += 1;
        let color = if index == 1 { self.color(close)? } else { None };
        let field = match color {
            Some(color) => color,
            None if self.place.len() >= DEEPEST => {
                return self.refuse(Kind::TooLarge, format!("is beyond {DEEPEST} levels"));
            }
            None => {
                self.skip_space();
                match self.peek() == Some(close) {
                    true => {
                        self.at += 1;
                        SetField::Inline(ImageSet::default())
                    }
                    false => SetField::Inline(self.set(Some(close))?),
                }
            }
        };
        self.skip_space();
        match self.peek() {
            None | Some(',' | ';' | '}' | ')') => Ok(field),
            Some(c) => self.refuse(Kind::Syntax, format!("has {c:?} behind a bracket")),
        }
    }

    fn count(&mut self) -> Result<(), Error> {
        self.pieces += 1;
        match self.pieces > MOST_PIECES {
            true => self.refuse(Kind::TooLarge, format!("is beyond {MOST_PIECES} parameters")),
            false => Ok(()),
        }
    }

    /// One id, or the pages of a spread.
    fn ids(&mut self) -> Result<SetField, Error> {
        let mut pages = vec![self.piece()?];
        while self.peek() == Some(':') {
            self.at += 1;
            self.count()?;
            pages.push(self.piece()?);
        }
        if pages.len() > MOST_PAGES {
            let found = pages.len();
            return self
                .refuse(Kind::Syntax, format!("has {found} pages, expected at most {MOST_PAGES}"));
        }
        match pages.as_slice() {
            [one] if one.is_empty() => Ok(SetField::Empty),
            [_] => Ok(SetField::Id(pages.pop().unwrap_or_default())),
            pages if pages.iter().any(String::is_empty) => {
                self.refuse(Kind::Syntax, "has a page without id")
            }
            _ => Ok(SetField::Pages(pages)),
        }
    }

    /// The text up to the next separator or bracket, decoded.
    fn piece(&mut self) -> Result<String, Error> {
        let rest = self.rest();
        let end = rest.find([',', ';', ':', '{', '}', '(', ')']).unwrap_or(rest.len());
        let piece = rest.get(..end).unwrap_or_default().trim_ascii();
        self.at += end;
        self.decoded(piece)
    }

    /// `0xrrggbb[label]` and `close`; `None`, and nothing read, for other text.
    fn color(&mut self, close: char) -> Result<Option<SetField>, Error> {
        let rest = self.rest();
        let digits = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X"));
        let digits = digits.and_then(|digits| digits.get(..6));
        let is_hex = |digits: &&str| digits.bytes().all(|b| b.is_ascii_hexdigit());
        let Some(digits) = digits.filter(is_hex) else { return Ok(None) };
        let [_, red, green, blue] =
            u32::from_str_radix(digits, 16).unwrap_or_default().to_be_bytes();
        self.at += "0xrrggbb".len();
        let label = self.piece()?;
        if self.peek() != Some(close) {
            return self.refuse(Kind::Syntax, format!("has a color without {close} behind it"));
        }
        self.at += 1;
        let label = Some(label).filter(|label| !label.is_empty());
        Ok(Some(SetField::Color { rgb: [red, green, blue], label }))
    }

    /// `%xx` to bytes, bytes to UTF-8 if valid, else ISO-8859-1 (`U-charset`, `U-bad-escape`).
    fn decoded(&self, piece: &str) -> Result<String, Error> {
        if !piece.contains('%') {
            return Ok(piece.to_owned());
        }
        let mut bytes = Vec::with_capacity(piece.len());
        let mut rest = piece.as_bytes();
        while let Some((&first, tail)) = rest.split_first() {
            rest = tail;
            if first != b'%' {
                bytes.push(first);
                continue;
            }
            let digit = |at: usize| tail.get(at).and_then(|&byte| char::from(byte).to_digit(16));
            let byte = digit(0).zip(digit(1)).and_then(|(high, low)| {
                u8::try_from(high * 16 + low).ok().filter(|&byte| byte != 0)
            });
            let Some(byte) = byte else {
                return self.refuse(Kind::Syntax, format!("has a bad escape in {}", shown(piece)));
            };
            bytes.push(byte);
            rest = tail.get(2..).unwrap_or_default();
        }
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect()))
    }
}
