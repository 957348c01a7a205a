//! A cache of decoded images in the data directory, so that an image file is decoded only once.
//!
//! A cache is the directory `images/PLACE-CONTENT`. PLACE stands for where the images come from and the shape that they are
//! brought to, CONTENT for what was found there. When the content changes, so does the name, and the new cache replaces the
//! old one. A cache holds `about.json` and, for each split, `SPLIT.pixels`, `SPLIT.labels` and `SPLIT.ids`. It is written
//! under a temporary name and renamed once it is complete and on disk. It is used as long as the stamp of each file holds.
//!
//! A source names its cache by a [`Key`] and calls [`open_or_make`]. Where there is no such cache yet, the source describes
//! in a [`CacheJob`] which [`Images`] go into it.

mod cached;
mod images;
mod keep;
mod key;
mod layout;
mod make;
pub(crate) mod stamp;
mod table;
mod write;

pub(crate) use cached::open_or_make;
pub(crate) use images::{Images, Progress, Unusable, borrowed};
pub(crate) use key::{FileState, Key};
pub(crate) use make::CacheJob;
pub(crate) use table::{TableAbout, TableWriter, open_or_make_table};
