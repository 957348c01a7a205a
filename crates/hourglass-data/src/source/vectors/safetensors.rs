//! Safetensors files of vectors.

use std::path::Path;

use ::safetensors::{Dtype, SafeTensors};
use hourglass_samples::Kind;

use super::array::Array;
use super::fault::VectorsFault;
use super::open::{File, open_vectors};
use crate::cache::Progress;
use crate::dataset::{Number, Splits};
use crate::error::DataError;
use crate::source::kind::{Request, Source};

/// A safetensors file.
pub(crate) struct Safetensors;

impl Source for Safetensors {
    fn describe_file(&self) -> &'static str {
        "a .safetensors file"
    }

    fn kind(&self) -> Kind {
        Kind::Vectors
    }

    fn knows(&self, _: &Path, start: Option<&[u8]>) -> bool {
        // The length of the header, and its opening brace.
        start.is_some_and(|start| start.get(6..10) == Some(b"\0\0{\""))
    }

    fn open(
        &self,
        path: &Path,
        request: &Request<'_>,
        progress: Progress<'_>,
    ) -> Result<Splits, DataError> {
        let file = File::map(path)?;
        let fault = |fault: VectorsFault| DataError::format(path, fault);
        let arrays = arrays(&file.bytes).map_err(fault)?;
        let array = chosen(&arrays, request.options.rows.array.as_deref()).map_err(fault)?;
        let label = request.options.rows.label.as_deref();
        let label = label.and_then(|label| arrays.iter().find(|(name, _)| name == label));
        let label = label.map(|(name, array)| (name.as_str(), array.clone()));
        open_vectors(vec![(file, array)], label, request, progress)
    }
}

/// The arrays of a file, with their names.
pub(super) fn arrays(bytes: &[u8]) -> Result<Vec<(String, Array)>, VectorsFault> {
    let unreadable = |error: ::safetensors::SafeTensorError| {
        VectorsFault::Unreadable(format!("expected a whole .safetensors file: {error}"))
    };
    let tensors = SafeTensors::deserialize(bytes).map_err(unreadable)?;
    let arrays = tensors.iter().map(|(name, view)| {
        let number = match view.dtype() {
            Dtype::U8 | Dtype::BOOL => Number::U8,
            Dtype::I8 => Number::I8,
            Dtype::U16 => Number::U16,
            Dtype::I16 => Number::I16,
            Dtype::U32 => Number::U32,
            Dtype::I32 => Number::I32,
            Dtype::U64 => Number::U64,
            Dtype::I64 => Number::I64,
            Dtype::F16 => Number::F16,
            Dtype::BF16 => Number::Bf16,
            Dtype::F32 => Number::F32,
            Dtype::F64 => Number::F64,
            other => return Err(VectorsFault::Type(format!("{other:?} in {name}"))),
        };
        let array = Array {
            number,
            axes: view.shape().iter().map(|&axis| axis as u64).collect(),
            start: view.data().as_ptr() as usize - bytes.as_ptr() as usize,
        };
        Ok((name.to_owned(), array))
    });
    let mut arrays: Vec<_> = arrays.collect::<Result<_, _>>()?;
    arrays.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(arrays)
}

/// The array that is meant: the one that is named, or the only one with two axes.
pub(super) fn chosen(
    arrays: &[(String, Array)],
    name: Option<&str>,
) -> Result<Array, VectorsFault> {
    let listed = |arrays: &mut dyn Iterator<Item = &(String, Array)>| {
        let texts: Vec<String> = arrays
            .map(|(name, array)| format!("{name} {:?}", array.axes))
            .take(12)
            .collect();
        match texts.is_empty() {
            true => "no array".to_owned(),
            false => texts.join(", "),
        }
    };
    if let Some(name) = name {
        let found = arrays.iter().find(|(other, _)| other == name);
        return found
            .map(|(_, array)| array.clone())
            .ok_or_else(|| VectorsFault::NoArray {
                name: name.into(),
                known: listed(&mut arrays.iter()),
            });
    }
    let matrices: Vec<_> = arrays
        .iter()
        .filter(|(_, array)| array.axes.len() == 2)
        .collect();
    match matrices.as_slice() {
        [(_, array)] => Ok(array.clone()),
        [] => Err(VectorsFault::Several(listed(&mut arrays.iter()))),
        several => Err(VectorsFault::Several(listed(&mut several.iter().copied()))),
    }
}
