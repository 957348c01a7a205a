//! Linear layers and matrix products.

use burn::tensor::ops::FloatTensor;
use faer::{Accum, MatRef};

use super::backend::Cpu;
use super::matrix::{Matrix, column_sums};
use super::operation::Operation;
use super::product::{accumulate, product};

/// See [`crate::linear`] and [`crate::tied_linear`]: x, the weight and the bias.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Linear {
    pub(crate) is_tied: bool,
}

impl Operation<3> for Linear {
    /// x and the weight.
    type State<C: Cpu> = [Matrix<C>; 2];

    fn forward<C: Cpu>(
        self,
        [x, weight, bias]: [FloatTensor<C>; 3],
    ) -> (FloatTensor<C>, Self::State<C>) {
        let (x, weight) = (Matrix::<C>::new(x), Matrix::<C>::new(weight));
        let factor = match self.is_tied {
            true => weight.view().transpose(),
            false => weight.view(),
        };
        let (rows, columns) = (x.view().nrows(), factor.ncols());
        let mut values = C::values(&C::contiguous(bias)).repeat(rows);
        accumulate(&mut values, Accum::Add, x.view(), factor);
        (C::from_values(values, [rows, columns]), [x, weight])
    }

    fn backward<C: Cpu>(
        self,
        [x, weight]: Self::State<C>,
        outer: FloatTensor<C>,
        [of_x, of_weight, of_bias]: [bool; 3],
    ) -> [Option<FloatTensor<C>>; 3] {
        let outer = Matrix::<C>::new(outer);
        let bias = of_bias.then(|| {
            let columns = outer.view().ncols();
            let rows = outer.clone().into_rows();
            C::from_values(column_sums(C::values(&rows), columns), [columns])
        });
        let (x, weight, outer) = (x.view(), weight.view(), outer.view());
        let of_weight = of_weight.then(|| match self.is_tied {
            true => matrix_product::<C>(outer.transpose(), x),
            false => matrix_product::<C>(x.transpose(), outer),
        });
        let of_x = of_x.then(|| match self.is_tied {
            true => matrix_product::<C>(outer, weight),
            false => matrix_product::<C>(outer, weight.transpose()),
        });
        [of_x, of_weight, bias]
    }
}

/// See [`crate::product`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Product;

impl Operation<2> for Product {
    /// The factors.
    type State<C: Cpu> = [Matrix<C>; 2];

    fn forward<C: Cpu>(self, factors: [FloatTensor<C>; 2]) -> (FloatTensor<C>, Self::State<C>) {
        let factors = factors.map(Matrix::<C>::new);
        let value = matrix_product::<C>(factors[0].view(), factors[1].view());
        (value, factors)
    }

    fn backward<C: Cpu>(
        self,
        [a, b]: Self::State<C>,
        outer: FloatTensor<C>,
        [of_a, of_b]: [bool; 2],
    ) -> [Option<FloatTensor<C>>; 2] {
        let outer = Matrix::<C>::new(outer);
        let (a, b, outer) = (a.view(), b.view(), outer.view());
        [
            of_a.then(|| matrix_product::<C>(outer, b.transpose())),
            of_b.then(|| matrix_product::<C>(a.transpose(), outer)),
        ]
    }
}

fn matrix_product<C: Cpu>(a: MatRef<'_, f32>, b: MatRef<'_, f32>) -> FloatTensor<C> {
    C::from_values(product(a, b), [a.nrows(), b.ncols()])
}
