//! Decoded images kept in the data directory, so that an image file is read once and never again.
//!
//! A cache is the directory `images/PLACE-CONTENT`. PLACE stands for where the images come from and what they are brought
//! to, CONTENT for what was there: a change gives another name, and the new cache takes the place of the old one. It holds
//! `about.json` and for each split `SPLIT.pixels`, `SPLIT.labels` and `SPLIT.ids`. It is written under a temporary name, and
//! renamed when it is whole and on disk; it is used while the stamp of each file holds.
//!
//! A source names its cache by a [`Key`] and calls [`open_or_make`]. Where there is no such cache yet, it says by a
//! [`CacheJob`] which [`Images`] to bring into it.

mod cached;
mod images;
mod keep;
mod key;
mod layout;
mod make;
pub(crate) mod stamp;
mod write;

pub(crate) use images::{Images, Progress, Unusable, borrowed};
pub(crate) use keep::open_or_make;
pub(crate) use key::{FileState, Key};
pub(crate) use make::CacheJob;
