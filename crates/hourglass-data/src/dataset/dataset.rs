//! A dataset: n images of one shape, read by index, with or without labels.

use std::sync::OnceLock;

use super::ids::Ids;
use super::mapped::Bytes;
use crate::error::DataError;
use hourglass_files::hex_sha256;
use hourglass_samples::Shape;

/// Images of one shape, mapped from a file or in memory.
#[derive(Debug)]
pub struct Dataset {
    name: String,
    shape: Shape,
    images: Bytes,
    labels: Option<Bytes>,
    label_names: Option<Vec<String>>,
    ids: Option<Ids>,
    sha256: OnceLock<String>,
}

impl Dataset {
    /// Takes images (and labels) that are in memory: image after image, channel by channel, row by row.
    pub fn from_memory(
        name: &str,
        shape: Shape,
        images: Vec<u8>,
        labels: Option<Vec<u8>>,
    ) -> Result<Self, DataError> {
        let wrong = |expected, found| DataError::WrongLength {
            name: name.into(),
            expected,
            found,
        };
        let features = shape.features();
        if features == 0 || images.is_empty() || !images.len().is_multiple_of(features) {
            return Err(wrong(
                format!("images of {shape}, {features} bytes each"),
                images.len(),
            ));
        }
        let count = images.len() / features;
        match &labels {
            Some(labels) if labels.len() != count => {
                return Err(wrong(format!("{count} labels of a byte"), labels.len()));
            }
            _ => {}
        }
        Ok(Self::new(
            name,
            shape,
            Bytes::owned(images),
            labels.map(Bytes::owned),
        ))
    }

    /// The caller has checked that the lengths agree.
    pub(crate) fn new(name: &str, shape: Shape, images: Bytes, labels: Option<Bytes>) -> Self {
        Self {
            name: name.into(),
            shape,
            images,
            labels,
            label_names: None,
            ids: None,
            sha256: OnceLock::new(),
        }
    }

    /// Adds what else is known of the images: the SHA-256 of their pixels, the ids of the images and the names of the labels.
    pub(crate) fn with_details(
        self,
        sha256: String,
        ids: Option<Ids>,
        label_names: Option<Vec<String>>,
    ) -> Self {
        Self {
            sha256: sha256.into(),
            ids,
            label_names,
            ..self
        }
    }

    /// The catalog name or the path it was opened by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Shape of each image.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Numbers in one image.
    pub fn features(&self) -> usize {
        self.shape.features()
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.images.len() / self.features()
    }

    /// Never true: a dataset holds at least one image.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// The pixels of image `index`, [`features`](Self::features) of them.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`len`](Self::len).
    pub fn image(&self, index: usize) -> &[u8] {
        let features = self.features();
        &self.images[index * features..][..features]
    }

    /// The pixels of an image in [0, 1], in the order of its bytes.
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len).
    pub fn pixels(&self, index: usize) -> impl Iterator<Item = f32> {
        self.image(index)
            .iter()
            .map(|&pixel| f32::from(pixel) / 255.0)
    }

    /// The label of image `index`, where there are labels.
    pub fn label(&self, index: usize) -> Option<u8> {
        self.labels()?.get(index).copied()
    }

    /// All labels, in the order of the images.
    pub fn labels(&self) -> Option<&[u8]> {
        self.labels.as_deref()
    }

    /// The name of each label, from label 0 on: that of the folder that its images lay in.
    pub fn label_names(&self) -> Option<&[String]> {
        self.label_names.as_deref()
    }

    /// The label of this name, or of this number where labels have no names.
    ///
    /// # Errors
    /// When there are no labels, or no image has this one.
    pub fn find_label(&self, text: &str) -> Result<u8, DataError> {
        let labels = self.labels().ok_or_else(|| DataError::NoLabels {
            dataset: self.name.clone(),
        })?;
        let called = |label: u8| match self.label_names() {
            Some(names) => names.get(usize::from(label)).cloned(),
            None => Some(label.to_string()),
        };
        let is_there: Vec<u8> = (0..=u8::MAX)
            .filter(|label| labels.contains(label))
            .collect();
        let found = is_there
            .iter()
            .find(|&&label| called(label).as_deref() == Some(text));
        found.copied().ok_or_else(|| DataError::UnknownLabel {
            dataset: self.name.clone(),
            label: text.into(),
            known: is_there
                .into_iter()
                .filter_map(called)
                .collect::<Vec<_>>()
                .join(", "),
        })
    }

    /// The id of image `index`: its path below the folder, with `/` between the parts and bytes that are not UTF-8 written
    /// as `\xE9`. None for images that came without names, as in an IDX file.
    pub fn id(&self, index: usize) -> Option<&str> {
        let ids = self.ids.as_ref().filter(|_| index < self.len())?;
        ids.get(index)
    }

    /// SHA-256 of the pixels of all images, in hexadecimal: computed when first asked for.
    pub fn sha256(&self) -> &str {
        self.sha256.get_or_init(|| hex_sha256(&self.images))
    }
}
