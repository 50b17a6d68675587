//! Names of paths in a block of Photoshop resources, as TIFF files carry it. It reads no path itself.

#![forbid(unsafe_code)]

use super::jpeg::markers::Resources;

/// Names of the resources 2000 to 2997, in order; a broken block ends the list. A name that is not UTF-8 has one
/// character a byte.
pub(crate) fn path_names(block: &[u8]) -> Vec<String> {
    let paths =
        Resources(block).filter(|(id, name, _)| (2000..=2997).contains(id) && !name.is_empty());
    paths
        .map(|(_, name, _)| match std::str::from_utf8(name) {
            Ok(text) => text.to_owned(),
            Err(_) => name.iter().map(|byte| char::from(*byte)).collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_paths_are_found_between_other_resources() {
        let mut block = Vec::new();
        for (id, name, data) in [
            (1005u16, "", &b"12345"[..]),
            (2000, "Outline", b"xy"),
            (2001, "Hole", b""),
            (2999, "Clip", b"z"),
        ] {
            block.extend(b"8BIM");
            block.extend(id.to_be_bytes());
            block.push(name.len() as u8);
            block.extend(name.as_bytes());
            if name.len() % 2 == 0 {
                block.push(0);
            }
            block.extend((data.len() as u32).to_be_bytes());
            block.extend(data);
            if data.len() % 2 == 1 {
                block.push(0);
            }
        }
        assert_eq!(path_names(&block), ["Outline", "Hole"]);
        for length in 0..block.len() {
            path_names(&block[..length]);
        }
    }
}
