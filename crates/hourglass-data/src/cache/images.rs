//! What is brought into a cache: images that are prepared one by one, in parallel, and any of which may be unusable.

use crate::dataset::Split;

/// Called with the images done and all of them.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(usize, usize);

/// Images in their final shape, one by one.
pub(crate) trait Images: Sync {
    /// How many there are.
    fn count(&self) -> usize;
    /// The pixels of one, plane by plane.
    fn pixels(&self, index: usize) -> Result<Vec<u8>, Unusable>;
    /// What to call one, if anything.
    fn id(&self, index: usize) -> Option<String>;
    /// The label of one: of all or of none.
    fn label(&self, index: usize) -> Option<u8>;
}

/// Why one image can't be used.
pub(crate) struct Unusable {
    pub(crate) reason: String,
    /// Whether the operating system refused to read it.
    pub(crate) unreadable: bool,
}

/// The images of each split, as a job takes them.
pub(crate) fn borrowed<I: Images>(splits: &[(Split, I)]) -> Vec<(Split, &dyn Images)> {
    splits
        .iter()
        .map(|(split, images)| (*split, images as &dyn Images))
        .collect()
}
