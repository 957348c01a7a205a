//! Image files: a folder of them, or one. [`ImageFiles`] lists a folder, finds out what its subfolders mean, and decodes
//! each image.

mod arrange;
mod decode;
mod folder;
mod jpeg;
mod jpeg_scan;
mod source;
mod survey;

pub(crate) use source::ImageFiles;
