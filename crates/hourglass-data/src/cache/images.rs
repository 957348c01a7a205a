//! The images that go into a cache. They are prepared one by one, in parallel, and any of them may be unusable.

use crate::dataset::Split;

/// Called with the number of images done and the number of all images.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(usize, usize);

/// Images in their final shape, one by one.
pub(crate) trait Images: Sync {
    /// How many there are.
    fn count(&self) -> usize;
    /// The pixels of one image, plane by plane.
    fn pixels(&self, index: usize) -> Result<Vec<u8>, Unusable>;
    /// The id of one image, if it has one.
    fn id(&self, index: usize) -> Option<String>;
    /// The label of one image. Either all images have one, or none has.
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
