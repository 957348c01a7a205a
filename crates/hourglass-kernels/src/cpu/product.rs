//! Matrix products by faer, which are as quick with a transposed factor as without one. Those of flex take up to twice as long
//! with one, and every backward pass has one.
//!
//! The result is cut into tiles, each the work of one thread: faer's own threads wait for each other within a product, however
//! long one of them is without a core. faer adds up along the inner axis in an order that depends on its length alone, so that
//! the values are those of a product that is not cut, bit for bit.

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::{PARTS, for_each_in_parts, team};

/// Products of fewer multiplications are left to one thread.
const PARALLEL: usize = 1 << 21;
/// A thread's part of a product has no more multiplications, if it can be helped: a tenth of a millisecond of work, so that the
/// threads end at about the same time.
const PART: usize = 1 << 23;
/// Columns that faer packs together, with the widest vectors: a cut elsewhere makes it pack some twice.
const PANEL: usize = 96;
/// The least rows of a tile. Neither it nor half a panel is so little that faer would go about it in another way.
const ROWS: usize = 16;

/// a b
pub(super) fn product(a: MatRef<'_, f32>, b: MatRef<'_, f32>) -> Vec<f32> {
    let mut values = vec![0.0; a.nrows() * b.ncols()];
    accumulate(&mut values, Accum::Replace, a, b);
    values
}

/// Adds a b to the values, or puts it in their place.
pub(super) fn accumulate(
    values: &mut [f32],
    accumulation: Accum,
    a: MatRef<'_, f32>,
    b: MatRef<'_, f32>,
) {
    let (rows, columns) = (a.nrows(), b.ncols());
    let target = MatMut::from_row_major_slice_mut(values, rows, columns);
    let [height, width] = tile(rows, columns, parts(rows * a.ncols() * columns));
    let strips = cut(target, rows, height, ROWS, MatMut::split_at_row_mut);
    let tiles = strips.into_iter().flat_map(|(row, strip)| {
        let tiles = cut(strip, columns, width, PANEL / 2, MatMut::split_at_col_mut);
        let places = tiles.into_iter();
        places.map(move |(column, values)| (row, column, values))
    });
    let tiles: Vec<_> = tiles.collect();
    for_each_in_parts(
        tiles.into_par_iter(),
        usize::MAX,
        |(row, column, values)| {
            let a = a.subrows(row, values.nrows());
            let b = b.subcols(column, values.ncols());
            matmul(values, accumulation, a, b, 1.0, Par::Seq);
        },
    );
}

/// a b, which is known to be symmetric: half of it is worked out.
pub(super) fn symmetric_product(a: MatRef<'_, f32>, b: MatRef<'_, f32>) -> Vec<f32> {
    let size = a.nrows();
    let mut values = vec![0.0; size * size];
    let target = MatMut::from_row_major_slice_mut(&mut values, size, size);
    let side = match parts(size * a.ncols() * size / 2) {
        1 => size,
        _ => PANEL,
    };
    let strips = cut(target, size, side, ROWS, MatMut::split_at_row_mut);
    let tiles = strips.into_iter().flat_map(|(row, strip)| {
        let end = row + strip.nrows();
        let (rest, diagonal) = strip.subcols_mut(0, end).split_at_col_mut(row);
        let tiles = cut(rest, row, side, ROWS, MatMut::split_at_col_mut);
        let tiles = tiles.into_iter().chain([(row, diagonal)]);
        tiles.map(move |(column, values)| (row, column, values))
    });
    let tiles: Vec<_> = tiles.collect();
    for_each_in_parts(
        tiles.into_par_iter(),
        usize::MAX,
        |(row, column, values)| {
            let a = a.subrows(row, values.nrows());
            let b = b.subcols(column, values.ncols());
            if row != column {
                return matmul(values, Accum::Replace, a, b, 1.0, Par::Seq);
            }
            let (lower, whole) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
            triangular::matmul(
                values,
                lower,
                Accum::Replace,
                a,
                whole,
                b,
                whole,
                1.0,
                Par::Seq,
            );
        },
    );
    for row in 0..size {
        for column in row + 1..size {
            values[row * size + column] = values[column * size + row];
        }
    }
    values
}

/// The parts to cut a product of so many multiplications into.
fn parts(multiplications: usize) -> usize {
    match (multiplications < PARALLEL, team::threads()) {
        (true, _) | (_, 1) => 1,
        (false, threads) => (PARTS * threads).max(multiplications / PART),
    }
}

/// The height and width of tiles, of which there are about so many parts or more.
fn tile(rows: usize, columns: usize, parts: usize) -> [usize; 2] {
    let panels = columns.div_ceil(PANEL).max(1);
    let together = (panels / parts).max(1);
    let down = parts.div_ceil(panels.div_ceil(together));
    [rows.div_ceil(down).max(ROWS), PANEL * together]
}

/// Cuts a matrix along an axis of some length into pieces of one size, each with the place where it begins. The last one has
/// what is left, and more than the others where less than `least` would be.
fn cut<'a>(
    mut matrix: MatMut<'a, f32>,
    length: usize,
    size: usize,
    least: usize,
    split: impl Fn(MatMut<'a, f32>, usize) -> (MatMut<'a, f32>, MatMut<'a, f32>),
) -> Vec<(usize, MatMut<'a, f32>)> {
    let mut pieces = Vec::new();
    let mut start = 0;
    while length - start >= size + least {
        let (piece, rest) = split(matrix, size);
        pieces.push((start, piece));
        matrix = rest;
        start += size;
    }
    if start < length {
        pieces.push((start, matrix));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize, step: f32) -> Vec<f32> {
        (0..count)
            .map(|place| (place as f32 * step).sin())
            .collect()
    }

    /// What the work gives on so many threads.
    fn on<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("threads").install(work)
    }

    #[test]
    fn products_in_tiles_are_those_in_one_piece_bit_for_bit() {
        for [rows, inner, columns] in [
            [128, 784, 400],
            [784, 128, 400],
            [100, 1000, 785],
            [33, 700, 97],
            [1, 3000, 1000],
            [1000, 3000, 1],
            [17, 520, 2000],
        ] {
            let (a, b) = (values(rows * inner, 0.7), values(inner * columns, 1.3));
            for transposed in [false, true] {
                let a = match transposed {
                    false => MatRef::from_row_major_slice(&a, rows, inner),
                    true => MatRef::from_column_major_slice(&a, rows, inner),
                };
                let b = match transposed {
                    false => MatRef::from_row_major_slice(&b, inner, columns),
                    true => MatRef::from_column_major_slice(&b, inner, columns),
                };
                let expected = on(1, || product(a, b));
                assert!(
                    on(2, || product(a, b)) == expected,
                    "{rows} {inner} {columns}"
                );
                let sums = || {
                    let mut sums = vec![1.0; rows * columns];
                    accumulate(&mut sums, Accum::Add, a, b);
                    sums
                };
                assert!(on(2, sums) == on(1, sums), "{rows} {inner} {columns}");
            }
        }
    }

    #[test]
    fn symmetric_products_in_tiles_are_those_in_one_piece_bit_for_bit() {
        for [size, inner] in [[512, 700], [97, 3000], [200, 200], [15, 20000]] {
            let a = values(size * inner, 0.7);
            let a = MatRef::from_row_major_slice(&a, size, inner);
            let expected = on(1, || symmetric_product(a, a.transpose()));
            assert!(
                on(2, || symmetric_product(a, a.transpose())) == expected,
                "{size} {inner}"
            );
        }
    }
}
