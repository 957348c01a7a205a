//! Components as bytes: safetensors with `mean`, `[features]`, `variances`, `[kept]`, and `components`, `[kept, features]`,
//! in f64.

use faer::{Mat, MatRef};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::Pca;

impl Pca {
    /// The components as bytes, from which [`from_bytes`](Self::from_bytes) makes the same ones.
    pub fn to_bytes(&self) -> Vec<u8> {
        let bytes = |values: &mut dyn Iterator<Item = f64>| {
            values.flat_map(f64::to_le_bytes).collect::<Vec<u8>>()
        };
        let columns = self.components.col_iter();
        let tensors = [
            (
                "mean",
                vec![self.mean.len()],
                bytes(&mut self.mean.iter().copied()),
            ),
            (
                "variances",
                vec![self.variances.len()],
                bytes(&mut self.variances.iter().copied()),
            ),
            (
                "components",
                vec![self.components.ncols(), self.mean.len()],
                bytes(&mut columns.flat_map(|column| column.iter().copied())),
            ),
        ];
        let views = tensors.iter().map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F64, shape.clone(), bytes);
            (*name, view.expect("as many bytes as the shape says"))
        });
        safetensors::serialize(views, None).expect("three tensors of f64")
    }

    /// The components that were written; nothing where the bytes are something else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let tensors = SafeTensors::deserialize(bytes).ok()?;
        let values = |name: &str| {
            let tensor = tensors.tensor(name).ok()?;
            let (chunks, rest) = tensor.data().as_chunks::<8>();
            let values = chunks.iter().map(|&bytes| f64::from_le_bytes(bytes));
            (tensor.dtype() == Dtype::F64 && rest.is_empty()).then(|| values.collect::<Vec<_>>())
        };
        let (mean, variances, components) =
            (values("mean")?, values("variances")?, values("components")?);
        let size = mean.len().checked_mul(variances.len())?;
        let finite = mean.iter().chain(&variances).chain(&components);
        if mean.is_empty() || components.len() != size || !finite.into_iter().all(|x| x.is_finite())
        {
            return None;
        }
        let (features, kept) = (mean.len(), variances.len());
        let components: Mat<f64> =
            MatRef::from_column_major_slice(&components, features, kept).to_owned();
        Some(Self {
            mean,
            components,
            variances,
        })
    }
}
