//! Media sets: the text of `ImageSet` in, its structure out.

mod grammar;
