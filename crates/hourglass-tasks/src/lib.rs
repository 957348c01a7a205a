//! The tasks that trained autoencoders are used for, as functions from a model and images to results. Each task has a file of
//! its own. The commands of the program are thin layers over these functions.

pub mod codes;
pub mod compress;
pub mod decode;
pub mod detect;
pub mod embed;
pub mod encode;
mod filling;
mod finite;
mod inpainting;
mod mask;
mod mixture;
mod paths;
mod pictures;
mod portrait;
mod prior;
mod restoration;
mod rows;
mod sampling;
mod statistics;
pub mod stream;

pub use filling::CellFiller;
pub use finite::NotFinite;
pub use inpainting::{InpaintMethod, Inpainter};
pub use mask::{Mask, MaskError, Side};
pub use mixture::{Mixture, MixtureError, MixtureFit, MixtureOptions};
pub use paths::{Path, interpolate, traverse};
pub use pictures::{animation, image_file_name, png};
pub use portrait::{
    CodeMap, ColumnView, Point, Portrait, Traversal, Traversals, UnitImage, UnitImages, portrait,
    portrait_sizes,
};
pub use prior::CodePrior;
pub use restoration::{
    Denoiser, ErrorSummary, Reconstructor, RestorationSummary, Restore, RestoreError, Restored,
    restore_images,
};
pub use rows::{RowsError, RowsWriter};
pub use sampling::{CodeMixture, decode_images};
pub use statistics::{CodeStatistics, codes_of, normal_quantile};
