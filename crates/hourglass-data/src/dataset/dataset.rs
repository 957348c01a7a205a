//! A dataset: n samples of one kind, read by index, with or without labels.

use std::sync::{Arc, OnceLock};

use super::ids::Ids;
use super::mapped::Bytes;
use super::values::{Number, Values};
use crate::error::DataError;
use hourglass_files::hex_sha256;
use hourglass_samples::{Input, Kind, Shape};

/// Samples of one kind, mapped from files or in memory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dataset {
    name: String,
    input: Arc<Input>,
    values: Arc<Values>,
    /// The rows of the values that are meant; without them, all.
    rows: Option<Arc<[u32]>>,
    labels: Option<Arc<Bytes>>,
    label_names: Option<Arc<[String]>>,
    ids: Option<Arc<Ids>>,
    values_sha256: Arc<OnceLock<String>>,
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
        let input = Input::Image { shape };
        let bytes = (Number::U8, Bytes::owned(images));
        Self::owned(name, input, bytes, labels, &format!("images of {shape}"))
    }

    /// Takes rows of a table, or vectors, that are in memory, in their raw form: row after row.
    pub fn from_rows(
        name: &str,
        input: Input,
        rows: &[f32],
        labels: Option<Vec<u8>>,
    ) -> Result<Self, DataError> {
        let bytes = rows.iter().flat_map(|number| number.to_le_bytes());
        let bytes = (Number::F32, Bytes::owned(bytes.collect()));
        let what = format!("rows of {} numbers", input.raw_width());
        Self::owned(name, input, bytes, labels, &what)
    }

    fn owned(
        name: &str,
        input: Input,
        (number, bytes): (Number, Bytes),
        labels: Option<Vec<u8>>,
        what: &str,
    ) -> Result<Self, DataError> {
        let wrong = |expected, found| DataError::WrongLength {
            name: name.into(),
            expected,
            found,
        };
        let each = input.raw_width() * number.bytes();
        if each == 0 || bytes.is_empty() || !bytes.len().is_multiple_of(each) {
            return Err(wrong(format!("{what}, {each} bytes each"), bytes.len()));
        }
        let count = bytes.len() / each;
        match &labels {
            Some(labels) if labels.len() != count => {
                return Err(wrong(format!("{count} labels of a byte"), labels.len()));
            }
            _ => {}
        }
        let values = Values::new(number, input.raw_width(), vec![bytes]);
        Ok(Self::new(name, input, values, labels.map(Bytes::owned)))
    }

    /// Images of bytes. The caller has checked that the lengths agree.
    pub(crate) fn of_images(
        name: &str,
        shape: Shape,
        images: Bytes,
        labels: Option<Bytes>,
    ) -> Self {
        let values = Values::bytes(shape.features(), images);
        Self::new(name, Input::Image { shape }, values, labels)
    }

    /// The caller has checked that the lengths agree, and that there is at least one sample.
    pub(crate) fn new(name: &str, input: Input, values: Values, labels: Option<Bytes>) -> Self {
        Self {
            name: name.into(),
            input: input.into(),
            values: values.into(),
            rows: None,
            labels: labels.map(Arc::new),
            label_names: None,
            ids: None,
            values_sha256: Arc::default(),
            sha256: OnceLock::new(),
        }
    }

    /// Adds what else is known of the samples: the SHA-256 of their values, their ids and the names of the labels.
    pub(crate) fn with_details(
        self,
        sha256: String,
        ids: Option<Ids>,
        label_names: Option<Vec<String>>,
    ) -> Self {
        Self {
            values_sha256: Arc::new(sha256.into()),
            ids: ids.map(Arc::new),
            label_names: label_names.map(Arc::from),
            ..self
        }
    }

    /// The same samples with features made in another way.
    pub fn with_input(&self, input: Arc<Input>) -> Self {
        Self {
            input,
            sha256: OnceLock::new(),
            ..self.clone()
        }
    }

    /// The same samples, whose labels have these names.
    pub(crate) fn with_label_names(&self, names: &[String]) -> Self {
        Self {
            label_names: Some(names.into()),
            ..self.clone()
        }
    }

    /// Some of the samples, by their indices, in the order given.
    pub(crate) fn select(&self, indices: &[u32]) -> Self {
        let place = |&index: &u32| self.place(index as usize) as u32;
        let labels = self.labels().map(|labels| {
            let chosen = indices.iter().map(|&index| labels[index as usize]);
            Arc::new(Bytes::owned(chosen.collect()))
        });
        Self {
            rows: Some(indices.iter().map(place).collect()),
            labels,
            sha256: OnceLock::new(),
            ..self.clone()
        }
    }

    /// Where sample `index` lies among the values.
    fn place(&self, index: usize) -> usize {
        match &self.rows {
            Some(rows) => rows[index] as usize,
            None => index,
        }
    }

    /// The catalog name or the path it was opened by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the samples are, and how they become features.
    pub fn input(&self) -> &Arc<Input> {
        &self.input
    }

    /// What the samples are.
    pub fn kind(&self) -> Kind {
        self.input.kind()
    }

    /// Shape of the features of each sample.
    pub fn shape(&self) -> Shape {
        self.input.shape()
    }

    /// Features of one sample: the numbers that a network gets.
    pub fn features(&self) -> usize {
        self.shape().features()
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        match &self.rows {
            Some(rows) => rows.len(),
            None => self.values.rows(),
        }
    }

    /// Never true: a dataset holds at least one sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of image `index`, [`features`](Self::features) of them.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`len`](Self::len).
    pub fn image(&self, index: usize) -> &[u8] {
        self.values.row(self.place(index))
    }

    /// Appends the features of a sample; of an image its pixels in [0, 1], in the order of its bytes.
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len).
    pub fn read(&self, index: usize, features: &mut Vec<f32>) {
        match &*self.input {
            Input::Image { .. } => {
                let pixels = self.image(index).iter();
                features.extend(pixels.map(|&pixel| f32::from(pixel) / 255.0));
            }
            input => input.encode(&self.raw(index), features),
        }
    }

    /// The features of a sample.
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len).
    pub fn features_of(&self, index: usize) -> Vec<f32> {
        let mut features = Vec::with_capacity(self.features());
        self.read(index, &mut features);
        features
    }

    /// The raw form of a sample, in the user's units; see [`Input`].
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len).
    pub fn raw(&self, index: usize) -> Vec<f64> {
        let mut numbers = Vec::with_capacity(self.input.raw_width());
        self.values.read(self.place(index), &mut numbers);
        numbers
    }

    /// The label of image `index`, where there are labels.
    pub fn label(&self, index: usize) -> Option<u8> {
        self.labels()?.get(index).copied()
    }

    /// All labels, in the order of the images.
    pub fn labels(&self) -> Option<&[u8]> {
        self.labels.as_deref().map(|labels| &**labels)
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

    /// The id of sample `index`: of an image its path below the folder, with `/` between the parts and bytes that are not
    /// UTF-8 written as `\xE9`; of a row what its column of ids says. None for samples without names, as in an IDX file.
    pub fn id(&self, index: usize) -> Option<&str> {
        let ids = self.ids.as_ref().filter(|_| index < self.len())?;
        ids.get(self.place(index))
    }

    /// SHA-256 in hexadecimal, of the pixels of all images; of other samples, of their values, of which of these are meant
    /// and of how they become features. Computed when first asked for.
    pub fn sha256(&self) -> &str {
        self.sha256.get_or_init(|| {
            let values = self.values_sha256.get_or_init(|| self.values.sha256());
            if self.kind() == Kind::Image && self.rows.is_none() {
                return values.clone();
            }
            let input = serde_json::to_string(&*self.input).expect("texts and numbers");
            let rows = self.rows.iter().flat_map(|rows| rows.iter());
            let rows: Vec<u8> = rows.flat_map(|row| row.to_le_bytes()).collect();
            hex_sha256(&[values.as_bytes(), input.as_bytes(), &rows].concat())
        })
    }
}
