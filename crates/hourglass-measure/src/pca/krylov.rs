//! The first components by block Lanczos iteration with restarts. The covariance `C` is never formed, only multiplied by a
//! block of vectors at a time, so that each pass over the rows does as much as it can.
//!
//! In each step the basis `V` grows by the directions of `C Q` that it does not yet contain, where `Q` is its last block. The
//! best approximations within it come from the eigenvectors of `Vᵀ C V` (Rayleigh and Ritz). If the basis would outgrow its
//! memory, it is replaced by the best vectors in it (Wu and Simon 2000, thick restart).

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, get_global_parallelism};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::rows::{Mean, Rows, check_bytes};
use super::{Pca, PcaError, block_rows, centred, eigen};

/// Vectors in a block beyond the components: they speed up the convergence of the last ones.
const MORE: usize = 8;

/// Bytes that the basis may take before it is restarted.
const BASIS_BYTES: usize = 256 << 20;

/// The iteration ends when a pass has lowered the error by less than this share of it...
const TOLERANCE: f64 = 1e-6;

/// ... an error below this share of the variance of the rows being none...
const NEGLIGIBLE: f64 = 1e-9;

/// ... or after so many passes.
const MOST_PASSES: usize = 60;

/// About how many passes over the rows images need.
const USUAL_PASSES: usize = 10;

/// Multiplications between two reports of progress, tenths of a second apart, at which the fit can be interrupted.
const PART: usize = 1 << 33;

/// Squared lengths below this share of the longest are rounding errors: of directions within a block, and of a block before
/// what lies in the basis was taken off.
const SHORTEST_IN_BLOCK: f64 = 1e-13;
const SHORTEST: f64 = 1e-22;

fn block_size(features: usize, components: usize) -> usize {
    (components + MORE).min(features)
}

/// The fewest vectors that are in memory: three blocks of the basis, and two blocks besides.
pub(super) fn vectors(features: usize, components: usize) -> usize {
    5 * block_size(features, components)
}

/// Multiplications and additions of a fit, for each row.
pub(super) fn operations_per_row(features: usize, components: usize) -> f64 {
    4.0 * features as f64 * block_size(features, components) as f64 * USUAL_PASSES as f64
}

/// Fits so many components.
pub(super) fn fit(
    rows: &Rows<'_>,
    components: usize,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Pca, PcaError> {
    fit_within(rows, components, BASIS_BYTES, progress)
}

/// The same with a basis of so many bytes, or of three blocks if that is more.
pub(super) fn fit_within(
    rows: &Rows<'_>,
    components: usize,
    basis_bytes: usize,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Pca, PcaError> {
    let features = rows.features;
    let block = block_size(features, components);
    let most = (basis_bytes / size_of::<f64>() / features).clamp(3 * block, features + 3 * block);
    check_bytes(vectors(features, components), components, features)?;
    let mut passes = Passes {
        rows,
        read: 0,
        progress,
    };
    let (mean, total) = passes.mean()?;
    let mut basis = Basis::new(features, most);
    basis.append(basis.new_directions(random(features, block), &mut passes)?);
    let mut captured = 0.0;
    let mut left = MOST_PASSES;
    let (mut variances, vectors) = loop {
        let products = passes.multiply(&mean, basis.unmultiplied()); // [features, block]
        basis.project(products.as_ref(), &mut passes);
        let ritz = eigen(basis.projected.clone(), &mut || passes.tick())?;
        let found: f64 = ritz.0.iter().take(components).sum();
        let gained = found - std::mem::replace(&mut captured, found);
        if gained <= TOLERANCE * (total - found).max(NEGLIGIBLE * total) {
            break ritz;
        }
        let next = basis.new_directions(products, &mut passes)?;
        if next.ncols() == 0 {
            break ritz;
        }
        left -= 1;
        if left == 0 {
            return Err(PcaError::NoConvergence {
                decomposition: "block Lanczos iteration",
            });
        }
        if basis.used + next.ncols() > most {
            let best = ritz.1.get(.., ..block.min(ritz.0.len()));
            basis.restart(&ritz.0, best, &mut passes);
        }
        basis.append(next);
    };
    variances.truncate(components);
    let known = basis.vectors.get(.., ..vectors.nrows());
    Ok(Pca {
        components: passes.product(known, vectors.get(.., ..variances.len())),
        mean,
        variances,
    })
}

/// The rows, and how often they were read.
struct Passes<'a, 'rows> {
    rows: &'a Rows<'rows>,
    read: usize,
    progress: &'a mut dyn FnMut(usize, usize),
}

impl Passes<'_, '_> {
    /// The mean of the rows, and their mean squared distance from it.
    fn mean(&mut self) -> Result<(Vec<f64>, f64), PcaError> {
        let mut mean = Mean::new(self.rows.features);
        let (mut squares, mut count) = (0.0, 0);
        for block in (self.rows.read)() {
            mean.add(&block);
            squares += block
                .iter()
                .map(|&value| f64::from(value).powi(2))
                .sum::<f64>();
            count += block.len() / self.rows.features;
            self.count(block.len());
        }
        let mean = mean.finish()?;
        let total = squares / count as f64 - mean.iter().map(|mean| mean * mean).sum::<f64>();
        Ok((mean, total))
    }

    /// `C Q`, by one pass over the rows.
    ///
    /// # Shapes
    /// - vectors and output: `[features, block]`
    fn multiply(&mut self, mean: &[f64], vectors: MatRef<'_, f64>) -> Mat<f64> {
        let features = self.rows.features;
        let mut products = Mat::zeros(features, vectors.ncols());
        let rows = self.rows;
        for block in (rows.read)() {
            for part in block.chunks(block_rows(features) * features) {
                let centred = centred(part, mean); // [features, part]
                let along = self.product(centred.transpose(), vectors); // [part, block]
                let scale = 1.0 / rows.count as f64;
                let (centred, along) = (centred.as_ref(), along.as_ref());
                self.matmul(products.as_mut(), Accum::Add, centred, along, scale);
            }
            self.count(block.len());
        }
        products
    }

    /// `left * right`.
    fn product(&mut self, left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Mat<f64> {
        let mut result = Mat::zeros(left.nrows(), right.ncols());
        self.matmul(result.as_mut(), Accum::Replace, left, right, 1.0);
        result
    }

    /// faer's `matmul`, in parts between which progress is reported.
    fn matmul(
        &mut self,
        mut result: MatMut<'_, f64>,
        accumulation: Accum,
        left: MatRef<'_, f64>,
        right: MatRef<'_, f64>,
        scale: f64,
    ) {
        let columns = (PART / (left.nrows() * left.ncols()).max(1)).max(1);
        for start in (0..right.ncols()).step_by(columns) {
            let count = columns.min(right.ncols() - start);
            matmul(
                result.as_mut().subcols_mut(start, count),
                accumulation,
                left,
                right.subcols(start, count),
                scale,
                get_global_parallelism(),
            );
            self.tick();
        }
    }

    fn count(&mut self, values: usize) {
        self.read += values / self.rows.features;
        self.tick();
    }

    fn tick(&mut self) {
        let usual = self.rows.count * (1 + USUAL_PASSES);
        (self.progress)(self.read, usual.max(self.read + self.rows.count));
    }
}

/// An orthonormal basis and the covariance in it.
struct Basis {
    /// `[features, most]`, of which the first `used` columns are there.
    vectors: Mat<f64>,
    used: usize,
    /// `Vᵀ C V` of the columns whose products with `C` are known.
    projected: Mat<f64>,
}

impl Basis {
    fn new(features: usize, most: usize) -> Self {
        Self {
            vectors: Mat::zeros(features, most),
            used: 0,
            projected: Mat::new(),
        }
    }

    fn there(&self) -> MatRef<'_, f64> {
        self.vectors.get(.., ..self.used)
    }

    /// The columns whose products with `C` are not known yet: the last block.
    fn unmultiplied(&self) -> MatRef<'_, f64> {
        self.vectors.get(.., self.projected.nrows()..self.used)
    }

    /// Takes in the products of `C` with these columns.
    fn project(&mut self, products: MatRef<'_, f64>, passes: &mut Passes<'_, '_>) {
        let known = self.projected.nrows();
        let along = passes.product(self.there().transpose(), products); // [used, block]
        self.projected = Mat::from_fn(self.used, self.used, |row, column| {
            match (row < known, column < known) {
                (true, true) => self.projected[(row, column)],
                (_, false) => along[(row, column - known)],
                (false, true) => along[(column, row - known)],
            }
        });
    }

    /// An orthonormal basis of what a block adds to the space of this one: `[features, at most block]`.
    fn new_directions(
        &self,
        mut block: Mat<f64>,
        passes: &mut Passes<'_, '_>,
    ) -> Result<Mat<f64>, PcaError> {
        let longest = block.col_iter().map(|column| column.squared_norm_l2());
        let longest = longest.fold(0.0, f64::max);
        // The second time removes what rounding leaves after the first.
        for _ in 0..2 {
            let along = passes.product(self.there().transpose(), block.as_ref());
            let (there, less) = (self.there(), -1.0);
            passes.matmul(block.as_mut(), Accum::Add, there, along.as_ref(), less);
            let squares = passes.product(block.transpose(), block.as_ref());
            let (lengths, directions) = eigen(squares, &mut || passes.tick())?;
            let least = (longest * SHORTEST).max(lengths[0] * SHORTEST_IN_BLOCK);
            let kept = lengths.iter().take_while(|&&length| length > least).count();
            let scaled = Mat::from_fn(lengths.len(), kept, |row, column| {
                directions[(row, column)] / lengths[column].sqrt()
            });
            block = passes.product(block.as_ref(), scaled.as_ref());
            if kept == 0 {
                break;
            }
        }
        Ok(block)
    }

    fn append(&mut self, block: Mat<f64>) {
        let mut columns = self.vectors.subcols_mut(self.used, block.ncols());
        columns.copy_from(&block);
        self.used += block.ncols();
    }

    /// Keeps only the space of the best vectors, whose products with `C` are known.
    fn restart(
        &mut self,
        values: &[f64],
        directions: MatRef<'_, f64>,
        passes: &mut Passes<'_, '_>,
    ) {
        let kept = directions.ncols();
        let best = passes.product(self.vectors.get(.., ..directions.nrows()), directions);
        self.used = 0;
        self.append(best);
        self.projected = Mat::from_fn(kept, kept, |row, column| match row == column {
            true => values[row],
            false => 0.0,
        });
    }
}

/// A random block, which is in no special position to anything: `[features, columns]`.
fn random(features: usize, columns: usize) -> Mat<f64> {
    let mut generator = ChaCha8Rng::seed_from_u64(0);
    Mat::from_fn(features, columns, |_, _| generator.random_range(-1.0..1.0))
}
